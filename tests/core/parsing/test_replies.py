"""Replies in the styles of many models, with the label and the rationale that a person reads."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from distilwhy.core.parsing.answer import Answer
from distilwhy.core.parsing.completion import Completion
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.task import Example, RowFormat, Task

REPLIES = Path(__file__).parents[2] / "data/replies.jsonl"
STOP = ("\n\nQ:",)


ROWS = [json.loads(line) for line in REPLIES.read_text(encoding="utf-8").splitlines()]


def judge(row: dict[str, Any], shape: str = "{}") -> str:
    """``right``, ``unread``, or ``wrong``: a label where there is another, or none."""
    reply = shape.replace("{}", row["reply"])
    answer = Answer(row["kind"], tuple(row.get("labels", ())))
    example = Example("7", row["question"], tuple(row.get("options", ())))
    task = Task("", RowFormat(row["template"]), answer)
    label = parse_completion(task, example, Completion(reply), STOP).label
    if label is None:
        return "right" if row["label"] is None else "unread"
    return "right" if answer.same(label, row["label"]) else "wrong"


def test_replies_are_read_as_a_person_reads_them():
    verdicts = [judge(row) for row in ROWS]
    counts = Counter(verdicts)
    missed = [
        f"{verdict}: {row['style']}: {row['reply'][-90:]!r} is {row['label']!r}"
        for row, verdict in zip(ROWS, verdicts, strict=True)
        if verdict != "right"
    ]
    assert counts["wrong"] <= 0.01 * len(ROWS), "\n".join(missed)
    assert counts["right"] >= 0.95 * len(ROWS), "\n".join(missed)


@pytest.mark.parametrize(
    "shape",
    [
        "Sure! Here's my answer:\n\n{}",
        "Of course!\n\n{}",
        "## Analysis\n\n{}",
        "### Response:\n{}",
        "### Response: {}",
        "<think>\nmaybe it is another\n</think>\n\n{}",
        "{}\n\nI hope this helps!",
        "{}\n\nLet me know if you want more detail.",
        "{}<|im_end|>\n<|im_start|>user\nThanks",
    ],
)
def test_what_is_said_around_a_reply_leaves_its_answer(shape: str) -> None:
    rows = [row for row in ROWS[::5] if judge(row) == "right"]
    counts = Counter(judge(row, shape) for row in rows)
    assert counts["wrong"] == 0
    assert counts["unread"] <= 0.01 * len(rows)


@pytest.mark.parametrize(("old", "new"), [("\n", "\r\n"), ("\n", "  \n"), (" ", "\xa0")])
def test_other_blanks_leave_the_answer_of_a_reply(old: str, new: str) -> None:
    rows = [row for row in ROWS[::5] if judge(row) == "right"]
    changed = [row | {"reply": row["reply"].replace(old, new)} for row in rows]
    assert {judge(row) for row in changed} == {"right"}


def test_a_quoted_reply_is_read_as_the_reply() -> None:
    rows = [row for row in ROWS[::5] if judge(row) == "right"]
    quoted = [row | {"reply": "> " + row["reply"].replace("\n", "\n> ")} for row in rows]
    counts = Counter(judge(row) for row in quoted)
    assert counts["wrong"] == 0
    assert counts["unread"] <= 0.02 * len(rows)
