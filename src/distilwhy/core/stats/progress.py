"""Accuracy on validation during training, and whether it was still rising at the end."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean

# What is gained in the last quarter of the evaluations is compared with what was reached before.
_LATE = 0.25
_FEWEST = 4


@dataclass(frozen=True)
class Progress:
    """One evaluation during training.

    Attributes:
        accuracy: On validation, a share.
        tokens: The tokens trained on until then, read and written; 0 where they were not counted.
    """

    step: int
    accuracy: float
    tokens: int = 0


def mean_progress(seeds: Sequence[Sequence[Progress]]) -> list[Progress]:
    """The mean over several trainings, at every step that one of them evaluated.

    A training that stopped early counts on with the best that it reached, whose weights are kept.
    Tokens are those of a training that went on.
    """
    by_step = [{one.step: one for one in seed} for seed in seeds]
    found = []
    for step in sorted({step for one in by_step for step in one}):
        here = [one[step] for one in by_step if step in one]
        stopped = [
            max(one.accuracy for one in seed) for seed in seeds if seed and seed[-1].step < step
        ]
        accuracy = fmean([*(one.accuracy for one in here), *stopped])
        found.append(Progress(step, accuracy, round(fmean(one.tokens for one in here))))
    return found


def is_rising(seeds: Sequence[Sequence[Progress]], rows: int) -> bool:
    """Whether trainings that took all their steps were still gaining accuracy when they ended.

    They were if the best accuracy of the last quarter of the evaluations exceeds the best before
    it, on average over the seeds, by more than the standard error of that average: √(p (1 − p) /
    (rows · seeds)), with p the best accuracy. With fewer than four evaluations nothing is known.

    Args:
        seeds: Without those that patience ended.
        rows: The validation rows.
    """
    gains, bests = [], []
    for seed in seeds:
        late = max(1, round(_LATE * len(seed)))
        if len(seed) >= _FEWEST:
            before = max(one.accuracy for one in seed[:-late])
            bests.append(max(one.accuracy for one in seed))
            gains.append(max(one.accuracy for one in seed[-late:]) - before)
    if not gains or not rows:
        return False
    best = fmean(bests)
    return fmean(gains) > sqrt(best * (1 - best) / (rows * len(gains)))
