import numpy as np
import pytest
from scipy.stats import norm

from distilwhy.core.metrics import Comparison, Score, compare, interval, score

ROWS, STUDIES = 300, 1000


@pytest.mark.parametrize(
    ("right", "rows", "low", "high"),
    [  # The first four: Newcombe 1998, Two-sided confidence intervals, table I.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0),
    ],
)
def test_one_seed_has_wilsons_interval(right, rows, low, high):
    found = score([[True] * right + [False] * (rows - right)])
    assert found.accuracy == pytest.approx(right / rows)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
    assert (found.rows, found.seeds) == (rows, 1)


def test_several_seeds_are_averaged_over_the_same_rows():
    found = score([[True, True, False, False], [True, False, False, False]])
    assert (found.accuracy, found.rows, found.seeds) == (0.375, 4, 2)
    assert 0 <= found.low < 0.375 < found.high <= 1


@pytest.mark.parametrize("right", [True, False])
def test_seeds_that_agree_on_every_row_are_no_certainty(right):
    found = score([[right] * 10] * 3)
    one = score([[right] * 10])
    assert found == Score(one.accuracy, one.low, one.high, rows=10, seeds=3)
    assert found.high - found.low == pytest.approx(0.2775, abs=1e-3)


def test_a_difference_is_paired_by_row():
    """The same ten rows of a thousand are gained with every seed: certain, though few."""
    second = np.random.default_rng(0).random((3, 1000)) < 0.5
    first = second.copy()
    first[:, :10] = True
    second[:, :10] = False
    found = compare(first.tolist(), second.tolist())
    assert found.difference == pytest.approx(0.01)
    assert found.verdict == "helped"
    assert compare(second.tolist(), first.tolist()).verdict == "hurt"


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.001, 0.02, "helped"),
        (0.0, 0.02, "no difference seen"),
        (-0.01, 0.02, "no difference seen"),
        (-0.02, 0.0, "no difference seen"),
        (-0.02, -0.001, "hurt"),
    ],
)
def test_the_verdict_says_no_more_than_the_interval(low, high, verdict):
    assert Comparison((low + high) / 2, low, high).verdict == verdict


def test_methods_that_agree_everywhere_show_no_difference():
    right = [[True, False, True], [True, True, False]]
    assert compare(right, right) == Comparison(0.0, 0.0, 0.0)
    assert compare(right, right).verdict == "no difference seen"


def test_one_row_decides_nothing():
    assert compare([[True]], [[False]]) == Comparison(1.0, -1.0, 1.0)
    assert compare([[True], [True]], [[False], [False]]).verdict == "no difference seen"


def answers(
    rng: np.random.Generator, rows: np.ndarray, seeds: int, of_seeds: float, lead: float = 0.0
) -> np.ndarray:
    """Whether students were right: seed and row effects, crossed, behind a probit."""
    effect = rng.normal(0, of_seeds, (STUDIES, seeds, 1))
    noise = rng.normal(0, 1, (STUDIES, seeds, ROWS))
    return (0.4 + lead + effect + rows + noise > 0).astype(float)


def covered(tables: np.ndarray, truth: float) -> float:
    """The share of studies whose interval holds the true mean."""
    bounds = np.array([interval(table) for table in tables])
    return float(((bounds[:, 0] <= truth) & (truth <= bounds[:, 1])).mean())


@pytest.mark.parametrize(
    ("seeds", "of_seeds", "of_rows"),
    [(5, 0.05, 1.0), (5, 0.1, 2.0), (5, 0.3, 1.0), (3, 0.1, 2.0)],
)
def test_the_interval_of_a_score_covers_what_it_says(seeds, of_seeds, of_rows):
    rng = np.random.default_rng(7)
    rows = rng.normal(0, of_rows, (STUDIES, 1, ROWS))
    truth = norm.cdf(0.4 / np.sqrt(1 + of_seeds**2 + of_rows**2))
    assert 0.92 <= covered(answers(rng, rows, seeds, of_seeds), truth) <= 0.98


@pytest.mark.parametrize(
    ("seeds", "of_seeds", "of_rows", "lead"),
    [(5, 0.1, 2.0, 0.0), (5, 0.1, 2.0, 0.2), (5, 0.3, 1.0, 0.1), (3, 0.1, 2.0, 0.2)],
)
def test_the_interval_of_a_difference_covers_what_it_says(seeds, of_seeds, of_rows, lead):
    rng = np.random.default_rng(8)
    rows = rng.normal(0, of_rows, (STUDIES, 1, ROWS))
    spread = np.sqrt(1 + of_seeds**2 + of_rows**2)
    truth = norm.cdf((0.4 + lead) / spread) - norm.cdf(0.4 / spread)
    first = answers(rng, rows, seeds, of_seeds, lead)
    assert 0.92 <= covered(first - answers(rng, rows, seeds, of_seeds), truth) <= 0.98


def test_leaving_out_either_source_of_variance_would_cover_less():
    """The simulation is one that a plain interval fails: else covering it would show nothing."""
    rng = np.random.default_rng(9)
    truth = norm.cdf(0.4 / np.sqrt(1 + 0.3**2 + 1))
    tables = answers(rng, rng.normal(0, 1, (STUDIES, 1, ROWS)), 5, 0.3)
    means = tables.mean(axis=(1, 2))
    plain = 1.96 * np.sqrt(means * (1 - means) / (5 * ROWS))
    assert (abs(means - truth) <= plain).mean() < 0.7
    rows_alone = 1.96 * tables.mean(axis=1).std(axis=1, ddof=1) / np.sqrt(ROWS)
    assert (abs(means - truth) <= rows_alone).mean() < 0.7
