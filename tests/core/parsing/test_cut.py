"""Where a reply ends and a row begins that the teacher invented."""

import pytest

from distilwhy.core.parsing.answer import Answer
from distilwhy.core.parsing.completion import Annotation, Completion
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.task import Example, RowFormat, Task
from reading import read

TEAMS = ("billing", "network")
TICKET = "The Wi-Fi in room 4 is down again."
REASON = "A broken Wi-Fi is a matter of cables and routers"


def route(reply: str, template: str = "Ticket: {{ text }}") -> Annotation:
    task = Task("", RowFormat(template), Answer("choice", TEAMS))
    row = template.replace("{{ text }}", TICKET)
    return parse_completion(task, Example("1", row), Completion(reply))


@pytest.mark.parametrize(
    "another",
    [
        "\n\nPair 2\nA refund is late.\nSo it is billing.",
        "\n\n#5\nA refund is late. So it is billing.",
        "\n\n[2/60]\nA refund is late. So it is billing.",
        "\n\nNext question\nA refund is late. So it is billing.",
        "\n\n예제 4)\n환불이 늦습니다. The answer is billing.",
        "\n\nAufgabe 7. Die Rechnung fehlt. The answer is billing.",
        "\n\n* * * * *\n\nTranslate the next sentence.",
        "\n\n## References\n\nRouters, a history.",
        "\n\ndef route(ticket):\n    return 'billing'",
        "\n<table><tr><td>refund</td><td>Answer: billing</td></tr></table>",
        " Ticket: A refund is late. Team: billing",
    ],
)
@pytest.mark.parametrize("answer", [". The answer is network.", ", so it is network."])
def test_an_answer_is_followed_by_another_row_in_many_shapes(answer: str, another: str) -> None:
    found = route(REASON + answer + another)
    assert (found.label, found.rationale.rstrip(".")) == ("network", REASON)


@pytest.mark.parametrize(
    "more",
    [
        "\n\nStep 2\nCheck it: routers are part of the network.",
        "\n\n## Why\n\nRouters are part of the network.",
        ", since the Wi-Fi of a room is down\n\n---\n\n**Explanation**: Routers are part.",
        "\n\nReason 1. Routers are part of the network.",
    ],
)
def test_what_goes_on_with_the_reply_is_no_other_row(more: str) -> None:
    assert "Routers are part" in route(f"network{more}").rationale.replace("routers", "Routers")


@pytest.mark.parametrize(
    "reply",
    [
        "## Cables\nThey are broken, so network.\n\n## Bill\nIt is late.\n\n## Conclusion\nbilling",
        "Part 1\nCables break, so it is network.\n\nPart 2\nIt is late.\n\nThe answer is billing.",
        "The cables are broken, so that half is network.\n\n---\n\nIt is late.\n\nAnswer: billing",
    ],
)
def test_a_part_of_the_reply_is_no_other_row(reply: str) -> None:
    assert route(reply).label in ("billing", None)


def test_a_rule_or_a_title_behind_a_cue_ends_the_reply() -> None:
    for another in ("\n---\n", "\n\n* * *\n\n", "\n\n## Refund\n\n"):
        reply = f"{REASON}. The answer is network.{another}A refund. The answer is billing."
        assert route(reply).label == "network"


def test_a_row_that_asks_the_same_in_a_sentence_is_another() -> None:
    template = "{{ text }} Which team is it for?"
    other = "A refund is late. Which team is it for?\nRefunds are money. The answer is billing."
    assert route(f"{REASON}.\n\n{other}", template).label is None
    own = f"{TICKET} Which team is it for?\n{REASON}. The answer is network."
    assert route(f"{own}\n\n{other}", template).label == "network"


def test_a_row_in_json_behind_an_answer_is_another() -> None:
    other = '{"text": "A refund is late.", "label": "billing"}'
    assert route(f"{REASON}. Therefore: network\n{other}").label == "network"
    assert route('{"text": "The Wi-Fi is down", "label": "network"}').label == "network"


def test_a_short_question_with_one_other_word_is_another() -> None:
    task = Task("", RowFormat("Q: {{ q }}"), Answer("choice"))
    example = Example("1", "Q: Why would someone wear gloves?", ("cold", "sun"))
    reply = "Gloves warm the hands.\n\nQ: Why would someone wear sunglasses?\nSo the answer is (b)."
    assert parse_completion(task, example, Completion(reply)).label is None


@pytest.mark.parametrize(
    ("reply", "choice"),
    [
        ("A Question: What breaks a nail? B", "hammer"),
        ("\nQ: What is used in Norway?\n(a) rope\n(b) saw\nAnswer: (b)", None),
        ("Q: What drives it?\nA: (a) hammer", "hammer"),
    ],
)
def test_a_row_on_the_same_line_or_with_another_name_is_another(
    reply: str, choice: str | None
) -> None:
    task = Task("", RowFormat("{{ q }}"), Answer("choice"))
    example = Example("1", "What drives a nail?\n(a) hammer\n(b) saw", ("hammer", "saw"))
    assert parse_completion(task, example, Completion(reply)).label == choice


def test_the_letter_that_a_prompt_ends_with_is_no_answer() -> None:
    task = Task("", RowFormat("{{ q }}"), Answer("choice"))
    example = Example("1", "What warns of a fire?", ("siren", "flute"))
    reply = "A: It has to be loud. So the answer is (f)."
    assert parse_completion(task, example, Completion(reply)).label is None


def test_a_question_with_other_options_is_another_row() -> None:
    options = ("shark", "dolphin")
    other = "Which animal is a bird?\n(a) bat\n(b) ostrich\nAnswer: (b)"
    assert read("choice", other, options).label is None
    own = "Which animal is a mammal?\n(a) shark\n(b) dolphin\nAnswer: (b)"
    assert read("choice", own, options).label == "dolphin"
