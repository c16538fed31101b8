"""Answers that ended badly are asked for again: those, and no others."""

from decimal import Decimal
from functools import partial

import pytest

from commands import call
from conftest import many
from distilwhy.cli.confirm import describe_proposal
from distilwhy.errors import BudgetError, TeacherError
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.budget import read_spending
from distilwhy.pipeline.annotate.calls import open_calls
from distilwhy.pipeline.annotate.inspect.retry import RetryPlan, plan_retry
from distilwhy.pipeline.annotate.recorder import AnnotationProgress
from distilwhy.pipeline.annotate.records import iterate_rows
from distilwhy.pipeline.annotate.run import annotate, run_retry
from distilwhy.pipeline.annotate.session import Proposal
from distilwhy.pipeline.experiment import Experiment
from endpoint import Endpoint, fails, says

USAGE = {"prompt_tokens": 100, "completion_tokens": 20}
PRICES = {"currency": "EUR", "input": 10.0, "output": 50.0}
SETTINGS = {
    "methods": ["step-by-step"],
    "data.validation": 0.1,
    "data.test": None,
    "teacher.retries": 0,
    "teacher.gate": {"rows": 0},
    "prices": PRICES,
}
CALL = (100 * 10 + 20 * 50) / 1e6
GOOD = says(usage=USAGE)
CUT = says("I would", finish_reason="length", usage=USAGE)


@pytest.fixture
def opened(opened, endpoint: Endpoint):
    """Opens an experiment of ten train rows: 0 and 4 cut short, 2 unparsed, 3 failed, the last
    not asked about."""
    endpoint.otherwise = [GOOD]
    endpoint.plays = {
        "Message 0.": [CUT, GOOD],
        "Message 4.": [CUT],
        "Message 2.": [says("Who knows.", usage=USAGE), GOOD],
        "Message 3.": [fails(400, "odd"), GOOD],
    }
    return partial(opened, SETTINGS, train=many(10))


@pytest.fixture
def asked(opened) -> Experiment:
    experiment = opened()
    train = [example.id for example in experiment.splits.train]
    assert set(train) >= {"a0", "a2", "a3", "a4"}, "the fixture names train rows"
    annotate(experiment, limit=9)
    return experiment


def find(experiment: Experiment, *outcomes: str) -> RetryPlan:
    calls = open_calls(experiment)
    return plan_retry(experiment, calls, iterate_rows(experiment, calls), outcomes)  # type: ignore[arg-type]


def test_those_are_asked_again_and_no_others(asked: Experiment, endpoint: Endpoint):
    again = find(asked, "truncated", "failed")
    assert again.outcomes == {"truncated": 2, "failed": 1}
    progress = run_retry(asked, again)
    assert progress == AnnotationProgress(total=3, from_ledger=0, answered=3)
    assert sorted(endpoint.questions[9:]) == ["Message 0.", "Message 3.", "Message 4."]
    outcomes = {i: found.outcome for i, found in read_annotations(asked).items()}
    assert outcomes == {
        **dict.fromkeys(outcomes, "ok"),
        "a4": "truncated",
        "a2": "unparsed",
    }
    assert len(outcomes) == 9


def test_what_the_forgotten_answers_cost_stays_on_the_books(asked: Experiment):
    before = read_spending(asked)
    run_retry(asked, find(asked, "truncated", "failed"))
    after = read_spending(asked)
    assert before is not None
    assert after is not None
    assert float(before.certain) == pytest.approx(8 * CALL)
    assert float(after.certain) == pytest.approx((8 + 3) * CALL)


def test_the_price_is_told_and_someone_agrees_before_anything_is_forgotten(
    asked: Experiment, endpoint: Endpoint
):
    offers: list[Proposal] = []

    def refuse(offer: Proposal) -> bool:
        offers.append(offer)
        return False

    before = read_annotations(asked)
    with pytest.raises(TeacherError, match="cancelled"):
        run_retry(asked, find(asked, "truncated"), confirm=refuse)
    [offer] = offers
    lines = list(describe_proposal(offer, "EUR"))
    assert lines[0] == "To retry: 2 truncated"
    assert lines[1].startswith("To do: 2 calls, 0.004 EUR, 200 input and 40 output tokens")
    assert read_annotations(asked) == before
    assert len(endpoint.asked) == 9


def test_a_budget_that_will_not_do_forgets_nothing(asked: Experiment, endpoint: Endpoint):
    before = read_annotations(asked)
    message = (
        r"asking again will cost 0\.006 or more, and of the budget of 0\.017 EUR 0\.001 is left, "
        "so nothing is forgotten; raise teacher.budget, or give --budget"
    )
    with pytest.raises(BudgetError, match=message):
        run_retry(asked, find(asked, "truncated", "unparsed"), budget=Decimal("0.017"))
    assert read_annotations(asked) == before
    assert len(endpoint.asked) == 9


def test_after_an_interruption_annotate_goes_on(asked: Experiment, endpoint: Endpoint):
    run_retry(asked, find(asked, "truncated", "unparsed"), limit=1)
    assert len(endpoint.asked) == 10
    assert annotate(asked) == AnnotationProgress(total=10, from_ledger=6, answered=4)
    assert sorted(endpoint.questions[9:]) == [f"Message {i}." for i in range(5)]


def test_one_sample_alone_and_an_explanation_are_asked_again(opened, endpoint: Endpoint):
    why = "Message 7.\nThe right answer is damage. Why?"
    endpoint.plays = {
        "Message 0.": [GOOD, CUT, GOOD],
        "Message 7.": [says("So the answer is praise.", usage=USAGE)],
        why: [CUT, GOOD],
    }
    sampled = {"teacher.samples": 2, "teacher.temperature": 0.7, "teacher.concurrency": 1}
    experiment = opened({**sampled, "teacher.explain_wrong": True})
    annotate(experiment)
    made = len(endpoint.asked)
    run_retry(experiment, find(experiment, "truncated"))
    assert sorted(endpoint.questions[made:]) == ["Message 0.", why]
    assert find(experiment, "truncated").calls == ()
    assert read_annotations(experiment)["a7"].explanation == "Why."


def test_from_the_command_line(asked: Experiment, endpoint: Endpoint):
    shown = call("annotations", asked.file, "--retry", "failed,unparsed", "--yes")
    assert "To retry: 1 unparsed, 1 failed" in shown.stderr
    assert sorted(endpoint.questions[9:]) == ["Message 2.", "Message 3."]
    again = call("annotations", asked.file, "--retry", "failed,unparsed", "--yes")
    assert again.stdout == "nothing to retry: no answer is unparsed or failed\n"
    call("annotations", asked.file, "--retry", "truncated", "--id", "a4")
    assert endpoint.questions[11:] == ["Message 4."]


@pytest.mark.parametrize("outcomes", ["ok", "failed,broken"])
def test_only_bad_answers_are_asked_again(asked: Experiment, outcomes: str):
    found = call("annotations", asked.file, "--retry", outcomes, fails=True)
    assert found.exit_code == 2
    assert "must be one of unparsed, refused, truncated, failed" in " ".join(found.stderr.split())
