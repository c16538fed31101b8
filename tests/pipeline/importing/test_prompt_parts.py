"""What varies between prompts is the row; what does not is the instruction."""

import json

import pytest

from distilwhy.core.prompt import Message
from distilwhy.errors import ConfigError
from distilwhy.pipeline.importing.prompt_parts import PromptParts, split_prompts

ROWS = ["The swing broke.", "The dogs: why so loud?", "The roses are nice"]


def user(*texts: str) -> list[tuple[Message, ...]]:
    return [(Message("user", text),) for text in texts]


def texts(parts: PromptParts) -> list[str | None]:
    return [row and row["text"] for row in parts.rows]


@pytest.mark.parametrize(
    ("prompt", "instruction"),
    [
        ("{}", ""),
        ("Sort this.\n\n{}", "Sort this."),
        ("Message: {}", ""),
        ("Sort this.\n\nMessage: {}\nAnswer:", "Sort this."),
        ('Sort this: "{}" ->', 'Sort this: "'),
        ("<rules>Sort.</rules>\n<text>{}</text>\nLabel?", "<rules>Sort.</rules>\n\nLabel?"),
        ("Is it damage? {} Reply with one word.", "Is it damage?\n\nReply with one word."),
        ("Sort.\nMessage: It fell.\nAnswer: damage\n\nMessage: {}\nAnswer:",
         "Sort.\nMessage: It fell.\nAnswer: damage"),
    ],
)  # fmt: skip
def test_a_row_is_what_varies_within_a_turn(prompt: str, instruction: str):
    parts = split_prompts(user(*(prompt.format(row) for row in ROWS)))
    assert texts(parts) == ROWS
    assert parts.instruction == instruction


def test_fields_of_json_are_fields_of_the_rows():
    prompts = [
        json.dumps({"lang": "en", "subject": f"S{i}", "body": r}) for i, r in enumerate(ROWS)
    ]
    parts = split_prompts(user(*prompts))
    assert parts.rows[0] == {"subject": "S0", "body": "The swing broke."}
    named = [json.dumps({"id": i, "body": row}) for i, row in enumerate(ROWS)]
    assert split_prompts(user(*named)).rows[0] == {"body": "The swing broke."}
    odd = [json.dumps({"label": row}) for row in ROWS]
    assert split_prompts(user(*odd)).rows[0] == {"text": odd[0]}


def test_turns_that_all_prompts_share_are_the_instruction():
    shots = (
        Message("system", "Sort."),
        Message("user", "It fell."),
        Message("assistant", "damage"),
    )
    parts = split_prompts([(*shots, Message("user", row)) for row in ROWS])
    assert texts(parts) == ROWS
    assert parts.instruction == "Sort.\n\nUser: It fell.\n\nAssistant: damage"


def test_a_few_prompts_of_another_form_are_left_out():
    usual = [f"Sort the messages of the parks.\n\nMessage: {row}" for row in ROWS * 3]
    assert texts(split_prompts(user(*usual, "hello"))) == [*ROWS * 3, None]
    with_system = [(Message("system", "Sort."), Message("user", row)) for row in ROWS * 3]
    assert texts(split_prompts([*with_system, *user("hello")])) == [*ROWS * 3, None]
    chat = (*with_system[0], Message("assistant", "damage"), Message("user", "Why?"))
    assert texts(split_prompts([*with_system, chat])) == [*ROWS * 3, None]


VARYING = [(Message("system", f"Day {i}"), Message("user", row)) for i, row in enumerate(ROWS)]


def test_several_turns_that_vary_are_asked_about():
    asked = []

    def choose(question, choices):
        asked.extend(choices)
        return 1

    assert texts(split_prompts(VARYING, choose=choose))[0] == "Day 0\n\nUser: The swing broke."
    assert asked[0] == "the last turn alone: 'The swing broke.'"
    assert texts(split_prompts(VARYING, choose=lambda question, choices: 0)) == ROWS


def test_without_anyone_to_ask_an_option_says_which_turns():
    message = (
        r"more than one turn .* varies, as in 'Day 0 User: The .* give --row last or --row all"
    )
    with pytest.raises(ConfigError, match=message):
        split_prompts(VARYING)
    assert texts(split_prompts(VARYING, "last")) == ROWS
    assert texts(split_prompts(VARYING, "all"))[2] == "Day 2\n\nUser: The roses are nice"


PAIRS = [f"Shot.\nP: It fell.\nH: x\nA: no\n\nP: {row}\nH: It is so.\nA:" for row in ROWS]


@pytest.mark.parametrize(
    ("row", "first"),
    [
        ("P: {premise}\nH: {hypothesis}\nA:",
         {"premise": "The swing broke.", "hypothesis": "It is so."}),
        ("P: {premise} H:", {"premise": "The swing broke."}),
        (r"P: (.*)\nH", {"text": "The swing broke."}),
        (r"P: (?P<p>[^\n]*)\nH", {"p": "The swing broke."}),
    ],
)  # fmt: skip
def test_a_template_or_a_regular_expression_takes_the_last_match(row: str, first):
    parts = split_prompts(user(*PAIRS), row)
    assert parts.rows[0] == first
    assert parts.instruction == "Shot.\nP: It fell.\nH: x\nA: no"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("Q: {x}", "matches no prompt, such as 'Shot. P: It fell"),
        ("P", "has no group"),
        ("P: (", "is not a valid regular expression"),
        ("{x} {x}", r"has \{x\} twice"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_named(row: str, message: str):
    with pytest.raises(ConfigError, match=message):
        split_prompts(user(*PAIRS), row)
