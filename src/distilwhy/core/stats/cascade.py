"""A cascade: the student answers where it is confident, and the teacher answers the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, log

import numpy as np
import numpy.typing as npt

from distilwhy.core.stats.scores import LEVEL
from distilwhy.core.wording import counted, percent

# The least share of the validation rows that the first test is about.
FIRST = 0.1
# How many shares are traced.
SHARES = 20


@dataclass(frozen=True)
class Cascade:
    """The choice of a threshold on validation rows.

    Attributes:
        target: The least agreement wanted among the rows that the student answers alone.
        threshold: It answers alone from this confidence on, before calibration; None if no
            cascade is offered.
        reason: Why none is; "" if one is.
        rows: The validation rows.
        alone: Those that the student answers alone.
        right: Those of them that it answers correctly.
    """

    target: float
    threshold: float | None = None
    reason: str = ""
    rows: int = 0
    alone: int = 0
    right: int = 0


@dataclass(frozen=True)
class SharePoint:
    """Accuracy where the student answers its most confident rows alone.

    Attributes:
        share: The share of the rows that it answers.
        alone: The student's accuracy on them; None if there are none.
        cascade: The accuracy of both on all rows, where the teacher answers the others.
    """

    share: float
    alone: float | None
    cascade: float | None = None


def choose_cascade(
    confidences: Sequence[float],
    right: Sequence[bool],
    target: float,
    teacher: Sequence[bool | None] = (),
) -> Cascade:
    """Choose the lowest threshold that keeps the agreement at the target.

    Of all choices made so, at most 5 in 100 miss the target. Thresholds are tested one after the
    other, the highest first, each by an exact binomial test at the level of 5 %; the search ends
    at the first that fails: learn then test, with fixed-sequence testing (Angelopoulos et al.
    2021, *Learn then Test*, section 2.3). The sequence does not depend on which rows are right:
    it starts at the number of rows that may all be right by the target, or at a tenth, and goes
    on to each number at which one more may be wrong. The bound holds for any number of rows, if
    agreement among the accepted rows does not rise as the threshold falls. It does not depend on
    the calibration, which may be fitted on the same rows: thresholds apply before it.

    Args:
        right: Whether the student agrees with the gold label, or with the teacher's.
        teacher: Whether the teacher is right, for rows where it can be; None for others.
    """
    rows = len(right)
    fewest = ceil(log(LEVEL) / log(target))
    if rows < fewest:
        return Cascade(target, reason=_too_few(rows, fewest, target), rows=rows)
    order = np.argsort(-np.asarray(confidences, dtype=float), kind="stable")
    sure, hits = np.asarray(confidences, dtype=float)[order], np.cumsum(np.asarray(right)[order])
    accepted = _search(sure, hits, target, max(fewest, ceil(FIRST * rows)))
    if not accepted:
        reason = (
            f"no threshold keeps agreement at {percent(target)} with 95 % confidence on the "
            f"{counted(rows, 'validation row')}, where it is {percent(hits[-1] / rows)} over all"
        )
        return Cascade(target, reason=reason, rows=rows)
    sent = [(bool(right[i]), teacher[i]) for i in order[accepted:]] if teacher else []
    if reason := _teacher_is_no_better(sent):
        return Cascade(target, reason=reason, rows=rows)
    threshold = float(sure[accepted - 1])
    return Cascade(target, threshold, "", rows, accepted, int(hits[accepted - 1]))


def trace_shares(
    confidences: Sequence[float], right: Sequence[bool], teacher: Sequence[bool] = ()
) -> list[SharePoint]:
    """The accuracies at each share from 0 to 1, in steps of a twentieth; ``teacher`` as ``right``.

    Without ``teacher`` that of the cascade is not known.
    """
    rows = len(right)
    order = np.argsort(-np.asarray(confidences, dtype=float), kind="stable")
    hits = np.concatenate([[0], np.cumsum(np.asarray(right)[order])])
    taught = np.concatenate([[0], np.cumsum(np.asarray(teacher)[order])]) if teacher else None
    points = []
    for step in range(SHARES + 1):
        place = round(step * rows / SHARES)
        alone = float(hits[place] / place) if place else None
        both = None if taught is None else float(hits[place] + taught[-1] - taught[place]) / rows
        points.append(SharePoint(step / SHARES, alone, both))
    return points


def _search(
    sure: npt.NDArray[np.float64], hits: npt.NDArray[np.int64], target: float, first: int
) -> int:
    """How many rows the lowest threshold accepts that passes; 0 if none does.

    Args:
        sure: Confidences, falling.
        hits: ``[rows]``: how many of the rows up to each one are right.
    """
    found, rows = 0, len(sure)
    misses = _count_allowed(rows, target)
    # With as many misses, more rows pass only from here on.
    places = np.flatnonzero(np.diff(misses, prepend=-1) > 0) + 1
    for place in [*places[places >= first], rows]:
        # A threshold accepts all rows of its confidence.
        accepted = int(np.searchsorted(-sure, -sure[place - 1], side="right"))
        if accepted == found:
            continue
        if accepted - hits[accepted - 1] > misses[accepted - 1]:
            break
        found = accepted
    return found


@lru_cache(maxsize=8)
def _count_allowed(rows: int, target: float) -> npt.NDArray[np.int64]:
    """``[rows]``: how many of the first row, the first two, … may be wrong, so that agreement is
    at the target by a one-sided exact test; -1 where even none may be."""
    # Imported here: a student that predicts needs no scipy.
    from scipy.stats import binom

    counts = np.arange(1, rows + 1)
    most = binom.ppf(LEVEL, counts, 1 - target)
    allowed: npt.NDArray[np.int64] = (most - (binom.cdf(most, counts, 1 - target) > LEVEL)).astype(
        np.int64
    )
    return allowed


def _too_few(rows: int, fewest: int, target: float) -> str:
    return (
        f"{counted(rows, 'validation row')} cannot show an agreement of {percent(target)}; "
        f"that takes at least {fewest:,}"
    )


def _teacher_is_no_better(sent: Sequence[tuple[bool, bool | None]]) -> str:
    """That the teacher does no better on the rows that it would be sent; "" if it does."""
    known = [(own, taught) for own, taught in sent if taught is not None]
    own, taught = (sum(column) for column in zip(*known, strict=True)) if known else (0, 1)
    if taught > own:
        return ""
    return (
        f"on the {counted(len(known), 'validation row')} that would go to the teacher, it is "
        f"right on {percent(taught / len(known))} and the student on {percent(own / len(known))}"
    )
