"""Checks answers: a few before the others are paid for, and all before they are trained on."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from distilwhy.config import GateConfig
from distilwhy.core.parsing.completion import Annotation
from distilwhy.core.task import Example
from distilwhy.core.wording import counted
from distilwhy.errors import TeacherError
from distilwhy.pipeline.annotate.annotations import Annotations
from distilwhy.pipeline.annotate.calls import CallBuilder
from distilwhy.pipeline.annotate.records import AnsweredCall, join_answers, read_answers
from distilwhy.store.ledger import Ledger

SHOWN = 3
LONGEST_REPLY = 240
_READ = ("ok", "failed")


@dataclass(frozen=True)
class AnswerSample:
    """The answers to a few rows, spread over all.

    Attributes:
        with_gold: How many of the parsed have a gold label that the teacher was not shown.
        correct: How many of those agree with gold.
        labels: How often each label was given, the commonest first.
        shown: Some of the answers, to look at.
        unparsed: One that could not be parsed, with its problem; "" if all were. So ``wrong``,
            which has another label than the gold one.
        saw_gold: For how many rows the teacher was shown the gold label.
    """

    answered: int
    parsed: int
    with_gold: int
    correct: int
    labels: dict[str, int]
    shown: list[Annotation]
    unparsed: str = ""
    wrong: str = ""
    saw_gold: int = 0


def read_sample(calls: CallBuilder, ledger: Ledger, rows: Sequence[Example]) -> AnswerSample:
    """Parse the answers to some rows. Failed calls are left out."""
    answers = read_answers(calls, ledger, rows)
    joined = [join_answers(calls, *pair) for pair in zip(rows, answers, strict=True)]
    annotations = [a for a in joined if a and a.outcome != "failed"]
    problems = (answers[i][0] for i, a in enumerate(joined) if a and a.outcome not in _READ)
    parsed = [a for a in annotations if a.outcome == "ok"]
    gold = {example.id: example.gold for example in rows if example.gold is not None}
    with_gold = [a for a in parsed if a.example_id in gold and not a.saw_gold]
    wrong = [a for a in with_gold if not calls.task.answer.same(a.label, gold[a.example_id])]
    return AnswerSample(
        answered=len(annotations),
        parsed=len(parsed),
        with_gold=len(with_gold),
        correct=len(with_gold) - len(wrong),
        labels=dict(Counter(a.label or "" for a in parsed).most_common()),
        shown=[a for a in parsed if a.rationale][:SHOWN],
        unparsed=next(map(_describe_unparsed, problems), ""),
        wrong=next((_describe_wrong(a, gold[a.example_id]) for a in wrong), ""),
        saw_gold=sum(a.saw_gold for a in annotations),
    )


def _describe_unparsed(answer: AnsweredCall) -> str:
    found, text = answer.annotation, " ".join(answer.entry.completion.text.split())
    if len(text) > LONGEST_REPLY:
        # An answer is stated at the beginning or at the end.
        text = f"{text[: LONGEST_REPLY // 2]} … {text[-LONGEST_REPLY // 2 :]}"
    reply = f"the reply {text!r}" if text else "an empty reply"
    return f"row {found.example_id!r} is {found.outcome} ({found.problem}), with {reply}"


def _describe_wrong(found: Annotation, gold: str) -> str:
    return f"row {found.example_id!r} has the gold label {gold!r} and the answer {found.label!r}"


def check_sample(sample: AnswerSample, gate: GateConfig, file: Path) -> None:
    """Raise a TeacherError if too few answers could be parsed, or too few are correct, to pay for
    the rest. It shows one, and names the command that lists those of the experiment ``file``."""
    if sample.parsed < gate.readable * sample.answered:
        raise TeacherError(
            f"only {sample.parsed} of the first {counted(sample.answered, 'answer')} could be "
            f"parsed, so no more calls are made; for example, {sample.unparsed}; look at all with "
            f"'distilwhy annotations {file} --problem any', then correct the prompt or the answer "
            "kind, or lower teacher.gate.readable"
        )
    if sample.correct < gate.accuracy * sample.with_gold:
        raise TeacherError(
            f"only {sample.correct} of the first {counted(sample.with_gold, 'answer')} with a gold "
            f"label are correct, so no more calls are made; for example, {sample.wrong}; look at "
            f"all with 'distilwhy annotations {file} --disagree', then correct the prompt, use a "
            "better teacher, or lower teacher.gate.accuracy"
        )


def require_parsed(annotations: Annotations, option: str = "") -> None:
    """Raise a TeacherError before training if more than half of the answers could not be parsed.

    Failed calls have no answer. They count only where there is no answer at all.

    Args:
        option: The option by which ``annotations`` lists them, for the message.
    """
    outcomes: Counter[str] = Counter()
    examples: dict[str, Annotation] = {}
    for annotation in annotations.values():
        outcomes[annotation.outcome] += 1
        examples.setdefault(annotation.outcome, annotation)
    if len(outcomes) > 1:
        outcomes.pop("failed", None)
    answered, parsed = outcomes.total(), outcomes.pop("ok", 0)
    if answered - parsed > parsed:
        [(commonest, _)] = outcomes.most_common(1)
        example = examples[commonest]
        raise TeacherError(
            f"{answered - parsed} of {counted(answered, 'answer')} could not be parsed, so "
            f"nothing is trained; row {example.example_id!r} is {commonest}: {example.problem}; "
            f"look at all with 'distilwhy annotations EXP.yaml{option} --problem any', then "
            "correct the prompt or the answer kind, or use a better teacher"
        )
