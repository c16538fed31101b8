"""The ways to ask a teacher: what is sent, who is told what, and what may be counted."""

import pytest

from distilwhy.flows.annotate import annotate
from distilwhy.flows.experiment import open_experiment
from endpoint import Endpoint, says

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
    inquiry = open_experiment(write_experiment(settings)).inquiry
    call = next(inquiry.answer_calls())
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
    call = next(experiment.inquiry.explanation_calls())
    assert call.prompt.question == "Message 0.\nThe right answer is damage. Why?"
    assert call.key.hex()[:16] == EXPLAINING_KEY
