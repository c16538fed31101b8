"""Learning curves: fitted, extrapolated and inverted."""

import numpy as np
import pytest

from distilwhy.core.stats.curve import Point, _draw_scores, find_efficiency, fit_curve
from distilwhy.core.stats.scores import Score

SIZES = (100, 300, 1000, 3000)


def law(rows: float) -> float:
    return 0.9 - 2.0 * rows**-0.5


def score(accuracy: float, reach: float = 0.01) -> Score:
    return Score(accuracy, accuracy - reach, accuracy + reach, 500, 5)


def points(reach: float = 0.001) -> list[Point]:
    return [Point(rows, score(law(rows), reach)) for rows in SIZES]


def test_a_power_law_is_recovered():
    curve = fit_curve("step-by-step", points())
    drawn = [band.rows for band in curve.fit]
    assert (drawn[0], drawn[-1]) == (100, 6000)
    assert 3000 in drawn, "what was measured ends in the curve"
    for band in curve.fit:
        assert band.accuracy == pytest.approx(law(band.rows), abs=0.002)
        assert band.low <= band.accuracy <= band.high
        assert band.high - band.low < 0.02


def test_narrower_intervals_make_a_narrower_band():
    sure, unsure = (fit_curve("m", points(reach)).fit[-1] for reach in (0.005, 0.05))
    assert sure.high - sure.low < (unsure.high - unsure.low) / 3


def test_two_points_are_not_fitted():
    curve = fit_curve("m", points()[:2])
    assert curve.fit == ()
    assert len(curve.points) == 2
    assert find_efficiency(curve, score(0.8)) is None


def test_the_expected_gain_of_more_rows():
    found = find_efficiency(fit_curve("m", points()), None)
    assert found is not None
    assert (found.rows, found.more, found.gain.rows, found.matches) == (3000, 1000, 4000, None)
    assert found.gain.accuracy == pytest.approx(law(4000) - law(3000), abs=0.001)
    assert found.gain.low <= found.gain.accuracy <= found.gain.high


def test_the_rows_needed_to_match_a_baseline():
    """0.9 - 2 / √n = 0.8 at n = 400."""
    found = find_efficiency(fit_curve("m", points()), score(0.8, 0.005))
    assert found is not None
    assert found.matches is not None
    rows, low, high = found.matches
    assert rows == pytest.approx(400, rel=0.05)
    assert low is not None
    assert high is not None
    assert rows is not None
    assert low < rows < high


def test_rows_out_of_range_are_none_or_the_fewest():
    curve = fit_curve("m", points())
    never, always = find_efficiency(curve, score(0.95)), find_efficiency(curve, score(0.5))
    assert never is not None
    assert always is not None
    assert never.matches == (None, None, None)
    assert always.matches == (100, 100, 100)


def test_a_flat_curve_has_no_gain():
    flat = [Point(rows, score(0.7)) for rows in SIZES]
    found = find_efficiency(fit_curve("m", flat), None)
    assert found is not None
    assert found.gain.accuracy == pytest.approx(0.0, abs=1e-6)


def test_a_falling_curve_is_fitted_as_flat():
    falling = [Point(n, score(a)) for n, a in zip(SIZES, (0.8, 0.75, 0.7, 0.65), strict=True)]
    bands = fit_curve("m", falling).fit
    assert np.ptp([band.accuracy for band in bands]) == pytest.approx(0.0, abs=1e-9)


def test_the_band_covers_the_truth():
    """Points drawn around the law: at twice the rows 95 of 100 bands hold it, or nearly."""
    rng, held, studies = np.random.default_rng(0), 0, 100
    for _ in range(studies):
        drawn = [Point(n, score(law(n) + rng.normal(0, 0.01), 0.0196)) for n in SIZES]
        last = fit_curve("m", drawn).fit[-1]
        held += last.low <= law(last.rows) <= last.high
    assert held >= 88


def test_draws_of_a_point_are_as_wide_as_its_interval_on_either_side():
    scores = [Score(0.5, 0.4, 0.8, 100), Score(0.98, 0.7, 1.0, 100)]
    drawn = _draw_scores(scores, np.random.default_rng(3), 40_000)
    ends = np.quantile(drawn, [0.025, 0.5, 0.975], axis=0)
    assert ends[:, 0] == pytest.approx([0.4, 0.5, 0.8], abs=0.005)
    assert ends[:, 1] == pytest.approx([0.7, 0.98, 1.0], abs=0.005)
    assert drawn.max() <= 1.0
