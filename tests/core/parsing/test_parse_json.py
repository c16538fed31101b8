"""What is read in a reply that is a JSON object."""

import json

import pytest

from distilwhy.core.parsing.completion import Annotation
from reading import choose, read

OBJECT = '{"rationale": "People shop.", "answer": "mall"}'


@pytest.mark.parametrize(
    "text",
    [
        OBJECT,
        f"\n{OBJECT} ",
        f"```json\n{OBJECT}\n```",
        f"```\n{OBJECT}\n```",
        f"```JSON {OBJECT}```",
        f"Here is the answer:\n\n```json\n{OBJECT}\n```\n",
        f"<think>The answer is (a).</think>\n{OBJECT}",
        f"{OBJECT}<|im_end|>\nand so on",
        f"{OBJECT}\n\nQ: Where now?\nA: {{}}",
        '{\n  "answer": "mall",\n  "rationale": "People shop."\n}',
        '{"Rationale": "People shop.", "ANSWER": "(b)", "confidence": 0.9, "tags": [1, {}]}',
        '{"rationale": "People shop.", "answer": "B"}',
        '{"rationale": "People shop.", "answer": "**(b) mall**."}',
        '{"rationale": "People\n *shop*.", "answer": "the mall"}',
        '{"rationale": "People shop. So the answer is (b) mall.", "answer": "mall"}',
        '{"rationale": "People shop.\\n\\nAnswer: B", "answer": "mall"}',
        '{"rationale": "Rationale: People shop.", "answer": "m\\u0061ll"}',
    ],
)
def test_a_json_object_is_read(text):
    assert choose(text) == Annotation("7", "ok", "People shop.", "mall")


@pytest.mark.parametrize(
    "text",
    [
        OBJECT.removesuffix("}"),
        OBJECT.replace("}", ",}"),
        OBJECT.replace(",", ""),
        OBJECT.replace('"mall"', "mall"),
    ],
)
def test_a_broken_json_object_is_read_where_its_answer_is_whole(text):
    assert choose(text) == Annotation("7", "ok", "People shop.", "mall")


@pytest.mark.parametrize("finish", ["stop", "length"])
def test_a_json_object_that_is_whole_was_not_cut(finish):
    assert choose(OBJECT, finish=finish).outcome == "ok"


@pytest.mark.parametrize(
    ("rationale", "kept"),
    [
        ("", ""),
        (None, ""),
        ("The answer is the mall because people shop.", None),
        ("So the answer is park? No, people shop.", None),
        ("So the answer is (a) park.", None),
        ("So the answer is the mall.", ""),
        ("Q: why? A: shops.", None),
        ("```\nshops\n```", "shops"),
    ],
)
def test_the_rationale_of_a_json_object(rationale, kept):
    annotation = choose(json.dumps({"rationale": rationale, "answer": "mall"}))
    expected = rationale if kept is None else kept
    assert annotation == Annotation("7", "ok", expected, "mall")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"rationale": "People shop."}', "the JSON object has no 'answer', or is broken"),
        ('```json\n{"reply": "So the answer is (b)."}\n```',
         "the JSON object has no 'answer', or is broken"),
        ('{"rationale": "People shop.", "answer": ["mall", "park"]}',
         "the 'answer' of the JSON object is not text"),
        ('{"rationale": "So the answer is (b).", "answer": "ma',
         "the JSON object has no 'answer', or is broken"),
        ('{"a":' + "[" * 50_000, "the JSON object has no 'answer', or is broken"),
        (f"{OBJECT}\nWait, that is wrong.", "the answer is taken back"),
        (OBJECT + OBJECT.replace("mall", "park"), "two answers: 'mall' and 'park'"),
        (f"{OBJECT}\nAnswer: (a)", "two answers: 'mall' and 'park'"),
        ('{"label": "park", "answer": "mall"}', "two answers: 'mall' and 'park'"),
        ('{"rationale": "People shop.", "answer": "mall or park"}',
         "the answer names more than one choice: 'mall or park'"),
        ('{"rationale": "People shop.", "answer": null}',
         "the answer names none of the choices: ''"),
        ('{"rationale": "People shop.", "answer": "shop"}',
         "the answer names none of the choices: 'shop'"),
    ],
)  # fmt: skip
def test_a_json_object_that_is_not_read(text, problem):
    assert choose(text) == Annotation("7", "unparsed", problem=problem)


@pytest.mark.parametrize(
    "text",
    [
        '{"reasoning": "People shop.", "final_answer": "B"}',
        '{"explanation": "People shop.", "label": "mall"}',
        '{"thought": ["People", "shop."], "prediction": ["mall"]}',
        '{"result": {"reason": "People shop.", "label": "mall", "score": 0.9}}',
        f"{OBJECT}\n{OBJECT}",
        f"{OBJECT}\nI hope this helps!",
        'People shop.\n\n```json\n{"answer": "mall"}\n```',
        f"```json\n{OBJECT.replace('mall', 'park')}\n```\nWait, the answer is (b).",
    ],
)
def test_a_json_object_may_have_other_keys_and_stand_within_prose(text):
    assert choose(text).label == "mall"
    assert choose(text).rationale == "People shop."


def test_a_json_object_beside_an_answer_is_no_reply_of_that_form():
    text = 'The shop says:\n{"a": 1}\nSo the answer is (b).'
    assert choose(text).label == "mall"
    assert choose("{}").problem == "no answer is stated"


@pytest.mark.parametrize(
    ("kind", "answer", "label"),
    [
        ("number", "7", "7"),
        ("number", "7.50", "7.5"),
        ("number", '"$1,234.50"', "1234.5"),
        ("number", "9" * 5_000, None),
        ("number", "1e400", None),
        ("number", "NaN", None),
        ("number", "-Infinity", None),
        ("number", "true", None),
        ("equation", '"6 * 7"', "6 * 7"),
        ("equation", '"some * 7"', None),
        ("number", '"\\\\boxed{7}"', "7"),
        ("text", '"Paris."', "Paris"),
        ("text", '"Answer: Paris"', "Paris"),
        ("text", '"The answer is \\\\boxed{Paris}."', "Paris"),
        ("text", '"Paris. It is in France."', "Paris. It is in France"),
        ("text", '""', None),
    ],
)
def test_an_answer_in_json_is_read_by_its_kind(kind, answer, label):
    annotation = read(kind, f'{{"rationale": "Why.", "answer": {answer}}}')
    assert annotation.label == label
    assert annotation.outcome == ("ok" if label else "unparsed")


def test_a_fixed_label_in_json_is_taken_as_it_stands():
    labels = ("not clear", "*", "True", "a or b")
    for label in labels:
        text = json.dumps({"rationale": "Why.", "answer": label})
        assert read("choice", text, labels=labels) == Annotation("7", "ok", "Why.", label)
    assert read("choice", '{"rationale": "", "answer": true}', labels=labels).label == "True"
