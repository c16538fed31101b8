"""Asks the user to confirm calls before they are paid for."""

import sys
from collections.abc import Iterator

import typer

from distilwhy.cli.describe import describe_estimate, describe_repaid
from distilwhy.cli.progress import ProgressDisplay
from distilwhy.core.parsing.completion import Annotation
from distilwhy.core.wording import count, counted
from distilwhy.errors import BudgetError
from distilwhy.pipeline.annotate.gate import Sample
from distilwhy.pipeline.annotate.run import Agree, Offer

LABELS = 8
LONGEST_RATIONALE = 300


def confirm_offers(progress: ProgressDisplay, currency: str, *, yes: bool) -> Agree:
    """A callback that shows an offer and, on a terminal, asks the user to confirm it.

    Without a terminal it accepts an offer, unless rows would be paid for again.

    Args:
        progress: Shows the offer, and pauses while the user is asked.
        currency: Of the prices.
        yes: Accept every offer.

    Returns:
        The callback. It raises BudgetError if rows would be paid for again, ``yes`` is not given
        and there is no terminal to ask on.
    """

    def agree(offer: Offer) -> bool:
        for line in describe_offer(offer, currency):
            progress.say(line)
        if yes:
            return True
        if not sys.stdin.isatty() or not sys.stderr.isatty():
            if offer.repaid:
                raise BudgetError(
                    f"would pay again for {describe_repaid(offer.repaid)}; give --yes to agree, or "
                    "give this experiment another 'out'"
                )
            return True
        with progress.pause():
            return typer.confirm("Continue?", default=not offer.repaid, err=True)

    return agree


def describe_offer(offer: Offer, currency: str) -> Iterator[str]:
    """An offer, line by line."""
    if offer.repaid:
        yield f"To pay for again: {describe_repaid(offer.repaid)}"
    if offer.sample:
        yield from _describe_sample(offer.sample)
    if offer.retry:
        ended = ", ".join(f"{number:,} {what}" for what, number in offer.retry.outcomes.items())
        yield f"To retry: {ended}"
    yield f"To do: {describe_estimate(offer.estimate, currency)}"


def _describe_sample(sample: Sample) -> Iterator[str]:
    right = f", {sample.right} of {sample.known} with a gold label right" if sample.known else ""
    shown = f"; the teacher saw the gold label of {sample.saw_gold}" if sample.saw_gold else ""
    yield f"First {counted(sample.answered, 'answer')}: {sample.read} parsed{right}{shown}"
    most = list(sample.labels.items())[:LABELS]
    more = f", and {count(len(sample.labels) - LABELS)} more" if len(sample.labels) > LABELS else ""
    yield "Labels: " + ", ".join(f"{label} ({number})" for label, number in most) + more
    for annotation in sample.shown:
        yield _describe_answer(annotation)


def _describe_answer(annotation: Annotation) -> str:
    rationale = annotation.rationale
    if len(rationale) > LONGEST_RATIONALE:
        rationale = rationale[:LONGEST_RATIONALE].rsplit(" ", 1)[0] + " …"
    return f"Row {annotation.example_id}: {annotation.label}, because: {rationale}"
