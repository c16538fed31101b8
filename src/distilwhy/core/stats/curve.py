"""Accuracy as a function of the number of train rows: fitted, extrapolated, and inverted."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from distilwhy.core.stats.scores import Score

DRAWS = 400
MORE_ROWS = 1000
BEYOND = 2
_FEWEST_POINTS = 3
_EXPONENTS = np.linspace(0.1, 2.0, 39)
_STEPS = 30  # points of a curve, within the measured rows and again beyond
_SEED = 0
_NORMAL_REACH = 1.96  # half-width of a 95 % interval in standard errors

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """The score of a method on a number of train rows."""

    rows: int
    score: Score


@dataclass(frozen=True)
class Band:
    """A fitted value with its 95 % interval."""

    rows: int
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True)
class Curve:
    """Accuracy over train rows for one method of one student.

    ``fit`` goes from the fewest rows to twice the most; it is empty with fewer than three points.
    """

    method: str
    points: Sequence[Point]
    fit: Sequence[Band]
    student: str = ""


@dataclass(frozen=True)
class Efficiency:
    """The data efficiency of a method: what rows are worth.

    Attributes:
        rows: The largest number of train rows that was tried.
        matches: The train rows with which the method matches ``finetune`` on all of them, and
            the ends of its 95 % interval; each None if the curve does not get there within
            twice ``rows``. None as a whole for ``finetune`` itself.
        gain: Expected accuracy gained by ``more`` rows, with its 95 % interval.
        fewest: The smallest number of train rows that was tried. If ``matches`` equals it, fewer
            may be enough.
    """

    method: str
    rows: int
    matches: tuple[int | None, int | None, int | None] | None
    more: int
    gain: Band
    student: str = ""
    fewest: int = 0


class _Law(NamedTuple):
    """accuracy(n) = top − drop · n^(−exponent)."""

    top: float
    drop: float
    exponent: float

    def at(self, rows: Floats | float) -> Floats:
        return np.asarray(self.top - self.drop * np.asarray(rows, dtype=float) ** -self.exponent)

    def rows_for(self, accuracy: float) -> float:
        """The rows that reach an accuracy; infinity if none do."""
        if self.top <= accuracy:
            return inf
        return float((self.drop / (self.top - accuracy)) ** (1 / self.exponent))


def fit_curve(method: str, points: Sequence[Point], student: str = "") -> Curve:
    """Fit a curve to the measured points, with a 95 % band.

    accuracy(n) = a − b · n^(−c), with b ≥ 0, a ≤ 1 and 0.1 ≤ c ≤ 2: the inverse power law of
    learning curves (Figueroa et al. 2012, *Predicting sample size required for classification
    performance*, equation 1), by least squares. The band is that of curves through 400 draws of
    the points, each from a two-piece normal as wide on either side as the point's interval.
    """
    if len(points) < _FEWEST_POINTS:
        return Curve(method, tuple(points), (), student)
    most = points[-1].rows
    within = np.geomspace(points[0].rows, most, _STEPS)
    rows = np.concatenate([within, np.geomspace(most, BEYOND * most, _STEPS)[1:]])
    drawn = np.array([law.at(rows) for law in _draw_laws(points)])
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    found = zip(rows, _measured_law(points).at(rows), low, high, strict=True)
    fit = tuple(Band(round(n), *map(float, b)) for n, *b in found)
    return Curve(method, tuple(points), fit, student)


def find_efficiency(curve: Curve, finetune: Score | None) -> Efficiency | None:
    """The expected gain from more rows, and the rows needed to match ``finetune`` on all of them.

    None if the curve has too few points. ``finetune`` is None if the curve is its own.
    """
    if not curve.fit:
        return None
    laws, fewest, most = _draw_laws(curve.points), curve.points[0].rows, curve.points[-1].rows

    def gain(law: _Law) -> float:
        return float(law.at(most + MORE_ROWS) - law.at(most))

    low, high = np.quantile([gain(law) for law in laws], [0.025, 0.975])
    more = Band(most + MORE_ROWS, gain(_measured_law(curve.points)), float(low), float(high))
    matches = None if finetune is None else _match(curve.points, laws, finetune)
    return Efficiency(curve.method, most, matches, MORE_ROWS, more, curve.student, fewest)


def _match(
    points: Sequence[Point], laws: Sequence[_Law], aim: Score
) -> tuple[int | None, int | None, int | None]:
    """The rows needed to match another score, which is itself uncertain."""
    aims = _draw_scores([aim], np.random.default_rng(_SEED + 1), len(laws))[:, 0]
    wanted = [law.rows_for(one) for law, one in zip(laws, aims, strict=True)]
    low, high = np.quantile(wanted, [0.025, 0.975], method="nearest")

    def known(rows: float) -> int | None:
        return None if rows > BEYOND * points[-1].rows else max(points[0].rows, round(rows))

    return known(_measured_law(points).rows_for(aim.accuracy)), known(low), known(high)


def _measured_law(points: Sequence[Point]) -> _Law:
    return _fit(points, np.array([[point.score.accuracy for point in points]]))[0]


def _draw_laws(points: Sequence[Point]) -> list[_Law]:
    """Curves through draws of what might as well have been measured; always the same draws."""
    scores = [point.score for point in points]
    return _fit(points, _draw_scores(scores, np.random.default_rng(_SEED), DRAWS))


def _draw_scores(scores: Sequence[Score], random: np.random.Generator, draws: int) -> Floats:
    """What else might be the truth, ``[draws, scores]``: 95 in 100 are within the interval."""
    means, low, high = np.array([(s.accuracy, s.low, s.high) for s in scores]).T
    normal = random.normal(size=(draws, len(scores)))
    reach = np.where(normal > 0, high - means, means - low) / _NORMAL_REACH
    return np.asarray(np.clip(means + normal * reach, 0.0, 1.0))


def _fit(points: Sequence[Point], accuracies: Floats) -> list[_Law]:
    """A law for each row of ``[draws, points]``: least squares over a and b, for a grid of c."""
    rows = np.array([point.rows for point in points], dtype=float)
    middle = accuracies.mean(axis=1)
    found = []
    for exponent in _EXPONENTS:
        shrunk = rows**-exponent
        spread = shrunk - shrunk.mean()
        drop = np.maximum(0.0, -(accuracies - middle[:, None]) @ spread / (spread @ spread))
        top = np.minimum(1.0, middle + drop * shrunk.mean())
        missed = np.square(top[:, None] - drop[:, None] * shrunk - accuracies).sum(axis=1)
        found.append((missed, top, drop))
    missed, top, drop = np.moveaxis(np.array(found), 1, 0)
    best = missed.argmin(axis=0), np.arange(len(accuracies))
    laws = zip(top[best], drop[best], _EXPONENTS[best[0]], strict=True)
    return [_Law(*map(float, law)) for law in laws]
