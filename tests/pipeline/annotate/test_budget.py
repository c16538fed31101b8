"""What is spent never passes the cap, and the ledger knows what the endpoint bills."""

import asyncio
import random
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from aiohttp import web

from billing import BillingEndpoint, prices_of, serve, spent_of
from distilwhy.core.cost import Prices, Usage
from distilwhy.demo.loopback import LoopbackServer
from distilwhy.errors import BudgetError, ConfigError, TeacherError
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.budget import BudgetGuard, read_spending
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.store.ledger import open_ledger

CONFIGURATIONS = 80


def rows(count: int, messages: int | None = None) -> list[dict[str, object]]:
    """Rows with so many different messages; None: each with its own."""
    said = [f"Message {i % (messages or count)}." for i in range(count)]
    return [{"id": f"a{i}", "message": text, "kind": "damage"} for i, text in enumerate(said)]


def decimals(rng: random.Random) -> Decimal:
    return Decimal(rng.randint(0, 2_000_000)) / 10 ** rng.randint(2, 5)


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("distilwhy.pipeline.annotate.transports.dispatcher.FIRST_PAUSE_S", 0.0005)
    return


@pytest.mark.usefixtures("short_pauses")
def test_no_cap_is_ever_exceeded_and_the_ledger_agrees_with_the_bill(
    write_experiment, tmp_path: Path
):
    """Random prices, caps, concurrency, samples, latency, troubles, truncation and twins."""
    reached = 0
    for number in range(CONFIGURATIONS):
        rng = random.Random(number)
        billing = BillingEndpoint(
            (decimals(rng), decimals(rng), decimals(rng)),
            rng,
            failure_rate=rng.choice([0, 0.2, 0.5]),
        )
        most = rng.randint(1, 400)
        # The prompt of these rows is some 500 bytes.
        a_call = (500 * max(billing.prices[:2]) + most * billing.prices[2]) / 1_000_000
        cap = float(round(a_call * rng.randint(1, 20) + Decimal("0.000001"), 6))
        changes = {
            "methods": ["step-by-step"],
            "data.test": None,
            "out": f"run-{number}",
            "prices": prices_of(billing),
            "teacher.max_tokens": most,
            "teacher.concurrency": rng.choice([1, 3, 16, 64]),
            "teacher.samples": rng.choice([1, 1, 3]),
            "teacher.temperature": 0.7,
            "teacher.budget": cap,
            "teacher.gate": {"rows": rng.choice([0, 8]), "readable": 0.0},
        }
        count = rng.randint(4, 40)
        path = write_experiment(changes, train=rows(count, rng.choice([None, count // 3 + 1])))
        with serve(billing) as server:
            experiment = open_experiment(path, f"{server.url}/v1")
            try:
                annotate(experiment)
            except BudgetError:
                reached += 1
            except TeacherError:
                assert billing.failure_rate
        assert billing.bill <= Decimal(str(cap)), number
        assert spent_of(experiment) == billing.bill, number
    assert CONFIGURATIONS * 0.2 < reached < CONFIGURATIONS * 0.9


@pytest.mark.usefixtures("short_pauses")
def test_a_run_that_ran_out_goes_on_when_the_budget_is_raised(write_experiment):
    billing = BillingEndpoint((Decimal(10), Decimal(10), Decimal(100)), random.Random(0))
    changes = {
        "methods": ["step-by-step"],
        "data.test": None,
        "prices": prices_of(billing),
        "teacher.max_tokens": 50,
        "teacher.budget": 0.05,
    }
    path = write_experiment(changes, train=rows(40))
    with serve(billing) as server:
        experiment = open_experiment(path, f"{server.url}/v1")
        with pytest.raises(BudgetError) as caught:
            annotate(experiment)
        assert str(caught.value).startswith("the budget of 0.05 EUR is used up: 0.0")
        assert str(caught.value).endswith("; raise teacher.budget, or give --budget, to go on")
        first = billing.calls
        assert 0 < first < 40
        assert len(read_annotations(experiment)) == first
        with pytest.raises(BudgetError):
            annotate(experiment)
        assert annotate(experiment, budget=Decimal(5)).from_ledger == first
    assert billing.calls == 40
    assert spent_of(experiment) == billing.bill


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize("budget", [0.01, None])
def test_lost_replies_count_as_spent(write_experiment, budget):
    """A reply that never came may have been answered, and billed, all the same."""

    async def stall(request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    application = web.Application()
    application.router.add_post("/v1/chat/completions", stall)
    changes = {
        "methods": ["step-by-step"],
        "data.test": None,
        "prices": {"input": 1.0, "output": 1.0},
        "teacher.max_tokens": 100,
        "teacher.budget": budget,
        "teacher.timeout": 0.02,
        "teacher.retries": 1,
        "teacher.concurrency": 1,
    }
    path = write_experiment(changes, train=rows(4))
    with LoopbackServer(application) as server:
        experiment = open_experiment(path, f"{server.url}/v1")
        annotate(experiment)
        found = read_spending(experiment)
    assert found is not None
    assert found.certain == 0
    assert Decimal("0.0008") < found.possible < Decimal("0.01")


def test_a_killed_run_owes_what_it_had_reserved(tmp_path: Path):
    with open_ledger(tmp_path / "ledger.sqlite") as ledger:
        assert ledger.owed() == 0
        ledger.set_reservation(Decimal("0.5"))
        ledger.set_reservation(Decimal("0.75"))
        assert ledger.owed() == 0
    with open_ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.begin_run()
        assert ledger.owed() == Decimal("0.75")
        ledger.set_reservation(Decimal("0.1"))
        ledger.set_reservation(Decimal(0))
    with open_ledger(tmp_path / "ledger.sqlite") as ledger:
        assert ledger.owed() == Decimal("0.75")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prices": None}, r"prices: None: teacher.budget \(1.0\) needs prices"),
        ({"teacher.max_tokens": None}, "there is no telling what a call may cost"),
    ],
)
def test_a_budget_that_cannot_be_kept_is_refused(write_experiment, changes, message):
    settings = {"prices": {"input": 1.0, "output": 2.0}, "teacher.budget": 1.0, **changes}
    with pytest.raises(ConfigError, match=message):
        annotate(open_experiment(write_experiment(settings)))


def test_tokens_are_priced_to_the_last_digit():
    prices = Prices("USD", input=0.15, output=0.6, cached_input=0.075)
    assert prices.of(Usage(1_000_000, 0, 400_000)) == Decimal("0.12")
    assert prices.dearest(5, 3) == Usage(5, 3)
    assert Prices("USD", 1.0, 1.0, cached_input=1.5).dearest(5, 3) == Usage(5, 3, 5)
    assert prices.of(Usage(3, 7)) == Decimal("0.00000465")
    assert prices.of(Usage(3, 7, batch=True)) == Decimal("0.000002325")
    assert Prices("USD", 0.1, 0.2).of(Usage(10, 0, 10)) == Decimal("0.000001")


def test_a_call_is_reserved_before_it_is_settled():
    guard = BudgetGuard(Prices("USD", 1.0, 1.0), cap=Decimal(10))
    assert guard.reserve(Decimal(6))
    assert not guard.reserve(Decimal(5))
    assert guard.reserve(Decimal(4))
    guard.settle(Decimal(6), Decimal(1))
    assert (guard.settled, guard.reserved, guard.left) == (1, 4, 5)


def test_the_recorded_reservation_covers_the_calls_under_way_and_is_seldom_written():
    written: list[Decimal] = []
    guard = BudgetGuard(Prices("USD", 1.0, 1.0), cap=Decimal(1000), record=written.append)
    for _ in range(300):
        assert guard.reserve(Decimal(1))
        assert guard.reserved <= written[-1] <= guard.cap
    assert len(written) < 12
    guard.close()
    assert written[-1] == 300
