"""Asks the user to confirm calls before they are paid for."""

import sys
from collections.abc import Iterator

import typer

from distilwhy.cli.describe import describe_estimate, describe_repaid
from distilwhy.cli.progress import ProgressDisplay
from distilwhy.core.wording import count, counted
from distilwhy.errors import BudgetError
from distilwhy.pipeline.annotate.gate import AnswerSample
from distilwhy.pipeline.annotate.session import Confirm, Proposal

LABELS = 8
LONGEST_RATIONALE = 300


def confirm_proposals(progress: ProgressDisplay, currency: str, *, yes: bool) -> Confirm:
    """A callback that shows a proposal and, on a terminal, asks the user to confirm it.

    Without a terminal it accepts a proposal, but raises BudgetError if rows would be paid for
    again. With ``yes`` it accepts every proposal.
    """

    def confirm(proposal: Proposal) -> bool:
        for line in describe_proposal(proposal, currency):
            progress.say(line)
        if yes:
            return True
        if not sys.stdin.isatty() or not sys.stderr.isatty():
            if proposal.repaid:
                raise BudgetError(
                    f"would pay again for {describe_repaid(proposal.repaid)}; give --yes to agree, "
                    "or give this experiment another 'out'"
                )
            return True
        with progress.pause():
            return typer.confirm("Continue?", default=not proposal.repaid, err=True)

    return confirm


def describe_proposal(proposal: Proposal, currency: str) -> Iterator[str]:
    """A proposal, line by line."""
    if proposal.repaid:
        yield f"To pay for again: {describe_repaid(proposal.repaid)}"
    if proposal.sample:
        yield from _describe_sample(proposal.sample)
    if proposal.retry:
        ended = ", ".join(f"{number:,} {what}" for what, number in proposal.retry.outcomes.items())
        yield f"To retry: {ended}"
    yield f"To do: {describe_estimate(proposal.estimate, currency)}"


def _describe_sample(sample: AnswerSample) -> Iterator[str]:
    right = (
        f", {sample.correct} of {sample.with_gold} with a gold label right"
        if sample.with_gold
        else ""
    )
    shown = f"; the teacher saw the gold label of {sample.saw_gold}" if sample.saw_gold else ""
    yield f"First {counted(sample.answered, 'answer')}: {sample.parsed} parsed{right}{shown}"
    most = list(sample.labels.items())[:LABELS]
    more = f", and {count(len(sample.labels) - LABELS)} more" if len(sample.labels) > LABELS else ""
    yield "Labels: " + ", ".join(f"{label} ({number})" for label, number in most) + more
    for annotation in sample.shown:
        why = annotation.rationale
        if len(why) > LONGEST_RATIONALE:
            why = why[:LONGEST_RATIONALE].rsplit(" ", 1)[0] + " …"
        yield f"Row {annotation.example_id}: {annotation.label}, because: {why}"
