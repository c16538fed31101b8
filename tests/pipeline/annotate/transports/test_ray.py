"""Over two local nodes of Ray: the answers of one machine, whatever dies."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp import web

from annotating import all_calls
from billing import BillingEndpoint, prices_of, serve, spent_of
from conftest import KINDS
from distilwhy.errors import BudgetError, ConfigError, RunError, TeacherError
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.budget import read_spending
from distilwhy.pipeline.annotate.recorder import AnnotationProgress
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.annotate.transports.ray import ROUNDS
from distilwhy.pipeline.experiment import Experiment, open_experiment
from distilwhy.store.ledger import open_ledger
from distilwhy.store.shards import read_shard
from endpoint import Endpoint, fails, question_of, says

ray = pytest.importorskip("ray", reason='needs Ray: pip install "distilwhy[ray]"')

ROWS = 200
CONCURRENCY = 2
SHARD = ROUNDS * CONCURRENCY
FAST = {"teacher.concurrency": 64}
STORE = 80_000_000
# Else it takes Ray a quarter of a minute to believe that a node is dead.
HEALTH = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 300,
    "health_check_failure_threshold": 3,
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes with a CPU each; this process is connected to them."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    head = {"num_cpus": 1, "object_store_memory": STORE, "_system_config": HEALTH}
    nodes = Cluster(initialize_head=True, head_node_args=head)
    nodes.add_node(num_cpus=1, object_store_memory=STORE)
    ray.init(nodes.address, log_to_driver=False, logging_level="ERROR")
    yield nodes
    ray.shutdown()
    nodes.shutdown()


async def reply(request: web.Request) -> web.StreamResponse:
    """Answers after a while: each question in its own way, and always in the same."""
    question = question_of(json.loads(await request.read()))
    await asyncio.sleep(0.02)
    kind = KINDS[sum(question.encode()) % 3]
    usage = {"prompt_tokens": len(question), "completion_tokens": 9}
    return await says(f"It says: {question} So the answer is {kind}.", usage=usage)(request)


@pytest.fixture
def opened(write_experiment, endpoint: Endpoint, cluster) -> Callable[..., Experiment]:
    """Opens an experiment of ``ROWS`` rows at an endpoint that answers each in its own way."""
    endpoint.otherwise = [reply]
    rows = [{"id": f"a{i}", "message": f"Message {i}.", "kind": KINDS[i % 3]} for i in range(ROWS)]

    def opens(changes: Mapping[str, object] | None = None) -> Experiment:
        settings: dict[str, object] = {
            "methods": ["step-by-step"],
            "teacher.base_url": endpoint.url,
            "data.validation": 0.1,
            "data.test": None,
            "teacher.concurrency": CONCURRENCY,
            "teacher.retries": 0,
            "teacher.gate": {"rows": 0},
            **(changes or {}),
        }
        return open_experiment(write_experiment(settings, train=rows))

    return opens


def over_cluster(experiment: Experiment, **more: Any) -> AnnotationProgress:
    return annotate(experiment, engine="ray", **more)


def asked_twice(endpoint: Endpoint) -> set[str]:
    return {question for question, times in Counter(endpoint.questions).items() if times > 1}


def questions_in(shards: Path) -> set[str]:
    """What was asked for the answers that stand in shards."""
    entries = [entry for path in shards.glob("*.parquet") for entry in read_shard(path)[0]]
    return {f"Message {entry.example[1:]}." for entry in entries}


def when(condition: Callable[[], bool], do: Callable[[], object]) -> threading.Thread:
    """Does something, beside all else, when it is time."""

    def wait() -> None:
        deadline = time.monotonic() + 60
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.005)
        do()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_after_a_kill_of_the_driver_only_missing_shards_are_asked_for(
    opened, endpoint: Endpoint, cluster
):
    experiment = opened()
    shards = experiment.folder.shards
    command = [sys.executable, "-m", "distilwhy", "annotate", str(experiment.file), "--engine=ray"]
    environment = {**os.environ, "RAY_ADDRESS": cluster.address}
    killed = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)

    def is_between_shards() -> bool:
        handed_in = len(list(shards.glob("*.parquet"))) * SHARD
        return handed_in > 0 and len(endpoint.asked) > handed_in + SHARD / 2

    when(is_between_shards, lambda: killed.send_signal(signal.SIGKILL)).join()
    killed.wait()
    safe = questions_in(shards)
    assert SHARD <= len(safe) < ROWS
    assert over_cluster(experiment) == AnnotationProgress(
        ROWS, len(safe), answered=ROWS - len(safe)
    )
    assert len(read_annotations(experiment)) == ROWS
    assert not asked_twice(endpoint) & safe
    assert 0 < len(asked_twice(endpoint)) <= 2 * SHARD
    assert questions_in(shards) == set(endpoint.questions)


def test_ctrl_c_loses_only_the_calls_in_flight(opened, endpoint: Endpoint):
    def interrupt(progress: AnnotationProgress) -> None:
        if progress.answered >= 3 * SHARD:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        over_cluster(opened(), watch=interrupt)
    asked = len(endpoint.asked)
    progress = annotate(opened(FAST))
    assert 3 * SHARD <= progress.from_ledger < ROWS
    assert asked - progress.from_ledger <= 2 * CONCURRENCY
    assert len(asked_twice(endpoint)) <= 2 * CONCURRENCY


def test_answers_before_a_fatal_error_are_kept(opened, endpoint: Endpoint):
    endpoint.plays["Message 120."] = [fails(401)]
    with pytest.raises(TeacherError, match="refuses the key"):
        over_cluster(opened())
    asked = len(endpoint.asked)
    endpoint.plays = {}
    assert annotate(opened(FAST)).from_ledger >= asked - 2 * CONCURRENCY


def test_an_unreachable_cluster_is_named(opened, monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    message = r"cannot be reached \(.*refused\); check that \$RAY_ADDRESS \(127\.0\.0\.1:9\) is its"
    with pytest.raises(RunError, match=message):
        over_cluster(opened())


def test_workers_together_do_not_exceed_the_cap(write_experiment, cluster):
    prices = (Decimal(1), Decimal("0.5"), Decimal(4))
    billing = BillingEndpoint(prices, random.Random(0))
    changes = {
        "methods": ["step-by-step"],
        "data.test": None,
        "prices": prices_of(billing),
        "teacher.max_tokens": 100,
        "teacher.budget": 0.05,
        "teacher.gate": {"rows": 8, "readable": 0.0},
    }
    rows = [{"id": f"a{i}", "message": f"Message {i}.", "kind": "damage"} for i in range(ROWS)]
    path = write_experiment(changes, train=rows)
    with serve(billing) as server:
        experiment = open_experiment(path, f"{server.url}/v1")
        with pytest.raises(BudgetError, match=r"the budget of 0\.05 EUR is used up: 0\.049"):
            over_cluster(experiment)
    assert Decimal("0.049") < billing.bill <= Decimal("0.05")
    assert spent_of(experiment) == billing.bill


def test_another_version_on_a_node_is_refused(opened, endpoint: Endpoint, monkeypatch):
    monkeypatch.setattr("distilwhy.pipeline.annotate.transports.ray.__version__", "9.9")
    with pytest.raises(TeacherError, match=r"a node of the cluster has distilwhy .* this is 9\.9"):
        over_cluster(opened(), workers=1)
    assert not endpoint.asked


def test_a_key_never_leaves_its_machine(opened, endpoint: Endpoint, monkeypatch):
    monkeypatch.setenv("DRIVERS_KEY", "secret")
    message = r"on a node of the cluster, teacher\.api_key_env: \$DRIVERS_KEY is not set"
    with pytest.raises(ConfigError, match=message):
        over_cluster(opened({"teacher.api_key_env": "DRIVERS_KEY"}), workers=1)
    assert not endpoint.asked


def test_a_cluster_without_a_free_cpu_is_an_error(opened, monkeypatch):
    monkeypatch.setattr("distilwhy.pipeline.annotate.transports.ray.STARTS_WITHIN_S", 0.5)

    class Busy:  # in here, so that Ray brings it to nodes that cannot import this file
        def has_begun(self) -> None:
            return

    others = [ray.remote(num_cpus=1)(Busy).remote() for _ in range(2)]
    ray.get([other.has_begun.remote() for other in others])
    with pytest.raises(TeacherError, match="no worker could start within 0 s; each takes one CPU"):
        over_cluster(opened())


def test_calls_that_kill_every_worker_end_the_run(opened, endpoint: Endpoint, monkeypatch):
    monkeypatch.setattr("distilwhy.pipeline.annotate.transports.ray.MOST_LOSSES", 2)

    async def kill(request: web.Request) -> web.StreamResponse:
        for process in psutil.process_iter(["name"]):
            if process.info["name"].startswith("ray::Worker"):
                process.kill()
        return await reply(request)

    endpoint.plays["Message 40."] = [kill]
    with pytest.raises(TeacherError, match="calls were lost 2 times, each time with the worker"):
        over_cluster(opened(), workers=1)
    assert endpoint.questions.count("Message 40.") == 2


def test_a_killed_node_costs_only_its_shard(opened, endpoint: Endpoint, cluster):
    """The last test of this file: one node is left after it."""
    priced = {"prices": {"input": 1.0, "output": 1.0}, "teacher.budget": 5.0}
    experiment = opened(priced)
    [node] = cluster.worker_nodes
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    dying = threading.Event()

    async def holds(request: web.Request) -> web.StreamResponse:
        while dying.is_set():
            await asyncio.sleep(0.005)
        return await reply(request)

    def kill() -> None:
        """Else all may be answered before a node on a busy machine is dead."""
        dying.set()
        workers = raylet.children(recursive=True)
        cluster.remove_node(node, allow_graceful=False)
        psutil.wait_procs(workers, timeout=60)
        dying.clear()

    endpoint.otherwise = [holds]
    switch = when(lambda: len(endpoint.asked) >= 3 * SHARD, kill)
    progress = over_cluster(experiment)
    switch.join()
    assert replace(progress, lost=0) == AnnotationProgress(ROWS, from_ledger=0, answered=ROWS)
    # Where its death is noticed late, the next shard is sent to a worker that is no more.
    assert progress.lost in (SHARD, 2 * SHARD)
    order = [call.prompt.question for call in all_calls(experiment)]
    places = [order.index(question) for question in asked_twice(endpoint)]
    assert max(places) - min(places) < SHARD
    assert max(Counter(endpoint.questions).values()) == 2
    found = read_spending(experiment)
    assert found is not None
    assert found.possible > found.certain > 0

    alone = opened({**priced, **FAST, "out": "alone"})
    annotate(alone)
    assert dict(read_annotations(experiment)) == dict(read_annotations(alone))
    assert completions_of(experiment) == completions_of(alone)


def completions_of(experiment: Experiment) -> dict[bytes, object]:
    with open_ledger(experiment.folder.ledger) as ledger:
        return dict(ledger.get(call.key for call in all_calls(experiment)))
