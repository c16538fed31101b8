"""What is read in a reply: where its answer stands, its rationale, and why it cannot be read."""

import json
import time
from random import Random

import pytest

from distilwhy.core.parsing.answer import Answer
from distilwhy.core.parsing.completion import Annotation, Completion
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.task import Example, RowFormat, Task
from reading import OPTIONS, STOP, choose, read


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("The answer is Paris.", "Paris"),
        ("Answer: **Paris, France**", "Paris, France"),
        ('The answer is "Paris".', "Paris"),
        ("Answer:\nParis", "Paris"),
        ("\\boxed{Paris}", "Paris"),
        ("The answer is Paris.<|im_end|>", "Paris"),
        ('The answer is "Paris."', "Paris"),
        ("\\boxed{\\text{Paris}}", "Paris"),
        ("The answer is J. R. R. Tolkien.", "J. R. R. Tolkien"),
        ("The answer is Mr. Smith of St. Louis.", "Mr. Smith of St. Louis"),
        ("The answer is Prof. Snape.", "Prof. Snape"),
        ("The answer is because of the rain.", "because of the rain"),
        ('The answer is "Wait here. It rains."', "Wait here. It rains"),
        ("The answer is I'm sorry to hear that.", "I'm sorry to hear that"),
    ],
)
def test_text_is_read_as_it_stands(text, label):
    assert read("text", text).label == label


@pytest.mark.parametrize(
    ("remark", "label"),
    [
        (". It is the capital of France.", "Paris"),
        (". France is governed from there.", "Paris"),
        ('". It is the capital.', "Paris"),
        ("! This is the capital.", "Paris"),
        (", because it is the capital.", "Paris"),
        (", since it is the capital.", "Paris"),
        (", I think.", "Paris"),
        (" Inc. Its founder is dead.", "Paris Inc"),
        (" because it is the capital.", "Paris"),
        (" since 1990.", "Paris since 1990"),
        (", Texas, U.S. It is small.", "Paris, Texas, U.S"),
        (" and nine more towns that all have the same name. They are small.",
         "Paris and nine more towns that all have the same name. They are small"),
    ],
)  # fmt: skip
def test_a_remark_after_a_few_words_is_no_part_of_the_text(remark, label):
    assert read("text", f"The answer is Paris{remark}").label == label


@pytest.mark.parametrize(
    "refusal",
    [
        "I cannot help with that.",
        "I'm sorry, but I can't answer this.",
        "as an AI, I do not know",
        "I am unable to say.",
    ],
)
def test_a_refusal_is_no_text_that_answers(refusal):
    assert read("text", f"The answer is {refusal}").outcome == "unparsed"
    assert read("text", json.dumps({"rationale": "", "answer": refusal})).outcome == "unparsed"


@pytest.mark.parametrize("text", ["as follows:\nParis", "one of these:\n- Paris"])
def test_a_text_that_is_only_announced_is_none(text):
    assert read("text", f"The answer is {text}").outcome == "unparsed"


@pytest.mark.parametrize("text", ["Mr. Smi", "Paris.", "Paris. It is"])
def test_a_text_that_may_go_on_is_truncated(text):
    assert read("text", f"The answer is {text}", finish="length").outcome == "truncated"
    assert read("text", f"The answer is {text}\n\nIt", finish="length").outcome == "ok"


def test_an_answer_that_is_asked_and_denied_is_none():
    assert choose("The answer is (b) mall? No, they are closed.").outcome == "unparsed"
    assert choose("The answer is (b) mall. Could it be a park? No.").label == "mall"
    assert read("number", "The answer is 5.5? No, 6.").outcome == "unparsed"
    assert read("text", "The answer is Paris? No, London.").outcome == "unparsed"


def test_text_in_a_formula_is_read_without_its_marks():
    assert read("text", r"The final answer is $\boxed{\text{Paris}}$").label == "Paris"


@pytest.mark.parametrize(
    "text", ["I like it.\nParis", "It is in Paris.", "The answer is", "#### Paris"]
)
def test_text_needs_a_cue(text):
    assert read("text", text).outcome == "unparsed"


@pytest.mark.parametrize("stop", [STOP, ()], ids=["told to stop", "not told"])
@pytest.mark.parametrize(
    "made_up",
    [
        "\n\nQ: Where now?\nA: The answer is (a) park.",
        "\nQ: Where now?\nA: The answer is (a) park.",
        "\n\nQuestion: Where now?\nAnswer: (a) park",
        "\n\n**Question 2:** Where now?\n**Answer:** (a) park",
        "\n\n### Question 2:\nWhere now?\n### Answer: (a) park",
        "\n\nInput: Where now?\nThe answer is (a) park.",
        "\n\nProblem 2. Where now?\nThe answer is (a) park.",
        "\n\nExample 3: Where now?\nThe answer is (a) park.",
        "\n\nHuman: Where now?\n\nAssistant: The answer is (a) park.",
        "\n\n### Instruction:\nWhere now?\n\nThe answer is (a) park.",
        "<|eot_id|>\nWhere now? The answer is (a) park.",
        "</s>[INST] Where now? [/INST] The answer is (a) park.",
    ],
)
def test_a_made_up_next_question_is_cut_off(made_up, stop):
    reply = "People shop there. So the answer is (b) mall."
    expected = Annotation("7", "ok", "People shop there.", "mall")
    assert choose(reply + made_up, stop=stop) == expected


SUM = Example("7", "She has 5 apples and buys 3. How many apples has she?")


def add(text: str) -> Annotation:
    return parse_completion(Task("", RowFormat("{{ q }}"), Answer("number")), SUM, Completion(text))


@pytest.mark.parametrize(
    "again",
    [
        f"I repeat it.\nProblem: {SUM.text}\nSolution: 5 + 3 = 8.\n",
        f"Sure.\n\n**Question:** {SUM.text}\n",
        "Step 1.\nInput: 5 apples and 3.\n",
        f"Well.\n### Problem 1:\n{SUM.text}\n",
    ],
)
def test_the_rows_own_question_asked_again_is_not_cut_off(again):
    assert add(f"{again}The answer is 8.").label == "8"
    assert add(f"The answer is 9.\n{again}The answer is 8.").label == "9"


def test_another_question_is_made_up_even_before_an_answer():
    for question in ("He has 5 pears. How many has he?", "She has 6 apples and buys 3."):
        assert add(f"They add up.\n\nQuestion: {question}\nThe answer is 5.").label is None
        assert add(f"5 + 3\n8\n\nQuestion: {question}\nThe answer is 5.").label == "8"


@pytest.mark.parametrize("must", ["must be", "should be", "would be", "will be", "has to be"])
def test_what_the_answer_must_be_is_its_answer_where_no_other_is(must):
    reply = f"People shop there. So the answer {must} (b) mall."
    assert choose(reply) == Annotation("7", "ok", "People shop there.", "mall")
    assert choose(f"The answer is (a) park. The answer {must} (b) mall.").label == "park"
    assert choose(f"The answer {must} one letter.\n\nB").label == "mall"
    assert choose(f"If she swam, the answer {must} (b) mall.").outcome == "unparsed"
    assert read("text", f"The answer {must} in English.").outcome == "unparsed"


def test_a_stop_text_of_the_task_is_obeyed():
    reply = "So the answer is (b) mall.\n--\nThe answer is (a) park."
    assert choose(reply, stop=("\n--",)).label == "mall"
    assert choose(reply, stop=()).problem == "two answers: 'mall' and 'park'"


@pytest.mark.parametrize(
    ("text", "rationale"),
    [
        ("<think>The answer is (a).</think>People shop. The answer is (b).", "People shop."),
        ("<think>\nNo.\n</think>\n\nPeople shop.\n\n**Answer:** B", "People shop."),
        ("<thinking>Hm.</thinking> People shop. The answer is (b).", "People shop."),
        ("The answer is (a).</think>People shop. The answer is (b).", "People shop."),
        ("<think>a</think><think>b</think>People shop. The answer is (b).", "People shop."),
        ("People shop. The answer is (b).<think>The answer is (a).", "People shop."),
    ],
)
def test_thinking_is_not_the_reply(text, rationale):
    assert choose(text) == Annotation("7", "ok", rationale, "mall")


def test_a_reply_that_only_thinks_is_empty():
    assert choose("<think>The answer is (b).").problem == "the reply is empty"
    assert choose("<think>The answer is (b).</think>").problem == "the reply is empty"
    assert choose("<think>The answer is (b).", finish="length").outcome == "truncated"


@pytest.mark.parametrize(
    "turn",
    [
        *("Wait, people shop.", "Hmm, but people shop.", "On reflection, people shop."),
        *("No, scratch that.", "Actually, people shop.", "I made a mistake: people shop."),
        *("That is not right.", "Sorry, I misspoke.", "I have changed my mind."),
        *("Let me correct that.", "Not quite: people shop.", "My previous answer was wrong."),
    ],
)
def test_the_later_of_two_answers_wins_if_the_first_is_taken_back(turn):
    annotation = choose(f"The answer is (a) park. {turn} So the answer is (b) mall.")
    assert annotation.label == "mall"
    assert "(a) park" not in annotation.rationale


@pytest.mark.parametrize(
    "text",
    [
        "The answer is (a) park. But people shop. So the answer is (b) mall.",
        "Answer: (a)\n\nAnswer: (b)",
        "The answer is (a).\n\\boxed{B}",
        "Label: park\n\nLabel: mall",
        "Answer: (a) Answer: (b)",
        "Correct option: (a) Correct option: (b) because one shops there",
        "So the best choice: (a) park Answer: (b)",
    ],
)
def test_two_answers_of_which_neither_is_taken_back_are_a_problem(text):
    assert choose(text).problem == "two answers: 'park' and 'mall'"


@pytest.mark.parametrize(
    "text",
    [
        "People shop.\n\n**Answer:** B\n\n#### b",
        "People shop. So the answer is (b) mall.\n\nAnswer: (b) mall",
        "People shop. The answer is $\\boxed{B}$.",
        "People shop.\n### Final Answer\nThe answer is **mall**.",
        "People shop. So the answer is the mall.\n\\boxed{B}",
    ],
)
def test_an_answer_said_twice_over_is_no_part_of_the_rationale(text):
    assert choose(text) == Annotation("7", "ok", "People shop.", "mall")


def test_reasons_between_two_equal_answers_are_kept():
    annotation = choose("Answer: B. Parks have no shops. So the answer is (b).")
    assert "Parks have no shops." in annotation.rationale


@pytest.mark.parametrize(
    ("text", "rationale"),
    [
        ("Rationale: People\n  shop.\nAnswer: B", "People shop."),
        ("**Explanation:** People shop.\n\n**Answer:** B", "People shop."),
        ("A: People shop. The answer is (b).", "People shop."),
        ("People *really* shop, so the answer is (b).", "People really shop"),
        ("1. People shop.\n2. So be it.\n\n---\n\n**Answer:** B", "1. People shop. 2. So be it."),
        ("It costs 3 * 4 = 12.\nAnswer: B", "It costs 3 * 4 = 12."),
        ("Costs: 5 > 3\n\\[\n\\boxed{B}\n\\]", "Costs: 5 > 3"),
        ("(b) mall", ""),
    ],
)
def test_the_rationale_is_what_stands_before_the_answer(text, rationale):
    annotation = choose(text)
    assert (annotation.outcome, annotation.rationale) == ("ok", rationale)


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I’m sorry, I cannot answer this.",
        "I cannot assist with that request.",
        "I can't help with that.",
        "I am unable to answer.",
        "I'm not able to help.",
        "I won't answer that.",
        "Sorry, no.",
        "Unfortunately, I cannot say.",
        "As an AI language model, I have no opinion.",
        "**I'm sorry**, I can't.",
        "<think>Hm.</think>I can't help with that.",
    ],
)
def test_a_refusal_is_told_apart(text):
    annotation = choose(text)
    assert (annotation.outcome, annotation.label) == ("refused", None)


def test_a_teacher_that_is_sorry_and_answers_is_read():
    assert choose("I'm sorry for the wait. The answer is (b).").label == "mall"


def test_a_failed_call_is_no_reply():
    task = Task("", RowFormat("{{ q }}"), Answer("choice"))
    completion = Completion("The answer is (b).", error="HTTP 500: down")
    annotation = parse_completion(task, Example("7", "q", OPTIONS), completion)
    assert annotation == Annotation("7", "failed", problem="HTTP 500: down")


PIECES = [
    *("The answer is ", "Answer:", "So the answer is ", "####", "\\boxed{", "}", "<answer>", "\n"),
    *("(a)", "(b) mall", "park", "go home", "A", "B", " or ", " and ", "not ", "either ", "/"),
    *("42", "-", "−", "1,234", ".5", "=", "x", "6 * 7", "((", "))", "%", "$", "½", "²", "٤٢"),
    *("**", "*", "_", "`", "```\n", "~~", "<think>", "</think>", "</s>", "<|im_end|>", "\n\nQ:"),
    *("\\frac{1}{", "\\text{", "{", "é", "ß", "İ", "中文：", "\u200b", "\ud83d", "🙂", "\0", " "),
    *('{"rationale": "', '", "answer": "', '"}', '{"', "```json\n", ": [", "\\n", "\\u00"),
    *("9" * 400, "1/0", "9**9", "wait", "I can't", "\nQuestion 2:", ". ", "!", "'", "“", "\x85"),
]


@pytest.mark.parametrize("kind", ["choice", "number", "equation", "text"])
def test_no_text_whatever_raises(kind):
    random = Random(kind)
    outcomes = set()
    for _ in range(750):
        text = "".join(random.choices(PIECES, k=random.randint(0, 14)))
        text = text[random.randint(0, 3) : len(text) - random.randint(0, 3)]
        finish = random.choice(["stop", "length", ""])
        annotation = read(kind, text, OPTIONS if kind == "choice" else (), finish=finish)
        assert (annotation.label is None) == (annotation.outcome != "ok"), text
        assert bool(annotation.problem) == (annotation.outcome != "ok"), text
        if annotation.label is not None:
            answer = Answer(kind)
            assert answer.same(annotation.label, annotation.label), text
            assert answer.canonical(annotation.label, OPTIONS) == annotation.label, text
        outcomes.add(annotation.outcome)
    assert outcomes == {"ok", "unparsed", "truncated", "refused"}


@pytest.mark.parametrize(
    "text",
    [
        "**a " * 5_000,
        "<think>" * 5_000,
        "</think>" * 5_000,
        "the most " * 5_000,
        "Answer: B\n" * 2_000,
        "#### " * 5_000,
        "\\boxed{" * 5_000,
        "The answer is " + "park " * 5_000,
        "The answer is " + "1+" * 10_000,
        "The answer is 1" + ", and" * 5_000,
        "The answer is " + "=" * 20_000,
        "The answer is " + "\\frac{1}{2}" * 2_000,
        " " * 50_000,
        '{"rationale": "' * 5_000,
        '{"rationale": "' + "So the answer is B. " * 2_000 + '", "answer": "B"}',
        '{"rationale": "' + "answer: " * 5_000 + '", "answer": "B"}',
        '{"a":' * 5_000,
        "```json\n" * 5_000,
        ":" * 200 + " " * 50_000 + "{",
        "Here: " * 5_000 + "```",
    ],
    ids=lambda text: text[:18].strip() or "spaces",
)
def test_a_long_reply_is_read_fast(text):
    start = time.thread_time()
    for kind in ("choice", "number", "equation", "text"):
        read(kind, text, OPTIONS if kind == "choice" else ())
    assert time.thread_time() - start < 3


def test_all_rationales_of_an_annotation():
    assert Annotation("7", "ok", "a", "mall", others=("b", "c")).rationales == ("a", "b", "c")
    assert Annotation("7", "ok", "a", "mall").rationales == ("a",)
    assert Annotation("7", "ok", "", "mall").rationales == ()
    assert Annotation("7", "failed", problem="down").rationales == ()


def relate(text: str, template: str = "Premise: {{ p }}\nHypothesis: {{ h }}") -> Annotation:
    answer = Answer("choice", ("entailment", "neutral", "contradiction"))
    row = Example("7", "Premise: A man runs.\nHypothesis: A man sleeps.")
    return parse_completion(Task("", RowFormat(template), answer), row, Completion(text))


@pytest.mark.parametrize(
    "next_row",
    [
        "\n\nPremise: Dogs bark.\nHypothesis: Dogs sing.\nAnswer: neutral",
        "\nPremise: Dogs bark.\nHypothesis: Dogs sing.\nAnswer: neutral",
        " Premise: Dogs bark. Hypothesis: Dogs sing. Answer: neutral",
        "\n\n**Premise:** Dogs bark.\n**Hypothesis:** Dogs sing.\n**Answer:** neutral",
        "\n\n[2] Text: Dogs bark.\nAnswer: neutral",
        "\n\n### Row\nDogs bark. Dogs sing.\nAnswer: neutral",
        "\n\n---\n\nText: Dogs bark.\nAnswer: neutral",
    ],
)
def test_a_next_row_is_known_by_the_template_or_by_its_form(next_row):
    expected = Annotation("7", "ok", "Who runs does not sleep.", "contradiction")
    assert relate(f"Who runs does not sleep.\nAnswer: contradiction{next_row}") == expected


def test_the_rows_own_words_under_the_head_of_a_row_are_not_cut_off():
    again = "The man runs.\nPremise: A man runs.\nHypothesis: A man sleeps.\nAnswer: contradiction"
    assert relate(again).label == "contradiction"
    assert relate("The man runs.\nPremise: Dogs bark.\nAnswer: neutral").label is None
