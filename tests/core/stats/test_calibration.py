"""Confidences as probabilities: fitted on some rows, and checked on others."""

import numpy as np
import pytest
from scipy.special import expit, logit

from distilwhy.core.stats.calibration import Calibration, Reliability, calibrate

FEW, MANY = 400, 4000


def overconfident(rows: int, seed: int = 0) -> tuple[list[float], list[bool]]:
    """Confidences whose log-odds are three times those of the share that is right."""
    rng = np.random.default_rng(seed)
    truth = rng.beta(4, 1.2, rows)
    own = expit(3 * logit(truth))
    return own.tolist(), (rng.random(rows) < truth).tolist()


@pytest.mark.parametrize(("rows", "kind"), [(FEW, "temperature"), (MANY, "isotonic")])
def test_calibration_lowers_the_error_on_other_rows(rows, kind):
    found = calibrate(*overconfident(rows))
    own, right = overconfident(10_000, seed=1)
    before, after = Reliability.of(own, right), Reliability.of(found.apply(own), right)
    assert (found.kind, found.rows) == (kind, rows)
    assert before.error > 0.1
    assert after.error < 0.04


def test_the_temperature_is_found():
    own, right = overconfident(999)
    found = calibrate(own, right)
    assert found.temperature == pytest.approx(3, rel=0.25)
    assert found.offset == pytest.approx(0, abs=0.3)


@pytest.mark.parametrize("rows", [1, 2, 30, FEW, MANY])
def test_calibration_never_reverses_the_order(rows):
    found = calibrate(*overconfident(rows))
    own = np.sort([0.0, 1.0, 1 - 1e-15, *overconfident(500, seed=2)[0]])
    assert (np.diff(found.apply(own)) >= 0).all()


@pytest.mark.parametrize("rows", [20, MANY])
@pytest.mark.parametrize("is_right", [True, False])
def test_rows_that_are_all_right_or_all_wrong_do_not_make_it_certain(rows, is_right):
    own = overconfident(rows)[0]
    found = calibrate(own, [is_right] * rows).apply([0.0, *own, 1.0])
    assert np.isfinite(found).all()
    assert ((found > 0) & (found < 1)).all()
    assert (found.mean() > 0.5) == is_right


@pytest.mark.parametrize("rows", [FEW, MANY])
def test_confidences_that_say_nothing_become_the_accuracy(rows):
    right = [i % 5 != 0 for i in range(rows)]
    for own in ([0.9] * rows, np.random.default_rng(0).random(rows).tolist()):
        found = calibrate(own, right).apply(own)
        assert np.abs(found - 0.8).mean() < 0.06
        assert found.mean() == pytest.approx(0.8, abs=0.02)


def test_confidences_of_exactly_zero_and_one_are_fitted():
    own = [0.0] * 300 + [1.0] * 900
    right = [False] * 300 + [True] * 850 + [False] * 50
    for rows in (own, own[::2]):
        found = calibrate(rows, right[:: len(own) // len(rows)])
        assert found.apply([0.0, 1.0]) == pytest.approx([0.0, 0.944], abs=0.02)


def test_the_error_is_that_of_bins_with_equally_many_rows():
    """Two bins of ten: 0.9 against 0.7, and 0.6 against 0.6."""
    found = Reliability.of(
        [0.6] * 10 + [0.9] * 10, [True] * 6 + [False] * 4 + [True] * 7 + [False] * 3
    )
    assert found.error == pytest.approx(0.1)
    assert [(one.rows, one.accuracy) for one in found.bins] == [(10, 0.6), (10, 0.7)]
    assert [one.rows for one in Reliability.of([0.5] * 100_000, [True] * 100_000).bins] == (
        [6667] * 10 + [6666] * 5
    )
    assert [one.rows for one in Reliability.of([0.5], [True]).bins] == [1]


def test_confidences_that_are_right_already_are_left_as_they_are():
    """A fit to few rows would mostly add noise."""
    kept = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        truth = rng.beta(4, 1.2, 200)
        kept.append(calibrate(truth.tolist(), (rng.random(200) < truth).tolist()).is_identity)
    assert sum(kept) >= 34
    assert not calibrate(*overconfident(200)).is_identity


def test_a_temperature_of_one_changes_nothing():
    own = [0.1, 0.5, 0.999]
    assert Calibration("temperature", 10).apply(own) == pytest.approx(own)
