"""Drift: how far traffic has moved from validation, and what chance alone would give."""

import numpy as np
import pytest

from distilwhy.core.stats.drift import (
    Profile,
    TrafficRow,
    measure_drift,
    profile_validation,
)

LABELS = ("a", "b", "c")


def draw(rows: int, shares=(0.5, 0.3, 0.2), sure=(8, 2), seed: int = 0) -> list[TrafficRow]:
    rng = np.random.default_rng(seed)
    labels = rng.choice(LABELS, rows, p=shares)
    confidences = rng.beta(*sure, rows)
    return [
        TrafficRow(str(label), round(float(c), 6), bool(c > 0.7))
        for label, c in zip(labels, confidences, strict=True)
    ]


def profile(answers: list[TrafficRow]) -> Profile:
    return profile_validation(LABELS, answers)


def test_the_index_of_many_rows_is_that_of_the_formula():
    before = [TrafficRow(label, 0.5) for label in "a" * 50_000 + "b" * 30_000 + "c" * 20_000]
    now = [TrafficRow(label, 0.5) for label in "a" * 20_000 + "b" * 30_000 + "c" * 50_000]
    validation = profile(before)
    drift = measure_drift(validation, validation.of(now))
    expected = (0.5 - 0.2) * np.log(0.5 / 0.2) + (0.2 - 0.5) * np.log(0.2 / 0.5)
    assert drift.labels.psi == pytest.approx(expected, rel=1e-3)
    assert drift.labels.words == "large"
    assert drift.confidences.psi == 0
    assert drift.confidences.words == "within chance"


@pytest.mark.parametrize("rows", [20, 200])
def test_rows_that_have_not_changed_are_called_a_shift_in_about_5_of_100_samples(rows: int):
    found = []
    for seed in range(150):
        own = profile(draw(300, seed=1000 + seed))
        found.append(measure_drift(own, own.of(draw(rows, seed=seed))))
    for shifts in ([f.labels for f in found], [f.confidences for f in found]):
        assert sum(one.is_real for one in shifts) <= 0.1 * len(found)
        assert sum(one.p < 0.5 for one in shifts) > 0.3 * len(found)
    outside = sum(not f.confidence.low <= 0 <= f.confidence.high for f in found)
    assert outside <= 0.1 * len(found)


def test_a_large_index_of_few_rows_is_within_chance():
    validation = profile(draw(200))
    drift = measure_drift(validation, validation.of(draw(4, seed=3)))
    assert drift.confidences.psi > 0.25
    assert drift.confidences.words == "within chance"
    assert drift.worst == 0


def test_a_shift_is_found_in_labels_in_confidences_and_in_the_share_referred():
    validation = profile(draw(1000))
    moved = measure_drift(validation, validation.of(draw(500, (0.2, 0.3, 0.5), (3, 2), seed=1)))
    assert moved.labels.is_real
    assert moved.confidences.words == "large"
    assert moved.worst == max(moved.labels.psi, moved.confidences.psi)
    assert moved.confidence.high < 0
    assert moved.referred is not None
    assert moved.referred.low > 0


def test_parts_of_a_log_add_up_to_the_whole():
    answers = draw(101)
    validation = profile(draw(50, seed=7))
    parts = validation.of(answers[:30]) + validation.of(answers[30:]) + validation.of([])
    whole = validation.of(answers)
    assert (parts.counts, parts.bins, parts.referred) == (whole.counts, whole.bins, whole.referred)
    assert (parts.confidence, parts.variance) == pytest.approx((whole.confidence, whole.variance))


def test_texts_that_are_no_answer_and_labels_of_no_fixed_space_are_classes_of_their_own():
    found = profile_validation(
        (), [TrafficRow("x", 0.5), TrafficRow("y", 0.5), TrafficRow(None, 0.0)]
    )
    assert dict(zip(found.labels, found.counts, strict=True)) == {"other": 2, "none": 1}
    assert found.share_referred is None
    assert measure_drift(found, found).referred is None


def test_confidences_that_are_all_the_same_have_no_shift():
    validation = profile([TrafficRow("a", 1.0)] * 40)
    assert measure_drift(validation, validation.of([TrafficRow("a", 1.0)] * 9)).confidences.psi == 0
