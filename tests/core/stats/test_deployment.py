"""What a cascade says of itself."""

import numpy as np
import pytest

from distilwhy.core.stats.cascade import Cascade
from distilwhy.core.stats.deployment import (
    Costs,
    Deployment,
    choose_deployment,
    score_deployment,
)
from distilwhy.core.wording import money

SURE = np.linspace(1, 0.01, 500).tolist()
RIGHT = [i < 400 or i % 2 == 0 for i in range(500)]
COSTS = Costs(student=0.005, teacher=0.62, currency="USD")


def deploy(target: float | None = 0.95, **given: object) -> Deployment:
    return choose_deployment(SURE, RIGHT, "gold", target, **given)


def sentence(deployment: Deployment, right: list[bool] = RIGHT, **given: object) -> str:
    return score_deployment("step-by-step", 0, deployment, SURE, right, **given).sentence


def test_the_sentence_says_share_target_test_and_costs():
    found = deploy()
    share = found.cascade.alone / 500
    assert 0.8 < share < 0.9
    right = sum(RIGHT[: found.cascade.alone]) / found.cascade.alone
    assert sentence(found, costs=COSTS) == (
        f"step-by-step answers {100 * share:g}% of traffic alone at ≥ 95% agreement with gold "
        f"labels (held on test: {right:.1%}); the rest goes to the teacher; 1,000 rows cost "
        f"{money(0.005 + (1 - share) * 0.62)} instead of 0.62 USD."
    )


def test_without_prices_nothing_is_said_of_costs():
    assert sentence(deploy()).endswith("; the rest goes to the teacher.")


def test_a_target_missed_on_test_is_said_with_its_interval():
    wrong = [right and i % 10 != 0 for i, right in enumerate(RIGHT)]
    assert "(not held on test: 8" in sentence(deploy(), wrong)
    assert "%, 95 % CI 8" in sentence(deploy(), wrong)


def test_a_student_that_answers_everything_sends_nothing_to_the_teacher():
    found = choose_deployment(SURE, [True] * 500, "gold", 0.95)
    assert sentence(found, [True] * 500, costs=COSTS) == (
        "step-by-step answers all traffic alone at ≥ 95% agreement with gold labels (held on "
        "test: 100.0%); 1,000 rows cost 0.005 instead of 0.62 USD."
    )


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("teacher", "agreement with the teacher ("),
        ("gold and teacher", "agreement with gold labels, or with the teacher where there is none"),
    ],
)
def test_whose_labels_it_agrees_with_is_said(reference, words):
    assert words in sentence(choose_deployment(SURE, RIGHT, reference, 0.95))


def test_the_reason_for_no_cascade_is_said():
    assert sentence(deploy(0.999)) == (
        "No cascade for step-by-step: 500 validation rows cannot show an agreement of 99.9%; that "
        "takes at least 2,995."
    )
    assert sentence(deploy(None)) == ""


def test_a_threshold_that_no_test_row_reaches_is_said():
    found = score_deployment("finetune", 0, deploy(), [0.0] * 500, RIGHT)
    assert (found.share, found.alone) == (0, None)
    assert "answers 0% of traffic alone" in found.sentence
    assert "(it accepts none of the test rows)" in found.sentence


def test_the_share_and_the_score_are_those_of_the_test_rows():
    found = score_deployment(
        "finetune", 3, deploy(), [0.9, 0.8, 0.1, 0.05], [True, False, True, True]
    )
    assert (found.seed, found.share, found.alone.accuracy, found.alone.rows) == (3, 0.5, 0.5, 2)
    assert found.teacher is None
    assert {point.cascade for point in found.curve} == {None}


def test_the_teacher_is_compared_on_the_test_rows():
    found = score_deployment("finetune", 0, deploy(), SURE, RIGHT, [True] * 450 + [False] * 50)
    assert found.teacher == 0.9
    assert found.curve[0].cascade == 0.9
    assert found.curve[-1].cascade == sum(RIGHT) / 500


def test_calibration_does_not_change_what_stands_alone():
    """The threshold applies before calibration, so both may use the same rows."""
    found = deploy()
    assert isinstance(found.cascade, Cascade)
    other = choose_deployment([c**5 for c in SURE], RIGHT, "gold", 0.95)
    assert other.cascade.alone == found.cascade.alone
