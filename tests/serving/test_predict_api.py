"""``POST /predict``: rows in the task's fields, answers in their order, errors of one line."""

import json
from dataclasses import replace

import numpy as np
import pytest
from fastapi.testclient import TestClient

from distilwhy.core.stats.calibration import Calibration
from distilwhy.core.stats.cascade import Cascade
from distilwhy.core.stats.deployment import Deployment
from distilwhy.core.task import RowFormat, Task
from distilwhy.errors import StudentError
from distilwhy.serving.app import create_app
from distilwhy.serving.batching import MicroBatcher, QueueFullError
from distilwhy.serving.settings import ServerSettings
from tiny_students import CHOICE, OPTIONS, scratch

ROWS = [{"x": f"row {i} " + "of some length " * (i % 4)} for i in range(30)]


@pytest.fixture(scope="module")
def student():
    return scratch()


@pytest.fixture(scope="module")
def client(student):
    with TestClient(create_app(student, ServerSettings(max_rows=50, max_bytes=20_000))) as opened:
        yield opened


def ask(client, **body):
    return client.post("/predict", json=body)


def error_of(reply):
    message = reply.json()["error"]["message"]
    assert "\n" not in message
    return message


def test_each_row_gets_the_students_own_answer(client, student):
    found = ask(client, rows=ROWS).json()["predictions"]
    expected = student.predict(ROWS)
    assert [one["label"] for one in found] == [one.label for one in expected]
    assert np.allclose(
        [one["confidence"] for one in found], [one.confidence for one in expected], atol=1e-5
    )
    assert {one["source"] for one in found} == {"student"}
    assert [one["id"] for one in found] == [f"row {i}" for i in range(1, 31)]


def test_one_row_is_answered_with_its_id_and_rationale(client, student):
    found = ask(client, row={"x": "the desk", "id": "a7"}, explain=True).json()["predictions"]
    assert [one["id"] for one in found] == ["a7"]
    assert found[0]["rationale"] == student.explain(["the desk"])[0]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "give 'row' or 'rows', one of them"),
        ({"row": {"x": "a"}, "rows": [{"x": "a"}]}, "give 'row' or 'rows', one of them"),
        ({"rows": []}, "rows: List should have at least 1 item"),
        ({"rows": [{"x": "a"}] * 51}, "rows: List should have at most 50 items"),
        ({"row": {"y": "a"}}, "row.x: Field required"),
        ({"row": "a"}, "row: Input should be"),
        ({"row": {"x": ""}}, "row 1: its input is empty"),
        ({"rows": [{"x": "a"}, {"x": "   "}]}, "row 2: its input is empty"),
        ({"row": {"x": "a"}, "explain": "maybe"}, "explain: Input should be a valid boolean"),
        ({"row": {"x": "a"}, "explan": True}, "explan: Extra inputs are not permitted"),
        (["x"], "Input should be"),
    ],
)
def test_a_wrong_request_gets_one_line_that_says_what(client, body, says):
    reply = client.post("/predict", json=body)
    assert reply.status_code == 422
    assert error_of(reply).startswith(says)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"row": {"x": "half a',
        b"\xff\xfe\x00",
        b'{"row": {"x": NaN}}',
        b'{"row": {"x": Infinity}}',
        b'{"row": {"x": "\\ud800"}}',
        b'{"row": {"x": "a", "id": "\\ud800"}}',
        b'{"row": {"x": ' + b"[" * 9000 + b"]" * 9000 + b"}}",
        b'{"row": {"x": {"a": {"b": null}}}}',
        b"null",
        b"7",
    ],
)
def test_no_body_breaks_the_server(client, body):
    reply = client.post("/predict", content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code in (200, 400, 422)
    if reply.status_code != 200:
        assert error_of(reply)
    assert ask(client, row={"x": "still here"}).status_code == 200


@pytest.mark.parametrize(
    "text", ["日本語の文", "🙂" * 40, "a\x00b", "\u202eabc", "</s><pad>", "e\u0301"]
)
def test_any_character_is_answered(client, text):
    assert ask(client, row={"x": text}).status_code == 200


def test_a_body_over_the_limit_is_refused_with_or_without_a_length(client):
    big = json.dumps({"row": {"x": "a" * 30_000}}).encode()
    for content in (big, iter([big[:100], big[100:]])):
        reply = client.post(
            "/predict", content=content, headers={"Content-Type": "application/json"}
        )
        assert reply.status_code == 413
        assert "20,000 bytes" in error_of(reply)


def test_a_key_is_required_where_one_is_set(student):
    with TestClient(create_app(student, ServerSettings(api_key="s3cret"))) as client:
        assert client.post("/predict", json={"row": {"x": "a"}}).status_code == 401
        wrong = {"Authorization": "Bearer other"}
        assert client.get("/metrics", headers=wrong).status_code == 401
        right = {"Authorization": "Bearer s3cret"}
        assert client.post("/predict", json={"row": {"x": "a"}}, headers=right).status_code == 200
        assert client.get("/health").status_code == 200
        assert client.get("/").status_code == 200


def test_rows_below_the_cascades_threshold_are_referred(student):
    sure = sorted(one.confidence for one in student.predict(ROWS))
    middle = sure[len(sure) // 2]
    cascade = Cascade(0.9, threshold=middle, rows=30, alone=15, right=15)
    own = replace(student, deployment=Deployment(Calibration("temperature", 30), "gold", cascade))
    with TestClient(create_app(own, ServerSettings(cascade=True))) as client:
        found = ask(client, rows=ROWS).json()["predictions"]
        told = client.get("/metrics").text
    for one in found:
        assert (one["source"] == "refer") == (one["label"] is None)
    assert {one["source"] for one in found} == {"refer", "student"}
    assert 'source="refer"' in told


def test_a_cascade_that_the_student_lacks_is_an_error(student):
    with pytest.raises(StudentError, match="has no cascade"):
        create_app(student, ServerSettings(cascade=True))


def test_a_student_that_needs_the_teacher_is_not_served():
    with pytest.raises(StudentError, match="needs the teacher's rationale"):
        create_app(scratch(method="rationale-input"), ServerSettings())


def test_reasons_are_refused_where_the_student_has_none():
    with TestClient(create_app(scratch(method="finetune"), ServerSettings())) as client:
        reply = ask(client, row={"x": "a"}, explain=True)
        assert reply.status_code == 422
        assert "writes no rationales" in error_of(reply)


def test_a_rows_own_options_are_chosen_from():
    with TestClient(create_app(scratch(OPTIONS), ServerSettings())) as client:
        row = {"x": "where to?", "among": ["park", "station"]}
        found = ask(client, row=row).json()["predictions"][0]
        assert found["label"] in ("park", "station")
        assert "must be a list" in error_of(ask(client, row={"x": "a", "among": "park"}))


@pytest.mark.parametrize(
    "name", ["Report Text", "model_dump", "schema", "copy", "id", "_x", "본문"]
)
def test_a_field_may_have_any_name(name):
    task = Task("", RowFormat(f"{{{{ row[{name!r}] }}}}"), CHOICE.answer)
    with TestClient(create_app(scratch(task), ServerSettings())) as client:
        assert ask(client, row={name: "the desk"}).status_code == 200
        assert f"row.{name}: Field required" in error_of(ask(client, row={"other": "the desk"}))
        assert client.get("/about").json()["fields"] == [name]


def test_a_request_that_could_never_wait_is_not_told_to_try_again(student):
    with TestClient(create_app(student, ServerSettings(max_waiting=5))) as client:
        assert "at most 5 items" in error_of(ask(client, rows=ROWS[:6]))


def test_too_many_requests_are_refused_before_their_bodies_are_read(student, monkeypatch):
    def refuse(batcher, rows=1, explain=False):
        raise QueueFullError(3.2)

    with TestClient(create_app(student, ServerSettings())) as client:
        monkeypatch.setattr(MicroBatcher, "require_room", refuse)
        for route in ("/predict", "/v1/chat/completions"):
            reply = client.post(route, content=b"{ no JSON")
            assert reply.status_code == 429
            assert reply.headers["Retry-After"] == "4"
            assert "try again in 4 s" in error_of(reply)
        for route in ("/about", "/metrics", "/ready"):
            assert client.get(route).status_code == 200


def test_the_schema_names_the_tasks_fields(client):
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert schemas["Row"]["required"] == ["x"]
    assert client.get("/about").json()["labels"] == list(CHOICE.answer.labels)


def test_metrics_count_rows_and_requests(client):
    ask(client, rows=ROWS[:3])
    text = client.get("/metrics").text
    assert 'distilwhy_requests_total{route="/predict",status="200"}' in text
    assert "distilwhy_confidence_bucket" in text
    assert "distilwhy_batch_rows_sum" in text
