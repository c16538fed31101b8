"""What each kind of endpoint says when it does not answer: one row's failure, a wait, or the end.

The errors have the shapes that the providers' own references give for them.
"""

import time
from datetime import UTC, datetime, timedelta

import pytest
from test_http_teacher import KEY, ask

from distilwhy.core.parsing.completion import Completion
from distilwhy.errors import TeacherError
from distilwhy.teachers.rate_limit import Bucket
from distilwhy.teachers.wires.anthropic import ANTHROPIC
from distilwhy.teachers.wires.gemini import GEMINI
from distilwhy.teachers.wires.kinds import WIRES
from endpoint import Endpoint, says, sends
from wires import SAID


def claude_error(kind: str, message: str) -> dict[str, object]:
    error = {"type": kind, "message": message}
    return {"type": "error", "error": error, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy"}


def google_error(
    code: int, status: str, message: str, *details: dict[str, object]
) -> dict[str, object]:
    error: dict[str, object] = {"code": code, "message": message, "status": status}
    return {"error": {**error, "details": [*details]} if details else error}


def openai_error(message: str, kind: str, code: str | None) -> dict[str, object]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


NO_TEMPERATURE = "`temperature` is deprecated for this model."

UNSUPPORTED = (
    "Unsupported parameter: 'max_tokens' is not supported with this model. "
    "Use 'max_completion_tokens' instead."
)


@pytest.mark.parametrize(
    ("kind", "status", "error", "said"),
    [
        ("chat", 400, openai_error(UNSUPPORTED, "invalid_request_error", "x"), UNSUPPORTED),
        ("anthropic", 400, claude_error("invalid_request_error", NO_TEMPERATURE), NO_TEMPERATURE),
        ("gemini", 400, google_error(400, "INVALID_ARGUMENT", "Too long."), "Too long."),
    ],
)
def test_a_refused_request_fails_its_row_alone(endpoint: Endpoint, kind, status, error, said):
    endpoint.plays = {"bad": [sends(error, status)]}
    good, bad = ask(endpoint.url, "good", "bad", kind=kind)
    assert good.text == "Why. So the answer is damage."
    assert bad == Completion("", error=f"HTTP {status}: {said}")
    assert endpoint.questions.count("bad") == 1


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [
        ("chat", 429, openai_error("Slow down.", "requests", "rate_limit_exceeded")),
        ("chat", 503, openai_error("Overloaded.", "server_error", None)),
        ("anthropic", 429, claude_error("rate_limit_error", "Slow down.")),
        ("anthropic", 500, claude_error("api_error", "Internal server error")),
        ("anthropic", 529, claude_error("overloaded_error", "Overloaded")),
        ("gemini", 429, google_error(429, "RESOURCE_EXHAUSTED", "Slow down.")),
        ("gemini", 500, google_error(500, "INTERNAL", "An internal error has occurred.")),
        ("gemini", 503, google_error(503, "UNAVAILABLE", "The model is overloaded.")),
        ("gemini", 504, google_error(504, "DEADLINE_EXCEEDED", "Deadline exceeded.")),
    ],
)
def test_a_transient_error_of_each_provider_is_tried_again(endpoint: Endpoint, kind, status, error):
    endpoint.otherwise = [sends(error, status), says(SAID)]
    assert ask(endpoint.url, "hello", kind=kind)[0].text == SAID
    assert len(endpoint.asked) == 2


BAD_KEY = {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    "reason": "API_KEY_INVALID",
    "domain": "googleapis.com",
    "metadata": {"service": "generativelanguage.googleapis.com"},
}
OF_A_DAY = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [
        {
            "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
            "quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
            "quotaDimensions": {"location": "global", "model": "gemini-2.5-flash"},
            "quotaValue": "250",
        }
    ],
}


def in_seconds(delay: str) -> dict[str, object]:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


@pytest.mark.parametrize(
    ("kind", "status", "error", "end"),
    [
        ("anthropic", 401, claude_error("authentication_error", "invalid x-api-key"),
         "refuses the key (HTTP 401: invalid x-api-key); check the key in $MY_KEY"),
        ("anthropic", 402, claude_error("billing_error", "No card"),
         "wants to be paid (HTTP 402: No card); top the account up"),
        ("anthropic", 400,
         claude_error("invalid_request_error", "Your credit balance is too low to go on."),
         "wants to be paid (HTTP 400: Your credit balance is too low to go on.); top the account "
         "up"),
        ("anthropic", 404, claude_error("not_found_error", "model: m"),
         "has no such model or path (HTTP 404: model: m); check teacher.model ('m') and "
         "teacher.base_url"),
        ("gemini", 400,
         google_error(400, "INVALID_ARGUMENT", "API key not valid.", BAD_KEY),
         "refuses the key (HTTP 400: API key not valid.); check the key in $MY_KEY"),
        ("gemini", 404, google_error(404, "NOT_FOUND", "models/m is not found"),
         "has no such model or path (HTTP 404: models/m is not found); check teacher.model ('m') "
         "and teacher.base_url"),
        ("gemini", 429,
         google_error(429, "RESOURCE_EXHAUSTED", "Quota.", OF_A_DAY, in_seconds("22s")),
         "has no more for today (HTTP 429: Quota.); run again tomorrow"),
        ("gemini", 429, google_error(429, "RESOURCE_EXHAUSTED", "Quota.", in_seconds("52758s")),
         "asks to be left alone for 52758 s; run again after that to go on"),
        ("chat", 429, openai_error("You are out.", "insufficient_quota", "insufficient_quota"),
         "wants to be paid (HTTP 429: You are out.); top the account up"),
    ],
)  # fmt: skip
def test_a_fatal_error_of_each_provider_ends_the_run(
    endpoint: Endpoint, monkeypatch, kind, status, error, end
):
    monkeypatch.setenv("MY_KEY", KEY)
    endpoint.otherwise = [sends(error, status)]
    with pytest.raises(TeacherError) as caught:
        ask(endpoint.url, "hello", kind=kind, api_key_env="MY_KEY")
    assert str(caught.value) == f"{endpoint.url}{WIRES[kind].path('m')} {end}"
    assert len(endpoint.asked) == 1


def test_the_retry_delay_of_gemini_is_obeyed(endpoint: Endpoint):
    error = google_error(429, "RESOURCE_EXHAUSTED", "Slow down.", in_seconds("0.4s"))
    endpoint.otherwise = [sends(error, 429), says(SAID)]
    start = time.monotonic()
    assert ask(endpoint.url, "hello", kind="gemini")[0].text == SAID
    assert 0.4 <= time.monotonic() - start < 10


@pytest.mark.parametrize(
    ("details", "seconds"),
    [
        ([in_seconds("13s")], 13.0),
        ([OF_A_DAY, in_seconds("3.700s")], 3.7),
        ([in_seconds("soon")], 0.0),
        ([in_seconds("1e9s")], 0.0),
        ([], 0.0),
    ],
)
def test_the_retry_delay_is_read_in_an_error_of_gemini(details, seconds):
    assert GEMINI.pause(google_error(429, "RESOURCE_EXHAUSTED", "Quota.", *details or [{}])) == (
        seconds
    )


def moment(seconds: float) -> str:
    then = datetime.now(UTC) + timedelta(seconds=seconds)
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def limits(what: str, remaining: str, reset: str) -> dict[str, str]:
    """The headers with which Anthropic says how much is left of a limit, and until when."""
    start = f"anthropic-ratelimit-{what}"
    return {f"{start}-limit": "50", f"{start}-remaining": remaining, f"{start}-reset": reset}


@pytest.mark.parametrize(
    ("left", "seconds"),
    [
        ({"requests": ("0", 40)}, 40),
        ({"requests": ("49", 40)}, 0),
        ({"requests": ("0", 40), "input-tokens": ("0", 50)}, 50),
        ({"output-tokens": ("0", 30)}, 30),
        ({"requests": ("0", -5)}, 0),
        ({}, 0),
    ],
)
def test_the_reset_of_an_anthropic_limit_is_read(left, seconds):
    headers: dict[str, str] = {}
    for what, (remaining, reset) in left.items():
        headers |= limits(what, remaining, moment(reset))
    assert ANTHROPIC.rest(headers) == pytest.approx(seconds, abs=5 if seconds else 0)


def test_an_unreadable_reset_is_ignored():
    without_zone = limits("requests", "0", moment(40).removesuffix("Z"))
    assert ANTHROPIC.rest(without_zone) == pytest.approx(40, abs=5)
    for reset in ("soon", ""):
        assert ANTHROPIC.rest(limits("requests", "0", reset)) == 0


def test_an_anthropic_limit_that_is_used_up_is_awaited(endpoint: Endpoint):
    said = {"content": [{"type": "text", "text": SAID}], "stop_reason": "end_turn"}
    endpoint.otherwise = [sends(said, **limits("requests", "0", moment(0.6)))]
    start = time.monotonic()
    ask(endpoint.url, "first", "second", kind="anthropic", concurrency=1)
    assert 0.3 <= time.monotonic() - start < 10


@pytest.mark.parametrize("reset", ["9" * 400 + "h", "99999999h"])
def test_a_reset_that_no_endpoint_can_mean_is_ignored(endpoint: Endpoint, reset: str):
    left = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": reset}
    said = {"choices": [{"message": {"content": SAID}, "finish_reason": "stop"}]}
    endpoint.otherwise = [sends(said, **left)]
    start = time.monotonic()
    ask(endpoint.url, "first", "second", concurrency=1)
    assert time.monotonic() - start < 10


def test_tokens_billed_in_excess_delay_the_next_call_by_minutes_at_most():
    bucket = Bucket(600.0)
    bucket.wait(1, 0.0)
    bucket.correct(-10_000_000)
    assert 250 < bucket.wait(1, 0.0) < 310
    bucket.correct(100)
    assert 240 < bucket.wait(1, 0.0) < 300
