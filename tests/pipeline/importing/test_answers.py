"""The kind of answer, the labels and the reasons are found in replies of many forms."""

from collections.abc import Callable

import pytest

from distilwhy.core.parsing.completion import Completion
from distilwhy.errors import ConfigError
from distilwhy.pipeline.importing.answers import Answers, ParsedReply, find_answers

LABELS = ("damage", "question", "praise")


def answers(form: Callable[[int, str], str], wanted: str | None = None) -> Answers:
    replies = [Completion(form(i, LABELS[i % 3])) for i in range(30)]
    return find_answers(replies, wanted)


@pytest.mark.parametrize(
    ("form", "verbatim"),
    [
        (lambda i, label: f"Why {i}. So the answer is {label}.", True),
        (lambda i, label: f"Why {i}.\n\n{label.upper()}", True),
        (lambda i, label: f'```json\n{{"rationale": "Why {i}.", "answer": "{label}"}}\n```', True),
        (lambda i, label: f"Reason: Why {i}.\nCategory: {label}", True),
        (lambda i, label: f"**Category**: {label}\n**Reason**: Why {i}.", False),
        (lambda i, label: f"{label}\nWhy {i}.", False),
        (lambda i, label: f'{{"urgent": {str(i % 2 == 0).lower()}, "kind": "{label}", '
         f'"note": "a much longer text", "reason": "Why {i}."}}', True),
    ],
)  # fmt: skip
def test_labels_and_reasons_are_found(form, verbatim: bool):
    found = answers(form)
    assert found.answer.kind == "choice"
    assert {label.lower() for label in found.answer.labels} == set(LABELS)
    assert found.parsed[4] == ParsedReply(found.answer.labels[1], "Why 4.")
    assert (found.verbatim, found.explains) == (verbatim, True)


def test_bare_labels_have_no_reasons():
    found = answers(lambda i, label: f"**{label.title()}**.")
    assert found.answer.labels == ("Damage", "Question", "Praise")
    assert (found.verbatim, found.explains) == (True, False)


def test_spellings_of_a_label_are_one_label():
    found = answers(lambda i, label: label.title() if i < 12 else label)
    assert found.answer.labels == LABELS
    assert found.parsed[0].label == "damage"


def test_a_label_that_was_given_once_is_no_label():
    found = answers(lambda i, label: "I cannot say" if i == 3 else label)
    assert set(found.answer.labels) == set(LABELS)
    assert found.parsed[3].label is None
    assert found.found.endswith("; no answer was found in 1 replies")


@pytest.mark.parametrize(
    ("form", "kind", "label"),
    [
        (lambda i, label: f"That makes {7 * i}. The answer is {7 * i}.", "number", "14"),
        (lambda i, label: str(13 * i), "number", "26"),
        (lambda i, label: str(i % 5), "choice", "2"),
        (lambda i, label: f"It is old. The answer is Town {i}.", "text", "Town 2"),
        (lambda i, label: f"A summary of story {i}. It is long.", "text",
         "A summary of story 2. It is long."),
    ],
)  # fmt: skip
def test_other_kinds_are_told_apart(form, kind: str, label: str):
    found = answers(form)
    assert (found.answer.kind, found.parsed[2].label) == (kind, label)


def test_labels_that_are_given_choose_the_field():
    def form(i: int, label: str) -> str:
        return f'{{"kind": "{label}", "urgent": "{"no" if i % 2 else "yes"}", "reason": "Why."}}'

    found = answers(form, "yes, no")
    assert found.answer.labels == ("yes", "no")
    assert found.parsed[1].label == "no"


def test_a_kind_that_is_given_is_taken():
    found = answers(lambda i, label: f"Add. The answer is {i} + 1.", "equation")
    assert (found.answer.kind, found.parsed[2].label) == ("equation", "2 + 1")


def test_replies_that_were_cut_do_not_decide_the_kind():
    cut = [Completion("I would say", "length")] * 20
    found = find_answers([*cut, *(Completion(f"Why. The answer is {x}.") for x in LABELS * 10)])
    assert found.answer.labels == LABELS
    assert found.parsed[19:21] == [ParsedReply(None), ParsedReply("damage", "Why.")]


@pytest.mark.parametrize("wanted", ["nonsense", "a,a", ","])
def test_one_label_is_no_choice(wanted: str):
    with pytest.raises(ConfigError, match="must be number, equation, text, or two or more labels"):
        answers(lambda i, label: label, wanted)


ALIKE = [(":)", ":("), ("US", "us"), ("!", "?"), ("an hour", "a hour"), ("C", "C!"), ("*", "**")]


@pytest.mark.parametrize("labels", ALIKE)
@pytest.mark.parametrize(
    "form", ["{}", "Why {i}.\n{}", "Mood: {}\nWhy {i}.", '{{"answer": "{}", "reason": "Why {i}."}}']
)
def test_labels_that_are_listed_are_told_apart(labels: tuple[str, str], form: str):
    replies = [Completion(form.format(labels[i % 2], i=i)) for i in range(20)]
    found = find_answers(replies, ",".join(labels))
    assert [one.label for one in found.parsed] == [labels[i % 2] for i in range(20)]


@pytest.mark.parametrize("labels", [(":)", ":("), ("!", "?"), ("*", "**"), ("+", "-")])
@pytest.mark.parametrize("form", ["{}", "Why {i}.\n{}", "Mood: {}", "**Mood:** {}\nWhy {i}."])
def test_labels_of_signs_alone_are_found(labels: tuple[str, str], form: str):
    found = find_answers([Completion(form.format(labels[i % 2], i=i)) for i in range(20)])
    assert set(found.answer.labels) == set(labels)
    assert [one.label for one in found.parsed] == [labels[i % 2] for i in range(20)]


def test_spellings_that_count_as_one_label_are_told():
    found = answers(lambda i, label: label.upper() if i < 12 else f"{label}.")
    assert "'DAMAGE' (4) counts as 'damage'" in found.found.replace("damage.", "damage")
    assert found.found.endswith("; if they are different labels, list them in --answer")
    assert "counts as" not in answers(lambda i, label: label).found


def test_two_forms_of_a_letter_are_one_label():
    found = find_answers(
        [Completion(("Café", "Cafe\u0301", "bar", "bar")[i % 4]) for i in range(20)]
    )
    assert len(found.answer.labels) == 2
    with pytest.raises(ConfigError, match="two or more labels"):
        find_answers([Completion("x")], "Café,Cafe\u0301")
