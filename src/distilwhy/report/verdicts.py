"""Comparisons in words, each with its interval as a bar on a shared scale."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil, floor

from distilwhy.core.results import Results
from distilwhy.core.stats.comparisons import MethodComparison
from distilwhy.core.stats.scores import LEVEL, NO_VERDICT
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
        said: The verdict in the words of its kind of comparison.
        words: The numbers that follow it.
        p_value: Adjusted for all comparisons of its kind; "" without a verdict.
    """

    method: str
    baseline: str
    verdict: str
    said: str
    words: str
    p_value: str
    low: float
    middle: float
    high: float


@dataclass(frozen=True)
class VerdictGroup:
    """The comparisons of one kind, student and number of train rows, under a title.

    Attributes:
        ticks: The scale of the bars, the same for all groups of a kind; ``zero`` is its zero.
        is_main: Whether they are about the first student on the most rows, and worth to be seen
            first.
    """

    title: str
    verdicts: Sequence[Verdict]
    ticks: Sequence[Tick]
    zero: float
    is_main: bool = False


@dataclass(frozen=True)
class _Kind:
    """Comparisons that answer one question, and the words for their verdicts."""

    comparisons: Sequence[MethodComparison]
    title: str
    helped: str
    hurt: str
    is_main: bool = True


def judge_all(results: Results) -> list[VerdictGroup]:
    """All comparisons: the main ones, then by train rows, the most first, and student."""
    kinds = (
        _Kind(results.against_teacher, "Against the teacher", "better", "worse"),
        _Kind(results.comparisons, "Between methods", "helped", "hurt"),
        _Kind(results.against_baselines, "Against trivial baselines", "better", "worse", False),
    )
    scales = [_Scale.around(kind.comparisons) for kind in kinds]
    everything = [one for kind in kinds for one in kind.comparisons]
    sizes = sorted({one.rows for one in everything}, key=extent, reverse=True)
    students = list(dict.fromkeys(one.student for one in everything))
    groups = []
    for size, student, (kind, scale) in product(sizes, students, zip(kinds, scales, strict=True)):
        group = [one for one in kind.comparisons if (one.student, one.rows) == (student, size)]
        if group:
            named = [student or MAIN] if any(students) else []
            on = f"on {counted_train_rows(size, results.provenance.rows.get('train'))}"
            groups.append(
                VerdictGroup(
                    ", ".join([kind.title, *named, on]),
                    [_verdict(one, kind, scale) for one in group],
                    scale.ticks,
                    scale.place(0),
                    kind.is_main and (student, size) == (students[0], sizes[0]),
                )
            )
    return sorted(groups, key=lambda group: not group.is_main)


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


def _verdict(compared: MethodComparison, kind: _Kind, scale: _Scale) -> Verdict:
    comparison = compared.comparison
    said = {"helped": kind.helped, "hurt": kind.hurt}.get(comparison.verdict, comparison.verdict)
    judged = comparison.verdict != NO_VERDICT
    return Verdict(
        method=compared.method,
        baseline=compared.baseline,
        verdict=comparison.verdict,
        said=said,
        words=comparison.describe(kind.helped, kind.hurt).removeprefix(said),
        p_value=probability(comparison.adjusted, LEVEL) if judged else "",
        low=scale.place(100 * comparison.low),
        middle=scale.place(100 * comparison.difference),
        high=scale.place(100 * comparison.high),
    )
