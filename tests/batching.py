"""Experiments whose teacher is asked in batches. Its fixtures are available to all tests."""

import pytest
from aiohttp import web

from batch_server import BatchServer
from conftest import many
from distilwhy.pipeline.annotate.budget import read_spending
from distilwhy.pipeline.experiment import Experiment, open_experiment

PRICES = {"currency": "EUR", "input": 10.0, "output": 50.0}
SETTINGS = {
    "methods": ["step-by-step"],
    "data.test": None,
    "prices": PRICES,
    "teacher.batch": True,
    "teacher.max_tokens": 40,
    "teacher.gate": {"rows": 0},
    "teacher.retries": 2,
}


def spent_of(experiment: Experiment):
    found = read_spending(experiment)
    assert found is not None
    return found


def fail_with(code: int, message: str, *, at: str, times: int = 99):
    """A fault at one path, so many times."""
    left = [times]

    def fault(method: str, path: str) -> web.Response | None:
        if f"{method} {path}" != at or not left[0]:
            return None
        left[0] -= 1
        return web.json_response({"error": {"message": message}}, status=code)

    return fault


def assert_no_file_left(server: BatchServer) -> None:
    """No file was uploaded for nothing."""
    sent = {batch["input_file_id"] for batch in server.batches.values()}
    assert {i for i, (_, kind, _) in server.files.items() if kind == "batch"} == sent


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr("distilwhy.pipeline.annotate.transports.dispatcher.FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr("distilwhy.pipeline.annotate.transports.batch.FIRST_POLL_S", 0.001)


@pytest.fixture
def server(short_pauses: None):
    with BatchServer() as served:
        yield served


@pytest.fixture
def batched(write_experiment, server: BatchServer):
    """Opens an experiment of twenty train rows at the server, with changes."""

    def opens(changes: dict[str, object] | None = None, rows: int = 20) -> Experiment:
        path = write_experiment({**SETTINGS, **(changes or {})}, train=many(rows))
        return open_experiment(path, base_url=server.url)

    return opens
