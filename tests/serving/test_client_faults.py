"""No client, however it behaves, breaks the server or loses an answer that another was promised."""

import json
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx2 as httpx
import psutil
import pytest

from distilwhy.students.student import Student
from server_process import Server

TEXTS = [
    "a plain desk",
    "日本語の文です。" * 3,
    "עברית ‏ ימין לשמאל",
    "🙂👩‍👩‍👧‍👦🏳️‍🌈" * 5,
    "e\u0301 vs é",
    "a\x00b\x07c\x1b[31m",
    "\u202eabc\u2066def",
    "\ufeffmark",
    "\ue000private \U0010ffff last",
    "</s><pad><unk> {{ 7 * 7 }} ${x} '; DROP TABLE",
    "line\r\nline\u2028line\x85line",
    "Z̸̢͝a̵͜l̶g̷o" * 10,
]


@pytest.fixture(scope="module")
def known(student_folder):
    return dict(zip(TEXTS, Student.load(student_folder).predict(TEXTS), strict=True))


def check(reply, texts, known):
    """Each answer is that of its own row."""
    assert reply.status_code == 200, reply.text
    found = reply.json()["predictions"]
    assert [one["id"] for one in found] == [f"{i}" for i in range(len(texts))]
    for one, text in zip(found, texts, strict=True):
        assert one["label"] == known[text].label
        assert one["confidence"] == pytest.approx(known[text].confidence, abs=1e-4)


def rows(texts):
    return {"rows": [{"x": text, "id": f"{i}"} for i, text in enumerate(texts)]}


def connect(server):
    host, port = server.address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def head(length, more=""):
    lines = "POST /predict HTTP/1.1", "Host: a", "Content-Type: application/json"
    return "\r\n".join((*lines, f"Content-Length: {length}", "", "")).encode()


def hang_up(server, number):
    """Leaves in the middle of a request, or before its answer."""
    body = json.dumps(rows(TEXTS)).encode()
    with connect(server) as hung:
        hung.sendall((head(len(body)) + body)[: 20 * (number % 20) + (10**6 if number % 2 else 0)])


def test_every_answer_is_that_of_its_own_row_whoever_hangs_up(student_server, known):
    def ask(number):
        if number % 4 == 0:
            return hang_up(student_server, number)
        start, step = number % len(TEXTS), 1 + number % 5
        texts = (TEXTS[start:] + TEXTS[:start])[::step]
        with httpx.Client(base_url=student_server.address, timeout=60) as client:
            return check(client.post("/predict", json=rows(texts)), texts, known)

    with ThreadPoolExecutor(16) as pool:
        assert not any(pool.map(ask, range(120)))
    assert student_server.process.poll() is None


def test_ten_megabytes_of_json_are_refused_before_they_are_read(student_server, known):
    held = psutil.Process(student_server.process.pid)
    before = held.memory_info().rss
    body = json.dumps({"rows": [{"x": "a" * 10_000_000}]}).encode()
    reply = httpx.post(f"{student_server.address}/predict", content=body, timeout=60)
    assert reply.status_code == 413
    assert held.memory_info().rss - before < 100e6
    # A body without a length is bounded too.
    reply = httpx.post(
        f"{student_server.address}/predict", content=iter([body[: 10**6]] * 10), timeout=60
    )
    assert reply.status_code == 413
    check(
        httpx.post(f"{student_server.address}/predict", json=rows(TEXTS), timeout=60), TEXTS, known
    )


def test_a_thousand_connections_leave_room_for_requests(student_server, known):
    with ExitStack() as stack:
        for number in range(1000):
            opened = stack.enter_context(connect(student_server))
            if number % 3 == 0:
                opened.sendall(head(1000) + b'{"rows": [')
        reply = httpx.post(f"{student_server.address}/predict", json=rows(TEXTS), timeout=60)
        check(reply, TEXTS, known)
    assert httpx.get(f"{student_server.address}/ready", timeout=60).status_code == 200


def test_sigterm_does_not_wait_for_idle_connections(student_folder):
    server = Server(student_folder)
    with connect(server) as idle:
        idle.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"200 OK" in idle.recv(1000)
        start = time.monotonic()
        assert server.stop() in (0, -signal.SIGTERM)
        assert time.monotonic() - start < 25
