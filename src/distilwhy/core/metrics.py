"""Accuracy, with an interval that knows about rows and about seeds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

CONFIDENCE = 0.95
LEVEL = 0.05
POWER = 0.8

Table = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """Accuracy over rows, averaged over seeds.

    Attributes:
        accuracy: A share, 0 to 1.
        low: The lower end of its 95 % interval.
        high: The upper end.
        rows: How many rows were scored.
        seeds: How many students, each on all of the rows.
    """

    accuracy: float
    low: float
    high: float
    rows: int
    seeds: int = 1


@dataclass(frozen=True)
class Comparison:
    """How much better one method is than another, on the same rows and seeds.

    Attributes:
        difference: Accuracy of the first less that of the second, a share.
        low: The lower end of its 95 % interval.
        high: The upper end.
        p: How often chance alone would show as much, were there no difference.
        adjusted: The same for the whole family of comparisons that it was made in (Holm 1979).
        detectable: The difference that such a study sees four times in five.
    """

    difference: float
    low: float
    high: float
    p: float
    adjusted: float
    detectable: float

    @property
    def verdict(self) -> Literal["helped", "hurt", "no difference seen"]:
        """What may be said of it, in a family where chance gets one wrong in twenty at most."""
        if self.adjusted >= LEVEL:
            return "no difference seen"
        return "helped" if self.difference > 0 else "hurt"

    @property
    def words(self) -> str:
        """The verdict as part of a sentence, in points of accuracy."""
        size, low, high = (100 * x for x in (self.difference, self.low, self.high))
        if self.verdict == "helped":
            return f"helped by {size:.1f} points ({low:.1f} to {high:.1f})"
        if self.verdict == "hurt":
            return f"hurt by {-size:.1f} points ({-high:.1f} to {-low:.1f})"
        seen = f"no difference seen: {size:+.1f} points ({low:+.1f} to {high:+.1f})"
        return f"{seen}; the study could have seen {100 * self.detectable:.1f}"


def score(correct: Sequence[Sequence[bool]]) -> Score:
    """The accuracy of one method, from whether each row was right, per seed.

    With one seed the interval is Wilson's (Wilson 1927, *Probable inference*); with several,
    that of ``interval``, unless all is right or all is wrong: no variance shows then, and
    Wilson's interval for the rows is given.

    Args:
        correct: ``[seeds][rows]``, the same rows in the same order for every seed.
    """
    table = np.asarray(correct, dtype=float)
    seeds, rows = table.shape
    mean = float(table.mean())
    alike = seeds == 1 or mean in (0.0, 1.0)
    low, high = _wilson(mean, rows) if alike else interval(table)
    return Score(mean, max(0.0, low), min(1.0, high), rows, seeds)


def compare(first: Sequence[Sequence[bool]], second: Sequence[Sequence[bool]]) -> Comparison:
    """The paired difference of two methods over the same seeds and rows, a family of its own.

    With several seeds p is that of the t-test behind ``interval``; with one, the exact one of
    McNemar (1947, *Note on the sampling error of the difference between correlated
    proportions*).

    Args:
        first: ``[seeds][rows]``: whether each row was right.
        second: The same for the method compared with.
    """
    table = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    mean, error, freedom = _estimate(table)
    reach = _quantile((1 + CONFIDENCE) / 2, freedom) * error
    p = _mcnemar(table) if len(table) == 1 else _two_sided(mean, error, freedom)
    power = _quantile((1 + CONFIDENCE) / 2, freedom) + _quantile(POWER, freedom)
    low, high = max(-1.0, mean - reach), min(1.0, mean + reach)
    return Comparison(mean, low, high, p, p, min(1.0, power * error))


def adjust(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Comparisons as one family: their p values adjusted by Holm's step-down method (Holm 1979,
    *A Simple Sequentially Rejective Multiple Test Procedure*)."""
    order = sorted(range(len(comparisons)), key=lambda i: comparisons[i].p)
    adjusted, highest = list(comparisons), 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, comparisons[index].p * (len(order) - place)))
        adjusted[index] = replace(comparisons[index], adjusted=highest)
    return adjusted


def interval(table: Table) -> tuple[float, float]:
    """A 95 % interval for the mean of a table whose rows and columns were both drawn.

    Seeds and test rows are crossed random effects: the variance of the mean is that of the
    seeds' means over their number, plus that of the rows' means over theirs, less the share
    of the residual that both contain (Searle, Casella & McCulloch 1992, *Variance Components*,
    section 4.3); degrees of freedom after Satterthwaite (1946). With one seed, only rows vary.
    A bootstrap over seeds and rows knows three or five seeds too little: its intervals are too
    short.

    Args:
        table: ``[seeds, rows]``.
    """
    mean, error, freedom = _estimate(table)
    reach = _quantile((1 + CONFIDENCE) / 2, freedom) * error
    return mean - reach, mean + reach


def _estimate(table: Table) -> tuple[float, float, float]:
    """The mean of a table, its standard error, and the degrees of freedom of that."""
    seeds, rows = table.shape
    mean = float(table.mean())
    if rows < 2:
        return mean, float("inf"), 1.0
    of_rows = float(table.mean(axis=0).var(ddof=1)) / rows
    if seeds == 1:
        return mean, sqrt(of_rows), rows - 1
    of_seeds = float(table.mean(axis=1).var(ddof=1)) / seeds
    residual = _residual(table) / (seeds * rows)
    variance = max(of_seeds + of_rows - residual, of_seeds, of_rows)
    freedom = variance**2 / (of_seeds**2 / (seeds - 1) + of_rows**2 / (rows - 1) or 1.0)
    return mean, sqrt(variance), max(freedom, 1.0)


def _quantile(share: float, freedom: float) -> float:
    return float(stats.t.ppf(share, freedom))


def _two_sided(mean: float, error: float, freedom: float) -> float:
    if error == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * stats.t.sf(abs(mean) / error, freedom))


def _mcnemar(table: Table) -> float:
    """The exact p of as uneven a split of the rows on which only one of the two was right."""
    gained, lost = int((table > 0).sum()), int((table < 0).sum())
    return float(stats.binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def _residual(table: Table) -> float:
    seeds, rows = table.shape
    fitted: Table = table.mean(axis=0) + table.mean(axis=1, keepdims=True) - table.mean()
    left = float(np.square(table - fitted).sum())
    return left / int((seeds - 1) * (rows - 1))


def _wilson(share: float, rows: int) -> tuple[float, float]:
    z = float(stats.norm.ppf((1 + CONFIDENCE) / 2))
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    reach = z / (1 + z * z / rows) * sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return middle - reach, middle + reach
