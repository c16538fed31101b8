"""What the finish reason of a reply says of its answer."""

import pytest

from distilwhy.core.parsing.completion import Annotation
from reading import choose, read

REFUSALS = [
    *("refusal", "content_filter", "SAFETY", "RECITATION", "PROHIBITED_CONTENT", "BLOCKLIST"),
    *("SPII", "LANGUAGE", "IMAGE_SAFETY", "MODEL_ARMOR"),
]


@pytest.mark.parametrize("finish", REFUSALS)
def test_a_finish_reason_may_be_a_refusal(finish):
    annotation = choose("So the answer is (b) mall.", finish=finish)
    assert annotation == Annotation("7", "refused", problem=f"finish: {finish}")


CUTS = [
    *("length", "max_tokens", "MAX_TOKENS", "model_length", "model_context_window_exceeded"),
    "pause_turn",
]


@pytest.mark.parametrize("finish", CUTS)
@pytest.mark.parametrize(
    "text",
    [
        "People shop there and",
        "People shop. The answer is",
        "People shop. The answer is (b",
        "People shop. The answer is (b) mall",
        "People shop.\ngo",
        "\\boxed{B",
        "",
        '{"rationale": "People shop. So the answer is (b) mall.", "ans',
        '```json\n{"rationale": "People shop.",\n "answer": "mall',
    ],
)
def test_a_reply_cut_within_its_answer_is_truncated(finish, text):
    annotation = choose(text, finish=finish)
    assert (annotation.outcome, annotation.label) == ("truncated", None)


@pytest.mark.parametrize("text", ["The answer is 4", "The answer is 4.", "\n\n4", "\\boxed{4"])
def test_a_number_that_may_go_on_is_truncated(text):
    assert read("number", text, finish="length").outcome == "truncated"


@pytest.mark.parametrize(
    "text",
    [
        "People shop. The answer is (b) mall.",
        "People shop. The answer is (b) mall.\n\nQ: Where do",
        "People shop. The answer is (b) mall\n\nA park is",
        "People shop. $\\boxed{B}$",
    ],
)
def test_a_reply_cut_after_its_answer_is_read(text):
    annotation = choose(text, finish="length")
    assert annotation == Annotation("7", "ok", "People shop.", "mall")


@pytest.mark.parametrize(
    "finish",
    ["stop", "end_turn", "stop_sequence", "STOP", "OTHER", "FINISH_REASON_UNSPECIFIED", "eos", ""],
)
def test_any_other_finish_says_nothing(finish):
    assert choose("So the answer is (b) mall.", finish=finish).outcome == "ok"
    assert choose("", finish=finish).outcome == "unparsed"
    assert choose("I'm sorry, I can't.", finish=finish).outcome == "refused"
