"""Accuracy on validation during training: means over seeds, and what was still rising."""

import pytest

from distilwhy.core.stats.progress import Progress, is_rising, mean_progress


def training(*accuracies: float) -> list[Progress]:
    return [
        Progress(10 * number, accuracy, 100 * number)
        for number, accuracy in enumerate(accuracies, start=1)
    ]


RISING = training(0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@pytest.mark.parametrize(
    ("seeds", "rows", "is_found"),
    [
        ([RISING], 1000, True),
        ([training(0.3, 0.8, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9)], 1000, False),
        ([training(0.3, 0.9, 0.8, 0.7, 0.6, 0.7, 0.8, 0.85)], 1000, False),
        # Two points more are noise on 100 rows, and are not on 10,000.
        ([training(0.7, 0.7, 0.7, 0.72)], 100, False),
        ([training(0.7, 0.7, 0.7, 0.72)], 10_000, True),
        # Nor are they noise if 50 seeds agree.
        ([training(0.7, 0.7, 0.7, 0.72)] * 50, 100, True),
        ([RISING, training(0.9, 0.5, 0.5, 0.5)], 1000, False),
        ([training(0.1, 0.5, 0.9)], 1000, False),
        ([[]], 1000, False),
        ([], 1000, False),
        ([RISING], 0, False),
    ],
)
def test_a_training_is_still_rising_if_its_last_quarter_gained_more_than_noise(
    seeds: list[list[Progress]], rows: int, is_found: bool
):
    assert is_rising(seeds, rows) is is_found


def test_a_training_that_stopped_early_counts_on_with_its_best():
    found = mean_progress([training(0.5, 0.9, 0.8), training(0.1, 0.1, 0.1, 0.3)])
    assert [one.step for one in found] == [10, 20, 30, 40]
    assert [one.accuracy for one in found] == pytest.approx([0.3, 0.5, 0.45, 0.6])
    assert [one.tokens for one in found] == [100, 200, 300, 400]


def test_without_evaluations_there_is_no_progress():
    assert mean_progress([[], []]) == []
