"""Texts that a sentence states without a cue."""

import pytest

from distilwhy.core.parsing.answer import Answer
from distilwhy.core.parsing.completion import Annotation, Completion
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.task import Example, RowFormat, Task

CAPITAL = "What is the capital of Canada?"
TREATY = "Wo wurde der Vertrag unterzeichnet?"


def read_text(row: str, reply: str) -> Annotation:
    task = Task("", RowFormat("{{ text }}"), Answer("text"))
    return parse_completion(task, Example("1", row), Completion(reply))


@pytest.mark.parametrize(
    ("row", "reply", "text"),
    [
        (CAPITAL, "The capital of Canada is Ottawa.", "Ottawa"),
        (CAPITAL, "Ottawa was chosen in 1857. The capital of Canada is Ottawa.", "Ottawa"),
        ("Who wrote Emma?", "Jane Austen wrote Emma.", "Jane Austen"),
        ("Quelle est la capitale du Canada ?", "La capitale du Canada est Ottawa.", "Ottawa"),
        (TREATY, "Der Vertrag wurde in Bremen unterzeichnet.", "Bremen"),
        ("When did the museum move?", "The museum moved in 2003.", "2003"),
        ("Memo: …\nName the employer.", "**Employer:** Acme Ltd", "Acme Ltd"),
    ],
)
def test_the_name_in_a_sentence_of_words_of_the_question_is_the_answer(
    row: str, reply: str, text: str
) -> None:
    assert read_text(row, reply).label == text


@pytest.mark.parametrize(
    "reply",
    [
        "The capital of Canada is a city in Ontario.",
        "Many think that the capital of Canada is Toronto.",
        "The capital of Canada is not Toronto.",
        "The capital of Canada is Ottawa or Toronto.",
        "The largest city is Toronto.",
        "Is the capital of Canada Toronto?",
    ],
)
def test_no_other_sentence_states_a_text(reply: str) -> None:
    assert read_text(CAPITAL, reply).label is None


def test_the_sentence_is_no_reason() -> None:
    assert read_text("Who wrote Emma?", "Jane Austen wrote Emma.").rationale == ""
