"""What a teacher costs, and when a student has paid for itself."""

from dataclasses import replace

import pytest

from conftest import WriteExperiment
from distilwhy.core.cost import Measurements, Prices, Usage, settle
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.evaluate.results import settle_bill
from distilwhy.pipeline.experiment import open_experiment
from endpoint import Endpoint, fails, says
from results import make_results

USAGE = Measurements(
    calls=1000, input_tokens=400_000, output_tokens=100_000, counted=1000, rows=1000,
    training_seconds=1800, student_rows_per_second=100,
)  # fmt: skip
TOKENS = [Usage(400, 100)] * 1000
PRICES = Prices("USD", input=0.5, output=2.0, machine_hour=1.0)


def test_a_bill_by_hand():
    """0.2 + 0.2 for the answers; half an hour of training; 1/360,000 for a row of the student."""
    bill = settle(USAGE, PRICES, TOKENS)
    assert bill.spent == pytest.approx(0.4)
    assert bill.teacher_per_1000 == pytest.approx(0.4)
    assert bill.student_per_1000 == pytest.approx(1000 / 360_000)
    assert bill.training == pytest.approx(0.5)
    saved = 0.0004 - 1 / 360_000
    assert bill.break_even is not None
    assert bill.break_even * saved >= 0.9 > (bill.break_even - 1) * saved


def test_calls_without_token_counts_cost_the_mean_of_the_others():
    half = replace(USAGE, counted=500, input_tokens=200_000, output_tokens=50_000)
    assert settle(half, PRICES, TOKENS[:500]).spent == pytest.approx(0.4)


def test_usage_adds_up_at_the_batch_price_only_if_both_have_it():
    assert Usage(1, 2, 1, batch=True) + Usage(10, 20, 0) == Usage(11, 22, 1)
    assert sum([Usage(1, 2, batch=True)] * 2, Usage(batch=True)) == Usage(2, 4, batch=True)


def test_several_answers_per_row_all_cost():
    assert settle(replace(USAGE, rows=250), PRICES, TOKENS).teacher_per_1000 == pytest.approx(1.6)


def test_explanations_are_spent_but_not_part_of_the_price_per_row():
    """Where the teacher is deployed it gives answers alone: 0.4 for 1,000 of them."""
    usage = replace(USAGE, calls=1250, explanations=250, counted=1250)
    bill = settle(usage, PRICES, TOKENS, TOKENS[:250])
    assert bill.spent == pytest.approx(0.5)
    assert bill.teacher_per_1000 == pytest.approx(0.4)


def test_failed_rows_are_not_part_of_the_price_per_row(
    write_experiment: WriteExperiment, endpoint: Endpoint
):
    """Of twelve rows four fail, and each of the others costs 0.0004."""
    usage = {"prompt_tokens": 400, "completion_tokens": 100}
    texts = [*(f"Message {i}." for i in range(8)), *(f"Other {i}." for i in range(4))]
    endpoint.plays = {text: [says(usage=usage)] for text in texts}
    endpoint.plays |= {f"Message {i}.": [fails(400, "filtered")] for i in range(4)}
    prices = {"currency": "USD", "input": 0.5, "output": 2.0}
    file = write_experiment({"teacher.base_url": endpoint.url, "prices": prices})
    experiment = open_experiment(file)
    annotate(experiment)
    [method] = make_results(("finetune",), (1000,)).methods
    bill = settle_bill(experiment, read_annotations(experiment), method)
    assert (bill.usage.calls, bill.usage.rows) == (8, 8)
    assert bill.spent == pytest.approx(0.0032)
    assert bill.teacher_per_1000 == pytest.approx(0.4)


def test_batches_and_cached_tokens_have_their_own_prices():
    """0.2 at half the price, and 0.2 less a quarter, as half of what was read is free."""
    prices = Prices("USD", input=0.5, output=2.0, cached_input=0.0)
    tokens = [Usage(400, 100, batch=True)] * 500 + [Usage(400, 100, 200)] * 500
    assert settle(USAGE, prices, tokens).spent == pytest.approx(0.1 + 0.15)


def test_a_student_that_costs_more_per_row_never_breaks_even():
    slow = replace(USAGE, student_rows_per_second=0.1)
    assert settle(slow, PRICES, TOKENS).break_even is None


@pytest.mark.parametrize(("usage", "prices"), [(USAGE, None), (replace(USAGE, counted=0), PRICES)])
def test_without_prices_or_counts_costs_are_unknown(usage: Measurements, prices: Prices | None):
    bill = settle(usage, prices, TOKENS)
    assert (bill.spent, bill.teacher_per_1000, bill.break_even) == (None, None, None)
    assert bill.usage == usage
