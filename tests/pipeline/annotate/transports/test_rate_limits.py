"""A limit of so many calls a minute is waited out, and the user is told."""

import time

import pytest
from aiohttp import web

from batching import fail_with
from conftest import many
from distilwhy.errors import TeacherError
from distilwhy.pipeline.annotate.recorder import AnnotationProgress
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.annotate.transports import batch_submission, dispatcher
from distilwhy.pipeline.experiment import open_experiment
from endpoint import Endpoint, fails, says, sends

SETTINGS = {
    "methods": ["step-by-step"],
    "data.test": None,
    "teacher.retries": 1,
    "teacher.gate": {"rows": 0},
}


def test_patience_is_two_minutes_or_more():
    assert dispatcher.PATIENCE_S >= 120


def test_a_limit_a_minute_is_waited_out_and_said(write_experiment, endpoint: Endpoint, monkeypatch):
    """Four calls in each window of a second; every other one is turned away."""
    monkeypatch.setattr(dispatcher, "NOTICE_AFTER_S", 0.2)
    windows: dict[int, int] = {}
    told: set[str] = set()

    async def limited(request: web.Request) -> web.StreamResponse:
        window = int(time.monotonic())
        windows[window] = windows.get(window, 0) + 1
        play = says() if windows[window] <= 4 else fails(429, "4 requests a second")
        return await play(request)

    def watch(progress: AnnotationProgress) -> None:
        told.add(progress.notice)

    endpoint.otherwise = [limited]
    experiment = open_experiment(write_experiment(SETTINGS, train=many(14)), endpoint.url)
    done = annotate(experiment, watch=watch)
    assert (done.answered, done.failed) == (14, 0)
    assert told == {
        "",
        f"{endpoint.url}/chat/completions limits the rate of calls (HTTP 429: 4 requests a "
        "second); waiting up to 180 s for the next answer; set teacher.requests_per_minute to "
        "what it allows",
    }


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (
            403,
            {"error": {"message": "Quota exceeded", "errors": [], "status": "RESOURCE_EXHAUSTED"}},
        ),
        (403, {"error": {"message": "Rate Limit Exceeded", "code": 403}}),
        (400, {"__type": "ThrottlingException", "message": "Too many requests, please wait"}),
        (503, {"message": "Please reduce your request rate.", "code": "SlowDown"}),
        (420, {"detail": "Enhance your calm: rate limited"}),
        (500, {"error": {"message": "You exceed 10 requests per minute", "type": "server_error"}}),
        (529, {"error": {"type": "rate_limit_error", "message": "busy"}}),
        (200, {"error": {"message": "Rate limit reached for m: limit 3 RPM", "code": "x"}}),
        (429, "Slow down"),
        (429, ""),
        (429, {"error": {"message": "try again", "Retry-After": None}}),
    ],
)
def test_a_limit_is_a_limit_whatever_it_is_called(write_experiment, endpoint, status: int, body):
    """More of them than there are retries."""
    endpoint.plays["Message 1."] = [*[sends(body, status)] * 4, says()]
    experiment = open_experiment(write_experiment(SETTINGS, train=many(4)), endpoint.url)
    done = annotate(experiment)
    assert (done.answered, done.failed) == (4, 0)


@pytest.mark.parametrize("value", ["", "soon", "-1", "nan", "1e400", "Wed, 99 Foo 2026"])
def test_a_retry_after_that_cannot_be_read_counts_as_none(write_experiment, endpoint, value: str):
    endpoint.plays["Message 1."] = [*[fails(429, "no", **{"Retry-After": value})] * 4, says()]
    experiment = open_experiment(write_experiment(SETTINGS, train=many(4)), endpoint.url)
    assert annotate(experiment).answered == 4


def test_a_limit_that_does_not_pass_ends_the_run(write_experiment, endpoint: Endpoint, monkeypatch):
    monkeypatch.setattr(dispatcher, "PATIENCE_S", 0.5)
    endpoint.otherwise = [fails(429, "never")]
    experiment = open_experiment(write_experiment(SETTINGS, train=many(40)), endpoint.url)
    started = time.monotonic()
    with pytest.raises(TeacherError, match=r"have all failed \(HTTP 429: never\)"):
        annotate(experiment)
    assert time.monotonic() - started >= 0.5


def test_other_failures_are_not_waited_out(write_experiment, endpoint: Endpoint):
    endpoint.plays["Message 1."] = [fails(429), fails(500, "a"), fails(429), fails(500, "b")]
    experiment = open_experiment(write_experiment(SETTINGS, train=many(4)), endpoint.url)
    assert annotate(experiment).failed == 1
    assert endpoint.questions.count("Message 1.") == 4


def test_a_limit_of_the_batch_interface_is_waited_out(batched, server, monkeypatch):
    monkeypatch.setattr(batch_submission, "pause_before", lambda attempt: 0.001)
    server.fault = fail_with(429, "busy", at="POST /v1/files", times=30)
    assert annotate(batched()).answered == 20
