"""Before all is paid: a price, a few answers to look at, and someone who agrees."""

from decimal import Decimal
from functools import partial

import pytest

from commands import call
from conftest import many
from distilwhy.cli.confirm import confirm_proposals, describe_proposal
from distilwhy.cli.progress import ProgressDisplay
from distilwhy.core.task import Example
from distilwhy.core.wording import money
from distilwhy.errors import BudgetError, ConfigError, TeacherError
from distilwhy.pipeline.annotate.coverage import spread_rows
from distilwhy.pipeline.annotate.run import annotate, run_pilot
from distilwhy.pipeline.annotate.session import Proposal
from distilwhy.pipeline.plan import plan
from endpoint import Endpoint, fails, says

USAGE = {"prompt_tokens": 100, "completion_tokens": 20}
PRICES = {"currency": "EUR", "input": 10.0, "output": 50.0}
SETTINGS = {"methods": ["step-by-step"], "data.test": None, "prices": PRICES}


@pytest.fixture
def opened(opened, endpoint: Endpoint):
    """Opens an experiment of sixty train rows."""
    endpoint.otherwise = [says(usage=USAGE)]
    return partial(opened, SETTINGS, train=many(60))


class Person:
    """Agrees or not, and remembers what was offered."""

    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)
        self.offers: list[Proposal] = []

    def __call__(self, offer: Proposal) -> bool:
        self.offers.append(offer)
        return self.answers.pop(0)


def test_the_first_rows_are_spread_over_all():
    rows = [Example(str(i), "x") for i in range(100)]
    assert [row.id for row in spread_rows({"train": rows}, 4)] == ["0", "25", "50", "75"]
    apart = {"train": rows[:30], "validation": rows[:0], "test": rows[30:]}
    assert [row.id for row in spread_rows(apart, 4)] == ["0", "25", "50", "75"]
    assert spread_rows({"train": rows[:2], "test": rows[2:3]}, 5) == rows[:3]
    assert spread_rows({"train": rows[:0]}, 4) == spread_rows({}, 4) == []


def test_the_rest_is_asked_for_when_someone_agrees(opened, endpoint: Endpoint):
    person = Person(True)
    assert annotate(opened(), confirm=person).answered == 60
    [offer] = person.offers
    assert offer.sample is not None
    assert (offer.sample.answered, offer.sample.parsed, offer.sample.correct) == (16, 16, 16)
    assert offer.sample.labels == {"damage": 16}
    assert [a.rationale for a in offer.sample.shown] == ["Why."] * 3
    assert (offer.estimate.calls, offer.repaid) == (44, 0)
    assert offer.estimate.cost is not None
    assert offer.estimate.cost.low == pytest.approx(44 * 0.002, rel=0.01)


def test_nothing_more_is_asked_for_when_nobody_agrees(opened, endpoint: Endpoint):
    with pytest.raises(TeacherError, match="cancelled"):
        annotate(opened(), confirm=Person(False))
    assert len(endpoint.asked) == 16
    with pytest.raises(TeacherError, match="cancelled"):
        annotate(opened(), confirm=Person(False))
    assert len(endpoint.asked) == 16
    person = Person(True)
    assert annotate(opened(), confirm=person).from_ledger == 16
    assert (len(endpoint.asked), person.offers[0].estimate.calls) == (60, 44)
    assert annotate(opened(train=many(80)), confirm=Person(True)).answered == 20


def test_answers_that_cannot_be_read_end_it(opened, endpoint: Endpoint):
    endpoint.otherwise = [says("Who\nknows.")]
    for _ in range(2):
        with pytest.raises(TeacherError) as caught:
            annotate(opened())
        row, _, rest = str(caught.value).partition("row 'a")[2].partition("'")
        assert row.isdecimal()
        assert rest == (
            " is unparsed (no answer is stated), with the reply 'Who knows.'; look at all with "
            f"'distilwhy annotations {opened().file} --problem any', then correct the prompt or "
            "the answer kind, or lower teacher.gate.readable"
        )
        assert str(caught.value).startswith(
            "only 0 of the first 16 answers could be parsed, so no more calls are made; for "
            "example, row "
        )
    assert len(endpoint.asked) == 16
    assert annotate(opened({"teacher.gate": {"readable": 0.0}})).answered == 44


@pytest.mark.parametrize(
    ("reply", "shown"),
    [("", "an empty reply"), ("x" * 5000 + " end", f"the reply '{'x' * 120} … {'x' * 116} end'")],
)
def test_a_reply_that_cannot_be_parsed_is_shown_in_short(
    opened, endpoint: Endpoint, reply: str, shown: str
):
    endpoint.otherwise = [says(reply)]
    with pytest.raises(TeacherError) as caught:
        annotate(opened())
    assert shown in str(caught.value)


def test_answers_that_are_wrong_end_it(opened, endpoint: Endpoint):
    endpoint.otherwise = [says("Nice. So the answer is praise.")]
    with pytest.raises(TeacherError, match=r"^only 0 of the first 16 answers with a gold") as found:
        annotate(opened())
    assert "has the gold label 'damage' and the answer 'praise'; look at all" in str(found.value)
    assert f"annotations {opened().file} --disagree" in str(found.value)
    assert annotate(opened({"teacher.gate": {"accuracy": 0.0}})).answered == 44


@pytest.mark.parametrize(("rows", "gate"), [(16, {}), (60, {"rows": 0})])
def test_few_rows_have_no_gate_and_none_may_be_wanted(opened, rows, gate):
    assert (
        annotate(opened({"teacher.gate": gate}, train=many(rows)), confirm=Person()).answered
        == rows
    )


def test_calls_that_fail_are_no_unreadable_answers(opened, endpoint: Endpoint):
    endpoint.plays = {f"Message {i}.": [fails(400, "filtered")] for i in range(0, 60, 30)}
    assert annotate(opened()).answered == 58


def test_rows_are_not_paid_anew_unless_someone_agrees(opened, endpoint: Endpoint):
    annotate(opened())
    changed = opened({"task.instruction": "Sort it well."})
    found = plan(changed)
    assert (found.answered, found.repaid) == (0, 60)
    assert found.spent is not None
    assert float(found.spent.certain) == pytest.approx(60 * 0.002)
    person = Person(False)
    with pytest.raises(TeacherError, match="cancelled"):
        annotate(changed, confirm=person)
    assert (person.offers[0].repaid, person.offers[0].sample) == (60, None)
    assert len(endpoint.asked) == 60
    more = opened(train=many(70))
    assert (plan(more).repaid, plan(more).answered) == (0, 60)


def test_a_pilot_asks_about_a_few_rows_and_sharpens_the_price(opened, endpoint: Endpoint):
    before = plan(opened()).estimate
    run_pilot(opened(), 10)
    assert len(endpoint.asked) == 10
    after = plan(opened()).estimate
    assert before is not None
    assert after is not None
    assert (before.calls, after.calls) == (60, 50)
    assert before.cost is not None
    assert after.cost is not None
    assert before.cost.low < before.cost.high
    assert after.cost.low < 50 * 0.002 < after.cost.high < 1.01 * after.cost.low
    assert after.seconds is not None


def test_an_offer_in_words(opened, endpoint: Endpoint):
    person = Person(True, True)
    annotate(opened())
    annotate(opened({"task.instruction": "Sort it well."}), confirm=person)
    before, after = ("\n".join(describe_proposal(offer, "EUR")) for offer in person.offers)
    assert before.startswith("To pay for again: 60 rows answered before with another prompt")
    assert "To do: 60 calls, " in before
    assert after.startswith("First 16 answers: 16 parsed, 16 of 16 with a gold label right\n")
    assert "\nLabels: damage (16)\nRow a" in after
    assert ": damage, because: Why.\n" in after
    assert "44 calls, 0.088 EUR, 4,400 input and 880 output tokens" in after


def test_without_a_terminal_a_good_sample_is_accepted_and_paying_again_is_not(opened, capsys):
    confirm = confirm_proposals(ProgressDisplay(), "EUR", yes=False)
    annotate(opened(), confirm=confirm)
    assert capsys.readouterr().err.startswith("First 16 answers")
    changed = opened({"task.instruction": "Sort it well."})
    with pytest.raises(BudgetError, match=r"would pay again for 60 rows .* give --yes to agree"):
        annotate(changed, confirm=confirm)
    assert annotate(changed, confirm=confirm_proposals(ProgressDisplay(), "EUR", yes=True)).answered


def test_a_plan_says_whether_the_budget_that_it_is_given_covers_the_price(opened):
    experiment = opened()
    estimate = plan(experiment).estimate
    assert estimate is not None
    assert estimate.cost is not None
    low, high = Decimal(str(estimate.cost.low)), Decimal(str(estimate.cost.high))
    warnings = plan(experiment).warnings
    [*_, short] = plan(experiment, low / 2).warnings
    assert short.endswith(f", but the missing calls cost at least {money(low)}")
    [*_, unsure] = plan(experiment, (low + high) / 2).warnings
    assert unsure.endswith(f", and the missing calls may cost {money(high)}")
    assert plan(experiment, high + 1).warnings == warnings
    shown = call("plan", experiment.file, "--budget", "0.01").stdout
    assert "warning: the budget leaves 0.01, but" in shown


def test_a_plan_refuses_a_budget_that_cannot_be_kept(opened):
    for changes, why in (
        ({"prices": None}, "needs prices; write what a million tokens cost"),
        ({"teacher": {"kind": "local", "model": "somewhere"}}, "bills nobody, so there is no"),
    ):
        error = call("plan", opened(changes).file, "--budget", "1", fails=True).exception
        assert isinstance(error, ConfigError)
        assert why in str(error)
