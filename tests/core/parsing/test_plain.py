"""Replies in the very form asked for are read at once, and as the full reading reads them."""

import pytest

from distilwhy.core.parsing.answer import Answer
from distilwhy.core.parsing.completion import Completion
from distilwhy.core.parsing.parse import parse_completion, read_plain
from distilwhy.core.task import CUE, Example, RowFormat, Task

LABELS = Answer("choice", ("spam", "not spam", "an order"))
NUMBER = Answer("number")
OPTIONS = ("park", "shopping mall", "3.5")

PLAIN = [
    (LABELS, (), "It sells pills. So the answer is spam.", "spam", "It sells pills."),
    (LABELS, (), "They ask for ten. So the answer is an order.", "an order", "They ask for ten."),
    (NUMBER, (), "5 - 3 = 2. So the answer is 2.", "2", "5 - 3 = 2."),
    (NUMBER, (), "Okay, he has 40. So the answer is 40.", "40", "he has 40."),
    (Answer("choice"), OPTIONS, "Dogs run. So the answer is (a) park.", "park", "Dogs run."),
    (Answer("choice"), OPTIONS, "It costs. So the answer is 3.5.", "3.5", "It costs."),
    (
        Answer("choice"),
        OPTIONS,
        "Shops. So the answer is shopping mall.",
        "shopping mall",
        "Shops.",
    ),
]
OTHER = [
    (LABELS, (), "The answer is spam. Wait. So the answer is an order."),
    (LABELS, (), "A. So the answer is spam. No. So the answer is an order."),
    (LABELS, (), "It sells pills. So the answer is Spam."),
    (LABELS, (), "It sells pills.\nSo the answer is spam."),
    (LABELS, (), "It is <b>cheap</b>. So the answer is spam."),
    (LABELS, (), "Many think it. So the answer is spam, but it is not."),
    (LABELS, (), "Some say, so the answer is spam."),
    (LABELS, (), "So the answer is spam."),
    (LABELS, (), "This is the best choice of all. So the answer is spam."),
    (NUMBER, (), "It is a lot. So the answer is 1,200."),
    (NUMBER, (), "It is a lot. So the answer is 5 apples."),
    (Answer("choice"), OPTIONS, "Dogs run. So the answer is (b) park."),
    (Answer("choice"), OPTIONS, "Dogs run. So the answer is (a)."),
    (Answer("text"), (), "It is on the Seine. So the answer is Paris."),
]


@pytest.mark.parametrize(("answer", "options", "reply", "label", "rationale"), PLAIN)
def test_a_plain_reply_is_read_as_the_full_reading_reads_it(
    answer: Answer, options: tuple[str, ...], reply: str, label: str, rationale: str
) -> None:
    assert read_plain(answer, options, CUE, reply) == (label, rationale)
    task = Task("", RowFormat("{{ text }}"), answer)
    # A further row after it is beyond the plain form, so this one is read in full.
    full = parse_completion(task, Example("1", "a row", options), Completion(f"{reply}\n\nQ: b?"))
    assert (full.label, full.rationale) == (label, rationale)


@pytest.mark.parametrize(("answer", "options", "reply"), OTHER)
def test_any_other_reply_is_left_to_the_full_reading(
    answer: Answer, options: tuple[str, ...], reply: str
) -> None:
    assert read_plain(answer, options, CUE, reply) is None


def test_a_plain_reply_is_read_with_the_cue_of_its_task() -> None:
    reply = "Il vend des pilules. La categorie est donc spam !"
    assert read_plain(LABELS, (), "La categorie est donc {answer} !", reply) == (
        "spam",
        "Il vend des pilules.",
    )
    assert read_plain(LABELS, (), CUE, reply) is None


def test_a_plain_reply_that_holds_a_stop_text_ends_there() -> None:
    task = Task("", RowFormat("{{ text }}"), LABELS)
    reply = Completion("It is an order, END it sells pills. So the answer is spam.")
    found = parse_completion(task, Example("1", "a row"), reply, ["END"])
    assert found.label != "spam"


def test_a_plain_reply_cut_by_its_limit_is_no_plain_reply() -> None:
    task = Task("", RowFormat("{{ text }}"), NUMBER, cue="The answer: {answer}")
    cut = Completion("It is a lot. The answer: 12", finish_reason="length")
    assert parse_completion(task, Example("1", "a row"), cut).outcome == "truncated"
    whole = Completion("It is a lot. The answer: 12", finish_reason="stop")
    assert parse_completion(task, Example("1", "a row"), whole).label == "12"


def test_a_cue_that_is_the_answer_alone_has_no_plain_form() -> None:
    assert read_plain(LABELS, (), "{answer}", "It sells pills. spam") is None
