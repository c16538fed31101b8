"""What is about to be asked and paid, put to a person."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import typer

from distilwhy.config import TeacherConfig
from distilwhy.core.estimate import Estimate, Range
from distilwhy.core.parsing.completion import Annotation
from distilwhy.core.task import Task
from distilwhy.core.wording import counted, money, rough_count, rough_duration, text_range
from distilwhy.errors import BudgetError
from distilwhy.pipeline.annotate.gate import Sample
from distilwhy.pipeline.annotate.run import Agree, Offer
from distilwhy.pipeline.annotate.spending import Spending

LABELS = 8
LONGEST = 300
_DRAWN = {"random": "drawn at random", "nearest": "the most similar, the nearest last"}


def ask_person(
    say: Callable[[str], None],
    pause: Callable[[], AbstractContextManager[None]],
    currency: str,
    *,
    yes: bool,
) -> Agree:
    """Shows an offer, and asks on a terminal.

    Where there is nobody to ask, a sample that was good enough is agreed to; paying rows anew is
    not, unless that was agreed to beforehand.

    Args:
        say: Shows a line.
        pause: Keeps the terminal free for as long as a person is asked.
        yes: Agree to everything.
    """

    def agree(offer: Offer) -> bool:
        for line in describe_offer(offer, currency):
            say(line)
        if yes:
            return True
        if not sys.stdin.isatty() or not sys.stderr.isatty():
            if offer.repaid:
                raise BudgetError(
                    f"would pay again for {describe_repaid(offer.repaid)}; give --yes to agree, or "
                    "give this experiment another 'out'"
                )
            return True
        with pause():
            return typer.confirm("Go on?", default=not offer.repaid, err=True)

    return agree


def describe_offer(offer: Offer, currency: str) -> Iterator[str]:
    """An offer, line by line."""
    if offer.repaid:
        yield f"to be paid for again: {describe_repaid(offer.repaid)}"
    if offer.sample:
        yield from _describe_sample(offer.sample)
    if offer.retry:
        ended = ", ".join(f"{count:,} {what}" for what, count in offer.retry.outcomes.items())
        yield f"to be forgotten and asked for again: {ended}"
    yield f"to make: {describe_estimate(offer.estimate, currency)}"


def describe_strategy(teacher: TeacherConfig, task: Task, saw_gold: int) -> Iterator[str]:
    """How the teacher is asked, where that is not with all exemplars, line by line.

    Args:
        saw_gold: The rows whose gold label it is shown.
    """
    if teacher.strategy == "zero-shot":
        yield "strategy   zero-shot: no exemplars, only the word to think step by step"
    if teacher.strategy == "explain-label":
        others = "few-shot" if task.exemplars else "zero-shot"
        yield (
            f"strategy   explain-label: shown the gold label of {saw_gold:,} train rows and asked "
            f"why; asked about the others {others}"
        )
    draw, shown = teacher.exemplars.draw, min(teacher.exemplars.shown, len(task.exemplars))
    if draw != "fixed":
        yield f"exemplars  {shown} of {len(task.exemplars)} for each row, {_DRAWN[draw]}"


def describe_estimate(found: Estimate, currency: str) -> str:
    """What calls will take, in one line."""
    parts = [counted(found.calls, "call")]
    if found.cost is not None:
        parts.append(f"{_range(money, found.cost)} {currency}")
    read, written = _count(found.input), _count(found.output)
    parts.append(f"{read} tokens to read and {written} to write ({found.source})")
    if found.seconds is not None:
        parts.append(_range(rough_duration, found.seconds))
    if found.batch:
        parts.append("in batches, each within 24 h")
    return ", ".join(parts)


def describe_repaid(rows: int) -> str:
    """The rows that have answers to another prompt, or by another teacher."""
    return f"{counted(rows, 'row')} answered before with another prompt or by another teacher"


def describe_spending(found: Spending, currency: str) -> str:
    """What was billed, in one line."""
    certain = money(found.certain, currency)
    if not found.possible:
        return certain
    return (
        f"{certain}, and up to {money(found.possible)} for calls that were lost, are under way "
        "or came without a count of tokens"
    )


def describe_batches(batches: int, calls: int) -> str:
    """How much is under way, up to the place where it is."""
    which = "1 batch" if batches == 1 else f"{batches:,} batches"
    return f"{which} of {counted(calls, 'call')} {'is' if batches == 1 else 'are'}"


def _describe_sample(sample: Sample) -> Iterator[str]:
    right = f", {sample.right} of {sample.known} with gold are right" if sample.known else ""
    shown = f"; for {sample.saw_gold} the teacher saw the gold label" if sample.saw_gold else ""
    yield f"the first {sample.answered} answers: {sample.read} can be read{right}{shown}"
    most = list(sample.labels.items())[:LABELS]
    more = f", and {len(sample.labels) - LABELS} more" if len(sample.labels) > LABELS else ""
    yield "labels: " + ", ".join(f"{label} ({count})" for label, count in most) + more
    for annotation in sample.shown:
        yield _describe_answer(annotation)


def _describe_answer(annotation: Annotation) -> str:
    reasons = annotation.rationale
    shown = reasons if len(reasons) <= LONGEST else reasons[:LONGEST].rsplit(" ", 1)[0] + " …"
    return f"row {annotation.example_id}: {annotation.label}, because: {shown}"


def _count(tokens: Range) -> str:
    """An exact number, or both ends of a range to two digits."""
    if tokens.low == tokens.high:
        return f"{tokens.low:,.0f}"
    return _range(rough_count, tokens)


def _range(render: Callable[[float], str], ends: Range) -> str:
    return text_range(render(ends.low), render(ends.high))
