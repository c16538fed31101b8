"""The shipped job: rows are generated, a scripted teacher is asked, students are trained."""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import yaml

from distilwhy.core.method import METHODS
from distilwhy.demo.helpdesk import Ticket, generate_tickets
from distilwhy.demo.scripted import ScriptedTeacher
from distilwhy.flows.evaluate import Scores
from distilwhy.flows.experiment import Experiment, open_experiment
from distilwhy.flows.run import Watch, run
from distilwhy.store.run import publish_jsonl, publish_text

SEED = 7
ROWS = {"train": 1000, "validation": 200, "test": 500}
STEPS, FULL_SEEDS = 600, [0, 1, 2, 3, 4]
FULL_METHODS = [*METHODS]

_HEADING = """\
# The shipped task: which team of a help desk handles a message.
# The teacher is scripted: `python -m distilwhy.demo.scripted --port 8399` serves it.
"""


def run_demo(
    out: Path, *, full: bool, say: Callable[[str], None], watch: Watch
) -> tuple[Scores, Experiment]:
    """Write the shipped experiment into ``out`` and run it, doing only what is not yet done.

    Args:
        full: Every method and control with five seeds, on the same answers of the teacher.

    Raises:
        DistilwhyError: whatever stops the job; what was done until then is kept.
    """
    file = write_job(out, full=full)
    with ScriptedTeacher() as teacher:
        say(f"A scripted teacher (no language model) answers at {teacher.base_url}")
        experiment = open_experiment(file, base_url=teacher.base_url)
        scores = run(experiment, watch)
    return scores, experiment


def write_job(out: Path, *, full: bool = False) -> Path:
    """Write rows, task and experiment file into ``out``; give the experiment file."""
    tickets = generate_tickets(sum(ROWS.values()), SEED)
    start = 0
    for split, count in ROWS.items():
        publish_jsonl(out / f"{split}.jsonl", map(_row, tickets[start : start + count]))
        start += count
    publish_text(
        out / "helpdesk.yaml", files("distilwhy.demo").joinpath("helpdesk.yaml").read_text()
    )
    name = "full" if full else "experiment"
    text = _HEADING + yaml.safe_dump(_experiment(full=full), sort_keys=False)
    publish_text(out / f"{name}.yaml", text)
    return out / f"{name}.yaml"


def _row(ticket: Ticket) -> dict[str, object]:
    return {"id": ticket.id, "message": ticket.message, "team": ticket.team}


def _experiment(*, full: bool) -> dict[str, object]:
    return {
        "task": "helpdesk.yaml",
        "data": {split: f"{split}.jsonl" for split in ROWS},
        "teacher": {
            "kind": "chat",
            "base_url": "http://127.0.0.1:8399/v1",
            "model": "scripted-teacher",
            "concurrency": 32,
        },
        "student": {
            "model": "scratch",
            "scratch": {"width": 128, "layers": 3, "heads": 4, "feedforward": 256},
            "max_rationale_tokens": 96,
        },
        "training": {"steps": STEPS, "batch_size": 32, "learning_rate": 1e-3},
        "methods": FULL_METHODS if full else ["finetune", "label-distill", "step-by-step"],
        "seeds": FULL_SEEDS if full else [0],
        "out": "run",
    }
