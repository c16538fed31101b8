"""What a node does with a shard, without a cluster around it."""

import asyncio
import sys
from decimal import Decimal

import pytest
from aiohttp import web

from annotating import all_calls
from distilwhy.core.cost import Prices, Usage
from distilwhy.errors import ConfigError, TeacherError
from distilwhy.pipeline.annotate.calls import open_teacher
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.annotate.transports.dispatcher import Limits
from distilwhy.pipeline.annotate.transports.ray_worker import Shard, ShardResult, Worker
from distilwhy.pipeline.experiment import Experiment, open_experiment
from endpoint import Endpoint, fails, hangs_up, says, stalls

PRICES = Prices("USD", input=1.0, output=1.0)


@pytest.fixture
def opened(write_experiment, endpoint: Endpoint):
    """Opens an experiment of twelve rows, with changes."""
    rows = [{"id": f"a{i}", "message": f"Message {i}.", "kind": "damage"} for i in range(12)]

    def opens(**changes: object) -> Experiment:
        teacher = {"concurrency": 1, "retries": 0, "max_tokens": 50, **changes}
        settings = {f"teacher.{name}": value for name, value in teacher.items()}
        settings |= {"methods": ["step-by-step"], "data.test": None}
        return open_experiment(write_experiment(settings, train=rows), endpoint.url)

    return opens


def ask(experiment: Experiment, cap: Decimal | None = None, *known: int) -> ShardResult:
    calls = list(all_calls(experiment))
    failed_before = frozenset(calls[place].key for place in known)
    worker = Worker(experiment.config.teacher, PRICES, workers=2)
    at_once = experiment.config.teacher.concurrency
    return asyncio.run(worker.ask(Shard(calls, failed_before, cap, at_once=at_once)))


def test_a_worker_returns_all_answers(opened):
    result = ask(opened())
    assert len(result.entries) == 12
    assert {entry.completion.text for entry in result.entries} == {"Why. So the answer is damage."}
    assert (result.charges, result.spent, result.error) == ([], 0, None)


def test_a_fatal_error_comes_with_the_answers_before_it(opened, endpoint: Endpoint):
    endpoint.otherwise = [says(), says()]
    experiment = opened()
    fourth = [call.prompt.question for call in all_calls(experiment)][3]
    endpoint.plays[fourth] = [fails(401, "no such key")]
    result = ask(experiment)
    assert len(result.entries) == 3
    assert isinstance(result.error, TeacherError)
    assert "refuses the key" in str(result.error)


def test_only_new_failures_count_towards_the_limit(opened, endpoint: Endpoint):
    endpoint.otherwise = [fails(500)]
    result = ask(opened())
    assert len(result.entries) == 5
    assert "the last 5 calls have all failed" in str(result.error)
    result = ask(opened(), None, *range(12))
    assert len(result.entries) == 12
    assert result.error is None


def test_lost_replies_use_up_the_cap_and_it_is_not_exceeded(opened, endpoint: Endpoint):
    """The calls that are then left come back unanswered, to be sent with a part of their own."""
    experiment = opened(retries=2)
    worst = [open_teacher(experiment).longest(c.prompt) for c in all_calls(experiment)]
    cap = sum(Decimal(read + written) for read, written in worst) / 1_000_000
    endpoint.plays["Message 0."] = [hangs_up(), hangs_up(), says()]
    usage = {"prompt_tokens": worst[0][0], "completion_tokens": 50}
    endpoint.otherwise = [says(usage=usage)]
    result = ask(experiment, cap)
    assert 8 <= len(result.entries) < 12
    assert len([charge for charge in result.charges if not charge.certain]) >= 2
    assert result.spent <= cap
    assert result.error is None


def test_a_call_beyond_its_worst_case_is_the_only_one_and_the_driver_learns_of_it(
    opened, endpoint: Endpoint
):
    endpoint.otherwise = [says(usage={"prompt_tokens": 50, "completion_tokens": 8_000})]
    result = ask(opened(), Decimal("0.007"))
    assert len(result.entries) == len(endpoint.asked) == 1
    assert (result.largest, result.kept) == (Usage(0, 8_000), 0)
    assert "ignores teacher.max_tokens" in result.notice
    assert result.error is None


def test_a_stopped_worker_returns_what_it_has(opened, endpoint: Endpoint):

    async def answers_two(request: web.Request) -> web.StreamResponse:
        only = says() if len(endpoint.asked) <= 2 else stalls(60)
        return await only(request)

    endpoint.otherwise = [answers_two]
    experiment = opened(concurrency=2)
    worker = Worker(experiment.config.teacher, PRICES, workers=1)
    shard = Shard(list(all_calls(experiment)), cap=Decimal(1), at_once=2)

    async def break_off() -> ShardResult:
        asking = asyncio.ensure_future(worker.ask(shard))
        while len(endpoint.asked) < 4:
            await asyncio.sleep(0.01)
        await worker.stop()
        return await asking

    result = asyncio.run(break_off())
    assert len(result.entries) == 2
    broken_off = [charge for charge in result.charges if charge.what == "broken off"]
    assert len(broken_off) == 2


def test_workers_share_the_limits_per_minute(opened):
    experiment = opened(requests_per_minute=120.0)
    limits = Limits.of(experiment.config.teacher.pace, workers=12)
    assert limits.requests is not None
    assert limits.requests.a_minute == 10.0
    assert limits.tokens is None


def test_without_ray_the_error_says_what_to_install(opened, endpoint: Endpoint, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError) as caught:
        annotate(opened(), engine="ray")
    assert str(caught.value) == (
        "engine 'ray' is not installed; pip install \"distilwhy[ray]\", or leave out --engine"
    )
    assert not endpoint.asked


def test_recorded_completions_are_refused_on_a_cluster(write_experiment, tmp_path):
    (tmp_path / "said.jsonl").write_text('{"id": "a0", "completion": "x"}')
    recorded = {"kind": "recorded", "completions": ["said.jsonl"]}
    experiment = open_experiment(write_experiment({"teacher": recorded}))
    with pytest.raises(ConfigError, match=r"kind 'recorded' cannot be asked over a cluster; leave"):
        annotate(experiment, engine="ray")
