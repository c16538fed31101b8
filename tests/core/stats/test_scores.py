from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import norm

from distilwhy.core.stats.scores import Comparison, Score, adjust, compare, score

STUDIES = 2000
NOISE = 2 * np.sqrt(0.95 * 0.05 / STUDIES)


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


@pytest.mark.parametrize("rows", range(1, 60))
def test_the_interval_contains_the_accuracy(rows):
    for right in (0, 1, rows - 1, rows):
        found = score([[True] * right + [False] * (rows - right)])
        assert found.low <= found.accuracy <= found.high


def test_several_seeds_are_averaged_over_the_same_rows():
    found = score([[True, True, False, False], [True, False, False, False]])
    assert (found.accuracy, found.rows, found.seeds) == (0.375, 4, 2)
    assert 0 <= found.low < 0.375 < found.high <= 1


@pytest.mark.parametrize("right", [True, False])
def test_seeds_that_agree_on_every_row_still_have_an_interval(right):
    """Wilson's interval for one seed on the ten rows, or a little more."""
    found = score([[right] * 10] * 3)
    one = score([[right] * 10])
    assert one.high - one.low == pytest.approx(0.2775, abs=1e-3)
    assert (found.accuracy, found.rows, found.seeds) == (float(right), 10, 3)
    assert one.high - one.low < found.high - found.low < 0.31
    assert found.low == pytest.approx(0.0, abs=1e-9) or found.high == pytest.approx(1.0)


@pytest.mark.parametrize("seeds", [2, 3])
def test_seeds_that_tie_still_have_an_interval(seeds):
    """Every seed is wrong as often, on other rows: half of the rows' standard error remains."""
    right = np.ones((seeds, 90), dtype=bool)
    for seed in range(seeds):
        right[seed, 30 * seed : 30 * seed + 20] = False
    least = 1.96 * right.mean(axis=0).std(ddof=1) / np.sqrt(90)
    for found in (score(right.tolist()), compare(right.tolist(), [[True] * 90] * seeds)):
        assert found.high - found.low > least


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
        (0.021, 0.04, "helped", "helped by 2.1 points (95 % CI 1.1 to 3.1)"),
        (-0.021, 0.04, "hurt", "hurt by 2.1 points (95 % CI 1.1 to 3.1)"),
        (0.021, 0.05, "no difference detected", "no difference detected: +2.1 points (uncorrected "
         "95 % CI +1.1 to +3.1; minimum detectable effect 1.4)"),
        (-0.021, 0.9, "no difference detected", "no difference detected: −2.1 points (uncorrected "
         "95 % CI −3.1 to −1.1; minimum detectable effect 1.4)"),
    ],
)  # fmt: skip
def test_the_verdict_in_words(difference, adjusted, verdict, words):
    low, high = difference - 0.01, difference + 0.01
    found = Comparison(difference, low, high, 0.01, adjusted, 0.014, 3)
    assert (found.verdict, found.words) == (verdict, words)


@pytest.mark.parametrize("difference", [-0.9, -0.1, 0.0, 0.1, 0.9])
def test_one_seed_gives_a_difference_and_no_verdict(difference):
    """However certain it is about the rows."""
    found = compare([[True] * round(50 + 50 * difference) + [False] * round(50 - 50 * difference)],
                    [[True] * 50 + [False] * 50])  # fmt: skip
    assert found.verdict == "no verdict"
    assert found.words.startswith("no verdict from one seed: ")
    assert "helped" not in found.words
    assert "hurt" not in found.words


def test_zero_has_no_minus_sign():
    found = Comparison(-0.0001, -0.0002, 0.0, 0.9, 0.9, 0.01, 3)
    assert found.words.startswith("no difference detected: +0.0 points (95 % CI +0.0 to +0.0;")


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_methods_that_agree_everywhere_show_no_difference(seeds):
    """Nor is it certain that there is none: one answer of a hundred may yet differ."""
    right = [[True, False, True, True] * 25] * seeds
    found = compare(right, right)
    verdict = "no verdict" if seeds == 1 else "no difference detected"
    assert (found.difference, found.p, found.verdict) == (0.0, 1.0, verdict)
    assert -found.low == pytest.approx(found.high)
    assert 0.5 / 100 < found.high < found.detectable < 5 / 100


def test_the_interval_of_one_seed_agrees_with_its_p():
    """Eleven rows won and three lost are no certain difference: p = 2 · 470 / 2^14."""
    found = compare([[True] * 11 + [False] * 89], [[False] * 11 + [True] * 3 + [False] * 86])
    assert found.p == pytest.approx(2 * 470 / 2**14)
    assert found.words == (
        "no verdict from one seed: +8.0 points (95 % CI over test rows +0.0 to +15.5)"
    )
    for won in range(40):
        for lost in range(40):
            one, other = [True] * won + [False] * lost, [False] * won + [True] * lost
            found = compare([one + [True] * 10], [other + [True] * 10])
            assert (found.p >= 0.05) == (found.low <= 0 <= found.high)


def test_one_row_is_no_evidence():
    found = compare([[True]], [[False]])
    assert (found.difference, found.low, found.high) == (1.0, -1.0, 1.0)
    assert compare([[True], [True]], [[False], [False]]).verdict == "no difference detected"


def test_one_seed_has_mcnemars_exact_p():
    """Ten rows won and two lost: twice the chance of so few among twelve even coins."""
    first = [[True] * 10 + [False] * 2 + [True] * 88]
    second = [[False] * 10 + [True] * 2 + [True] * 88]
    expected = 2 * (1 + 12 + 66) / 2**12
    assert compare(first, second).p == pytest.approx(expected)
    assert compare(first, first).p == 1.0


def with_p(p: float) -> Comparison:
    return Comparison(0.1, 0.0, 0.2, p, p, 0.1, 3)


def test_holm_by_hand():
    """0.01 · 4, 0.02 · 3, then no less than that: 0.03 · 2 = 0.06; 0.5 · 1."""
    family = adjust([with_p(p) for p in (0.03, 0.01, 0.5, 0.02)])
    assert [found.adjusted for found in family] == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert [found.p for found in family] == [0.03, 0.01, 0.5, 0.02]
    assert adjust([]) == []


@dataclass(frozen=True)
class Study:
    """What studies are drawn from: probit effects of seeds, rows, and rows by method.

    Effects of 0.07, 0.15 and 0.5 let the accuracy of a seed vary by some 2, 4 and 13 points near
    one half, by less towards the ends and where rows differ much.
    """

    seeds: int
    rows: int
    accuracy: float
    of_seeds: float = 0.0
    of_rows: float = 1.0
    of_pairs: float = 0.0
    lead: float = 0.0

    def tables(self, rng: np.random.Generator, methods: int) -> list[np.ndarray]:
        """``[studies, seeds, rows]`` a method, the first ahead by ``lead``, the truth exact."""
        spread = np.sqrt(1 + self.of_seeds**2 + self.of_rows**2 + self.of_pairs**2)
        hard = self.of_rows * drawn(rng, 1, self.rows)
        leads = [self.lead] + [0.0] * (methods - 1)
        return [
            norm.ppf(self.accuracy + lead) * spread
            + self.of_seeds * drawn(rng, self.seeds, 1)
            + self.of_pairs * drawn(rng, 1, self.rows)
            + drawn(rng, self.seeds, self.rows)
            + hard
            > 0
            for lead in leads
        ]


def drawn(rng: np.random.Generator, seeds: int, rows: int) -> np.ndarray:
    return rng.standard_normal((STUDIES, seeds, rows), dtype=np.float32)


def covered(found: Iterable[Score | Comparison], truth: float) -> float:
    """The share of studies whose interval holds the truth."""
    return float(np.mean([one.low <= truth <= one.high for one in found]))


STUDIED = [
    Study(seeds=2, rows=200, accuracy=0.8, of_seeds=0.5),
    Study(seeds=2, rows=500, accuracy=0.5, of_seeds=0.15, of_rows=2.0, of_pairs=0.5),
    Study(seeds=2, rows=500, accuracy=0.8, of_seeds=0.3, of_rows=2.0, of_pairs=1.0, lead=0.05),
    Study(seeds=3, rows=200, accuracy=0.5, of_seeds=0.5, of_rows=2.0, lead=0.1),
    Study(seeds=3, rows=300, accuracy=0.9, of_seeds=0.15, of_rows=2.0, of_pairs=1.0),
    Study(seeds=3, rows=500, accuracy=0.1, of_seeds=0.3, lead=0.02),
    Study(seeds=5, rows=200, accuracy=0.8, of_seeds=0.07, of_rows=2.0, of_pairs=1.0, lead=0.05),
    Study(seeds=5, rows=500, accuracy=0.9, of_seeds=0.3),
    Study(seeds=10, rows=200, accuracy=0.6, of_seeds=0.15, of_pairs=0.5, lead=0.05),
]
CAUTIOUS = [  # So few rows, or so little of seeds in so few, that above 97 % is right as well.
    Study(seeds=1, rows=100, accuracy=0.97, of_rows=5.0, of_pairs=0.3, lead=0.01),
    Study(seeds=1, rows=200, accuracy=0.8, of_rows=2.0),
    Study(seeds=2, rows=50, accuracy=0.8, of_seeds=0.5),
    Study(seeds=2, rows=50, accuracy=0.95, of_seeds=0.15, lead=0.02),
    Study(seeds=2, rows=300, accuracy=0.8, of_rows=2.0, of_pairs=1.0),
    Study(seeds=3, rows=50, accuracy=0.97, of_seeds=0.15, of_rows=2.0, lead=0.01),
    Study(seeds=5, rows=50, accuracy=0.95, of_rows=2.0, of_pairs=1.0),
]


@pytest.mark.parametrize("study", STUDIED + CAUTIOUS, ids=str)
def test_intervals_have_their_nominal_coverage(study):
    """95 in 100, give or take 2 and what chance adds in so many studies (twice its error)."""
    first, second = study.tables(np.random.default_rng(7), 2)
    scores = covered(map(score, first), study.accuracy + study.lead)
    differences = covered(map(compare, first, second), study.lead)
    most = 1.0 if study in CAUTIOUS else 0.97 + NOISE
    assert 0.93 - NOISE <= scores <= most
    assert 0.93 - NOISE <= differences <= most


@pytest.mark.parametrize("study", [one for one in STUDIED if one.of_seeds >= 0.3], ids=str)
def test_intervals_over_rows_alone_would_not(study):
    """Seeds averaged, then read as one; rows drawn again and again (Efron 1979) are no better."""
    rng = np.random.default_rng(7)
    first, second = study.tables(rng, 2)
    rows = (first.astype(float) - second).mean(axis=1)
    reach = 1.96 * rows.std(axis=1, ddof=1) / np.sqrt(study.rows)
    assert (abs(rows.mean(axis=1) - study.lead) <= reach).mean() < 0.93 - NOISE
    again = rng.multinomial(study.rows, np.full(study.rows, 1 / study.rows), size=400)
    low, high = np.quantile(rows @ again.T / study.rows, (0.025, 0.975), axis=1)
    assert ((low <= study.lead) & (study.lead <= high)).mean() < 0.93 - NOISE


@pytest.mark.parametrize(
    ("seeds", "of_seeds"), [(1, 0.0), (2, 0.15), (2, 0.5), (3, 0.5), (5, 0.3), (10, 0.15)]
)
def test_false_verdicts_are_rare(seeds, of_seeds):
    """Six comparisons with one method: in 95 studies of 100 none is said to have helped, nor,
    but for what chance adds in so many studies (twice its error), to have hurt."""
    study = Study(seeds, 200, 0.7, of_seeds, of_pairs=0.5)
    first, *others = (table[:1000] for table in study.tables(np.random.default_rng(11), 7))
    families = [
        {found.verdict for found in adjust([compare(one, other) for other in rest])}
        for one, *rest in zip(first, *others, strict=True)
    ]
    assert np.mean(["helped" in verdicts for verdicts in families]) <= 0.05
    said = np.mean([not verdicts.isdisjoint({"helped", "hurt"}) for verdicts in families])
    assert said <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / len(families))


@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
def test_p_is_below_its_level_if_the_interval_excludes_zero(seeds):
    first, second = Study(seeds, 200, 0.7, 0.15, lead=0.1).tables(np.random.default_rng(12), 2)
    for found in map(compare, first[:300], second[:300]):
        assert (found.p >= 0.05) == (found.low <= 0 <= found.high)


def test_the_minimum_detectable_effect_is_detected_four_times_in_five():
    for lead in (0.02, 0.1):
        study = Study(seeds=5, rows=300, accuracy=0.6, of_seeds=0.1, lead=lead)
        first, second = study.tables(np.random.default_rng(12), 2)
        found = [compare(*both) for both in zip(first[:300], second[:300], strict=True)]
        power = np.mean([one.verdict == "helped" for one in found])
        detectable = np.median([one.detectable for one in found])
        assert (power > 0.8) == (lead > detectable)
