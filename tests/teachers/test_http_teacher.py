"""The teacher over HTTP, against an endpoint that does all that real ones do."""

import asyncio
import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from distilwhy.config import HttpTeacherConfig
from distilwhy.core.parsing.completion import Completion
from distilwhy.core.prompt import Message, Prompt, PromptPrefix
from distilwhy.errors import TeacherError
from distilwhy.pipeline.annotate.calls import Call
from distilwhy.pipeline.annotate.recorder import FailureLimit
from distilwhy.pipeline.annotate.transports.dispatcher import Dispatcher
from distilwhy.store.ledger import Charge, Entry
from distilwhy.teachers.http import HttpTeacher
from endpoint import (
    Endpoint,
    fails,
    hangs_up,
    says,
    sends,
    sends_half,
    stalls,
)

KEY = "sk-s3cret-s3cret-s3cret"
OK = Completion("Why. So the answer is damage.", "stop")


PREFIX = PromptPrefix((Message("system", "Sort."),))


def ask(
    url: str, *questions: str, form: PromptPrefix = PREFIX, **settings: object
) -> list[Completion]:
    """Ask all of the questions at once."""
    given = {"kind": "chat", "base_url": url, "model": "m", "retries": 2, **settings}

    teacher = HttpTeacher(HttpTeacherConfig(**given))
    calls = [Call(q.encode(), Prompt(q, form, q)) for q in questions]
    completions: dict[bytes, Completion] = {}

    async def record(entries: list[Entry], charges: list[Charge]) -> None:
        completions.update((entry.key, entry.completion) for entry in entries)

    asyncio.run(Dispatcher(teacher, iter(calls), record, FailureLimit(None, ())).run())
    return [completions[call.key] for call in calls]


def test_a_chat_is_sent_and_read(endpoint: Endpoint):
    usage = {"prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19}
    endpoint.otherwise = [says("Why. So the answer is praise.", usage=usage)]
    assert ask(endpoint.url, "hello") == [
        Completion("Why. So the answer is praise.", "stop", input_tokens=12, output_tokens=7)
    ]
    assert endpoint.asked == [
        {
            "model": "m",
            "messages": [
                {"role": "system", "content": "Sort."},
                {"role": "user", "content": "hello"},
            ],
            "temperature": 0.0,
            "max_tokens": 512,
            "stop": ["\n\nQ:"],
        }
    ]
    assert endpoint.keys == [None]


def test_a_plain_completion_is_sent_and_read(endpoint: Endpoint):
    endpoint.otherwise = [says(" Why. So the answer is praise.")]
    [found] = ask(endpoint.url, "hello", kind="completion")
    assert found == Completion(" Why. So the answer is praise.", "stop")
    assert endpoint.asked[0]["prompt"] == "Sort.\n\nQ: hello\nA:"
    assert "messages" not in endpoint.asked[0]


def test_unset_parameters_are_left_out_and_extra_ones_sent(endpoint: Endpoint):
    settings = {
        "temperature": None,
        "max_tokens": None,
        "stop": [],
        "extra": {"seed": 3, "top_k": 1},
    }
    ask(endpoint.url, "hello", **settings)
    assert sorted(endpoint.asked[0]) == ["messages", "model", "seed", "top_k"]


def test_the_key_is_sent(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MY_KEY", f" {KEY}\n")
    ask(endpoint.url, "hello", api_key_env="MY_KEY")
    assert endpoint.keys == [f"Bearer {KEY}"]


def test_a_netrc_file_is_ignored(endpoint: Endpoint, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("default login me password other\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("MY_KEY", KEY)
    assert ask(endpoint.url, "hello", api_key_env="MY_KEY") == [OK]
    assert endpoint.keys == [f"Bearer {KEY}"]


def test_a_proxy_of_the_environment_is_used(endpoint: Endpoint, monkeypatch):
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("http_proxy", endpoint.url.removesuffix("/v1"))
    assert ask("http://teacher.invalid/v1", "hello") == [OK]
    monkeypatch.setenv("no_proxy", "teacher.invalid")
    with pytest.raises(TeacherError, match="is not answering: Cannot connect to host"):
        ask("http://teacher.invalid/v1", "hello", retries=0)


def test_no_proxy_is_used_for_this_machine(endpoint: Endpoint, monkeypatch, dead_url: str):
    monkeypatch.setenv("http_proxy", dead_url.removesuffix("/v1"))
    assert ask(endpoint.url, "hello") == [OK]


def test_content_in_parts_is_joined(endpoint: Endpoint):
    parts = [{"type": "text", "text": "Why. "}, {"type": "text", "text": "So it is."}]
    endpoint.otherwise = [says(parts)]
    assert ask(endpoint.url, "hello")[0].text == "Why. So it is."


@pytest.mark.parametrize(
    "troubles",
    [
        [fails(500)],
        [fails(503), fails(502)],
        [fails(408)],
        [fails(409)],
        [fails(425)],
        [fails(429)],
        [hangs_up()],
        [sends_half()],
        [sends("{broken")],
        [sends("")],
        [sends("[" * 100_000)],
        [sends(b"\xff\xfe")],
        [sends('{"choices": []}')],
        [sends('{"choices": [{"message": {}}]}')],
        [sends('{"choices": [{"message": "text"}]}')],
        [sends('{"choices": [{"message": {"content": ["parts"]}}]}')],
        [sends('"text"')],
        [fails(429), hangs_up(), sends_half(), sends("{broken")],
    ],
    ids=lambda troubles: "-".join(trouble.__qualname__.split(".")[0] for trouble in troubles),
)
def test_a_transient_error_is_tried_again(endpoint: Endpoint, troubles):
    endpoint.otherwise = [*troubles, says()]
    assert ask(endpoint.url, "hello", retries=len(troubles)) == [OK]
    assert len(endpoint.asked) == len(troubles) + 1


def test_a_stalled_request_is_tried_again(endpoint: Endpoint):
    endpoint.plays = {"once": [stalls(60), says()], "ever": [stalls(60)]}
    once, ever = ask(endpoint.url, "once", "ever", retries=1, timeout=1.0)
    assert (once, ever) == (OK, Completion("", error="no answer within 1 s"))
    assert sorted(endpoint.questions) == ["ever", "ever", "once", "once"]


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (fails(500, "out  of\nmemory"), "HTTP 500: out of memory"),
        (sends("<html>busy</html>", 503), "HTTP 503: <html>busy</html>"),
        (sends("", 500), "HTTP 500: no reason given"),
        (sends("{broken"), "the reply cannot be read: {broken"),
        (sends('{"choices": []}'), 'the reply cannot be read: {"choices": []}'),
        (hangs_up(), "Server disconnected"),
        (fails(400, "too long"), "HTTP 400: too long"),
        (fails(422, "filtered"), "HTTP 422: filtered"),
    ],
    ids=["500", "html", "empty", "broken", "no choices", "hang up", "400", "422"],
)
def test_a_row_whose_tries_are_used_up_fails_alone(endpoint: Endpoint, trouble, error):
    endpoint.plays["bad"] = [trouble]
    good, bad, other = ask(endpoint.url, "good", "bad", "other")
    assert (good, other) == (OK, OK)
    assert (bad.text, bad.error) == ("", error)
    refused = error.startswith("HTTP 4")
    assert endpoint.questions.count("bad") == (1 if refused else 3)


def test_a_single_failing_row_does_not_end_the_run(endpoint: Endpoint):
    endpoint.otherwise = [fails(500, "poison")]
    assert ask(endpoint.url, "bad") == [Completion("", error="HTTP 500: poison")]


def test_a_refused_key_ends_the_run_after_one_request(endpoint: Endpoint, monkeypatch):
    endpoint.otherwise = [fails(401, f"wrong key {KEY}")]
    monkeypatch.setenv("MY_KEY", KEY)
    with pytest.raises(TeacherError) as caught:
        ask(endpoint.url, "hello", api_key_env="MY_KEY")
    assert str(caught.value) == (
        f"{endpoint.url}/chat/completions "
        f"refuses the key (HTTP 401: wrong key ***); check the key in $MY_KEY"
    )
    with pytest.raises(TeacherError, match=r"and name that in teacher\.api_key_env$"):
        ask(endpoint.url, "hello")
    assert len(endpoint.asked) == 2


def test_an_unknown_model_ends_the_run_after_one_request(endpoint: Endpoint):
    endpoint.otherwise = [fails(404, "no model m")]
    with pytest.raises(TeacherError) as caught:
        ask(endpoint.url, "hello")
    assert str(caught.value) == (
        f"{endpoint.url}/chat/completions "
        f"has no such model or path (HTTP 404: no model m); check teacher.model "
        "('m') and teacher.base_url"
    )
    assert len(endpoint.asked) == 1


def in_a_second() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=1.7), usegmt=True)


@pytest.mark.parametrize(
    ("status", "wait", "least"),
    [
        (429, lambda: "0.4", 0.4),
        (503, lambda: "0.4", 0.4),
        (429, in_a_second, 0.6),
        (429, lambda: "soon", 0),
        (429, lambda: "-5", 0),
        (429, lambda: "nan", 0),
        (429, lambda: "inf", 0),
        (429, lambda: "1e30", 0),
        (429, lambda: "Mon, 01 Jan 2024 00:00:00 +99999999999999", 0),
        (429, lambda: "Fri, 31 Dec 9999 23:59:59 -2359", 0),
        (429, lambda: "Wed, 99 Foo 2015 07:28:00 GMT", 0),
        (429, lambda: "Wed, 21 Oct 2015 07:28:00 GMT", 0),
    ],
)
def test_retry_after_is_obeyed(endpoint: Endpoint, status, wait, least):
    endpoint.otherwise = [fails(status, **{"Retry-After": wait()}), says()]
    start = time.monotonic()
    assert ask(endpoint.url, "hello") == [OK]
    assert least <= time.monotonic() - start < least + 10


@pytest.mark.parametrize(("wait", "shown"), [("3600", "3600"), ("301", "301")])
def test_a_long_retry_after_ends_the_run(endpoint: Endpoint, wait, shown):
    endpoint.otherwise = [fails(429, **{"Retry-After": wait})]
    with pytest.raises(TeacherError) as caught:
        ask(endpoint.url, "hello")
    assert str(caught.value) == (
        f"{endpoint.url}/chat/completions "
        f"asks to be left alone for {shown} s; run again after that to go on"
    )
    assert len(endpoint.asked) == 1


@pytest.fixture
def dead_url(endpoint: Endpoint) -> str:
    """An address where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


def test_an_unreachable_endpoint_ends_the_run(dead_url: str):
    start = time.monotonic()
    with pytest.raises(TeacherError) as caught:
        ask(dead_url, "hello", "again", retries=5)
    host = dead_url.removeprefix("http://").removesuffix("/v1")
    assert str(caught.value).startswith(
        f"{dead_url}/chat/completions is not answering: Cannot connect to host {host}"
    )
    assert str(caught.value).endswith(
        ", after 6 tries; check that it is up, then run again to go on"
    )
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (says("cut", finish_reason="length"), Completion("cut", "length")),
        (says("bad", finish_reason="content_filter"), Completion("bad", "content_filter")),
        (says("open", finish_reason=None), Completion("open", "")),
        (says(None, finish_reason="stop"), Completion("", "stop")),
        (says("", finish_reason="length"), Completion("", "length")),
        (says(None, refusal="I can't."), Completion("I can't.", "refusal")),
        (says("", refusal="I can't."), Completion("I can't.", "refusal")),
        (says("Yes.", refusal=None), Completion("Yes.", "stop")),
        (
            says(None, reasoning_content="hm", finish_reason="length"),
            Completion("", "length", thinking="hm"),
        ),
        (says("a", usage={}), Completion("a", "stop")),
        (says("a", usage="none"), Completion("a", "stop")),
        (says("a", usage=[1]), Completion("a", "stop")),
        (says("a", usage={"prompt_tokens": "12"}), Completion("a", "stop")),
        (
            says("a", usage={"prompt_tokens": 2**70, "completion_tokens": -1}),
            Completion("a", "stop"),
        ),
        (says("a", usage={"completion_tokens": 0}), Completion("a", "stop", None, 0)),
    ],
)
def test_a_reply_is_read(endpoint: Endpoint, reply, expected):
    endpoint.otherwise = [reply]
    assert ask(endpoint.url, "hello") == [expected]
    assert len(endpoint.asked) == 1


def test_a_short_key_is_left_in_answers(endpoint: Endpoint, monkeypatch):
    monkeypatch.setenv("MY_KEY", "none")
    endpoint.otherwise = [says("Of these, none. So the answer is praise.")]
    [found] = ask(endpoint.url, "hello", api_key_env="MY_KEY")
    assert found.text == "Of these, none. So the answer is praise."
