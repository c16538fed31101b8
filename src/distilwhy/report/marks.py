"""The values that charts show, measured and fitted, each with its tooltip."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from distilwhy.core.results import MethodScore, Results
from distilwhy.core.stats.comparisons import TEACHER
from distilwhy.core.stats.curve import Curve
from distilwhy.core.stats.progress import mean_progress
from distilwhy.core.stats.scores import Score
from distilwhy.core.student_id import extent
from distilwhy.core.wording import count, counted, counted_train_rows, interval, large, percent


@dataclass(frozen=True)
class Mark:
    """One value of one method.

    Attributes:
        kind: ``measured`` over all seeds, or with one ``seed``; ``fitted`` within the numbers of
            rows that were tried, or ``beyond`` them.
        said: The tooltip, without the method.
    """

    method: str
    kind: Literal["measured", "seed", "fitted", "beyond"]
    rows: int | None
    accuracy: float
    low: float
    high: float
    said: str = ""


def curve_marks(curves: Sequence[Curve]) -> list[Mark]:
    """The measured points on each number of rows, and the curve through them."""
    marks = []
    for curve in curves:
        marks += [_mark(curve.method, point.rows, point.score) for point in curve.points]
        marks += _fitted(curve)
    return marks


def accuracy_marks(methods: Sequence[MethodScore], teacher: Score | None) -> list[Mark]:
    """Accuracies: the teacher's, each method's (the best first), and each seed's."""
    marks = [] if teacher is None else [_mark(TEACHER, None, teacher)]
    for found in sorted(methods, key=lambda found: -found.score.accuracy):
        marks.append(_mark(found.method, found.rows, found.score))
        if len(found.students) > 1:
            for one in (student.score for student in found.students):
                seed = Mark(found.method, "seed", found.rows, one.accuracy, one.low, one.high)
                marks.append(seed)
    return marks


@dataclass(frozen=True)
class TrainingMark:
    """The accuracy on validation that one method had reached, over all seeds.

    Attributes:
        tokens: Those trained on until then, for one seed; 0 where they were not counted.
    """

    method: str
    step: int
    tokens: int
    accuracy: float
    said: str


def training_marks(methods: Sequence[MethodScore]) -> list[TrainingMark]:
    """Accuracy on validation during training."""
    return [
        TrainingMark(
            found.method,
            one.step,
            one.tokens,
            one.accuracy,
            f"{percent(one.accuracy)} at step {count(one.step)}, {large(one.tokens)} tokens",
        )
        for found in methods
        for one in mean_progress([student.progress for student in found.students])
    ]


def on_most_rows(methods: Sequence[MethodScore]) -> list[MethodScore]:
    """The score of every method on its largest number of train rows."""
    most: dict[str, MethodScore] = {}
    for found in methods:
        known = most.get(found.method)
        if known is None or extent(known.rows) <= extent(found.rows):
            most[found.method] = found
    return list(most.values())


def teacher_score(results: Results) -> Score | None:
    """The teacher's score on the test rows; None if it was not asked about them."""
    counts = results.teacher.get("test")
    return counts.score if counts else None


def _fitted(curve: Curve) -> list[Mark]:
    """The fit, within the rows that were tried and beyond; without one, lines between points."""
    if not curve.fit:
        return [
            Mark(curve.method, "fitted", p.rows, p.score.accuracy, p.score.low, p.score.high)
            for p in curve.points
        ]
    most = curve.points[-1].rows
    bands = [(band.rows, band.accuracy, band.low, band.high) for band in curve.fit]
    within = [band for band in bands if band[0] <= most]
    after = within[-1:] + bands[len(within) :]
    return [
        *(Mark(curve.method, "fitted", *band) for band in within),
        *(Mark(curve.method, "beyond", *band) for band in after),
    ]


def _mark(method: str, rows: int | None, score: Score) -> Mark:
    where = f", {counted_train_rows(rows)}" if rows is not None else ""
    seeds = f", {counted(score.seeds, 'seed')}" if method != TEACHER else ""
    said = f"{percent(score.accuracy)} ({interval(score.low, score.high)}){where}{seeds}"
    return Mark(method, "measured", rows, score.accuracy, score.low, score.high, said)
