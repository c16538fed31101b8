"""A thousand rows, and an endpoint that fails in all the ways that endpoints do."""

import random
from collections import Counter

import pytest
from aiohttp import web

from annotating import all_calls
from distilwhy.demo.loopback import LoopbackServer
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.store.ledger import open_ledger
from endpoint import Reply, fails, hangs_up, says, sends, sends_half, stalls

ROWS = 1000
FAULTS: dict[str, Reply] = {
    "reset": hangs_up(),
    "half a body": sends_half(),
    "invalid JSON": sends('{"choices": [{"mess'),
    "no choices": sends('{"choices": []}'),
    "429": fails(429, "slow down"),
    "429 with Retry-After": fails(429, "slow down", **{"Retry-After": "0.01"}),
    "500": fails(500, "oops"),
    "503": fails(503, "busy"),
    "stall": stalls(5),
    "filtered": says(None, finish_reason="content_filter"),
    "truncated": says("Becau", finish_reason="length"),
}


class FaultyEndpoint:
    """Fails at random in three requests of five."""

    def __init__(self) -> None:
        self.rng = random.Random(5)
        self.met: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()

    async def reply(self, request: web.Request) -> web.StreamResponse:
        question = (await request.json())["messages"][-1]["content"]
        fault = self.rng.choice(list(FAULTS)) if self.rng.random() < 0.6 else None
        if fault in (None, "filtered", "truncated"):
            self.answered[question] += 1
        if fault is None:
            return await says()(request)
        self.met[fault] += 1
        return await FAULTS[fault](request)


def test_a_thousand_faults_leave_every_row_with_an_answer_or_a_reason(
    write_experiment, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("distilwhy.pipeline.annotate.transports.dispatcher.FIRST_PAUSE_S", 0.001)
    faulty, application = FaultyEndpoint(), web.Application()
    application.router.add_post("/v1/chat/completions", faulty.reply)
    rows = [{"id": f"a{i}", "message": f"Message {i}.", "kind": "damage"} for i in range(ROWS)]
    changes = {
        "methods": ["step-by-step"],
        "data.test": None,
        "teacher.concurrency": 64,
        "teacher.timeout": 0.5,
        "teacher.retries": 4,
        "teacher.gate": {"readable": 0.4},
    }
    path = write_experiment(changes, train=rows)
    with LoopbackServer(application) as server:
        experiment = open_experiment(path, f"{server.url}/v1")
        progress = annotate(experiment)
    assert sum(faulty.met.values()) >= ROWS
    assert set(faulty.met) == set(FAULTS)
    assert progress.total == progress.answered + progress.failed == ROWS
    found = read_annotations(experiment)
    assert sorted(found) == sorted(row["id"] for row in rows)
    outcomes = Counter(annotation.outcome for annotation in found.values())
    assert set(outcomes) == {"ok", "refused", "truncated", "failed"}
    assert outcomes["failed"] == progress.failed
    assert all(a.problem for a in found.values() if a.outcome != "ok")
    # Nothing that was answered was asked again, and every row is in the ledger once.
    assert set(faulty.answered.values()) == {1}
    assert len(faulty.answered) == progress.answered
    with open_ledger(experiment.folder.ledger) as ledger:
        keys = [call.key for call in all_calls(experiment)]
        assert len(list(ledger.entries(keys))) == ROWS
