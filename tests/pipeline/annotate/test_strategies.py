"""Strategies: what the teacher is sent by zero-shot, and that keys stay the same."""

import json
from functools import partial

import pytest

from annotating import all_calls, explanations
from commands import print_plan
from distilwhy.errors import ConfigError
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.plan import plan
from endpoint import Endpoint, says
from error_of import without_line

# Of what was paid for by the first experiments: a key that changes pays them anew.
KEYS = {
    "chat": "5a1365c6565a381e",
    "completion": "e43aa9e9e9ab046e",
    "anthropic": "e3303c814b473a6b",
    "gemini": "15718a8bdc16d2d8",
    "structured": "ba62f694fe5e66ea",
}
EXPLAINING_KEY = "8123cb2373c7b95e"


@pytest.mark.parametrize("kind", KEYS)
def test_what_was_asked_before_there_were_strategies_is_not_asked_anew(write_experiment, kind):
    structured = kind == "structured"
    settings = {"teacher.kind": "chat" if structured else kind, "teacher.structured": structured}
    call = all_calls(open_experiment(write_experiment(settings)))[0]
    assert call.prompt.as_text() == (
        "Sort the message.\n\n"
        "Q: The swing broke.\nA: Something is broken. So the answer is damage.\n\n"
        "Q: Message 0.\nA:"
    )
    assert call.key.hex()[:16] == KEYS[kind]


def test_nor_is_what_was_explained_before(write_experiment, endpoint: Endpoint):
    endpoint.otherwise = [says("Nice. So the answer is praise.")]
    settings = {"teacher.explain_wrong": True, "teacher.gate": {"rows": 0}}
    experiment = open_experiment(write_experiment(settings), endpoint.url)
    annotate(experiment)
    call = explanations(experiment)[0]
    assert call.prompt.question == "Message 0.\nThe right answer is damage. Why?"
    assert call.key.hex()[:16] == EXPLAINING_KEY


@pytest.fixture
def opened(opened):
    """Opens an experiment of one method."""
    return partial(opened, {"methods": ["step-by-step"]})


ZERO_SHOT = {"teacher.strategy": "zero-shot"}
HOW = (
    'Sort the message.\n\nThink step by step. Then end with "So the answer is X.", where X is one '
    'of these: "damage", "question", "praise".'
)


def test_zero_shot_shows_no_exemplars_and_says_how_to_reply(opened, endpoint: Endpoint):
    assert annotate(opened(ZERO_SHOT)).answered == 12
    [first, *_] = endpoint.asked
    assert [message["role"] for message in first["messages"]] == ["system", "user"]
    assert first["messages"][0]["content"] == HOW
    assert {found.rationale for found in read_annotations(opened(ZERO_SHOT)).values()} == {"Why."}
    bare = opened({**ZERO_SHOT, "task.exemplars": []})
    assert annotate(bare).from_ledger == 12
    assert plan(bare).warnings == []


def test_zero_shot_asks_for_json_in_the_words_of_its_fields(opened, endpoint: Endpoint):
    endpoint.otherwise = [says('{"rationale": "Why.", "answer": "praise"}')]
    annotate(opened({**ZERO_SHOT, "teacher.structured": True}))
    said = endpoint.asked[0]["messages"][0]["content"]
    assert said.endswith('Then give in "answer" one of these: "damage", "question", "praise".')
    assert "So the answer is" not in json.dumps(endpoint.asked)


def test_zero_shot_explanations_show_no_exemplars(opened, endpoint: Endpoint):
    changes = {**ZERO_SHOT, "teacher.explain_wrong": True}
    endpoint.plays["Message 2."] = [says("Hm. So the answer is damage.")]
    endpoint.otherwise = [says("Hm. So the answer is damage.")]
    annotate(opened(changes))
    explaining = [body for body in endpoint.asked if "Why?" in body["messages"][-1]["content"]]
    assert explaining
    assert all(len(body["messages"]) == 2 for body in explaining)


def test_the_plan_shows_the_strategy_and_a_whole_prompt(opened):
    shown = print_plan(opened(ZERO_SHOT))
    assert HOW in shown
    assert "\nstrategy    zero-shot: no exemplars, think step by step\n" in shown
    assert "strategy" not in print_plan(opened())
    assert "exemplars  " not in print_plan(opened())


def test_the_plan_warns_if_there_are_no_exemplars(opened):
    assert plan(opened({"task.exemplars": []})).warnings == [
        "there are no exemplars to show the teacher how to answer; write some, or set "
        "teacher.strategy to 'zero-shot'"
    ]


EXPLAIN_LABEL = {"teacher.strategy": "explain-label"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teacher.strategy": "cot"}, "teacher.strategy: 'cot': input should be 'few-shot', "
         "'zero-shot' or 'explain-label'"),
        ({"teacher.exemplars": {"draw": "best"}},
         "teacher.exemplars.draw: 'best': input should be 'fixed', 'random' or 'nearest'"),
        ({"teacher.exemplars": {"count": 4}}, "teacher.exemplars.count: 4: draw 'fixed' shows "
         "every exemplar; leave it out, or draw 'random' or 'nearest'"),
        ({"teacher.exemplars": {"draw": "random", "count": 0}},
         "teacher.exemplars.count: 0: input should be greater than 0"),
        ({"teacher.exemplars": {"draw": "random"}, **ZERO_SHOT},
         "teacher: strategy 'zero-shot' shows no exemplars; leave out 'exemplars'"),
        ({**EXPLAIN_LABEL, "teacher.explain_wrong": True}, "teacher.explain_wrong: True: "
         "strategy 'explain-label' already shows every gold label; leave it out"),
        ({"teacher": {"kind": "recorded", "completions": ["x"], "strategy": "explain-label"}},
         "teacher: strategy 'explain-label' needs recorded explanations; name their files in "
         "'explanations'"),
        ({"teacher.exemplars": {"draw": "nearest"}, "task.exemplars": []},
         "teacher.exemplars draws from the task's exemplars, and there are none; write some, or "
         "leave it out"),
    ],
)  # fmt: skip
def test_an_invalid_strategy_is_refused(write_experiment, changes, message):
    path = write_experiment(changes)
    with pytest.raises(ConfigError) as caught:
        open_experiment(path)
    assert without_line(caught.value) == f"{path}: {message}"
