import pytest

from distilwhy.core.parsing.answer import Answer, fold, letter, match_choice

OPTIONS = ("park", "the mall", "go", "go home")


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("park", "park"),
        (" Park. ", "park"),
        ("a park", "park"),
        ("mall", "the mall"),
        ('"The  Mall"', "the mall"),
        ("go", "go"),
        ("Go home!", "go home"),
        ("parks", None),
        ("park bench", None),
        ("", None),
        ("...", None),
    ],
)
def test_a_choice_is_one_of_the_options(text, canonical):
    assert Answer("choice").canonical(text, OPTIONS) == canonical


def test_a_choice_among_fixed_labels_needs_no_options():
    answer = Answer("choice", ("entailment", "neutral"))
    assert answer.canonical("Neutral") == "neutral"
    assert answer.canonical("maybe") is None
    assert answer.choices(()) == ("entailment", "neutral")


def test_a_rows_own_options_come_before_the_labels():
    answer = Answer("choice", ("yes", "no"))
    assert answer.choices(("red", "blue")) == ("red", "blue")
    assert answer.canonical("yes", ("red", "blue")) is None


@pytest.mark.parametrize(
    ("choices", "text", "found"),
    [
        (("Turkey", "turkey"), "turkey", "turkey"),
        (("Turkey", "turkey"), "TURKEY", None),
        (("store", "store", "park"), "Store", "store"),
        (("C", "C++", "C#"), "c", "C"),
        (("C", "C++", "C#"), "c++", "C++"),
        (("C++", "Java"), "C", None),
        (("-3", "3", "$3"), "3.", "3"),
        (("?", "!"), "?", "?"),
        (("?", "!"), "...", None),
        ((":)", ":("), ":(", ":("),
        (("Caf\u00e9", "Bar"), "cafe\u0301", "Caf\u00e9"),
    ],
)
def test_choices_that_are_alike_are_kept_apart(choices, text, found):
    assert match_choice(text, choices) == found


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("42", "42"),
        (" 42.0 ", "42"),
        ("$1,234.50", "1234.5"),
        ("50 %", "50"),
        ("-7", "-7"),
        ("−7", "-7"),
        (".5", "0.5"),
        ("1/3", "1/3"),
        ("2/4", "0.5"),
        ("1/0", None),
        ("1,50", None),
        ("1,2,3", None),
        ("42 apples", None),
        ("6 * 7", None),
        ("forty-two", None),
        ("", None),
        ("9" * 5000, None),
    ],
)
def test_a_number_is_written_in_one_way(text, canonical):
    assert Answer("number").canonical(text) == canonical


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("(84/2)", "84 / 2"), ("1+2*3", "1 + 2 * 3"), ("42", "42"), ("x + 1", None), ("1/0", None)],
)
def test_an_equation_is_written_in_one_way(text, canonical):
    assert Answer("equation").canonical(text) == canonical


@pytest.mark.parametrize(
    ("text", "canonical"), [(" Paris,  France ", "Paris, France"), ("  ", None), ("\n", None)]
)
def test_text_is_kept_but_for_its_spacing(text, canonical):
    assert Answer("text").canonical(text) == canonical


@pytest.mark.parametrize(
    ("kind", "left", "right", "same"),
    [
        ("number", "0.5", "1/2", True),
        ("number", "42", "42.0", True),
        ("number", "1/3", "0.333", False),
        ("equation", "84 / 2", "6 * 7", True),
        ("equation", "84 / 2", "43", False),
        ("choice", "park", "park", True),
        ("choice", "park", "mall", False),
        ("choice", "C", "C++", False),
        ("choice", "not entailment", "entailment", False),
        ("choice", ":)", ":(", False),
        ("choice", "US", "us", False),
        ("choice", "an hour", "a hour", False),
        ("choice", "Caf\u00e9", "Cafe\u0301", True),
        ("text", "?", "!", False),
        ("text", "?", "?", True),
        ("text", "Caf\u00e9", "CAFE\u0301.", True),
        ("text", "The Beatles", "beatles.", True),
        ("text", "-5", "5", False),
        ("text", "Paris", "Paris, France", False),
    ],
)
def test_when_two_labels_are_the_same(kind, left, right, same):
    assert Answer(kind).same(left, right) is same
    assert Answer(kind).same(right, left) is same


@pytest.mark.parametrize("kind", ["choice", "number", "equation", "text"])
def test_nothing_is_the_same_as_no_label(kind):
    assert not Answer(kind).same(None, "42")
    assert not Answer(kind).same("42", None)
    assert not Answer(kind).same(None, None)


def test_a_canonical_equation_can_always_be_compared():
    long = Answer("equation").canonical("+".join("1" * 150))
    assert long is not None
    assert len(long) > 300
    assert Answer("equation").same(long, "150")


def test_folding_takes_away_what_carries_no_meaning():
    assert fold("  “The  Mall”. ") == "mall"
    assert fold("a") == "a"
    assert fold("A+") == "a+"


def test_options_are_lettered_and_then_numbered():
    assert [letter(i) for i in (0, 1, 25, 26)] == ["a", "b", "z", "27"]
