"""The student in the LLM's place: OpenAI's chat API."""

import json

import pytest
from fastapi.testclient import TestClient

from distilwhy.core.parsing.completion import Completion
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.prompt import Message, render_prefix, render_prompt, take_question
from distilwhy.core.task import CUE, Example, Exemplar, RowFormat, Task
from distilwhy.serving.app import create_app
from distilwhy.serving.settings import ServerSettings
from tiny_students import CHOICE, OPTIONS, scratch

ROW = Example("r", "Premise: A line.\nPremise: Q: what?\n\nA second paragraph.")


@pytest.fixture(scope="module")
def student():
    return scratch()


@pytest.fixture(scope="module")
def client(student):
    with TestClient(create_app(student, ServerSettings())) as opened:
        yield opened


def ask(client, content="the desk", **body):
    messages = [{"role": "user", "content": content}]
    return client.post("/v1/chat/completions", json={"model": "m", "messages": messages, **body})


def said(reply):
    assert reply.status_code == 200, reply.text
    return reply.json()["choices"][0]["message"]["content"]


def task(instruction="Sort the\n\nmessage."):
    exemplar = Exemplar(Example("e", "It broke.", gold="Accounts"), "It is broken.")
    return Task(instruction, RowFormat("{{ x }}"), CHOICE.answer, (exemplar, exemplar))


@pytest.mark.parametrize("form", ["chat", "text", "one turn"])
def test_the_row_is_taken_out_of_the_teachers_prompt(form):
    prompt = render_prompt(render_prefix(task()), Example("r", "Which desk?\n\nThe second one."))
    text = {
        "chat": prompt.messages[-1].content,
        "text": prompt.as_text(),
        "one turn": render_prompt(
            render_prefix(Task("Sort.", RowFormat("{{ x }}"), CHOICE.answer)), ROW
        )
        .without_system()
        .messages[-1]
        .content,
    }[form]
    expected = ROW.text if form == "one turn" else "Which desk?\n\nThe second one."
    assert (
        take_question(text, "Sort." if form == "one turn" else "Sort the\n\nmessage.") == expected
    )


def test_a_reply_is_read_back_as_the_students_answer(client, student):
    (expected,) = student.predict(["the desk"], explain=True)
    reply = ask(client)
    read = parse_completion(CHOICE, Example("r", "the desk"), Completion(said(reply)))
    assert read.label == expected.label
    assert said(reply).startswith(expected.rationale)
    body = reply.json()
    assert body["object"] == "chat.completion"
    assert body["usage"]["total_tokens"] > 2


def test_content_in_parts_and_earlier_turns_are_understood(client):
    parts = [{"type": "text", "text": "the "}, {"type": "text", "text": "desk"}]
    assert said(ask(client, parts)) == said(ask(client))
    messages = [
        Message("system", "Sort."),
        Message("user", "other"),
        Message("assistant", "So the answer is Accounts."),
        Message("user", "the desk"),
    ]
    body = {"messages": [{"role": m.role, "content": m.content} for m in messages]}
    assert said(client.post("/v1/chat/completions", json=body)) == said(ask(client))


@pytest.mark.parametrize(
    ("properties", "check"),
    [
        (
            {"rationale": {"type": "string"}, "answer": {"enum": list(CHOICE.answer.labels)}},
            lambda found: found["answer"] in CHOICE.answer.labels,
        ),
        ({"label": {"type": "string"}}, lambda found: found["label"] in CHOICE.answer.labels),
        (
            {"why": {"type": "string"}, "kind": {"type": "string"}, "sure": {"type": "number"}},
            lambda found: found["kind"] in CHOICE.answer.labels and 0 <= found["sure"] <= 1,
        ),
    ],
)
def test_a_json_schema_is_answered_in_that_schema(client, properties, check):
    schema = {"type": "object", "properties": properties}
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    found = json.loads(said(ask(client, response_format=form)))
    assert list(found) == list(properties)
    assert check(found)


def test_a_schema_that_cannot_be_filled_is_an_error(client):
    schema = {"properties": {"label": {"type": "string"}, "steps": {"type": "array"}}}
    form = {"type": "json_schema", "json_schema": {"schema": schema}}
    reply = ask(client, response_format=form)
    assert reply.status_code == 422
    assert "'steps'" in reply.json()["error"]["message"]


def test_a_streamed_reply_adds_up_to_the_whole_one(client):
    reply = ask(client, stream=True, stream_options={"include_usage": True})
    events = [line.removeprefix("data: ") for line in reply.text.split("\n\n") if line]
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    pieces = [c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"]]
    assert "".join(pieces) == said(ask(client))
    assert chunks[-1]["usage"]["total_tokens"] > 0
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"messages": []}, "messages: List should have at least 1 item"),
        (
            {"messages": [{"role": "assistant", "content": "a"}]},
            "messages: none has the role",
        ),
        ({"messages": [{"role": "user", "content": " "}]}, "messages.0.content: is empty"),
        (
            {"messages": [{"role": "user", "content": "\ud800"}]},
            "messages: holds half of a surr",
        ),
        (
            {"messages": [{"role": "robot", "content": "a"}]},
            "messages.0: Input tag 'robot'",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "messages.0.content.0.type: Input should be 'text'",
        ),
        (
            {"messages": [{"role": "user", "content": "a"}], "response_format": {"type": "xml"}},
            "response_format: Input tag 'xml' found using 'type'",
        ),
        ({"messages": [{"role": "user", "content": "a"}], "n": "2"}, "n: must be a number"),
    ],
)
def test_a_wrong_request_gets_one_line_that_says_what(client, body, says):
    # httpx cannot encode half of a surrogate pair, but JSON can.
    head = {"Content-Type": "application/json"}
    reply = client.post("/v1/chat/completions", content=json.dumps(body), headers=head)
    assert reply.status_code == 422
    assert reply.json()["error"]["message"].startswith(says)


def test_a_rows_own_options_are_read_from_the_prompt():
    with TestClient(create_app(scratch(OPTIONS), ServerSettings())) as client:
        text = said(ask(client, "Where to?\n(a) park\n(b) station"))
        assert text.endswith(("So the answer is (a) park.", "So the answer is (b) station."))
        assert "lists no options" in ask(client, "Where to?").json()["error"]["message"]


def test_the_tasks_own_cue_and_instruction_are_kept_with_the_student(tmp_path):
    own = Task(
        "분류하세요.", RowFormat("{{ x }}"), CHOICE.answer, cue="따라서 정답은 {answer}입니다."
    )
    scratch(own).save(tmp_path)
    from distilwhy.students.student import Student

    loaded = Student.load(tmp_path)
    assert (loaded.spec.task.instruction, loaded.spec.task.cue) == (own.instruction, own.cue)
    with TestClient(create_app(loaded, ServerSettings())) as client:
        assert said(ask(client)).endswith("입니다.")


def test_students_saved_without_a_cue_have_the_usual_one(tmp_path):
    scratch().save(tmp_path)
    card = json.loads((tmp_path / "distilwhy.json").read_text())
    del card["cue"], card["instruction"]
    (tmp_path / "distilwhy.json").write_text(json.dumps(card))
    from distilwhy.students.student import Student

    assert Student.load(tmp_path).spec.task.cue == CUE
