"""An endpoint that bills more than a call can take passes the cap by one call at most."""

import random
from collections.abc import Callable
from decimal import Decimal

import pytest
from aiohttp import web

from conftest import many
from distilwhy.core.cost import Prices, Usage
from distilwhy.errors import BudgetError, TeacherError
from distilwhy.pipeline.annotate.budget import (
    LATER_OVERRUN,
    OVERRUN,
    TRUSTED_AFTER,
    BudgetGuard,
    Spending,
    read_spending,
)
from distilwhy.pipeline.annotate.recorder import AnnotationProgress
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.store.ledger import open_ledger
from endpoint import Endpoint, fails, says, sends, stalls

CAP = Decimal("0.10")
# At most so much for one call: 500 tokens of output, and some 400 bytes of prompt.
BOUND = Decimal("0.003")
SETTINGS = {
    "methods": ["step-by-step"],
    "data.test": None,
    "prices": {"currency": "USD", "input": 1.0, "output": 4.0},
    "teacher.max_tokens": 500,
    "teacher.concurrency": 32,
    "teacher.budget": float(CAP),
    "teacher.gate": {"rows": 0},
}
Bill = Callable[[int], object]


def spend(write_experiment, endpoint: Endpoint, bill: Bill, rows: int = 400, **more: object):
    """Annotate; ``bill`` gives the usage of the n-th reply. Returns what is spent, and the lines
    that the user was told."""
    asked = 0
    told: list[str] = []

    async def reply(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        return await stalls(0.005, says(usage=bill(asked)))(request)

    def watch(progress: AnnotationProgress) -> None:
        if progress.notice not in ("", *told[-1:]):
            told.append(progress.notice)

    endpoint.otherwise = [reply]
    path = write_experiment({**SETTINGS, **more}, train=many(rows))
    experiment = open_experiment(path, endpoint.url)
    with pytest.raises(BudgetError):
        annotate(experiment, watch=watch)
    found = read_spending(experiment)
    assert found is not None
    return found, told


def used(written: int, read: int = 50) -> dict[str, int]:
    return {"prompt_tokens": read, "completion_tokens": written}


@pytest.mark.parametrize(
    ("bill", "dearest"),
    [
        (lambda n: used(8_000), used(8_000)),
        (lambda n: used(1_000_000), used(1_000_000)),
        (lambda n: used(10 if n <= 20 else 8_000), used(8_000)),
        (lambda n: used(10 if n <= 100 else 32_000), used(32_000)),
        (lambda n: used(10, read=50 if n <= 20 else 100_000), used(10, read=100_000)),
        (lambda n: used(8_000 + 100 * n), used(20_000)),
        (lambda n: used(random.Random(n).choice([10, 500, 501, 2_000, 8_000])), used(8_000)),
    ],
    ids=["always", "far over", "after the gate", "much later", "prompts", "ever more", "at random"],
)
def test_replies_beyond_their_bound_pass_the_cap_by_one_call_at_most(
    write_experiment, endpoint: Endpoint, bill: Bill, dearest: dict[str, int]
):
    found, told = spend(write_experiment, endpoint, bill)
    cost = Decimal(dearest["prompt_tokens"] + 4 * dearest["completion_tokens"]) / 1_000_000
    assert found.total <= CAP + cost
    assert told
    assert "the endpoint" in told[0]


def test_the_user_is_told_that_the_endpoint_ignores_max_tokens(
    write_experiment, endpoint: Endpoint
):
    _, told = spend(write_experiment, endpoint, lambda n: used(8_000))
    assert told == [
        "the endpoint ignores teacher.max_tokens: it billed 8,000 tokens for a reply; every call "
        "now reserves as much, and fewer are in flight"
    ]


@pytest.mark.parametrize(
    "usage",
    [None, {}, used(-5), used(10**12), used(2**62), {"completion_tokens": 5}, "odd"],
    ids=str,
)
def test_usage_that_cannot_be_is_charged_at_the_worst_case(
    write_experiment, endpoint: Endpoint, usage: object
):
    found, _ = spend(write_experiment, endpoint, lambda n: usage)
    assert found.certain == 0
    assert CAP - BOUND < found.possible <= CAP


def test_one_call_is_under_way_until_one_has_kept_to_its_worst_case():
    guard = BudgetGuard(Prices("USD", 1.0, 1.0), cap=Decimal(10_000))
    assert guard.max_in_flight(Decimal(1)) == 1
    guard.learn(Usage(5, 5), Usage(5, 4))
    assert guard.max_in_flight(Decimal(1)) == 1 + 10_000 // OVERRUN
    assert guard.max_in_flight(Decimal(5_000)) == 1
    guard.kept = TRUSTED_AFTER
    assert guard.max_in_flight(Decimal(1)) == 1 + 10_000 // LATER_OVERRUN
    guard.learn(Usage(5, 5), Usage(5, 50))
    assert guard.max_in_flight(Decimal(1)) == 1
    assert guard.largest == Usage(0, 50)


def test_without_a_budget_any_number_of_calls_is_under_way():
    guard = BudgetGuard(Prices("USD", 1.0, 1.0), cap=Decimal("Infinity"))
    assert guard.max_in_flight(Decimal(1)) > 1_000_000


@pytest.mark.parametrize("budget", [1.0, None])
def test_a_refused_key_costs_nothing(write_experiment, endpoint: Endpoint, monkeypatch, budget):
    endpoint.otherwise = [stalls(0.05, fails(401, "wrong key"))]
    path = write_experiment({**SETTINGS, "teacher.budget": budget}, train=many(40))
    experiment = open_experiment(path, endpoint.url)
    with pytest.raises(TeacherError, match="refuses the key"):
        annotate(experiment)
    found = read_spending(experiment)
    assert found is not None
    assert found.total == 0


def test_an_answer_under_way_is_kept_when_another_call_ends_the_run(
    write_experiment, endpoint: Endpoint
):
    endpoint.otherwise = [stalls(0.3, says(usage=used(10)))]
    endpoint.plays["Message 1."] = [stalls(0.1, fails(404, "no such model"))]
    path = write_experiment({**SETTINGS, "teacher.budget": None}, train=many(12))
    experiment = open_experiment(path, endpoint.url)
    with pytest.raises(TeacherError, match="no such model"):
        annotate(experiment)
    found = read_spending(experiment)
    assert found is not None
    assert found.certain == 11 * Decimal("0.00009")
    assert found.possible == 0


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "Provider is down", "code": 502}},
        {"error": "Provider is down"},
        {"object": "error", "message": "Provider is down", "type": "InternalServerError"},
    ],
)
def test_an_error_with_status_200_costs_nothing(
    write_experiment, endpoint: Endpoint, body: dict[str, object]
):
    endpoint.plays["Message 1."] = [sends(body), says(usage=used(10))]
    endpoint.otherwise = [says(usage=used(10))]
    path = write_experiment({**SETTINGS, "teacher.budget": None}, train=many(4))
    experiment = open_experiment(path, endpoint.url)
    assert annotate(experiment).answered == 4
    found = read_spending(experiment)
    assert found is not None
    assert found.possible == 0


def test_what_a_killed_run_had_reserved_is_shown_at_once(write_experiment, endpoint: Endpoint):
    path = write_experiment(SETTINGS, train=many(4))
    experiment = open_experiment(path, endpoint.url)
    annotate(experiment)
    before = read_spending(experiment)
    assert before is not None
    with open_ledger(experiment.folder.ledger) as ledger:
        ledger.set_reservation(Decimal("0.02"))  # The run is killed here.
    found = read_spending(experiment)
    assert found == Spending(before.certain, before.possible + Decimal("0.02"))
    annotate(experiment)
    assert read_spending(experiment) == found
