"""Rows selected by their answers, to look at, export or ask about again."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from distilwhy.core.parsing.completion import OUTCOMES
from distilwhy.errors import DataError
from distilwhy.pipeline.annotate.calls import CallBuilder
from distilwhy.pipeline.annotate.records import AnnotatedRow, AnsweredCall, iterate_rows
from distilwhy.pipeline.experiment import Experiment

ANY = "any"

Same = Callable[[str | None, str | None], bool]


@dataclass(frozen=True)
class RowFilter:
    """Selects rows that meet all of its conditions.

    Attributes:
        problem: An answer has this outcome, or this text in its problem; ``any`` for any problem,
            None for all rows.
        disagree: The label is not the gold label.
        ids: The id is one of these; empty for any.
    """

    problem: str | None = None
    disagree: bool = False
    ids: Collection[str] = ()

    @property
    def is_empty(self) -> bool:
        """Whether it selects all rows."""
        return self.problem is None and not self.disagree and not self.ids

    def selects(self, row: AnnotatedRow, same: Same) -> bool:
        """Whether it selects a row; ``same`` says whether two labels are the same answer."""
        if self.ids and row.example.id not in self.ids:
            return False
        label, gold = row.annotation.label if row.annotation else None, row.example.gold
        if self.disagree and (label is None or gold is None or same(label, gold)):
            return False
        problem = self.problem
        return problem is None or any(_has_problem(answer, problem) for answer in row.calls)


def list_rows(
    experiment: Experiment, row_filter: RowFilter, calls: CallBuilder | None = None
) -> Iterator[AnnotatedRow]:
    """Yield the rows that a filter selects, split by split.

    Raises:
        DataError: after the last row, if an id of the filter is not among the annotated rows.
    """
    missing = set(row_filter.ids)
    for row in iterate_rows(experiment, calls):
        missing.discard(row.example.id)
        if row_filter.selects(row, experiment.task.answer.same):
            yield row
    if missing:
        splits = ", ".join(experiment.config.teacher.annotate)
        raise DataError(
            f"{experiment.file}: no row {min(missing)!r} among those that are annotated "
            f"({splits}); check the id"
        )


def _has_problem(answer: AnsweredCall, problem: str) -> bool:
    found = answer.annotation
    if found.outcome == "ok":
        return False
    if problem == ANY or problem in OUTCOMES:
        return problem in (ANY, found.outcome)
    return problem.lower() in found.problem.lower()
