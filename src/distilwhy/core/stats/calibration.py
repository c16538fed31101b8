"""Confidences that are as often right as they say: calibrated on validation, checked on test.

scipy is imported where it is used: a student that predicts needs none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import numpy.typing as npt

# From so many rows on isotonic regression is the better fit (Niculescu-Mizil & Caruana 2005,
# *Predicting Good Probabilities With Supervised Learning*, figure 6).
ISOTONIC_ROWS = 1000
BINS, ROWS_A_BIN = 15, 10
# A temperature is used if twice the gain in log-likelihood reaches this: the 95 % quantile of χ²
# with two degrees of freedom. With fewer rows it would often do harm.
_GAIN = 5.99
# A confidence is kept this far from 0 and 1, where log-odds are infinite.
_CLOSEST = 1e-12
_SLOPES, _OFFSETS = (0.05, 20.0), (-20.0, 20.0)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """Maps a student's own confidence to the share of such labels that are right.

    Attributes:
        kind: ``temperature``: c becomes sigmoid(logit(c) / temperature + offset), temperature
            scaling of the odds of the label that was given against all others (Gupta & Ramdas
            2022, *Top-label calibration*) with the offset of Platt 1999. ``isotonic``: linear
            between ``knots``, in log-odds. Neither ever reverses the order of two confidences.
        rows: The validation rows that it was fitted on.
        knots: Pairs of a confidence and its calibrated value, both rising.
    """

    kind: Literal["temperature", "isotonic"]
    rows: int
    temperature: float = 1.0
    offset: float = 0.0
    knots: Sequence[tuple[float, float]] = ()

    @property
    def is_identity(self) -> bool:
        """Whether it leaves every confidence as it is."""
        return (self.kind, self.temperature, self.offset) == ("temperature", 1.0, 0.0)

    def apply(self, confidences: Sequence[float] | Floats) -> Floats:
        """Calibrated confidences, in the order given."""
        odds = _log_odds(confidences)
        if self.kind == "isotonic":
            own, calibrated = zip(*self.knots, strict=True)
            level: Floats = np.interp(odds, _log_odds(own), calibrated)
            return level
        scaled: Floats = _sigmoid(odds / self.temperature + self.offset)
        return scaled


@dataclass(frozen=True)
class Bin:
    """Rows of similar confidence: the mean confidence, and the share that is right."""

    confidence: float
    accuracy: float
    rows: int


@dataclass(frozen=True)
class Reliability:
    """How far confidences are from the share that is right.

    Attributes:
        error: The expected calibration error: the mean distance between the confidence and the
            accuracy of a bin, weighted by rows. The bins have equal mass: each as many rows as
            the next, up to one.
    """

    error: float
    bins: Sequence[Bin]

    @classmethod
    def of(cls, confidences: Sequence[float] | Floats, right: Sequence[bool]) -> Self:
        """Measure it on one row or more, in up to 15 bins of at least 10 rows."""
        sure, correct = np.asarray(confidences, dtype=float), np.asarray(right, dtype=float)
        order = np.argsort(sure, kind="stable")
        number = min(BINS, max(1, len(order) // ROWS_A_BIN))
        bins = [
            Bin(float(sure[part].mean()), float(correct[part].mean()), len(part))
            for part in np.array_split(order, number)
        ]
        error = sum(one.rows * abs(one.confidence - one.accuracy) for one in bins) / len(order)
        return cls(error, bins)


def calibrate(confidences: Sequence[float], right: Sequence[bool]) -> Calibration:
    """Fit a calibration to one row or more: isotonic to 1,000 or more, else a temperature.

    A temperature that does not fit significantly better than the confidences as they are is not
    used (likelihood-ratio test, 5 %).
    """
    odds, correct = _log_odds(confidences), np.asarray(right, dtype=float)
    if len(correct) >= ISOTONIC_ROWS:
        return Calibration("isotonic", len(correct), knots=_fit_knots(odds, correct))
    slope, offset = _fit_slope(odds, correct)
    gain = _log_likelihood(slope * odds + offset, correct) - _log_likelihood(odds, correct)
    if 2 * gain < _GAIN:
        return Calibration("temperature", len(correct))
    return Calibration("temperature", len(correct), 1 / slope, offset)


def _log_likelihood(scores: Floats, right: Floats) -> float:
    return float((right * scores - np.logaddexp(0.0, scores)).sum())


def _fit_slope(odds: Floats, right: Floats) -> tuple[float, float]:
    """Slope and offset of a logistic regression, whose slope is positive.

    Its targets are Platt's (1999, *Probabilistic Outputs for Support Vector Machines*, section
    2.2), so that rows which are all right do not count as certain.
    """
    from scipy.optimize import minimize

    hits = right.sum()
    target = np.where(right > 0, (hits + 1) / (hits + 2), 1 / (len(right) - hits + 2))

    def loss(weights: Floats) -> tuple[float, Floats]:
        scores = weights[0] * odds + weights[1]
        gap = _sigmoid(scores) - target
        value = (np.logaddexp(0, scores) - target * scores).mean()
        return float(value), np.array([(gap * odds).mean(), gap.mean()])

    found = minimize(loss, [1.0, 0.0], jac=True, bounds=[_SLOPES, _OFFSETS], method="L-BFGS-B")
    return float(found.x[0]), float(found.x[1])


def _fit_knots(odds: Floats, right: Floats) -> list[tuple[float, float]]:
    """The mean of each level of isotonic regression, with its value.

    Two pseudo-rows, of half a row each, keep both ends from 0 and 1: a wrong one with the highest
    confidence, and a right one with the lowest.
    """
    from scipy.optimize import isotonic_regression

    levels, where = np.unique(odds, return_inverse=True)
    weights, hits = np.bincount(where).astype(float), np.bincount(where, right)
    weights[[0, -1]] += 0.5
    hits[0] += 0.5
    found = isotonic_regression(hits / weights, weights=weights)
    return [
        (
            float(_sigmoid(np.average(levels[start:end], weights=weights[start:end]))),
            float(found.x[start]),
        )
        for start, end in zip(found.blocks[:-1], found.blocks[1:], strict=True)
    ]


def _log_odds(confidences: Sequence[float] | Floats) -> Floats:
    """Log-odds, finite also for 0 and 1."""
    inside = np.clip(np.asarray(confidences, dtype=float), _CLOSEST, 1 - _CLOSEST)
    found: Floats = np.log(inside) - np.log1p(-inside)
    return found


def _sigmoid(scores: Floats | np.float64) -> Floats:
    """The inverse of log-odds."""
    found: Floats = np.exp(-np.logaddexp(0.0, -scores))
    return found
