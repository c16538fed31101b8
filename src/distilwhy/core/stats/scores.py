"""Accuracy, with an interval that knows about rows and about seeds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.optimize import brentq
from scipy.special import stdtrit

UPPER = 0.975
LEVEL = 0.05
POWER = 0.8

_LEAST = 1e-12  # No p is told smaller.

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
        alone = ", taken alone" if self.p < LEVEL else ""
        seen = f"no difference seen: {size:+z.1f} points ({low:+z.1f} to {high:+z.1f}{alone})"
        return f"{seen}; the study could have seen {100 * self.detectable:.1f}"


def score(correct: Sequence[Sequence[int]]) -> Score:
    """The accuracy of one method, from whether each row was right, per seed.

    The interval is Wilson's (Wilson 1927, *Probable inference*). With several seeds it is for as
    many rows as would leave one seed as much in doubt as ``_estimate`` does: what is done where
    samples come in clusters (Franco et al. 2019, *Comparative study of confidence intervals for
    proportions in complex sample surveys*). Near 0 and 1 it leans inwards, as few seeds ask for.
    One row more that all have right and one that none has keep agreement from looking certain.

    Args:
        correct: ``[seeds][rows]``, the same rows in the same order for every seed.
    """
    table = np.asarray(correct, dtype=np.uint8)
    seeds, rows = table.shape
    mean, doubt = float(table.mean()), float(stats.norm.ppf(UPPER)) ** 2 / rows
    if seeds > 1:
        found = _estimate(table.astype(float), 1.0, 0.0)
        doubt = found.reach(UPPER) ** 2 / (found.mean * (1 - found.mean))
    low, high = _wilson(mean, doubt)
    # At 0 and 1 an end is the mean itself, but for the last digit of a float.
    return Score(mean, max(0.0, min(low, mean)), min(1.0, max(high, mean)), rows, seeds)


def compare(first: Sequence[Sequence[bool]], second: Sequence[Sequence[bool]]) -> Comparison:
    """The paired difference of two methods over the same seeds and rows, a family of its own.

    The interval is that of ``_estimate``, with one answer more won and one more lost: so Bonett
    & Price (2012, *Adjusted Wald confidence interval for a difference of binomial proportions
    based on paired data*) for one seed. With several seeds p belongs to that interval; with
    one, it is the exact one of McNemar (1947, *Note on the sampling error of the difference
    between correlated proportions*), to which the interval gives way: where that sees nothing, it
    reaches to zero at least. Of the seeds other than this one nothing is said.

    Args:
        first: ``[seeds][rows]``: whether each row was right.
        second: The same for the method compared with.
    """
    table = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    seeds = len(table)
    found = _estimate(table, 1 / seeds, -1 / seeds)
    reach = found.reach(UPPER)
    low, high = max(-1.0, found.mean - reach), min(1.0, found.mean + reach)
    p = found.p if seeds > 1 else _mcnemar(table)
    if p >= LEVEL:
        low, high = min(low, 0.0), max(high, 0.0)
    return Comparison(float(table.mean()), low, high, p, p, min(1.0, reach + found.reach(POWER)))


def adjust(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Comparisons as one family: their p values adjusted by Holm's step-down method (Holm 1979,
    *A Simple Sequentially Rejective Multiple Test Procedure*)."""
    order = sorted(range(len(comparisons)), key=lambda i: comparisons[i].p)
    adjusted, highest = list(comparisons), 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, comparisons[index].p * (len(order) - place)))
        adjusted[index] = replace(comparisons[index], adjusted=highest)
    return adjusted


@dataclass(frozen=True)
class _Estimate:
    """A mean over seeds and rows, and how much of its variance either brings.

    Attributes:
        mean: The mean.
        of_seeds: The variance that comes of the seeds, with what only a seed and a row together
            bring.
        of_rows: What the rows add to that.
        seeds: How many seeds.
        rows: How many rows.
    """

    mean: float
    of_seeds: float
    of_rows: float
    seeds: int
    rows: int

    def reach(self, share: float) -> float:
        """How far to one side of the mean the truth is, at most, in that share of studies.

        Either part keeps its own quantile of Student's t: far enough for normal parts estimated
        apart, however large each is, and for every share (Banerjee 1960, *Approximate confidence
        interval for linear functions of means of k populations when the population variances are
        not equal*). One number of degrees of freedom for their sum (Satterthwaite 1946) trusts
        two seeds that agree by chance: its intervals of 95 % cover as little as 88 %.
        """
        by_seeds, by_rows = stdtrit([max(self.seeds - 1, 1), self.rows - 1], share)
        return sqrt(self.of_seeds * by_seeds**2 + self.of_rows * by_rows**2)

    @property
    def p(self) -> float:
        """Two-sided: that of the interval which would just touch zero."""

        def spare(p: float) -> float:
            return self.reach(1 - p / 2) - abs(self.mean)

        return float(brentq(spare, _LEAST, 1.0)) if spare(_LEAST) > 0 else _LEAST


def _estimate(table: Table, *more: float) -> _Estimate:
    """The mean of a table whose rows and seeds were both drawn, as crossed random effects.

    Its variance is that of the seeds' means over their number, plus that of the rows' means
    over theirs, less the share of the residual that both contain (Searle, Casella & McCulloch
    1992, *Variance Components*, section 4.3). As seeds may tie by chance, it is held to no less
    than a quarter of what the rows alone give: half of that standard error. With one seed, only
    rows vary. A bootstrap over seeds and rows knows so few seeds too little.

    Args:
        table: ``[seeds, rows]``.
        more: The values, for every seed, of rows to be added; not all the same.
    """
    table = np.hstack([table, np.tile(more, (len(table), 1))])
    seeds, rows = table.shape
    mean = float(table.mean())
    of_rows = float(table.mean(axis=0).var(ddof=1)) / rows
    if seeds == 1:
        return _Estimate(mean, 0.0, of_rows, seeds, rows)
    of_seeds = float(table.mean(axis=1).var(ddof=1)) / seeds
    shared = _residual(table) / (seeds * rows)
    added = max(of_rows - shared, of_rows / 4 - of_seeds, 0.0)
    return _Estimate(mean, of_seeds, added, seeds, rows)


def _mcnemar(table: Table) -> float:
    """The exact p of as uneven a split of the rows on which only one of the two was right."""
    gained, lost = int((table > 0).sum()), int((table < 0).sum())
    return float(stats.binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def _residual(table: Table) -> float:
    seeds, rows = table.shape
    fitted: Table = table.mean(axis=0) + table.mean(axis=1, keepdims=True) - table.mean()
    left = float(np.square(table - fitted).sum())
    return left / int((seeds - 1) * (rows - 1))


def _wilson(share: float, doubt: float) -> tuple[float, float]:
    """Wilson's interval, of the squared quantile over the number of rows."""
    middle = (share + doubt / 2) / (1 + doubt)
    reach = sqrt(share * (1 - share) * doubt + doubt**2 / 4) / (1 + doubt)
    return middle - reach, middle + reach
