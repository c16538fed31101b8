"""Thresholds for a cascade, and what they promise."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import beta

from distilwhy.core.stats.cascade import Cascade, choose_cascade, trace_shares

STUDIES = 500

Law = Callable[[np.ndarray], np.ndarray]


def falling(q: np.ndarray) -> np.ndarray:
    """The share that is right of rows that are less confident than a share ``q`` of all."""
    return 1 - 0.3 * q**2


def noisy(q: np.ndarray) -> np.ndarray:
    """As ``falling``, with labels that are wrong by chance however confident the student is."""
    return 0.985 - 0.4 * q**3


def useless(q: np.ndarray) -> np.ndarray:
    """A confidence that says nothing."""
    return np.full_like(q, 0.945)


def stepped(q: np.ndarray) -> np.ndarray:
    """A confidence with three values only."""
    return np.select([q < 0.4, q < 0.7], [0.98, 0.93], 0.6)


def draw(law: Law, rows: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    q = rng.random(rows)
    right = rng.random(rows) < law(q)
    return (np.round(1 - q, 1) if law is stepped else 1 - q), right


def true_agreement(law: Law, threshold: float) -> float:
    q = np.linspace(0, 1, 200_001)
    confidences = np.round(1 - q, 1) if law is stepped else 1 - q
    return float(law(q[confidences >= threshold]).mean())


@pytest.mark.parametrize("law", [falling, noisy, useless, stepped])
@pytest.mark.parametrize(("rows", "target"), [(150, 0.9), (1000, 0.95)])
def test_at_most_five_thresholds_in_a_hundred_miss_the_target(law, rows, target):
    rng = np.random.default_rng(0)
    missed = chosen = 0
    for _ in range(STUDIES):
        found = choose_cascade(*draw(law, rows, rng), target)
        if found.threshold is not None:
            chosen += 1
            missed += true_agreement(law, found.threshold) < target
    # An upper bound on chance itself: 5 in 100 and three standard errors.
    assert missed / STUDIES <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / STUDIES)
    assert chosen or law is useless


def test_the_simulation_would_notice_a_search_that_does_not_stop():
    """Taking the lowest threshold of all that pass misses far more often."""
    rng = np.random.default_rng(0)
    missed = 0
    for _ in range(200):
        sure, right = draw(useless, 1000, rng)
        hits = np.cumsum(right[np.argsort(-sure)])
        accepted = np.arange(1, 1001)
        missed += bool((beta.ppf(0.05, hits[60:], accepted[60:] - hits[60:] + 1) >= 0.95).any())
    assert missed / 200 > 0.05


def test_much_of_what_could_be_accepted_is():
    """With ``falling`` the best threshold for 95 % accepts 71 %."""
    rng = np.random.default_rng(1)
    shares = [choose_cascade(*draw(falling, 2000, rng), 0.95).alone / 2000 for _ in range(50)]
    assert 0.55 < np.mean(shares) < 0.71


def test_the_accepted_rows_have_a_lower_bound_that_meets_the_target():
    found = choose_cascade(*draw(falling, 1000, np.random.default_rng(2)), 0.95)
    assert found.rows == 1000
    assert beta.ppf(0.05, found.right, found.alone - found.right + 1) >= 0.95
    sure, right = draw(falling, 1000, np.random.default_rng(2))
    accepted = sure >= found.threshold
    assert (accepted.sum(), right[accepted].sum()) == (found.alone, found.right)


def test_rows_of_the_same_confidence_are_accepted_together():
    sure = [0.9] * 150 + [0.8] * 50
    found = choose_cascade(sure, [True] * 150 + [False] * 50, 0.95)
    assert (found.threshold, found.alone) == (0.9, 150)
    assert choose_cascade([1.0] * 200, [True] * 196 + [False] * 4, 0.95).alone == 200
    assert choose_cascade([1.0] * 200, [False] * 10 + [True] * 190, 0.95).threshold is None


def test_too_few_rows_are_named_with_how_many_it_takes():
    found = choose_cascade([0.9] * 58, [True] * 58, 0.95)
    assert found.threshold is None
    assert found.reason == (
        "58 validation rows cannot show an agreement of 95.0%; that takes at least 59"
    )
    assert choose_cascade([0.9] * 59, [True] * 59, 0.95).alone == 59


def test_a_target_out_of_reach_offers_no_cascade():
    right = ([True] * 4 + [False]) * 100
    found = choose_cascade(np.linspace(0, 1, 500).tolist(), right, 0.95)
    assert (found.threshold, found.alone) == (None, 0)
    assert found.reason == (
        "no threshold keeps agreement at 95.0% with 95 % confidence on the 500 validation rows, "
        "where it is 80.0% over all"
    )


SURE = [0.9] * 300 + [0.1] * 100
RIGHT = [True] * 300 + [True, False] * 50


@pytest.mark.parametrize(
    ("taught", "offered"),
    [([True, True] * 50, True), ([True, False] * 50, False), ([False, False] * 50, False)],
)
def test_a_teacher_that_is_no_better_on_the_rest_offers_no_cascade(taught, offered):
    found = choose_cascade(SURE, RIGHT, 0.95, [None] * 300 + taught)
    assert (found.threshold == 0.9) == offered
    if not offered:
        share = sum(taught) / 100
        assert found.reason == (
            "on the 100 validation rows that would go to the teacher, it is right on "
            f"{share:.1%} and the student on 50.0%"
        )


def test_a_teacher_that_could_not_be_judged_is_not_held_against_the_cascade():
    for teacher in ([], [None] * 400):
        assert choose_cascade(SURE, RIGHT, 0.95, teacher).threshold == 0.9


def test_a_student_that_can_answer_everything_needs_no_better_teacher():
    found = choose_cascade([0.5] * 400, [True] * 398 + [False] * 2, 0.95, [False] * 400)
    assert (found.threshold, found.alone, found.reason) == (0.5, 400, "")


def test_shares_run_from_the_teacher_alone_to_the_student_alone():
    points = trace_shares(SURE, RIGHT, [True] * 300 + [True, True] * 50)
    assert (points[0].share, points[0].alone, points[0].cascade) == (0, None, 1.0)
    assert (points[-1].share, points[-1].alone) == (1, 350 / 400)
    assert points[-1].cascade == points[-1].alone
    middle = points[15]
    assert (middle.share, middle.alone, middle.cascade) == (0.75, 1.0, 1.0)
    assert {one.cascade for one in trace_shares(SURE, RIGHT)} == {None}


def test_a_cascade_that_is_not_offered_holds_no_rows():
    assert Cascade(0.95, reason="because") == Cascade(0.95, None, "because", 0, 0, 0)
