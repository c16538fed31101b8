"""Rows picked out of a ledger, to look at."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from distilwhy.core.parsing.completion import OUTCOMES
from distilwhy.errors import DataError
from distilwhy.pipeline.annotate.calls import CallBuilder
from distilwhy.pipeline.annotate.records import AnnotatedRow, AnsweredCall, iterate_rows
from distilwhy.pipeline.experiment import Experiment

ANY = "any"


@dataclass(frozen=True)
class Filter:
    """Which rows are wanted: those that meet all of it.

    Attributes:
        problem: Rows with an answer of this outcome, or with these words in its problem; ``any``
            for whatever problem. None: all rows.
        disagree: Rows whose label is not the gold one.
        ids: These rows; empty: all.
    """

    problem: str | None = None
    disagree: bool = False
    ids: Collection[str] = ()

    @property
    def is_empty(self) -> bool:
        """Whether it lets everything pass."""
        return self.problem is None and not self.disagree and not self.ids


def list_rows(
    experiment: Experiment, wanted: Filter, calls: CallBuilder | None = None
) -> Iterator[AnnotatedRow]:
    """The rows that a filter lets pass, in the order of the splits.

    Args:
        calls: Builds the experiment's calls, if that is at hand.

    Raises:
        DataError: if there is no row of a wanted id; all that are there have passed by then.
    """
    left = set(wanted.ids)
    for row in iterate_rows(experiment, calls):
        if wanted.ids and row.example.id not in wanted.ids:
            continue
        left.discard(row.example.id)
        if _passes(experiment.task.answer.same, row, wanted):
            yield row
    if left:
        splits = ", ".join(experiment.config.teacher.annotate)
        raise DataError(
            f"{experiment.file}: no row {sorted(left)[0]!r} among those that are annotated "
            f"({splits}); check the id"
        )


def _passes(
    same: Callable[[str | None, str | None], bool], row: AnnotatedRow, wanted: Filter
) -> bool:
    if wanted.problem is not None and not any(_has(a, wanted.problem) for a in row.calls):
        return False
    return not wanted.disagree or disagrees(same, row)


def disagrees(same: Callable[[str | None, str | None], bool], row: AnnotatedRow) -> bool:
    """Whether a label was read, and gold is another."""
    label = row.annotation.label if row.annotation else None
    return label is not None and row.example.gold is not None and not same(label, row.example.gold)


def _has(answer: AnsweredCall, problem: str) -> bool:
    found = answer.annotation
    if found.outcome == "ok":
        return False
    if problem == ANY or problem in OUTCOMES:
        return problem in (ANY, found.outcome)
    return problem.lower() in found.problem.lower()
