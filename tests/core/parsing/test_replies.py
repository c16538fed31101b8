"""Replies in the styles of many models, with the label and the rationale that a person reads."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from distilwhy.core.parsing.answer import Answer
from distilwhy.core.parsing.completion import Completion
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.task import Example, RowFormat, Task

REPLIES = Path(__file__).parents[2] / "data/replies.jsonl"
STOP = ("\n\nQ:",)


def judge(row: dict[str, Any]) -> str:
    """``right``, ``unread``, or ``wrong``: a label where there is another, or none."""
    answer = Answer(row["kind"], tuple(row.get("labels", ())))
    example = Example("7", row["question"], tuple(row.get("options", ())))
    task = Task("", RowFormat(row["template"]), answer)
    label = parse_completion(task, example, Completion(row["reply"]), STOP).label
    if label is None:
        return "right" if row["label"] is None else "unread"
    return "right" if answer.same(label, row["label"]) else "wrong"


def test_replies_are_read_as_a_person_reads_them():
    rows = [json.loads(line) for line in REPLIES.read_text(encoding="utf-8").splitlines()]
    verdicts = [judge(row) for row in rows]
    counts = Counter(verdicts)
    missed = [
        f"{verdict}: {row['style']}: {row['reply'][-90:]!r} is {row['label']!r}"
        for row, verdict in zip(rows, verdicts, strict=True)
        if verdict != "right"
    ]
    assert counts["wrong"] <= 0.01 * len(rows), "\n".join(missed)
    assert counts["right"] >= 0.95 * len(rows), "\n".join(missed)
