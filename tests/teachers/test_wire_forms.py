"""Answers asked for as JSON, in the words of every kind of endpoint."""

import json

import pytest

from distilwhy.core.parsing.completion import Annotation, Completion
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.prompt import render_reply, structure_reply
from distilwhy.core.task import Example, Exemplar
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import open_experiment
from endpoint import Endpoint, says
from wires import LABELS, TASK


@pytest.mark.parametrize("options", [(), ("damage", "praise")])
def test_structured_exemplars_can_be_parsed(options):
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
def test_a_structured_answer_is_annotated(endpoint: Endpoint, write_experiment, kind):
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
    found = read_annotations(open_experiment(path, endpoint.url))
    assert {(a.outcome, a.label, a.rationale) for a in found.values()} == {
        ("ok", "damage", "It broke.")
    }
    assert annotate(open_experiment(path, endpoint.url)).from_ledger == 8


@pytest.mark.parametrize("kind", ["chat", "anthropic", "gemini"])
def test_rows_with_their_own_options_share_a_schema(endpoint: Endpoint, write_experiment, kind):
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
    found = read_annotations(open_experiment(path, endpoint.url))
    assert {a.label for a in found.values()} == {"no"}
