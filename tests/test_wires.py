"""What goes over the wire and what comes back, for every kind of endpoint.

The replies and the errors have the shapes that the providers' own references give for them.
"""

import json
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from distilwhy.config import HttpTeacherConfig, TeacherConfig
from distilwhy.core.annotation import Annotation, Completion, parse_completion
from distilwhy.core.answer import Answer
from distilwhy.core.prompt import Head, Message, Prompt, render_reply, structure_reply
from distilwhy.core.task import Example, Exemplar, Task, Wording
from distilwhy.errors import BudgetError, ConfigError, TeacherError
from distilwhy.flows.annotate import annotate
from distilwhy.flows.experiment import open_experiment
from distilwhy.store.ledger import call_key
from distilwhy.teachers.anthropic import ANTHROPIC
from distilwhy.teachers.gemini import GEMINI
from distilwhy.teachers.http import WIRES, HttpTeacher
from distilwhy.teachers.wire import count
from endpoint import Endpoint, says, sends
from test_http_teacher import KEY, ask

SAID = "It broke. So the answer is damage."
LABELS = ("damage", "question", "praise")
TASK = Task("Sort.", Wording("{{ message }}"), Answer("choice", LABELS))


def openai(message: object, finish: str = "stop", **usage: object) -> dict[str, object]:
    """A chat completion."""
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    return {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion",
        "created": 1741569952,
        "model": "gpt-5-mini-2025-08-07",
        "choices": [choice],
        "usage": {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29, **usage},
        "service_tier": "default",
    }


def anthropic(blocks: object, stop: str = "end_turn", **usage: object) -> dict[str, object]:
    """A message."""
    return {
        "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-6",
        "content": blocks,
        "stop_reason": stop,
        "stop_sequence": "\n\nQ:" if stop == "stop_sequence" else None,
        "usage": {
            "input_tokens": 19,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 10,
            "service_tier": "standard",
            **usage,
        },
    }


def gemini(candidate: object, **usage: object) -> dict[str, object]:
    """A response of generateContent."""
    details = [{"modality": "TEXT", "tokenCount": 19}]
    counts = {"promptTokenCount": 19, "totalTokenCount": 29, "promptTokensDetails": details}
    return {
        "candidates": [candidate],
        "usageMetadata": {**counts, **usage},
        "modelVersion": "gemini-2.5-flash",
        "responseId": "Il0taoSYJ5Cez7IP5t3wqAU",
    }


def answered(*parts: dict[str, object], finish: str = "STOP") -> dict[str, object]:
    """A candidate with parts."""
    content = {"parts": [*parts], "role": "model"}
    return {"content": content, "finishReason": finish, "index": 0}


RATINGS = [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "HIGH", "blocked": True}]
OPENAI = {"model": "gpt-5-mini-2025-08-07", "input_tokens": 19, "output_tokens": 10}
CLAUDE = {"model": "claude-sonnet-4-6", "input_tokens": 19, "output_tokens": 10}
FLASH = {"model": "gemini-2.5-flash", "input_tokens": 19, "output_tokens": 10}


@pytest.mark.parametrize(
    ("kind", "reply", "expected", "outcome"),
    [
        pytest.param(
            "chat",
            openai({"role": "assistant", "content": SAID, "refusal": None, "annotations": []}),
            Completion(SAID, "stop", **OPENAI),
            "ok",
            id="openai",
        ),
        pytest.param(
            "chat",
            openai(
                {"role": "assistant", "content": SAID, "refusal": None},
                prompt_tokens_details={"cached_tokens": 16, "audio_tokens": 0},
                completion_tokens_details={"reasoning_tokens": 6, "audio_tokens": 0},
            ),
            Completion(SAID, "stop", cached_tokens=16, **OPENAI),
            "ok",
            id="openai, cached",
        ),
        pytest.param(
            "chat",
            openai({"role": "assistant", "content": "", "refusal": None}, "length"),
            Completion("", "length", **OPENAI),
            "truncated",
            id="openai, all tokens thought away",
        ),
        pytest.param(
            "chat",
            openai({"role": "assistant", "content": None, "refusal": "I'm sorry, I can't."}),
            Completion("I'm sorry, I can't.", "refusal", **OPENAI),
            "refused",
            id="openai, refusal",
        ),
        pytest.param(
            "chat",
            openai({"role": "assistant", "content": SAID, "reasoning_content": "Hm, damage?"}),
            Completion(SAID, "stop", thinking="Hm, damage?", **OPENAI),
            "ok",
            id="deepseek and vllm, thinking",
        ),
        pytest.param(
            "chat",
            openai({"role": "assistant", "content": SAID, "reasoning": "Hm, damage?"}),
            Completion(SAID, "stop", thinking="Hm, damage?", **OPENAI),
            "ok",
            id="openrouter and ollama, thinking",
        ),
        pytest.param(
            "chat",
            openai({"role": "assistant", "reasoning": "Hm, damage?"}, "length"),
            Completion("", "length", thinking="Hm, damage?", **OPENAI),
            "truncated",
            id="mlx, no content at all",
        ),
        pytest.param(
            "chat",
            openai(
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
                        {"type": "text", "text": SAID},
                    ],
                }
            ),
            Completion(SAID, "stop", thinking="Hm.", **OPENAI),
            "ok",
            id="mistral, thinking",
        ),
        pytest.param(
            "anthropic",
            anthropic([{"type": "text", "text": SAID}]),
            Completion(SAID, "end_turn", **CLAUDE),
            "ok",
            id="anthropic",
        ),
        pytest.param(
            "anthropic",
            anthropic(
                [
                    {"type": "thinking", "thinking": "Hm, damage?", "signature": "EqQBCgIYAhIM"},
                    {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3pzix"},
                    {"type": "text", "text": "It broke. "},
                    {"type": "text", "text": "So the answer is damage."},
                ],
                "stop_sequence",
            ),
            Completion(SAID, "stop_sequence", thinking="Hm, damage?", **CLAUDE),
            "ok",
            id="anthropic, thinking",
        ),
        pytest.param(
            "anthropic",
            anthropic(
                [{"type": "text", "text": SAID}],
                cache_creation_input_tokens=100,
                cache_read_input_tokens=2000,
            ),
            Completion(SAID, "end_turn", cached_tokens=2000, **{**CLAUDE, "input_tokens": 2119}),
            "ok",
            id="anthropic, cached",
        ),
        pytest.param(
            "anthropic",
            anthropic([{"type": "text", "text": "It broke. So"}], "max_tokens"),
            Completion("It broke. So", "max_tokens", **CLAUDE),
            "truncated",
            id="anthropic, truncated",
        ),
        pytest.param(
            "anthropic",
            anthropic([{"type": "thinking", "thinking": "Hm", "signature": "E"}], "max_tokens"),
            Completion("", "max_tokens", thinking="Hm", **CLAUDE),
            "truncated",
            id="anthropic, all tokens thought away",
        ),
        pytest.param(
            "anthropic",
            anthropic([], "refusal"),
            Completion("", "refusal", **CLAUDE),
            "refused",
            id="anthropic, refusal",
        ),
        pytest.param(
            "gemini",
            gemini(answered({"text": SAID}), candidatesTokenCount=10),
            Completion(SAID, "STOP", **FLASH),
            "ok",
            id="gemini",
        ),
        pytest.param(
            "gemini",
            gemini(
                answered(
                    {"text": "**Sorting**\n\nHm, damage?", "thought": True},
                    {"text": "It broke. "},
                    {"text": "So the answer is damage.", "thoughtSignature": "EjQKMgEM"},
                ),
                candidatesTokenCount=10,
                thoughtsTokenCount=90,
            ),
            Completion(
                SAID,
                "STOP",
                thinking="**Sorting**\n\nHm, damage?",
                **{**FLASH, "output_tokens": 100},
            ),
            "ok",
            id="gemini, thinking",
        ),
        pytest.param(
            "gemini",
            gemini(answered({"text": SAID}), candidatesTokenCount=10, cachedContentTokenCount=16),
            Completion(SAID, "STOP", cached_tokens=16, **FLASH),
            "ok",
            id="gemini, cached",
        ),
        pytest.param(
            "gemini",
            gemini(answered({"text": "It br"}, finish="MAX_TOKENS"), candidatesTokenCount=10),
            Completion("It br", "MAX_TOKENS", **FLASH),
            "truncated",
            id="gemini, truncated",
        ),
        pytest.param(
            "gemini",
            gemini(
                {"content": {"role": "model"}, "finishReason": "MAX_TOKENS", "index": 0},
                thoughtsTokenCount=10,
            ),
            Completion("", "MAX_TOKENS", **FLASH),
            "truncated",
            id="gemini, all tokens thought away",
        ),
        pytest.param(
            "gemini",
            gemini({"finishReason": "SAFETY", "index": 0, "safetyRatings": RATINGS}),
            Completion("", "SAFETY", **{**FLASH, "output_tokens": 0}),
            "refused",
            id="gemini, safety",
        ),
        pytest.param(
            "gemini",
            gemini({"finishReason": "OTHER", "index": 0}),
            Completion("", "OTHER", **{**FLASH, "output_tokens": 0}),
            "unparsed",
            id="gemini, no reason given",
        ),
        pytest.param(
            "gemini",
            {
                "promptFeedback": {"blockReason": "PROHIBITED_CONTENT", "safetyRatings": RATINGS},
                "usageMetadata": {"promptTokenCount": 19, "totalTokenCount": 19},
                "modelVersion": "gemini-2.5-flash",
            },
            Completion(
                "The prompt is blocked: PROHIBITED_CONTENT",
                "refusal",
                **{**FLASH, "output_tokens": 0},
            ),
            "refused",
            id="gemini, prompt blocked",
        ),
        pytest.param(
            "gemini",
            {"candidates": [answered({"text": SAID})]},
            Completion(SAID, "STOP"),
            "ok",
            id="gemini, not counted",
        ),
    ],
)
def test_what_is_read(endpoint: Endpoint, kind, reply, expected, outcome):
    endpoint.otherwise = [sends(reply)]
    [found] = ask(endpoint.url, "hello", kind=kind)
    assert found == expected
    assert parse_completion(TASK, Example("1", "hello"), found).outcome == outcome
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        # xAI counts thinking in the total alone, OpenAI in what was completed as well.
        ({"total_tokens": 329}, (19, 310, 0)),
        ({"total_tokens": None}, (19, 10, 0)),
        ({"total_tokens": 10}, (19, 10, 0)),
        ({"prompt_tokens_details": {"cached_tokens": 1000}}, (19, 10, 19)),
        ({"prompt_tokens": None, "prompt_tokens_details": {"cached_tokens": 5}}, (None, 10, 0)),
    ],
)
def test_tokens_that_do_not_add_up(endpoint: Endpoint, counts, expected):
    endpoint.otherwise = [sends(openai({"role": "assistant", "content": SAID}, **counts))]
    [found] = ask(endpoint.url, "hello")
    assert (found.input_tokens, found.output_tokens, found.cached_tokens) == expected


BROKEN = [
    ("chat", openai({"role": "assistant", "content": ""}, "error")),
    ("completion", {"choices": [{"text": "It", "error": {"code": 502, "message": "gone"}}]}),
    ("anthropic", {}),
    ("anthropic", {"content": None}),
    ("anthropic", {"content": "text"}),
    ("anthropic", {"content": [{"type": "text"}]}),
    ("anthropic", {"content": [{"type": "text", "text": None}]}),
    ("gemini", {}),
    ("gemini", []),
    ("gemini", {"candidates": []}),
    ("gemini", {"candidates": [{}]}),
    ("gemini", {"candidates": [{"content": {"parts": [{"text": 5}]}}]}),
    ("gemini", {"candidates": [{"content": "text", "finishReason": "STOP"}]}),
    ("gemini", {"promptFeedback": {}}),
]


@pytest.mark.parametrize(("kind", "reply"), BROKEN)
def test_a_reply_that_is_none_is_tried_again(endpoint: Endpoint, kind, reply):
    endpoint.otherwise = [sends(reply), says(SAID)]
    assert ask(endpoint.url, "hello", kind=kind)[0].text == SAID
    assert len(endpoint.asked) == 2


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
        ("anthropic", 413, claude_error("request_too_large", "Too large"), "Too large"),
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
def test_what_may_pass_is_tried_again(endpoint: Endpoint, kind, status, error):
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
def test_what_stands_in_the_way_of_all_ends_it(
    endpoint: Endpoint, monkeypatch, kind, status, error, end
):
    monkeypatch.setenv("MY_KEY", KEY)
    endpoint.otherwise = [sends(error, status)]
    with pytest.raises(TeacherError) as caught:
        ask(endpoint.url, "hello", kind=kind, api_key_env="MY_KEY")
    assert str(caught.value) == f"{endpoint.url} {end}"
    assert len(endpoint.asked) == 1


def test_the_delay_that_gemini_asks_for_is_obeyed(endpoint: Endpoint):
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
def test_the_delay_in_an_error_of_gemini(details, seconds):
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
def test_how_long_anthropic_has_nothing_left(left, seconds):
    headers: dict[str, str] = {}
    for what, (remaining, reset) in left.items():
        headers |= limits(what, remaining, moment(reset))
    assert ANTHROPIC.rest(headers) == pytest.approx(seconds, abs=5 if seconds else 0)


def test_a_moment_that_is_said_otherwise():
    without_zone = limits("requests", "0", moment(40).removesuffix("Z"))
    assert ANTHROPIC.rest(without_zone) == pytest.approx(40, abs=5)
    for reset in ("soon", ""):
        assert ANTHROPIC.rest(limits("requests", "0", reset)) == 0


def test_a_limit_of_anthropic_that_is_used_up_is_waited_for(endpoint: Endpoint):
    said = {"content": [{"type": "text", "text": SAID}], "stop_reason": "end_turn"}
    endpoint.otherwise = [sends(said, **limits("requests", "0", moment(0.6)))]
    start = time.monotonic()
    ask(endpoint.url, "first", "second", kind="anthropic", concurrency=1)
    assert 0.3 <= time.monotonic() - start < 10


SHOWN = [
    ("user", "The swing broke."),
    ("assistant", "Something is broken. So the answer is damage."),
    ("user", "Message 0."),
]
MESSAGES = [{"role": role, "content": text} for role, text in SHOWN]
CONTENTS = [
    {"role": "model" if role == "assistant" else role, "parts": [{"text": text}]}
    for role, text in SHOWN
]
SENT = {
    "chat": {
        "model": "m",
        "messages": [{"role": "system", "content": "Sort the message."}, *MESSAGES],
        "temperature": 0.0,
        "max_tokens": 512,
        "stop": ["\n\nQ:"],
    },
    "completion": {
        "model": "m",
        "prompt": "Sort the message.\n\nQ: The swing broke.\nA: Something is broken. So the answer "
        "is damage.\n\nQ: Message 0.\nA:",
        "temperature": 0.0,
        "max_tokens": 512,
        "stop": ["\n\nQ:"],
    },
    "anthropic": {
        "model": "m",
        "max_tokens": 512,
        "system": "Sort the message.",
        "messages": MESSAGES,
        "temperature": 0.0,
        "stop_sequences": ["\n\nQ:"],
    },
    "gemini": {
        "systemInstruction": {"parts": [{"text": "Sort the message."}]},
        "contents": CONTENTS,
        "generationConfig": {
            "temperature": 0.0,
            "maxOutputTokens": 512,
            "stopSequences": ["\n\nQ:"],
        },
    },
}
PATHS = {
    "chat": "/v1/chat/completions",
    "completion": "/v1/completions",
    "anthropic": "/v1/messages",
    "gemini": "/v1/models/m:generateContent",
}
KEY_HEADERS = {
    "chat": {"Authorization": f"Bearer {KEY}"},
    "completion": {"Authorization": f"Bearer {KEY}"},
    "anthropic": {"x-api-key": KEY, "anthropic-version": "2023-06-01"},
    "gemini": {"x-goog-api-key": KEY},
}


@pytest.mark.parametrize("value", [5, 5.0])
def test_a_count_of_tokens(value):
    assert count(value) == 5


@pytest.mark.parametrize(
    "value",
    [True, False, -1, 5.5, 1e30, float("inf"), float("nan"), "5", None, [5]],
)
def test_what_is_no_count_of_tokens(value):
    assert count(value) is None


def test_every_kind_is_tested():
    assert set(WIRES) == set(SENT) == set(PATHS) == set(KEY_HEADERS)


@pytest.mark.parametrize("kind", SENT)
def test_a_whole_annotation(endpoint: Endpoint, write_experiment, monkeypatch, kind):
    monkeypatch.setenv("MY_KEY", KEY)
    changes = {"teacher.kind": kind, "teacher.api_key_env": "MY_KEY", "data.test": None}
    path = write_experiment(changes)
    assert annotate(open_experiment(path, endpoint.url)).answered == 8
    assert endpoint.asked[endpoint.questions.index("Message 0.")] == SENT[kind]
    assert set(endpoint.paths) == {PATHS[kind]}
    for headers in endpoint.headers:
        assert KEY_HEADERS[kind].items() <= {n: headers.get(n) for n in KEY_HEADERS[kind]}.items()
        assert headers["Content-Type"] == "application/json"
    found = open_experiment(path, endpoint.url).read_annotations()
    assert {(a.outcome, a.label, a.rationale) for a in found.values()} == {("ok", "damage", "Why.")}
    assert annotate(open_experiment(path, endpoint.url)).from_ledger == 8


def teacher(kind: str, **settings: object) -> HttpTeacher:
    return HttpTeacher(HttpTeacherConfig(**{"kind": kind, "model": "m", **LOCAL, **settings}))


LOCAL = {"base_url": "http://127.0.0.1:9/v1"}
HEAD = Head((Message("system", "Sort."),), labels=LABELS)


def key(kind: str, head: Head = HEAD, **settings: object) -> bytes:
    return call_key(teacher(kind, **settings).request(Prompt("1", head, "hello")), 0)


@pytest.mark.parametrize("kind", ["anthropic", "gemini"])
def test_what_a_key_depends_on(kind):
    free = Head(HEAD.messages)
    others = Head(HEAD.messages, labels=("damage", "praise"))
    changed = [{"model": "n"}, {"temperature": None}, {"max_tokens": 9}, {"structured": True}]
    keys = [key(kind), *(key(kind, **settings) for settings in changed)]
    keys += [key(kind, head, structured=True) for head in (free, others)]
    assert len(set(keys)) == len(keys)
    assert key(kind, free) == key(kind)
    assert key(kind, base_url="http://other/v1") == key(kind)


def test_a_body(endpoint: Endpoint):
    ask(endpoint.url, "hello", kind="anthropic", temperature=None, stop=["\n", "\n\nQ:", " "])
    ask(endpoint.url, "hello", kind="gemini", temperature=None, max_tokens=None, stop=[])
    ask(endpoint.url, "hello", kind="gemini", stop=list("abcdefg"))
    ask(endpoint.url, "hello", max_tokens_name="max_completion_tokens", temperature=None, stop=[])
    first, second, third, fourth = endpoint.asked
    assert first["stop_sequences"] == ["\n\nQ:"]
    assert "temperature" not in first
    assert second["generationConfig"] == {}
    assert third["generationConfig"]["stopSequences"] == list("abcde")
    assert fourth == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Sort."},
            {"role": "user", "content": "hello"},
        ],
        "max_completion_tokens": 512,
    }


def test_without_an_instruction_there_is_no_system(endpoint: Endpoint, write_experiment):
    for kind in ("anthropic", "gemini"):
        changes = {"task.instruction": "", "teacher.kind": kind, "data.test": None}
        annotate(open_experiment(write_experiment(changes), endpoint.url), limit=1)
    assert ["system" in body or "systemInstruction" in body for body in endpoint.asked] == [
        False,
        False,
    ]


def test_extras_are_merged_into_what_is_sent(endpoint: Endpoint):
    ask(
        endpoint.url,
        "hello",
        kind="gemini",
        extra={
            "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
            "generationConfig": {"seed": 3, "thinkingConfig": {"thinkingBudget": 0}},
        },
    )
    ask(
        endpoint.url,
        "hello",
        kind="anthropic",
        structured=True,
        extra={"output_config": {"effort": "low"}, "thinking": {"type": "adaptive"}},
    )
    first, second = endpoint.asked
    assert first["safetySettings"][0]["threshold"] == "OFF"
    assert first["generationConfig"] == {
        **SENT["gemini"]["generationConfig"],
        "seed": 3,
        "thinkingConfig": {"thinkingBudget": 0},
    }
    assert second["thinking"] == {"type": "adaptive"}
    assert second["output_config"]["effort"] == "low"
    assert second["output_config"]["format"]["type"] == "json_schema"


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-2.5-flash", "/v1/models/gemini-2.5-flash:generateContent"),
        ("models/gemini-2.5-flash", "/v1/models/gemini-2.5-flash:generateContent"),
        ("tunedModels/mine-1", "/v1/tunedModels/mine-1:generateContent"),
        ("a model?", "/v1/models/a%20model%3F:generateContent"),
    ],
)
def test_where_a_model_of_gemini_is_asked(endpoint: Endpoint, model, path):
    ask(endpoint.url, "hello", kind="gemini", model=model)
    assert endpoint.paths == [path]


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("anthropic", None, "https://api.anthropic.com/v1"),
        ("anthropic", "https://api.anthropic.com", "https://api.anthropic.com/v1"),
        ("anthropic", "https://api.anthropic.com/v1/", "https://api.anthropic.com/v1"),
        ("anthropic", "https://api.deepseek.com/anthropic", "https://api.deepseek.com/anthropic/v1"),
        ("gemini", None, "https://generativelanguage.googleapis.com/v1beta"),
        ("gemini", "http://localhost:4000/", "http://localhost:4000/v1beta"),
        ("gemini", "https://x.com/v1alpha", "https://x.com/v1alpha"),
        ("chat", "http://localhost:8000", "http://localhost:8000"),
    ],
)  # fmt: skip
def test_where_an_endpoint_is(kind, given, expected):
    address = {} if given is None else {"base_url": given}
    assert HttpTeacherConfig(kind=kind, model="m", **address).base_url == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "chat", "base_url": None}, "base_url: is missing; add it"),
        ({"kind": "completion", "base_url": None}, "base_url: is missing; add it"),
        ({"kind": "anthropic", "max_tokens": None},
         "max_tokens: None: kind 'anthropic' cannot do without; set it, to 1024 say"),
        ({"kind": "completion", "structured": True}, "structured: True: kind 'completion' cannot "
         "ask for it; take kind 'chat', or leave it out"),
        ({"kind": "gemini", "max_tokens_name": "max_completion_tokens"}, "max_tokens_name: "
         "'max_completion_tokens': kind 'gemini' has one name for it; leave it out"),
        ({"kind": "chat", "extra": {"max_completion_tokens": 9}}, "extra: must not hold "
         "'max_completion_tokens'; set teacher.max_tokens, and max_tokens_name"),
        ({"kind": "gemini", "extra": {"generationConfig": {"maxOutputTokens": 9}}},
         "extra: must not hold 'maxOutputTokens'; set teacher.max_tokens"),
        ({"kind": "anthropic", "extra": {"stop_sequences": ["."]}},
         "extra: must not hold 'stop_sequences'; set teacher.stop"),
        ({"kind": "chat", "extra": {"n": 4}}, "extra: must not hold 'n'; set teacher.samples"),
        ({"kind": "gemini", "extra": {"generationConfig": {"candidateCount": 2}}},
         "extra: must not hold 'candidateCount'; set teacher.samples"),
        ({"kind": "chat", "extra": {"stream": True}}, "extra: must not hold 'stream'; leave it "
         "out: replies are read whole"),
        ({"kind": "claude"}, "kind: 'claude': must be one of chat, completion, anthropic, gemini, "
         "local, recorded"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_teacher(write_experiment, changes, message):
    teacher = {"kind": "chat", "base_url": "http://x/v1", "model": "m", **changes}
    if teacher["base_url"] is None:
        del teacher["base_url"]
    path = write_experiment({"teacher": teacher})
    with pytest.raises(ConfigError) as caught:
        open_experiment(path)
    assert str(caught.value) == f"{path}: teacher.{message}"


def test_the_budget_holds_by_whatever_name_the_limit_goes(endpoint: Endpoint, write_experiment):
    prices = {"input": 0.0, "output": 1_000_000.0}
    teacher = {"teacher.max_tokens_name": "max_completion_tokens", "teacher.budget": 511.0}
    path = write_experiment({**teacher, "prices": prices})
    with pytest.raises(BudgetError):
        annotate(open_experiment(path, endpoint.url))
    assert endpoint.asked == []


def test_the_examples_of_the_docs_are_what_they_should_be():
    text = (Path(__file__).parents[1] / "docs" / "teachers.md").read_text(encoding="utf-8")
    found = re.findall(r"```yaml\n(teacher:\n.*?)```", text, re.S)
    reads = TypeAdapter(TeacherConfig).validate_python
    rest = {"kind": "completion", "base_url": "https://x", "model": "m"}
    written = [yaml.safe_load(example)["teacher"] for example in found]
    teachers = [reads(part if "kind" in part else {**rest, **part}) for part in written]
    kinds = ["completion", "chat", "anthropic", "gemini", "local", "chat"]
    assert [t.kind for t in teachers] == kinds


@pytest.mark.parametrize("options", [(), ("damage", "praise")])
def test_what_a_teacher_is_shown_to_say_as_json_is_read(options):
    exemplar = Exemplar(Example("1", "x", options, "damage"), 'It "broke". So what.')
    shown = structure_reply(render_reply(exemplar))
    found = parse_completion(TASK, Example("1", "x", options), Completion(shown))
    assert found == Annotation("1", "ok", exemplar.rationale, "damage")


def schema(**answer: object) -> dict[str, object]:
    return {
        "type": "object",
        "properties": {"rationale": {"type": "string"}, "answer": {"type": "string", **answer}},
        "required": ["rationale", "answer"],
        "additionalProperties": False,
    }


def asked_form(kind: str, body: dict) -> object:
    """Where a request says in which form it wants the answer."""
    if kind == "chat":
        return body["response_format"]
    if kind == "anthropic":
        return body["output_config"]
    settings = body["generationConfig"]
    return {name: settings[name] for name in ("responseMimeType", "responseJsonSchema")}


def form(kind: str, wanted: dict[str, object]) -> object:
    if kind == "chat":
        named = {"name": "answer", "strict": True, "schema": wanted}
        return {"type": "json_schema", "json_schema": named}
    if kind == "anthropic":
        return {"format": {"type": "json_schema", "schema": wanted}}
    return {"responseMimeType": "application/json", "responseJsonSchema": wanted}


@pytest.mark.parametrize("kind", ["chat", "anthropic", "gemini"])
def test_a_structured_annotation(endpoint: Endpoint, write_experiment, kind):
    endpoint.otherwise = [says('{"rationale": "It broke.", "answer": "damage"}')]
    changes = {"teacher.kind": kind, "teacher.structured": True, "data.test": None}
    path = write_experiment(changes)
    assert annotate(open_experiment(path, endpoint.url)).answered == 8
    for body in endpoint.asked:
        assert asked_form(kind, body) == form(kind, schema(enum=list(LABELS)))
    shown = json.dumps({"rationale": "Something is broken.", "answer": "damage"})
    assert shown in (
        [content["parts"][0]["text"] for content in endpoint.asked[0].get("contents", [])]
        or [message["content"] for message in endpoint.asked[0]["messages"]]
    )
    found = open_experiment(path, endpoint.url).read_annotations()
    assert {(a.outcome, a.label, a.rationale) for a in found.values()} == {
        ("ok", "damage", "It broke.")
    }
    assert annotate(open_experiment(path, endpoint.url)).from_ledger == 8


@pytest.mark.parametrize("kind", ["chat", "anthropic", "gemini"])
def test_rows_with_options_of_their_own_share_a_schema(endpoint: Endpoint, write_experiment, kind):
    endpoint.otherwise = [says('{"rationale": "It broke.", "answer": "(b) no"}')]
    answer = {"kind": "choice", "options": "choices"}
    rows = [
        {"id": f"a{i}", "message": f"M {i}", "choices": ["yes", "no"], "kind": "no"}
        for i in range(6)
    ]
    changes = {
        "task.answer": answer,
        "task.exemplars": [],
        "teacher.kind": kind,
        "teacher.structured": True,
        "data.test": None,
    }
    path = write_experiment(changes, train=rows)
    annotate(open_experiment(path, endpoint.url))
    assert all(asked_form(kind, body) == form(kind, schema()) for body in endpoint.asked)
    found = open_experiment(path, endpoint.url).read_annotations()
    assert {a.label for a in found.values()} == {"no"}
