"""Accuracy, and differences of accuracy, with intervals over both test rows and seeds.

scipy is imported where it is used: a student that predicts needs none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from distilwhy.core.wording import points

UPPER = 0.975
LEVEL = 0.05
POWER = 0.8

Verdict = Literal["helped", "hurt", "no difference detected", "no verdict"]
NO_DIFFERENCE: Final = "no difference detected"
# With one seed: nothing is known of how much training itself varies.
NO_VERDICT: Final = "no verdict"

_LEAST = 1e-12  # The smallest p-value given.

Table = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """Accuracy over rows, averaged over seeds.

    Attributes:
        accuracy: A share, 0 to 1.
        low: The lower end of its 95 % interval; ``high`` is the upper end.
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
        difference: Accuracy of the first minus that of the second, as a share.
        low: The lower end of its 95 % interval; ``high`` is the upper end.
        adjusted: ``p``, which is two-sided, adjusted for all comparisons of the family (Holm 1979).
        detectable: The minimum detectable effect: the difference that a study like this one
            detects with a power of 80 %.
        seeds: How many seeds both have. With one, all of the above is about test rows alone.
    """

    difference: float
    low: float
    high: float
    p: float
    adjusted: float
    detectable: float
    seeds: int

    @property
    def verdict(self) -> Verdict:
        """``helped`` or ``hurt`` if the adjusted p-value is below 0.05; none with one seed."""
        if self.seeds == 1:
            return NO_VERDICT
        if self.adjusted >= LEVEL:
            return NO_DIFFERENCE
        return "helped" if self.difference > 0 else "hurt"

    @property
    def is_ahead(self) -> bool:
        """Whether the first is better: by the verdict, or with one seed by the interval."""
        return self.verdict == "helped" or (self.seeds == 1 and self.low > 0)

    @property
    def words(self) -> str:
        """The verdict with its numbers, in points of accuracy."""
        return self.describe("helped", "hurt")

    @property
    def on_one_seed(self) -> str:
        """The difference of one seed, with what its interval leaves in."""
        interval = f"95 % CI over test rows {points(self.low)} to {points(self.high)}"
        return f"{points(self.difference)} points ({interval})"

    def describe(self, helped: str, hurt: str) -> str:
        """The verdict in other words for ``helped`` and ``hurt``, with its numbers."""
        if self.verdict == NO_VERDICT:
            return f"{NO_VERDICT} from one seed: {self.on_one_seed}"
        if self.verdict == NO_DIFFERENCE:
            kind = "uncorrected 95 % CI" if self.p < LEVEL else "95 % CI"
            return (
                f"{NO_DIFFERENCE}: {points(self.difference)} points "
                f"({kind} {points(self.low)} to {points(self.high)}; "
                f"minimum detectable effect {points(self.detectable, signed=False)})"
            )
        sign, verdict = (1, helped) if self.verdict == "helped" else (-1, hurt)
        ends = sorted((sign * self.low, sign * self.high))
        low, high = (points(end, signed=False) for end in ends)
        size = points(sign * self.difference, signed=False)
        return f"{verdict} by {size} points (95 % CI {low} to {high})"


def score(correct: Sequence[Sequence[int]]) -> Score:
    """The accuracy of one method, from whether each row was right, per seed.

    The interval is Wilson's (Wilson 1927, *Probable inference*). With several seeds it uses the
    effective number of rows, the one that gives a single seed the variance of ``_estimate``, as
    is done for clustered samples (Franco et al. 2019, *Comparative study of confidence intervals
    for proportions in complex sample surveys*). Near 0 and 1 it leans inwards, as suits few
    seeds. Two pseudo-rows, one that every seed has right and one that none has, keep seeds that
    agree from looking certain.

    Args:
        correct: ``[seeds][rows]``, the same rows in the same order for every seed.
    """
    from scipy import stats

    table = np.asarray(correct, dtype=np.uint8)
    seeds, rows = table.shape
    # The squared normal quantile over the number of rows.
    mean, doubt = float(table.mean()), float(stats.norm.ppf(UPPER)) ** 2 / rows
    if seeds > 1:
        found = _estimate(table.astype(float), 1.0, 0.0)
        doubt = found.reach(UPPER) ** 2 / (found.mean * (1 - found.mean))
    middle = (mean + doubt / 2) / (1 + doubt)
    reach = sqrt(mean * (1 - mean) * doubt + doubt**2 / 4) / (1 + doubt)
    # At 0 and 1 one end equals the mean, up to rounding.
    low, high = min(middle - reach, mean), max(middle + reach, mean)
    return Score(mean, max(0.0, low), min(1.0, high), rows, seeds)


def compare(first: Sequence[Sequence[bool]], second: Sequence[Sequence[bool]]) -> Comparison:
    """The paired difference of two methods over the same seeds and rows, as a family of one.

    The interval is that of ``_estimate`` with one more row won and one more lost, which for one
    seed is Bonett & Price (2012, *Adjusted Wald confidence interval for a difference of binomial
    proportions based on paired data*). With several seeds p belongs to that interval. With one
    seed p is McNemar's exact test (1947, *Note on the sampling error of the difference between
    correlated proportions*), and an interval that disagrees with a p of 0.05 or more is extended
    to zero. With one seed nothing is said about other seeds. Both are ``[seeds][rows]``.
    """
    table = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    seeds = len(table)
    found = _estimate(table, 1 / seeds, -1 / seeds)
    reach = found.reach(UPPER)
    low, high = max(-1.0, found.mean - reach), min(1.0, found.mean + reach)
    p = found.p if seeds > 1 else _mcnemar(table)
    if p >= LEVEL:
        low, high = min(low, 0.0), max(high, 0.0)
    detectable = min(1.0, reach + found.reach(POWER))
    return Comparison(float(table.mean()), low, high, p, p, detectable, seeds)


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
    """A mean over seeds and rows, with the variance due to each.

    ``of_seeds`` includes the interaction of seed and row; ``of_rows`` is what the rows add.
    """

    mean: float
    of_seeds: float
    of_rows: float
    seeds: int
    rows: int

    def reach(self, share: float) -> float:
        """The half-width of a one-sided interval with that coverage.

        Each part keeps its own quantile of Student's t, which is conservative for independent
        normal parts of any size (Banerjee 1960, *Approximate confidence interval for linear
        functions of means of k populations when the population variances are not equal*). One
        number of degrees of freedom for the sum (Satterthwaite 1946) trusts two seeds that agree
        by chance: its 95 % intervals cover as little as 88 %.
        """
        from scipy.special import stdtrit

        by_seeds, by_rows = stdtrit([max(self.seeds - 1, 1), self.rows - 1], share)
        return sqrt(self.of_seeds * by_seeds**2 + self.of_rows * by_rows**2)

    @property
    def p(self) -> float:
        """Two-sided p-value: of the interval that just touches zero."""
        from scipy.optimize import brentq

        def margin(p: float) -> float:
            return self.reach(1 - p / 2) - abs(self.mean)

        return float(brentq(margin, _LEAST, 1.0)) if margin(_LEAST) > 0 else _LEAST


def _estimate(table: Table, *more: float) -> _Estimate:
    """The mean of a table with rows and seeds as crossed random effects.

    Its variance is that of the seed means over their number, plus that of the row means over
    theirs, minus the residual that both contain (Searle, Casella & McCulloch 1992, *Variance
    Components*, section 4.3). Seeds may tie by chance, so it is kept to at least a quarter of
    the variance that the rows alone give. With one seed, only rows vary. A bootstrap over seeds
    and rows gives too short intervals with so few seeds.

    Args:
        table: ``[seeds, rows]``.
        more: Values of pseudo-rows to add, the same for every seed; not all equal.
    """
    table = np.hstack([table, np.tile(more, (len(table), 1))])
    seeds, rows = table.shape
    mean = float(table.mean())
    of_rows = float(table.mean(axis=0).var(ddof=1)) / rows
    if seeds == 1:
        return _Estimate(mean, 0.0, of_rows, seeds, rows)
    of_seeds = float(table.mean(axis=1).var(ddof=1)) / seeds
    fitted: Table = table.mean(axis=0) + table.mean(axis=1, keepdims=True) - table.mean()
    residual = float(np.square(table - fitted).sum()) / ((seeds - 1) * (rows - 1))
    shared = residual / (seeds * rows)
    added = max(of_rows - shared, of_rows / 4 - of_seeds, 0.0)
    return _Estimate(mean, of_seeds, added, seeds, rows)


def _mcnemar(table: Table) -> float:
    """McNemar's exact p-value, over the rows on which only one of the two was right."""
    from scipy import stats

    gained, lost = int((table > 0).sum()), int((table < 0).sum())
    return float(stats.binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
