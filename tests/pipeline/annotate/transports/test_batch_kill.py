"""Batches of a run that is killed: nothing is lost, and nothing is paid twice."""

import os
import random
import signal
from contextlib import contextmanager

import aiohttp
import pytest

from batch_server import BatchServer, End, says
from batching import assert_no_file_left, spent_of
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import Experiment, open_experiment
from distilwhy.pipeline.status import status
from distilwhy.store.batches import UnderWay
from distilwhy.store.ledger import Ledger


def kill_at(step: int, experiment: Experiment, **arguments: object) -> bool:
    """Annotate in a process that is killed at one of its steps: before a request, after the reply
    to one, after a transaction of the ledger. Whether it came that far."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _count_down(step)
            annotate(experiment, **arguments)
            status = 0
        finally:
            os._exit(status)
    _, ended = os.waitpid(child, 0)
    assert os.WIFSIGNALED(ended) or os.WEXITSTATUS(ended) == 0
    return os.WIFSIGNALED(ended)


def _count_down(left: int) -> None:
    """Kill this process after so many steps."""
    request, transaction = aiohttp.ClientSession._request, Ledger.transaction

    def step() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    async def _request(*arguments, **named):
        step()
        response = await request(*arguments, **named)
        step()
        return response

    @contextmanager
    def _transaction(ledger):
        with transaction(ledger) as connection:
            yield connection
            has_written = connection.in_transaction
        if has_written:
            step()

    aiohttp.ClientSession._request = _request
    Ledger.transaction = _transaction


def assert_books_agree(experiment: Experiment, server: BatchServer, rows: int) -> None:
    """Every row is answered, each was asked once, and the ledger agrees with the endpoint."""
    found = read_annotations(experiment)
    assert [a.outcome for a in found.values()] == ["ok"] * rows
    assert set(server.asked.values()) <= {1}
    assert len(server.asked) + len(set(server.direct)) == rows
    assert spent_of(experiment).certain + spent_of(experiment).possible >= server.bill
    assert_no_file_left(server)


def test_a_kill_at_any_step_loses_nothing_and_pays_nothing_twice(batched):
    """With a gate, a budget, and an answer whose tokens are not counted."""
    changes = {"teacher.gate": {"rows": 2}, "teacher.budget": 2.0, "teacher.concurrency": 1}
    killed, step, lost = True, 0, set()
    while killed:
        step += 1
        with BatchServer() as server:
            server.way, server.plays = ("in_progress",), {"Message 1.": [says("damage")]}
            experiment = batched({**changes, "out": f"run-{step}"}, 6)
            experiment = open_experiment(experiment.file, server.url)
            killed = kill_at(step, experiment)
            is_created = bool(server.batches)
            annotate(experiment)
            assert_books_agree(experiment, server, 6)
            after = spent_of(experiment)
            assert len(server.batches) == 1
            if is_created:
                assert after.certain == server.bill
                lost.add(after.possible)
    assert step > 20
    assert len(lost) == 1
    assert lost.pop() > 0


@pytest.mark.parametrize("seed", range(3))
def test_repeated_kills_lose_nothing_and_pay_nothing_twice(batched, monkeypatch, seed: int):
    """With a budget and a gate, until it comes through."""
    monkeypatch.setattr("distilwhy.pipeline.annotate.transports.batch_submission.MOST_REQUESTS", 4)
    rng, kills = random.Random(seed), 0
    changes = {"teacher.gate": {"rows": 2}, "teacher.budget": 2.0, "teacher.concurrency": 1}
    with BatchServer() as server:
        server.ends = [End("expired", answered=0.5), End()]
        experiment = open_experiment(batched(changes, 12).file, server.url)
        while kill_at(rng.randint(1, 15 + kills), experiment, wait=rng.random() < 0.5):
            kills += 1
        annotate(experiment)
        assert_books_agree(experiment, server, 12)
        assert server.bill <= 2
        assert status(experiment).under_way == UnderWay()
    assert kills
