"""The shipped help-desk task, cut down for tests."""

from dataclasses import asdict
from pathlib import Path

import yaml

from distilwhy.demo.helpdesk import generate_tickets
from distilwhy.store.files import publish_jsonl, publish_text

TASK = Path(__file__).parent.parent / "src/distilwhy/demo/helpdesk.yaml"


def write_routing(
    folder: Path, rows: dict[str, int], teacher: dict[str, object], **settings: object
) -> Path:
    """Write rows of each split and ``experiment.yaml``, which is given."""
    tickets, start = generate_tickets(sum(rows.values()), seed=5), 0
    for split, count in rows.items():
        publish_jsonl(folder / f"{split}.jsonl", map(asdict, tickets[start : start + count]))
        start += count
    experiment = {
        "task": str(TASK),
        "data": {split: f"{split}.jsonl" for split in rows},
        "teacher": {"kind": "chat", "model": "scripted-teacher", **teacher},
        "methods": ["finetune", "step-by-step"],
        "out": "run",
        **settings,
    }
    publish_text(folder / "experiment.yaml", yaml.safe_dump(experiment))
    return folder / "experiment.yaml"
