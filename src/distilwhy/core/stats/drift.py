"""How far a student's traffic has moved from what it answered on validation rows.

The measure is the population stability index, PSI = Σ (p − q) ln(p / q) over the classes of a
distribution (Siddiqi 2006, *Credit Risk Scorecards*). With few rows it is large by chance alone
(Yurdakul & Naranjo 2020, *Statistical Properties of the Population Stability Index*), so each value
comes with the one that chance exceeds in 5 of 100 samples of this size.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Self

import numpy as np
import numpy.typing as npt

from distilwhy.core.stats.comparisons import Prediction

# A text that is no answer, and an answer that is not one of the task's fixed labels.
NONE, OTHER = "none", "other"
# By convention a PSI up to the first is no shift worth a look, and one above the second is large.
SMALL, LARGE = 0.1, 0.25
BINS, DRAWS, SEED = 10, 2000, 0
# Two-sided 95 % of a normal distribution.
_Z = 1.96

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TrafficRow:
    """What drift is measured on, of one row: label, calibrated confidence, ``Prediction.alone``."""

    label: str | None
    confidence: float
    alone: bool | None = None

    @classmethod
    def of(cls, found: Prediction) -> Self:
        """Of a prediction, with as many digits of the confidence as files keep."""
        return cls(found.label, round(found.confidence or 0.0, 6), found.alone)


@dataclass(frozen=True)
class Profile:
    """What a student answered to some rows. Profiles over the same classes can be added.

    Attributes:
        labels: The classes of labels: the task's own, if they are fixed, ``other`` and ``none``.
        counts: ``[labels]``: rows by label.
        edges: Where bins of calibrated confidence end, rising, but for the last.
        bins: ``[edges + 1]``: rows by confidence.
        total: The sum of the confidences; ``squares``, of their squares.
        judged: Rows for which a cascade was asked; ``referred``, those below its threshold.
    """

    labels: Sequence[str]
    counts: Sequence[int]
    edges: Sequence[float]
    bins: Sequence[int]
    total: float = 0.0
    squares: float = 0.0
    judged: int = 0
    referred: int = 0

    @property
    def rows(self) -> int:
        return sum(self.counts)

    @property
    def confidence(self) -> float:
        """The mean confidence; 0 without rows."""
        return self.total / max(1, self.rows)

    @property
    def share_referred(self) -> float | None:
        """The share below the cascade's threshold; None without a cascade."""
        return self.referred / self.judged if self.judged else None

    @property
    def variance(self) -> float:
        """The variance of the confidences."""
        return max(0.0, self.squares / max(1, self.rows) - self.confidence**2)

    def of(self, answers: Iterable[TrafficRow]) -> Self:
        """The profile of other answers, over the classes of this one."""
        found = list(answers)
        sure = np.array([one.confidence for one in found], dtype=float)
        place = {label: index for index, label in enumerate(self.labels)}
        other, none = place[OTHER], place[NONE]
        labels = [none if one.label is None else place.get(one.label, other) for one in found]
        judged = [one.alone for one in found if one.alone is not None]
        return type(self)(
            self.labels,
            np.bincount(np.array(labels, dtype=int), minlength=len(place)).tolist(),
            self.edges,
            np.bincount(np.searchsorted(self.edges, sure), minlength=len(self.edges) + 1).tolist(),
            float(sure.sum()),
            float((sure**2).sum()),
            len(judged),
            judged.count(False),
        )

    def __add__(self, more: Self) -> Self:
        return type(self)(
            self.labels,
            [a + b for a, b in zip(self.counts, more.counts, strict=True)],
            self.edges,
            [a + b for a, b in zip(self.bins, more.bins, strict=True)],
            self.total + more.total,
            self.squares + more.squares,
            self.judged + more.judged,
            self.referred + more.referred,
        )


@dataclass(frozen=True)
class Shift:
    """How far a distribution has moved.

    Attributes:
        psi: The population stability index, half a row added to each class.
        chance: The PSI that 5 of 100 samples of this size exceed if nothing has changed.
        p: How often chance alone gives such a PSI.
    """

    psi: float
    chance: float
    p: float

    @property
    def is_real(self) -> bool:
        """Whether it is more than chance gives."""
        return self.psi > self.chance

    @property
    def words(self) -> str:
        """The size of the shift by convention, or that it may be chance."""
        if not self.is_real:
            return "within chance"
        return "small" if self.psi <= SMALL else "moderate" if self.psi <= LARGE else "large"


@dataclass(frozen=True)
class Change:
    """A mean or a share on validation rows and now, and the difference with its 95 % interval."""

    before: float
    now: float
    low: float
    high: float


@dataclass(frozen=True)
class Drift:
    """Some rows against validation. ``referred`` is None without a cascade."""

    rows: int
    labels: Shift
    confidences: Shift
    confidence: Change
    referred: Change | None

    @property
    def worst(self) -> float:
        """The largest PSI that is more than chance; 0 if none is."""
        return max((one.psi for one in (self.labels, self.confidences) if one.is_real), default=0.0)


def profile_validation(labels: Sequence[str], answers: Sequence[TrafficRow]) -> Profile:
    """The profile of a student's answers to validation rows, its bins holding about equally many.

    Args:
        labels: The task's labels, if they are fixed.
        answers: With calibrated confidences.
    """
    sure = [one.confidence for one in answers]
    steps = np.arange(1, BINS) / BINS
    edges = sorted({round(float(edge), 6) for edge in np.quantile(sure, steps)}) if sure else []
    classes = [*dict.fromkeys([*labels, OTHER, NONE])]
    return Profile(classes, [0] * len(classes), edges, [0] * (len(edges) + 1)).of(answers)


def measure_drift(validation: Profile, now: Profile) -> Drift:
    """How far ``now`` has moved from validation; both have a row at least."""
    own, share = now.share_referred, validation.share_referred
    referred = None
    if own is not None and share is not None:
        spread = own * (1 - own) / now.judged + share * (1 - share) / validation.judged
        referred = _change(share, own, spread)
    return Drift(
        now.rows,
        _shift(validation.counts, now.counts),
        _shift(validation.bins, now.bins),
        _change(
            validation.confidence,
            now.confidence,
            validation.variance / validation.rows + now.variance / now.rows,
        ),
        referred,
    )


def _change(before: float, now: float, variance: float) -> Change:
    half = _Z * sqrt(variance)
    return Change(before, now, now - before - half, now - before + half)


def _shift(before: Sequence[int], now: Sequence[int]) -> Shift:
    """The PSI of two counts of the same classes, against chance."""
    table = np.array([before, now], dtype=float)
    table = table[:, table.any(axis=0)]
    found = float(_psi(table[0], table[1]))
    # As if both were drawn from the same distribution.
    rng, pooled = np.random.default_rng(SEED), table.sum(axis=0) / table.sum()
    drawn = [rng.multinomial(int(rows), pooled, DRAWS).astype(float) for rows in table.sum(axis=1)]
    chance = _psi(drawn[0], drawn[1])
    p = (1 + int((chance >= found).sum())) / (1 + DRAWS)
    return Shift(found, float(np.quantile(chance, 0.95)), p)


def _psi(before: Floats, now: Floats) -> Floats:
    """``[…, classes]`` counts → ``[…]``."""
    p, q = ((one + 0.5) / (one + 0.5).sum(axis=-1, keepdims=True) for one in (before, now))
    value: Floats = ((q - p) * np.log(q / p)).sum(axis=-1)
    return value
