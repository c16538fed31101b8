import numpy as np
import pytest
from scipy.stats import norm

from distilwhy.core.metrics import Comparison, Score, adjust, compare, interval, score

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
    ("difference", "adjusted", "verdict", "words"),
    [
        (0.021, 0.04, "helped", "helped by 2.1 points (1.1 to 3.1)"),
        (-0.021, 0.04, "hurt", "hurt by 2.1 points (1.1 to 3.1)"),
        (0.021, 0.05, "no difference seen", "no difference seen: +2.1 points (+1.1 to +3.1); "
         "the study could have seen 1.4"),
        (-0.021, 0.9, "no difference seen", "no difference seen: -2.1 points (-3.1 to -1.1); "
         "the study could have seen 1.4"),
    ],
)  # fmt: skip
def test_the_verdict_in_words(difference, adjusted, verdict, words):
    low, high = difference - 0.01, difference + 0.01
    found = Comparison(difference, low, high, 0.01, adjusted, 0.014)
    assert (found.verdict, found.words) == (verdict, words)


def test_methods_that_agree_everywhere_show_no_difference():
    right = [[True, False, True], [True, True, False]]
    found = compare(right, right)
    assert (found.difference, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)
    assert found.verdict == "no difference seen"


def test_one_row_decides_nothing():
    found = compare([[True]], [[False]])
    assert (found.difference, found.low, found.high) == (1.0, -1.0, 1.0)
    assert compare([[True], [True]], [[False], [False]]).verdict == "no difference seen"


def test_one_seed_is_mcnemars_exact_test():
    """Ten rows won and two lost: twice the chance of so few among twelve even coins."""
    first = [[True] * 10 + [False] * 2 + [True] * 88]
    second = [[False] * 10 + [True] * 2 + [True] * 88]
    expected = 2 * (1 + 12 + 66) / 2**12
    assert compare(first, second).p == pytest.approx(expected)
    assert compare(first, second).verdict == "helped"
    assert compare(first, first).p == 1.0


def with_p(p: float) -> Comparison:
    return Comparison(0.1, 0.0, 0.2, p, p, 0.1)


def test_holm_by_hand():
    """0.01 · 4, 0.02 · 3, then no less than that: 0.03 · 2 = 0.06; 0.5 · 1."""
    family = adjust([with_p(p) for p in (0.03, 0.01, 0.5, 0.02)])
    assert [found.adjusted for found in family] == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert [found.p for found in family] == [0.03, 0.01, 0.5, 0.02]
    assert adjust([]) == []


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


@pytest.mark.parametrize(("seeds", "of_seeds"), [(1, 0.0), (3, 0.1), (5, 0.2)])
def test_where_nothing_differs_hardly_anything_is_said_to_help(seeds, of_seeds):
    """A study compares one method with three: in 95 of 100 none is said to have helped."""
    rng, wrong = np.random.default_rng(11), 0
    rows = rng.normal(0, 1.0, (STUDIES, 1, ROWS))
    first, *others = [answers(rng, rows, seeds, of_seeds) for _ in range(4)]
    for study in range(STUDIES):
        family = adjust([compare(first[study], other[study]) for other in others])
        wrong += any(found.verdict == "helped" for found in family)
    assert wrong / STUDIES <= 0.05


def test_a_study_sees_four_times_in_five_what_it_says_it_could_have_seen():
    rng, of_seeds = np.random.default_rng(12), 0.1
    rows = rng.normal(0, 1.0, (STUDIES, 1, ROWS))
    spread = np.sqrt(2 + of_seeds**2)
    for lead in (0.1, 0.5):
        truth = norm.cdf((0.4 + lead) / spread) - norm.cdf(0.4 / spread)
        first, second = answers(rng, rows, 5, of_seeds, lead), answers(rng, rows, 5, of_seeds)
        found = [compare(first[study], second[study]) for study in range(200)]
        power = np.mean([one.verdict == "helped" for one in found])
        detectable = np.median([one.detectable for one in found])
        assert (power > 0.8) == (truth > detectable)
