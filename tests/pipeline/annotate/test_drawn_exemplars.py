"""Exemplars drawn for each row."""

import json
from functools import partial

import pytest

from commands import print_plan
from conftest import TRAIN
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.plan import plan
from endpoint import Endpoint, says


@pytest.fixture
def opened(opened):
    """Opens an experiment of one method."""
    return partial(opened, {"methods": ["step-by-step"]})


EXPLAIN_LABEL = {"teacher.strategy": "explain-label"}


POOL = [
    {"message": text, "kind": kind, "rationale": f"Reasons: {text}"}
    for text, kind in [
        ("The swing in the park is broken.", "damage"),
        ("Where do I pay my parking fine?", "question"),
        ("The roses smell sweet.", "praise"),
        ("Message 3.", "damage"),
    ]
]
ASKS = [
    {"id": "p", "message": "How do I pay a fine for parking?", "kind": "question"},
    {"id": "r", "message": "I smell roses.", "kind": "praise"},
]


def drawn(draw: str, count: int = 2, **more: object) -> dict[str, object]:
    exemplars = {"draw": draw, "count": count}
    return {"task.exemplars": POOL, "teacher.exemplars": exemplars, "data.test": None, **more}


def test_the_nearest_exemplars_are_shown_the_nearest_last(opened, endpoint: Endpoint):
    annotate(opened(drawn("nearest"), train=[*TRAIN, *ASKS]))
    last = {body["messages"][-1]["content"]: body["messages"][-3:-1] for body in endpoint.asked}
    assert [m["content"] for m in last["How do I pay a fine for parking?"]] == [
        "Where do I pay my parking fine?",
        "Reasons: Where do I pay my parking fine? So the answer is question.",
    ]
    assert last["I smell roses."][0]["content"] == "The roses smell sweet."
    assert last["Message 4."][0]["content"] == "Message 3."
    assert last["Message 3."][0]["content"] != "Message 3."
    assert all(len(body["messages"]) == 6 for body in endpoint.asked)


@pytest.mark.parametrize("draw", ["random", "nearest"])
def test_other_rows_do_not_change_which_exemplars_a_row_is_shown(opened, endpoint: Endpoint, draw):
    annotate(opened(drawn(draw), train=TRAIN))
    heads = {json.dumps(body["messages"][:-1]) for body in endpoint.asked}
    assert len(heads) > 1
    mixed = [{**row, "id": f"new-{row['id']}"} for row in [*ASKS, *TRAIN[::-1]]]
    assert annotate(opened(drawn(draw), train=mixed)).answered == 2
    assert annotate(opened(drawn(draw, 3), train=TRAIN)).answered == 8


@pytest.mark.parametrize("draw", ["random", "nearest"])
def test_explanations_are_shown_drawn_exemplars_too(opened, endpoint, draw):
    endpoint.otherwise = [says("Nice. So the answer is praise.")]
    for more in (EXPLAIN_LABEL, {"teacher.explain_wrong": True}):
        annotate(opened(drawn(draw, **more), train=TRAIN))
    asked = [
        body["messages"] for body in endpoint.asked if "Why?" in body["messages"][-1]["content"]
    ]
    assert len(asked) == len({json.dumps(messages) for messages in asked}) == 6
    for messages in asked:
        assert len(messages) == 6
        assert all("Why?" in m["content"] for m in messages if m["role"] == "user")
        assert messages[-1]["content"] not in [m["content"] for m in messages[:-1]]


def test_the_plan_shows_how_exemplars_are_drawn(opened):
    shown = print_plan(opened(drawn("nearest")))
    assert "\nexemplars   2 of 4 for each row, the most similar ones, the nearest last\n" in shown
    assert "\nexemplars   3 of 4 for each row, drawn at random\n" in print_plan(
        opened(drawn("random", 3))
    )
    assert plan(opened(drawn("random", 4))).warnings[-1] == (
        "teacher.exemplars draws 4 of 4, so every row is shown all"
    )


def test_the_plan_warns_of_rows_that_are_exemplars_too(opened):
    fixed = {"task.exemplars": POOL}
    assert plan(opened(fixed)).warnings == [
        "row 'a3': an exemplar has the same input, so the teacher is shown the answer; remove it "
        "from the exemplars, or let teacher.exemplars draw them for each row"
    ]
    assert plan(opened({**fixed, "teacher.strategy": "zero-shot"})).warnings == []
    more = [*TRAIN, {"id": "again", "message": "message  3.", "kind": "damage"}]
    assert "row 'a3' and 1 more: an exemplar" in plan(opened(fixed, train=more)).warnings[0]
