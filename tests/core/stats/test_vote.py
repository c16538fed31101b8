"""Several answers to one question become one by majority vote."""

import pytest

from distilwhy.core.parsing.answer import Answer
from distilwhy.core.parsing.completion import Annotation
from distilwhy.core.stats.vote import join_samples

CHOICE = Answer("choice", ("park", "mall", "office"))
FAILED = Annotation("7", "failed", problem="HTTP 500: down")
UNPARSED = Annotation("7", "unparsed", problem="no answer is stated")


def told(label: str, rationale: str = "") -> Annotation:
    return Annotation("7", "ok", rationale, label)


@pytest.mark.parametrize("sample", [told("mall", "Shops."), told("mall"), UNPARSED, FAILED])
def test_one_sample_stays_as_it_is(sample):
    assert join_samples(CHOICE, [sample]) == sample


def test_the_commonest_label_wins_with_all_its_reasons():
    samples = [told("park", "p"), told("mall", "m1"), told("office", "o"), told("mall", "m2")]
    assert join_samples(CHOICE, samples) == Annotation(
        "7",
        "ok",
        "m1",
        "mall",
        others=("m2",),
        votes=(("mall", 0.5), ("park", 0.25), ("office", 0.25)),
    )


def test_of_equally_common_labels_the_first_given_wins():
    samples = [told("park", "p1"), told("mall", "m1"), told("mall", "m2"), told("park", "p2")]
    joined = join_samples(CHOICE, samples)
    assert (joined.label, joined.rationales) == ("park", ("p1", "p2"))
    assert joined.votes == (("park", 0.5), ("mall", 0.5))


def test_reasons_that_are_empty_or_said_before_are_left_out():
    samples = [told("mall", text) for text in ("", "m1", "m2", "m1", "")]
    joined = join_samples(CHOICE, samples)
    assert (joined.rationale, joined.others) == ("m1", ("m2",))
    assert joined.votes == (("mall", 1.0),)
    bare = join_samples(CHOICE, [told("mall"), told("mall")])
    assert (bare.rationale, bare.others, bare.rationales) == ("", (), ())


def test_shares_are_of_the_readable_samples():
    samples = [FAILED, told("park", "p"), UNPARSED, told("mall", "m1"), told("mall", "m2")]
    joined = join_samples(CHOICE, samples)
    assert (joined.outcome, joined.label, joined.problem) == ("ok", "mall", "")
    assert joined.votes == (("mall", 2 / 3), ("park", 1 / 3))


def test_where_none_is_readable_the_first_stays_as_it_is():
    assert join_samples(CHOICE, [UNPARSED, FAILED]) == UNPARSED


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [("equation", "7 * 12", "12 * 7"), ("number", "84", "84.0"), ("text", "The mall", "mall.")],
)
def test_answers_that_are_the_same_vote_together(kind, first, second):
    samples = [told("9", "x"), told(first, "a"), told(second, "b")]
    joined = join_samples(Answer(kind), samples)
    assert (joined.label, joined.rationales) == (first, ("a", "b"))
