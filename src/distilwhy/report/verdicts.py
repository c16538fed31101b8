"""Comparisons in words, each with its interval as a bar on a shared scale."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil, floor

from distilwhy.core.stats.comparisons import MethodComparison
from distilwhy.core.stats.scores import LEVEL
from distilwhy.core.student_id import MAIN, extent
from distilwhy.core.wording import counted_train_rows, probability

MOST_TICKS = 9
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)


@dataclass(frozen=True)
class Tick:
    """A tick: its position in percent of the scale's width, and its label in points."""

    place: float
    label: str


@dataclass(frozen=True)
class Verdict:
    """A comparison in words, and its bar in percent of the scale's width.

    Attributes:
        words: The numbers that follow the verdict.
        p_value: Adjusted for all comparisons of the study.
    """

    method: str
    baseline: str
    verdict: str
    words: str
    p_value: str
    low: float
    middle: float
    high: float


@dataclass(frozen=True)
class VerdictGroup:
    """The comparisons of one student on one number of train rows, under a title."""

    title: str
    verdicts: Sequence[Verdict]


@dataclass(frozen=True)
class Verdicts:
    """All comparisons by train rows, the most first, and student; and the scale of their bars."""

    groups: Sequence[VerdictGroup]
    ticks: Sequence[Tick]
    zero: float


def judge_all(comparisons: Sequence[MethodComparison], whole: int | None) -> Verdicts:
    """The comparisons as the page shows them; ``whole`` is the number of train rows."""
    scale = _Scale.around(comparisons)
    sizes = sorted({one.rows for one in comparisons}, key=extent, reverse=True)
    students = list(dict.fromkeys(one.student for one in comparisons))
    groups = []
    for size, student in product(sizes, students):
        group = [one for one in comparisons if (one.student, one.rows) == (student, size)]
        if group:
            on = f"{student or MAIN}, on" if any(students) else "On"
            title = f"{on} {counted_train_rows(size, whole)}"
            groups.append(VerdictGroup(title, [_verdict(one, scale) for one in group]))
    return Verdicts(groups, scale.ticks, scale.place(0))


@dataclass(frozen=True)
class _Scale:
    """From ``low`` to ``high`` points, with a tick at every ``step``."""

    low: float
    high: float
    step: float

    @classmethod
    def around(cls, comparisons: Sequence[MethodComparison]) -> "_Scale":
        low = 100 * min([0.0, *(one.comparison.low for one in comparisons)])
        high = 100 * max([0.0, *(one.comparison.high for one in comparisons)])
        step = next((s for s in _STEPS if (high - low) / s <= MOST_TICKS), _STEPS[-1])
        return cls(step * floor(low / step), step * (ceil(high / step) or 1), step)

    @property
    def ticks(self) -> list[Tick]:
        steps = range(round(self.low / self.step), round(self.high / self.step) + 1)
        labels = [f"{step * self.step:+g}".replace("-", "−") if step else "0" for step in steps]
        return [
            Tick(self.place(step * self.step), label)
            for step, label in zip(steps, labels, strict=True)
        ]

    def place(self, points: float) -> float:
        return round(100 * (points - self.low) / (self.high - self.low), 2)


def _verdict(compared: MethodComparison, scale: _Scale) -> Verdict:
    comparison = compared.comparison
    return Verdict(
        method=compared.method,
        baseline=compared.baseline,
        verdict=comparison.verdict,
        words=comparison.words.removeprefix(comparison.verdict),
        p_value=probability(comparison.adjusted, LEVEL),
        low=scale.place(100 * comparison.low),
        middle=scale.place(100 * comparison.difference),
        high=scale.place(100 * comparison.high),
    )
