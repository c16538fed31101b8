"""A rationale holds the reasons of a reply and nothing else."""

import pytest

from distilwhy.core.parsing.answer import Answer
from distilwhy.core.parsing.completion import Annotation, Completion
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.task import Example, RowFormat, Task

QUEUES = Answer("choice", ("Billing", "Shipping", "Sales"))
TICKET = Example("1", "Ticket: The parcel never came.\nPlan: basic")


def read(reply: str) -> Annotation:
    task = Task("", RowFormat("Ticket: {{ text }}\nPlan: {{ plan }}"), QUEUES)
    return parse_completion(task, TICKET, Completion(reply))


@pytest.mark.parametrize(
    "reply",
    [
        "Ticket: The parcel never came.\nPlan: basic\n\nIt is late.\nLabel: Shipping",
        "**Ticket:** The parcel never came.\n**Plan:** basic\nIt is late. Label: Shipping",
        "User: The parcel never came.\nAssistant: It is late. The answer is Shipping.",
    ],
)
def test_lines_that_repeat_the_row_are_no_reasons(reply: str) -> None:
    assert read(reply) == Annotation("1", "ok", "It is late.", "Shipping")


def test_a_reason_in_the_words_of_the_row_is_one() -> None:
    found = read("The parcel never came.\nLabel: Shipping")
    assert found.rationale == "The parcel never came."


@pytest.mark.parametrize(
    "opening",
    [
        "Sure! Here's my take:\n\n",
        "Let's work through this step by step.\n\n",
        "Good question! ",
        "Please note that I cannot see the account.\n\n",
        "**Thought process**\n",
        "Step-by-step reasoning:\n",
        "Pensemos paso a paso. ",
        "**解题步骤**\n",
    ],
)
def test_what_only_opens_the_reasons_is_left_out(opening: str) -> None:
    assert read(f"{opening}It is late.\n\nLabel: Shipping").rationale == "It is late."


def test_a_heading_alone_is_no_rationale() -> None:
    assert read("Final answer: The final answer is Shipping.").rationale == ""


@pytest.mark.parametrize(
    ("reply", "rationale"),
    [
        ("The answer is 'Shipping'. It is late.", "It is late."),
        ("The answer is Shipping. „Nie” was said of it.", "„Nie” was said of it."),
        ("Shipping\n\nReason:\nIt is late.\n\nReason:\nIt is la", "It is late."),
    ],
)  # fmt: skip
def test_reasons_behind_an_answer_are_taken_as_they_stand_and_once(
    reply: str, rationale: str
) -> None:
    assert read(reply) == Annotation("1", "ok", rationale, "Shipping")
