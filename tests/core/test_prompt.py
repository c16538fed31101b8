from dataclasses import replace

import pytest

from distilwhy.core.parsing.answer import Answer
from distilwhy.core.parsing.completion import Completion
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.prompt import Message, ask_for_steps, render_prefix, render_prompt
from distilwhy.core.task import Example, Exemplar, RowFormat, Task

CHOICE = Task(
    "Answer the question.",
    RowFormat("{{ question }}"),
    Answer("choice"),
    (
        Exemplar(Example("e1", "Where?\n(a) park\n(b) mall", ("park", "mall"), "mall"), "Shops."),
        Exemplar(Example("e2", "Who?\n(a) me\n(b) you", ("me", "you"), "me"), "It is I."),
    ),
)
EQUATION = Task(
    "",
    RowFormat("{{ question }}"),
    Answer("equation"),
    (Exemplar(Example("e1", "Half of 84?", gold="84 / 2"), "Halve it."),),
)
BARE = Task("", RowFormat("{{ question }}"), Answer("choice", ("yes", "no")))
TOLD = Task("Say yes or no.", RowFormat("{{ question }}"), Answer("choice", ("yes", "no")))
ROW = Example("7", "When?\n(a) now\n(b) never", ("now", "never"), "never")


def test_a_chat_has_instruction_exemplars_and_row():
    prompt = render_prompt(render_prefix(CHOICE), ROW)
    assert prompt.example_id == "7"
    assert prompt.messages == (
        Message("system", "Answer the question."),
        Message("user", "Where?\n(a) park\n(b) mall"),
        Message("assistant", "Shops. So the answer is (b) mall."),
        Message("user", "Who?\n(a) me\n(b) you"),
        Message("assistant", "It is I. So the answer is (a) me."),
        Message("user", "When?\n(a) now\n(b) never"),
    )


def test_the_same_prompt_as_one_text():
    assert render_prompt(render_prefix(CHOICE), ROW).as_text() == (
        "Answer the question.\n\n"
        "Q: Where?\n(a) park\n(b) mall\n"
        "A: Shops. So the answer is (b) mall.\n\n"
        "Q: Who?\n(a) me\n(b) you\n"
        "A: It is I. So the answer is (a) me.\n\n"
        "Q: When?\n(a) now\n(b) never\n"
        "A:"
    )


def test_an_equation_without_an_instruction():
    prompt = render_prompt(render_prefix(EQUATION), Example("7", "Six sevens?"))
    assert [message.role for message in prompt.messages] == ["user", "assistant", "user"]
    assert prompt.as_text() == (
        "Q: Half of 84?\nA: Halve it. So the answer is 84 / 2.\n\nQ: Six sevens?\nA:"
    )


def test_a_prompt_needs_neither_instruction_nor_exemplars():
    prompt = render_prompt(render_prefix(BARE), Example("7", "Is it?"))
    assert prompt.messages == (Message("user", "Is it?"),)
    assert prompt.as_text() == "Q: Is it?\nA:"


def test_an_instruction_alone():
    assert render_prompt(render_prefix(TOLD), Example("7", "Is it?")).as_text() == (
        "Say yes or no.\n\nQ: Is it?\nA:"
    )


def test_the_gold_label_of_the_row_is_never_shown():
    texts = [
        render_prompt(render_prefix(CHOICE), Example("7", "Where?", (), gold))
        for gold in ("here", None)
    ]
    assert texts[0] == texts[1]


def test_a_request_for_an_explanation_shows_the_gold_label():
    prompt = render_prompt(render_prefix(CHOICE, show_gold=True), ROW)
    assert (prompt.example_id, prompt.prefix.shows_gold) == ("7", True)
    assert prompt.as_text() == (
        "Answer the question.\n\n"
        "Q: Where?\n(a) park\n(b) mall\nThe right answer is (b) mall. Why?\n"
        "A: Shops. So the answer is (b) mall.\n\n"
        "Q: Who?\n(a) me\n(b) you\nThe right answer is (a) me. Why?\n"
        "A: It is I. So the answer is (a) me.\n\n"
        "Q: When?\n(a) now\n(b) never\nThe right answer is (b) never. Why?\n"
        "A:"
    )


def test_an_explanation_of_an_equation():
    prompt = render_prompt(
        render_prefix(EQUATION, show_gold=True), Example("7", "Six sevens?", gold="6 * 7")
    )
    assert prompt.messages[-1].content == "Six sevens?\nThe right answer is 6 * 7. Why?"


ZERO_SHOT = {
    "labels": (TOLD, 'one of these: "yes", "no"'),
    "options": (CHOICE, "the letter of the right option in brackets, and its text"),
    "equation": (EQUATION, "an arithmetic expression of numbers, + - * / and brackets"),
    "number": (
        Task("", RowFormat("{{ question }}"), Answer("number")),
        "a number in digits",
    ),
    "text": (Task("", RowFormat("{{ question }}"), Answer("text")), "the answer in a few words"),
}


@pytest.mark.parametrize("kind", ZERO_SHOT)
def test_without_exemplars_the_instruction_says_how_to_reply(kind):
    task, form = ZERO_SHOT[kind]
    bare = ask_for_steps(task)
    how = f'Think step by step. Then end with "So the answer is X.", where X is {form}.'
    assert bare.instruction == (f"{task.instruction}\n\n{how}" if task.instruction else how)
    prompt = render_prompt(render_prefix(bare), Example("7", "Well?"))
    assert prompt.messages == (Message("system", bare.instruction), Message("user", "Well?"))


def test_without_exemplars_a_structured_instruction_names_the_fields():
    assert ask_for_steps(EQUATION, structured=True).instruction == (
        'Think step by step in "rationale". Then give in "answer" an arithmetic expression of '
        "numbers, + - * / and brackets."
    )


@pytest.mark.parametrize(
    ("kind", "said", "label"),
    [
        ("labels", "yes", "yes"),
        ("labels", '"no"', "no"),
        ("options", "(b) never", "never"),
        ("options", "(b)", "never"),
        ("equation", "(84 / 2) - 7", "84 / 2 - 7"),
        ("number", "1,200", "1200"),
        ("text", "the mall", "the mall"),
    ],
)
def test_replies_in_the_zero_shot_form_can_be_parsed(kind, said, label):
    said = Completion(f"It is so.\nIt must be. So the answer is {said}.", "stop")
    task = ask_for_steps(ZERO_SHOT[kind][0])
    read = parse_completion(task, ROW if kind == "options" else Example("7", "Well?"), said)
    assert (read.outcome, read.rationale) == ("ok", "It is so. It must be.")
    assert task.answer.same(read.label, label)


KOREAN = Task(
    "분류하세요.",
    RowFormat("{{ question }}"),
    Answer("choice", ("배송", "환불")),
    (Exemplar(Example("e1", "안 와요.", gold="배송"), "늦습니다."),),
    "따라서 정답은 {answer}입니다.",
)


@pytest.mark.parametrize("show_gold", [False, True])
def test_a_task_with_its_own_cue_adds_no_english(show_gold):
    prompt = render_prompt(
        render_prefix(KOREAN, show_gold=show_gold), Example("7", "바꿔요.", gold="환불")
    )
    stated = "\n따라서 정답은 {}입니다." if show_gold else "{:.0}"
    assert [message.content for message in prompt.messages] == [
        "분류하세요.",
        "안 와요." + stated.format("배송"),
        "늦습니다. 따라서 정답은 배송입니다.",
        "바꿔요." + stated.format("환불"),
    ]


@pytest.mark.parametrize(
    ("answer", "structured", "form"),
    [
        (KOREAN.answer, False, "… 따라서 정답은 [배송 | 환불]입니다."),
        (KOREAN.answer, True, '{"rationale": "…", "answer": "배송 | 환불"}'),
        (Answer("number"), False, "… 따라서 정답은 …입니다."),
        (Answer("text"), True, '{"rationale": "…", "answer": "…"}'),
    ],
)
def test_without_exemplars_a_task_with_its_own_cue_shows_the_form_of_a_reply(
    answer, structured, form
):
    task = ask_for_steps(replace(KOREAN, answer=answer), structured=structured)
    assert task.instruction == f"분류하세요.\n\n{form}"


def test_a_prompt_without_a_system_turn_keeps_the_cue():
    prompt = render_prompt(render_prefix(KOREAN), Example("7", "바꿔요.")).without_system()
    assert prompt.prefix.cue == KOREAN.cue
    assert prompt.messages[0] == Message("user", "분류하세요.\n\n안 와요.")
