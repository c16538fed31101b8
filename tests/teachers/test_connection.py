"""Redirects are not followed, replies have a bound, and addresses are put together."""

import gzip
import json
import tracemalloc
import zlib

import pytest
from aiohttp import web
from test_http_teacher import OK, ask

from conftest import many
from distilwhy.core.parsing.completion import TOO_LONG
from distilwhy.demo.loopback import LoopbackServer
from distilwhy.errors import TeacherError
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.budget import read_spending
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.teachers.connection import MOST_BYTES, join_url
from endpoint import Endpoint, sends

KEY = "sk-s3cret-s3cret-s3cret"
REPLY = {"choices": [{"message": {"content": OK.text}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("http://a/v1", "http://a/v1/chat"),
        ("http://a/v1/", "http://a/v1/chat"),
        ("http://a", "http://a/chat"),
        ("https://a/b?api-version=1", "https://a/b/chat?api-version=1"),
        ("https://a:8/b/?x=1&y=%20z", "https://a:8/b/chat?x=1&y=%20z"),
    ],
)
def test_a_path_goes_before_the_query(base_url: str, expected: str):
    assert join_url(base_url, "/chat") == expected


def test_the_query_of_the_base_url_is_sent_after_the_path(endpoint: Endpoint):
    assert ask(f"{endpoint.url}?api-version=2024-10-21", "hello") == [OK]
    assert endpoint.paths == ["/v1/chat/completions?api-version=2024-10-21"]


@pytest.mark.parametrize("kind", ["chat", "anthropic", "gemini"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_error_that_names_the_host(
    endpoint: Endpoint, monkeypatch, kind: str, status: int
):
    monkeypatch.setenv("MY_KEY", KEY)
    with Endpoint() as other:
        place = f"{other.url}/chat/completions?token=s3cret"
        endpoint.otherwise = [sends("", status, Location=place)]
        [found] = ask(endpoint.url, "hello", kind=kind, api_key_env="MY_KEY")
        assert other.asked == []
    host = other.url.removeprefix("http://").removesuffix("/v1")
    assert found.error == (
        f"HTTP {status}: redirects to {host}, which is sent neither the key nor the prompt; if "
        "that is the right host, name it in teacher.base_url"
    )


@pytest.mark.parametrize(
    ("headers", "host"),
    [
        ({}, "an address that cannot be read"),
        ({"Location": "http://[::bad/x"}, "an address that cannot be read"),
        ({"Location": "file:///etc/passwd"}, "an address that cannot be read"),
        ({"Location": "//user:pass@evil.example/x"}, "evil.example"),
        ({"Location": f"http://{KEY}.evil.example/"}, "***.evil.example"),
    ],
)
def test_any_redirect_is_described(endpoint: Endpoint, monkeypatch, headers, host: str):
    monkeypatch.setenv("MY_KEY", KEY)
    endpoint.otherwise = [sends("", 307, **headers)]
    [found] = ask(endpoint.url, "hello", api_key_env="MY_KEY")
    assert found.error is not None
    assert found.error.startswith(f"HTTP 307: redirects to {host}, ")


def test_an_endpoint_that_redirects_every_call_ends_the_run(write_experiment, endpoint: Endpoint):
    endpoint.otherwise = [sends("", 307, Location="http://evil.example/v1")]
    path = write_experiment({"methods": ["step-by-step"]}, train=many(20))
    with pytest.raises(TeacherError, match=r"have all failed \(HTTP 307: redirects to evil"):
        annotate(open_experiment(path, endpoint.url))


@pytest.mark.parametrize("at", ["POST /v1/files", "POST /v1/batches", "GET /v1/batches/batch_0"])
@pytest.mark.parametrize("status", [302, 307])
def test_a_batch_is_not_redirected(batched, server, at: str, status: int):
    with Endpoint() as other:

        def fault(method: str, path: str) -> web.Response | None:
            to = {"Location": f"{other.url}{path}"}
            return web.Response(status=status, headers=to) if f"{method} {path}" == at else None

        server.fault = fault
        host = other.url.removeprefix("http://").removesuffix("/v1")
        with pytest.raises(TeacherError, match=f"HTTP {status}: redirects to {host}, "):
            annotate(batched())
        assert other.asked == []


def test_the_file_of_a_batch_is_not_redirected(batched, server):
    def fault(method: str, path: str) -> web.Response | None:
        to = {"Location": "http://evil.example/"}
        return web.Response(status=302, headers=to) if path.endswith("/content") else None

    server.fault = fault
    with pytest.raises(TeacherError, match=r"redirects to evil\.example"):
        annotate(batched())


def packed(encoding: str) -> bytes:
    raw = json.dumps(REPLY).encode()
    return gzip.compress(raw) if encoding == "gzip" else zlib.compress(raw)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_packed_reply_is_unpacked(endpoint: Endpoint, encoding: str):
    endpoint.otherwise = [sends(packed(encoding), 200, **{"Content-Encoding": encoding})]
    assert ask(endpoint.url, "hello") == [OK]


def test_a_packed_reply_that_is_broken_is_tried_again(endpoint: Endpoint):
    broken = sends(b"\x1f\x8bbroken", 200, **{"Content-Encoding": "gzip"})
    cut = sends(packed("gzip")[:-20], 200, **{"Content-Encoding": "gzip"})
    good = sends(packed("gzip"), 200, **{"Content-Encoding": "gzip"})
    endpoint.otherwise = [broken, cut, good]
    assert ask(endpoint.url, "hello") == [OK]


def bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(b" " * 2**20) for _ in range(megabytes)) + packer.flush()


@pytest.mark.parametrize("is_packed", [True, False])
def test_a_reply_beyond_the_bound_is_truncated_and_takes_little_memory(
    endpoint: Endpoint, is_packed: bool
):
    headers = {"Content-Encoding": "gzip"} if is_packed else {}
    body = bomb(100) if is_packed else b" " * (MOST_BYTES + 1)
    endpoint.plays["bad"] = [sends(body, 200, **headers)]
    tracemalloc.start()
    try:
        bad, good = ask(endpoint.url, "bad", "good", retries=0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (bad.finish_reason, bad.error) == (TOO_LONG, None)
    assert bad.text == "the reply is longer than 8,388,608 bytes"
    assert good == OK
    assert peak < 6 * MOST_BYTES


def test_a_reply_beyond_the_bound_is_charged_and_not_asked_again(
    write_experiment, endpoint: Endpoint
):
    endpoint.plays["Message 1."] = [sends(b" " * (MOST_BYTES + 1))]
    changes = {
        "methods": ["step-by-step"],
        "data.test": None,
        "prices": {"input": 1.0, "output": 1.0},
    }
    experiment = open_experiment(write_experiment(changes, train=many(4)), endpoint.url)
    annotate(experiment)
    assert read_annotations(experiment)["a1"].outcome == "truncated"
    found = read_spending(experiment)
    assert found is not None
    assert found.possible > 0
    assert annotate(experiment).answered == 0


def test_an_error_beyond_the_bound_is_an_error(endpoint: Endpoint):
    endpoint.otherwise = [sends(b"no " * MOST_BYTES, 400)]
    [found] = ask(endpoint.url, "hello")
    assert found.error is not None
    assert found.error.startswith("HTTP 400: no no no")
    assert len(found.error) < 300


def test_a_line_of_a_batch_beyond_the_bound_is_truncated(batched, server):
    choice = {"index": 0, "finish_reason": "stop", "message": {"content": "x" * MOST_BYTES}}
    body = {"choices": [choice], "usage": None}
    server.plays = {
        "Message 1.": [{"response": {"status_code": 200, "request_id": "r", "body": body}}]
    }
    annotate(batched())
    found = read_annotations(batched())
    assert found["a1"].outcome == "truncated"
    assert found["a2"].outcome == "ok"


def without_system(text: str = "System role not supported"):
    """A model that refuses system messages."""

    async def reply(request: web.Request) -> web.Response:
        messages = (await request.json())["messages"]
        if messages[0]["role"] == "system":
            return web.json_response({"error": {"message": text}}, status=400)
        content = f"{messages[0]['content']}. So the answer is damage."
        choice = {"message": {"content": content}, "finish_reason": "stop"}
        return web.json_response({"choices": [choice]})

    return reply


def test_the_instruction_opens_the_first_turn_where_there_is_no_system_role():
    application = web.Application()
    application.router.add_post("/v1/chat/completions", without_system())
    with LoopbackServer(application) as server:
        found = ask(f"{server.url}/v1", "one", "two", "three")
    assert [each.text for each in found] == [
        f"Sort.\n\n{question}. So the answer is damage." for question in ("one", "two", "three")
    ]


def test_a_model_that_refuses_even_that_fails_its_row(endpoint: Endpoint):
    endpoint.otherwise = [sends({"error": {"message": "System role not supported"}}, 400)]
    [found] = ask(endpoint.url, "hello")
    assert found.error == "HTTP 400: System role not supported"
    assert len(endpoint.asked) == 2
