"""Runs a shipped task with the scripted teacher."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Literal

import yaml

from distilwhy.core.results import Results
from distilwhy.demo import korean
from distilwhy.demo.arithmetic import WordProblem, generate_problems
from distilwhy.demo.helpdesk import Ticket, generate_tickets
from distilwhy.demo.scripted import ScriptedTeacher
from distilwhy.errors import ConfigError
from distilwhy.pipeline.experiment import Experiment, open_experiment
from distilwhy.pipeline.run import Watch, run
from distilwhy.store.files import publish_jsonl, publish_text

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
    "word-shuffled-rationales",
    "keyword-rationales",
]
METHODS_FOR_LABELS = ["same-label-rationales"]
SEEDS_COMPARED = [0, 1, 2, 3, 4]
EXAMPLE_PRICES = {
    "currency": "USD (example prices)",
    "input": 2.5,
    "output": 10.0,
    "machine_hour": 0.3,
}
# An agreement that 200 validation rows can show.
TARGET = 0.9
SIZES_COMPARED = [0.25, 0.5, 1.0]

Variant = Literal["short", "full", "study"]


@dataclass(frozen=True)
class DemoTask:
    """A shipped task: the number of rows of each split, their generator, how to train, and the
    methods of ``full``."""

    rows: dict[str, int]
    generate: Callable[[int, int], Sequence[Ticket | WordProblem]]
    training: dict[str, object]
    compared: Sequence[str] = (*METHODS_COMPARED, *METHODS_FOR_LABELS)


TASKS = {
    "helpdesk": DemoTask(
        {"train": 1000, "validation": 200, "test": 1000},
        generate_tickets,
        {"steps": 800, "batch_size": 32, "lr": 1e-3, "rationale_weight": 3.0},
    ),
    "arithmetic": DemoTask(
        {"train": 1000, "validation": 200, "test": 500},
        generate_problems,
        {"steps": 800, "batch_size": 32, "lr": 1e-3},
        METHODS_COMPARED,
    ),
    "korean": DemoTask(
        {"train": 1000, "validation": 200, "test": 1000},
        korean.generate_tickets,
        {"steps": 400, "batch_size": 32, "lr": 1e-3},
    ),
}

_HEADING = """\
# A shipped task. Its teacher is scripted; it uses no language model.
# `python -m distilwhy.demo.scripted --port 8399` serves it. It costs nothing: the prices are
# examples, which show what a hosted model would have cost.
"""


def run_demo(
    out: Path,
    *,
    task: str,
    variant: Variant,
    workers: int | None,
    say: Callable[[str], None],
    watch: Watch,
) -> tuple[Results, Experiment]:
    """Write a shipped experiment into ``out`` and run what is missing of it.

    Args:
        variant: ``short`` is three methods with one seed, ``full`` every method and control with
            five, ``study`` three methods with five seeds on several numbers of rows. All share the
            teacher's answers.
        workers: How many students to train side by side; by default as many as the machine allows.

    Raises:
        ConfigError: If there is no such task.
        DistilwhyError: If a stage fails; what was done before is kept.
    """
    file = write_experiment(out, task, variant)
    with ScriptedTeacher() as teacher:
        say(f"The scripted teacher (not a language model) is at {teacher.base_url}")
        experiment = open_experiment(file, base_url=teacher.base_url)
        results = run(experiment, watch, workers=workers, study=variant == "study")
        assert results is not None, "the shipped tasks have test rows"
    return results, experiment


def write_experiment(out: Path, task: str, variant: Variant = "short") -> Path:
    """Write the rows, the task and the experiment file into ``out``; return the experiment file.

    Raises:
        ConfigError: If there is no such task, or the folder holds other files.
    """
    if task not in TASKS:
        raise ConfigError(f"there is no shipped task {task!r}; use one of {', '.join(TASKS)}")
    shipped = TASKS[task]
    _check_own(out)
    # First: it marks the folder as one of a demo, also if this is killed.
    file = out / ("experiment.yaml" if variant == "short" else f"{variant}.yaml")
    content = yaml.safe_dump(_experiment(task, shipped, variant), sort_keys=False)
    publish_text(file, _HEADING + content)
    rows = map(asdict, shipped.generate(sum(shipped.rows.values()), SEED))
    for split, count in shipped.rows.items():
        publish_jsonl(out / f"{split}.jsonl", islice(rows, count))
    definition = files("distilwhy.demo").joinpath(f"{task}.yaml").read_text(encoding="utf-8")
    publish_text(out / f"{task}.yaml", definition)
    return file


def _check_own(out: Path) -> None:
    """Refuse a folder that holds files, and none of an earlier demo."""
    if not out.exists():
        return
    files = [out / name for name in ("experiment.yaml", "full.yaml", "study.yaml")]
    if not out.is_dir() or any(file.is_file() and not _is_own(file) for file in files):
        raise ConfigError(f"{out}: holds files that the demo would overwrite; name a new folder")
    if any(out.iterdir()) and not any(map(_is_own, files)):
        raise ConfigError(f"{out}: is not empty; name a new folder, so that nothing is lost")


def _is_own(file: Path) -> bool:
    try:
        return "model: scripted-teacher" in file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def _experiment(task: str, shipped: DemoTask, variant: Variant) -> dict[str, object]:
    study = {"study": {"train_rows": SIZES_COMPARED}} if variant == "study" else {}
    return {
        "task": f"{task}.yaml",
        "data": {split: f"{split}.jsonl" for split in shipped.rows},
        "teacher": {
            "kind": "chat",
            "base_url": "http://127.0.0.1:8399/v1",
            "model": "scripted-teacher",
            "concurrency": 32,
            "structured": False,
        },
        "student": {
            "model": "scratch",
            "scratch": {"width": 128, "layers": 2, "heads": 4, "feedforward": 256},
        },
        "training": shipped.training,
        "prices": EXAMPLE_PRICES,
        "deploy": {"target": TARGET},
        **study,
        "methods": list(shipped.compared) if variant == "full" else METHODS_SHOWN,
        "seeds": [0] if variant == "short" else SEEDS_COMPARED,
        "out": "run",
    }
