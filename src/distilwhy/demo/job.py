"""The shipped job: rows are generated, a scripted teacher is asked, students are trained."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Literal

import yaml

from distilwhy.core.results import Results
from distilwhy.demo.arithmetic import generate_problems
from distilwhy.demo.helpdesk import generate_tickets
from distilwhy.demo.scripted import ScriptedTeacher
from distilwhy.errors import ConfigError
from distilwhy.pipeline.experiment import Experiment, open_experiment
from distilwhy.pipeline.run import Watch, run
from distilwhy.store.run import publish_jsonl, publish_text

SEED = 7
METHODS_SHOWN = ["finetune", "label-distill", "step-by-step"]
METHODS_COMPARED = [
    *METHODS_SHOWN,
    "step-by-step-gold",
    "rationale-input",
    "rationale-then-label",
    "label-then-rationale",
    "blank-rationales",
    "shuffled-rationales",
]
SEEDS_COMPARED = [0, 1, 2, 3, 4]
SIZES_COMPARED = [0.25, 0.5, 1.0]

Extent = Literal["short", "full", "study"]


@dataclass(frozen=True)
class Job:
    """A shipped task: how many rows of each split, how a row reads, how students are trained."""

    rows: dict[str, int]
    write: Callable[[int], list[dict[str, object]]]
    training: dict[str, object]


def _tickets(count: int) -> list[dict[str, object]]:
    return [asdict(ticket) for ticket in generate_tickets(count, SEED)]


def _problems(count: int) -> list[dict[str, object]]:
    return [asdict(problem) for problem in generate_problems(count, SEED)]


JOBS = {
    "helpdesk": Job(
        {"train": 1000, "validation": 200, "test": 1000},
        _tickets,
        {"steps": 800, "batch_size": 32, "lr": 1e-3, "rationale_weight": 3.0},
    ),
    "arithmetic": Job(
        {"train": 1000, "validation": 200, "test": 500},
        _problems,
        {"steps": 800, "batch_size": 32, "lr": 1e-3},
    ),
}

_HEADING = """\
# A shipped task. Its teacher is scripted, and no language model:
# `python -m distilwhy.demo.scripted --port 8399` serves it.
"""


def run_demo(
    out: Path,
    *,
    task: str,
    extent: Extent,
    workers: int | None,
    say: Callable[[str], None],
    watch: Watch,
) -> tuple[Results, Experiment]:
    """Write a shipped experiment into ``out`` and run it, doing only what is not yet done.

    Args:
        task: One of ``JOBS``.
        extent: Three methods with one seed; every method and control with five; or three methods
            with five on several numbers of rows. All on the same answers of the teacher.
        workers: How many students to train side by side; by default what the machine allows.

    Raises:
        DistilwhyError: whatever stops the job; what was done until then is kept.
    """
    file = write_job(out, task, extent)
    with ScriptedTeacher() as teacher:
        say(f"A scripted teacher (no language model) answers at {teacher.base_url}")
        experiment = open_experiment(file, base_url=teacher.base_url)
        results = run(experiment, watch, workers=workers, study=extent == "study")
        assert results is not None, "the shipped tasks have test rows"
    return results, experiment


def write_job(out: Path, task: str, extent: Extent = "short") -> Path:
    """Write rows, task and experiment file into ``out``; give the experiment file.

    Raises:
        ConfigError: if there is no such task.
    """
    if task not in JOBS:
        raise ConfigError(f"there is no shipped task {task!r}; it is one of {', '.join(JOBS)}")
    job = JOBS[task]
    rows = iter(job.write(sum(job.rows.values())))
    for split, count in job.rows.items():
        publish_jsonl(out / f"{split}.jsonl", islice(rows, count))
    wording = files("distilwhy.demo").joinpath(f"{task}.yaml").read_text(encoding="utf-8")
    publish_text(out / f"{task}.yaml", wording)
    file = out / ("experiment.yaml" if extent == "short" else f"{extent}.yaml")
    content = yaml.safe_dump(_experiment(task, job, extent), sort_keys=False)
    publish_text(file, _HEADING + content)
    return file


def _experiment(task: str, job: Job, extent: Extent) -> dict[str, object]:
    study = {"study": {"train_rows": SIZES_COMPARED}} if extent == "study" else {}
    return {
        "task": f"{task}.yaml",
        "data": {split: f"{split}.jsonl" for split in job.rows},
        "teacher": {
            "kind": "chat",
            "base_url": "http://127.0.0.1:8399/v1",
            "model": "scripted-teacher",
            "concurrency": 32,
        },
        "student": {
            "model": "scratch",
            "scratch": {"width": 128, "layers": 2, "heads": 4, "feedforward": 256},
        },
        "training": job.training,
        **study,
        "methods": METHODS_COMPARED if extent == "full" else METHODS_SHOWN,
        "seeds": [0] if extent == "short" else SEEDS_COMPARED,
        "out": "run",
    }
