"""Where the results of a study come from: data, settings, versions, machine."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from distilwhy.core.persisted import fields_of
from distilwhy.core.results import Provenance
from distilwhy.core.splits import SPLITS
from distilwhy.pipeline.annotate.annotations import Annotations
from distilwhy.pipeline.experiment import Experiment
from distilwhy.pipeline.fingerprint import hash_json

_LIBRARIES = ("distilwhy", "torch", "transformers", "accelerate", "tokenizers", "numpy", "scipy")


def describe_provenance(experiment: Experiment, annotations: Annotations) -> Provenance:
    """What a study used, as it is now."""
    splits = {name: experiment.splits.named(name) for name in SPLITS}
    hashes = {name: hash_json(list(rows)) for name, rows in splits.items() if rows}
    hashes["annotations"] = hash_json({i: fields_of(a) for i, a in annotations.items()})
    return Provenance(
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=_describe_machine(),
        versions=_read_versions(),
        rows={name: len(rows) for name, rows in splits.items()},
        hashes=hashes,
        prompt=annotations.prompt,
        settings=experiment.resolved(),
    )


def _describe_machine() -> str:
    """Cores, memory, GPUs and operating system, in words."""
    import psutil
    import torch

    memory = psutil.virtual_memory().total / 2**30
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    parts = [
        f"{os.cpu_count()} CPU cores",
        f"{memory:.0f} GiB of memory",
        ", ".join(gpus) or "no GPU",
        f"{platform.system()} on {platform.machine()}",
    ]
    return "; ".join(parts)


def _read_versions() -> dict[str, str]:
    """The versions of Python and of the libraries that results depend on."""
    found = {"Python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
