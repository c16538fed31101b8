"""Answers looked at before the others are paid for, and before anything is trained on them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from distilwhy.config import GateConfig
from distilwhy.core.parsing.completion import Annotation
from distilwhy.core.task import Example
from distilwhy.errors import TeacherError
from distilwhy.pipeline.annotate.annotations import Annotations
from distilwhy.pipeline.annotate.calls import CallBuilder
from distilwhy.pipeline.annotate.records import join_answers, read_answers
from distilwhy.store.ledger import Ledger

SHOWN = 3


@dataclass(frozen=True)
class Sample:
    """What a teacher answered to a few rows that are spread over all of them.

    Attributes:
        answered: How many answers there are.
        read: How many of them can be read.
        known: How many of the readable ones have a gold label that the teacher was not shown.
        right: How many of those are right.
        labels: The labels that were read, with how often.
        shown: Some of them whole.
        problem: What kept one from being read; "" where all can be.
        saw_gold: How many rows the teacher was shown the gold label of.
    """

    answered: int
    read: int
    known: int
    right: int
    labels: dict[str, int]
    shown: list[Annotation]
    problem: str = ""
    saw_gold: int = 0


def look_at(calls: CallBuilder, ledger: Ledger, rows: Sequence[Example]) -> Sample:
    """Read what was answered to some rows."""
    answers = read_answers(calls, ledger, rows)
    joined = [join_answers(calls, *pair) for pair in zip(rows, answers, strict=True)]
    annotations = [a for a in joined if a and a.outcome != "failed"]
    read = [a for a in annotations if a.outcome == "ok"]
    gold = {example.id: example.gold for example in rows if example.gold is not None}
    known = [a for a in read if a.example_id in gold and not a.saw_gold]
    return Sample(
        answered=len(annotations),
        read=len(read),
        known=len(known),
        right=sum(calls.task.answer.same(a.label, gold[a.example_id]) for a in known),
        labels=dict(Counter(a.label or "" for a in read).most_common()),
        shown=[a for a in read if a.rationale][:SHOWN],
        problem=next((a.problem for a in annotations if a.outcome != "ok"), ""),
        saw_gold=sum(a.saw_gold for a in annotations),
    )


def check(sample: Sample, gate: GateConfig) -> None:
    """Let pass what is good enough.

    Raises:
        TeacherError: if too few can be read, or too few are right.
    """
    if sample.read < gate.readable * sample.answered:
        raise TeacherError(
            f"only {sample.read} of the first {sample.answered} answers can be read (one is not "
            f"because {sample.problem}), so no more are asked for; mend the prompt or the answer "
            "kind, or lower teacher.gate.readable"
        )
    if sample.right < gate.accuracy * sample.known:
        raise TeacherError(
            f"only {sample.right} of the first {sample.known} answers with a gold label are "
            "right, so no more are asked for; mend the prompt, ask a better teacher, or lower "
            "teacher.gate.accuracy"
        )


def refuse_unreadable(annotations: Annotations) -> None:
    """Stop before training when more than half of what the teacher said cannot be read.

    Raises:
        TeacherError: with the commonest outcome and a row that has it.
    """
    outcomes: Counter[str] = Counter()
    unread: dict[str, Annotation] = {}
    for annotation in annotations.values():
        outcomes[annotation.outcome] += 1
        if annotation.outcome != "ok":
            unread.setdefault(annotation.outcome, annotation)
    read = outcomes.pop("ok", 0)
    if outcomes.total() > read:
        [(commonest, _)] = outcomes.most_common(1)
        worst = unread[commonest]
        raise TeacherError(
            f"{outcomes.total()} of {outcomes.total() + read} answers cannot be read, so nothing "
            "is trained; "
            f"row {worst.example_id!r} is {worst.outcome}: {worst.problem}; "
            "mend the prompt or the answer kind, or ask a better teacher"
        )
