"""The policies for rationales of wrong labels."""

import pytest

from distilwhy.core.parsing.answer import Answer
from distilwhy.core.parsing.completion import Annotation
from distilwhy.core.review import Review, WrongPolicy, review
from distilwhy.core.task import Example

ANSWER = Answer("choice", ("red", "blue"))
EXAMPLES = [Example(i, i, gold=gold) for i, gold in zip("abcde", ["red"] * 4 + [None], strict=True)]
ANNOTATIONS = {
    "a": Annotation("a", "ok", "right", "red"),
    "b": Annotation("b", "ok", "wrong", "blue", others=("more",), explanation="it is red"),
    "c": Annotation("c", "ok", "wrong", "blue"),
    "d": Annotation("d", "unparsed", problem="no answer"),
    "e": Annotation("e", "ok", "nobody knows", "blue"),
}


def settle(policy: WrongPolicy) -> Review:
    return review(ANSWER, EXAMPLES, ANNOTATIONS, policy)


def test_keep_changes_nothing():
    assert settle("keep") == Review(ANNOTATIONS, known=3, wrong=2)


def test_drop_rationale_keeps_the_label():
    found = settle("drop-rationale")
    assert (found.known, found.wrong, found.unreasoned) == (3, 2, 2)
    assert (found.annotations["b"].label, found.annotations["b"].rationales) == ("blue", ())


def test_drop_row_removes_the_row():
    found = settle("drop-row")
    assert (found.dropped, sorted(found.annotations)) == (2, ["a", "d", "e"])


def test_explain_takes_the_gold_label_and_its_explanation():
    found = settle("explain")
    assert (found.explained, found.unreasoned) == (1, 1)
    assert (found.annotations["b"].label, found.annotations["b"].rationales) == (
        "red",
        ("it is red",),
    )
    assert (found.annotations["c"].label, found.annotations["c"].rationales) == ("blue", ())


@pytest.mark.parametrize("policy", ["keep", "drop-rationale", "drop-row", "explain"])
def test_rows_without_gold_and_unparsed_answers_are_unchanged(policy: WrongPolicy):
    found = settle(policy).annotations
    assert all(found[i] == ANNOTATIONS[i] for i in "ade")
