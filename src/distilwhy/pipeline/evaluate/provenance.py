"""What a study ran on."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

_NAMED = ("distilwhy", "torch", "transformers", "accelerate", "tokenizers", "numpy", "scipy")


def describe_machine() -> tuple[str, str]:
    """The machine in words, and the time, as ISO 8601 in UTC."""
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
    return "; ".join(parts), datetime.now(UTC).isoformat(timespec="seconds")


def read_versions() -> dict[str, str]:
    """The versions of Python and of the libraries that decide what comes out."""
    found = {"Python": platform.python_version()}
    for name in _NAMED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
