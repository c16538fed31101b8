"""Accuracy, with an interval that knows about rows and about seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


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
    """

    difference: float
    low: float
    high: float

    @property
    def verdict(self) -> Literal["helped", "hurt", "no difference seen"]:
        """What the interval allows to be said."""
        if self.low > 0:
            return "helped"
        return "hurt" if self.high < 0 else "no difference seen"


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
    """The paired difference of two methods over the same seeds and rows.

    Args:
        first: ``[seeds][rows]``: whether each row was right.
        second: The same for the method compared with.
    """
    table = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    low, high = interval(table)
    return Comparison(float(table.mean()), max(-1.0, low), min(1.0, high))


def interval(table: "np.ndarray[tuple[int, int], np.dtype[np.float64]]") -> tuple[float, float]:
    """A 95 % interval for the mean of a table whose rows and columns were both drawn.

    Seeds and test rows are crossed random effects: the variance of the mean is that of the
    seeds' means over their number, plus that of the rows' means over theirs, less the share
    of the residual that both contain (Searle, Casella & McCulloch 1992, *Variance Components*,
    section 4.3); degrees of freedom after Satterthwaite (1946). With one seed, only rows vary.

    Args:
        table: ``[seeds, rows]``.
    """
    seeds, rows = table.shape
    mean = float(table.mean())
    if rows < 2:
        return float("-inf"), float("inf")
    of_rows = float(table.mean(axis=0).var(ddof=1)) / rows
    if seeds == 1:
        return _around(mean, of_rows, rows - 1)
    of_seeds = float(table.mean(axis=1).var(ddof=1)) / seeds
    residual = _residual(table) / (seeds * rows)
    variance = max(of_seeds + of_rows - residual, of_seeds, of_rows)
    freedom = variance**2 / (of_seeds**2 / (seeds - 1) + of_rows**2 / (rows - 1) or 1.0)
    return _around(mean, variance, max(freedom, 1.0))


def _residual(table: "np.ndarray[tuple[int, int], np.dtype[np.float64]]") -> float:
    seeds, rows = table.shape
    fitted = table.mean(axis=0) + table.mean(axis=1, keepdims=True) - table.mean()
    return float(((table - fitted) ** 2).sum()) / ((seeds - 1) * (rows - 1))


def _around(mean: float, variance: float, freedom: float) -> tuple[float, float]:
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * sqrt(variance)
    return mean - reach, mean + reach


def _wilson(share: float, rows: int) -> tuple[float, float]:
    z = float(stats.norm.ppf((1 + CONFIDENCE) / 2))
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    reach = z / (1 + z * z / rows) * sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return middle - reach, middle + reach
