"""Controls: what is taught in place of rationales."""

from collections import Counter

import pytest

from distilwhy.core.method import METHODS, TargetOptions, render_training_rows
from distilwhy.core.parsing.completion import Annotation
from distilwhy.core.rationales.controls import join_words, split_words
from distilwhy.core.task import Example

CONTROLS = [name for name, method in METHODS.items() if method.control]
TEXT = "The Kestrel 12 falls silent whenever it rains. Our plan is Gold."
RATIONALE = "The Kestrel 12 is a router. The customer reports an unstable connection."


def taught(method: str, rows: dict[str, tuple[str, str, str]], seed: int = 0) -> dict[str, str]:
    """What each row teaches as its rationale; ``rows`` are (input, rationale, label) by id."""
    examples = [Example(name, text, gold=label) for name, (text, _, label) in rows.items()]
    told = {name: Annotation(name, "ok", why, label) for name, (_, why, label) in rows.items()}
    made = render_training_rows(METHODS[method], examples, told, TargetOptions(seed=seed))
    return {
        name: row.targets[1].text
        for name, row in zip(rows, made, strict=True)
        if len(row.targets) > 1
    }


def taught_one(method: str, text: str, rationale: str, seed: int = 0) -> str:
    return taught(method, {"1": (text, rationale, "A")}, seed)["1"]


def test_shuffled_words_are_the_same_words_in_another_order():
    made = taught_one("word-shuffled-rationales", TEXT, RATIONALE)
    assert Counter(made.split()) == Counter(RATIONALE.split())
    assert made != RATIONALE


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("rationale", ["one two", "5 + 3 = 8.", "a b c", "비가 오면 조용해집니다."])
def test_no_word_keeps_its_place(rationale, seed):
    made = taught_one("word-shuffled-rationales", "x", rationale, seed).split()
    assert all(one != other for one, other in zip(made, rationale.split(), strict=True))


def test_a_rationale_of_one_word_cannot_be_shuffled():
    assert taught_one("word-shuffled-rationales", "x", "8") == "8"
    assert taught_one("word-shuffled-rationales", "x", "  8\n") == "8"


@pytest.mark.parametrize(
    "rationale", ["客户说路由器断线了。", "ルーターが切れます。", "เราเตอร์ใช้ไม่ได้", "រ៉ោតទ័រខូច"]
)
def test_scripts_without_spaces_are_shuffled_by_character(rationale):
    made = taught_one("word-shuffled-rationales", "x", rationale)
    assert made != rationale
    assert " " not in made
    assert Counter(made) == Counter(rationale)


def test_marks_stay_with_their_letters():
    assert split_words("ใช้ไม่ได้") == ["ใ", "ช้", "ไ", "ม่", "ไ", "ด้"]
    assert split_words("हिन्दी में") == ["हिन्दी", "में"]


def test_words_and_characters_mix():
    words = split_words("客户的 Kestrel 12 断线了。")
    assert words == ["客", "户", "的", "Kestrel", "12", "断", "线", "了", "。"]
    assert join_words(words) == "客户的 Kestrel 12 断线了。"
    assert join_words([]) == ""


@pytest.mark.parametrize(
    ("text", "rationale", "keywords"),
    [
        (TEXT, RATIONALE, "a router customer reports an unstable connection"),
        ("He is asleep.", "If he is asleep, he is NOT awake. Not awake!", "If NOT awake"),
        ("Kim has 5 apples and eats 3.", "5 - 3 = 2. So Kim has $2 left.", "- = 2 So $2 left"),
        ("客户说断线了", "客户的路由器断线了。", "的路由器"),
        (
            "선풍기가 안 돼요",
            "선풍기가 고장입니다. 가전은 수리합니다.",
            "고장입니다 가전은 수리합니다",
        ),
        ("STRASSE gesperrt", "Die Straße ist „gesperrt“", "Die ist"),
        ("¿Llueve?", "Llueve, ¡claro! — sí", "claro — sí"),
        ("all of it", "All, of it.", ""),
    ],
)
def test_keywords_are_the_words_that_the_input_does_not_have_each_once(text, rationale, keywords):
    assert taught_one("keyword-rationales", text, rationale) == keywords


LABELLED = {str(i): (f"x{i}", f"why {i}", "ABC"[i % 3]) for i in range(30)} | {
    "alone": ("y", "why alone", "D")
}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("suffix", ["", "-gold"])
def test_same_label_rationales_come_from_another_row_with_that_label(seed, suffix):
    made = taught("same-label-rationales" + suffix, LABELLED, seed)
    whose = {why: name for name, (_, why, _) in LABELLED.items()}
    assert len(made) == 30
    for name, why in made.items():
        assert whose[why] != name
        assert LABELLED[whose[why]][2] == LABELLED[name][2]
    assert sorted(made.values()) == sorted(f"why {i}" for i in range(30))


def test_the_only_row_of_a_label_trains_its_label_alone():
    assert "alone" not in taught("same-label-rationales", LABELLED)


@pytest.mark.parametrize("method", CONTROLS)
def test_a_control_depends_on_the_seed_alone(method):
    rows = {str(i): (f"x{i}", f"why {i} is so, and more", "AB"[i % 2]) for i in range(20)}
    control = METHODS[method].control
    assert control
    assert taught(method, rows, 1) == taught(method, rows, 1)
    assert (taught(method, rows, 1) != taught(method, rows, 2)) is control.is_seeded


@pytest.mark.parametrize("method", CONTROLS)
def test_a_control_gives_no_rationale_to_a_row_without_one(method):
    rows = {"1": ("x", "", "A"), "2": ("y", "", "A"), "3": ("z", "so be it", "A")}
    assert {"1", "2"}.isdisjoint(taught(method, rows))


@pytest.mark.parametrize("method", ["word-shuffled-rationales", "keyword-rationales"])
def test_what_a_row_teaches_does_not_depend_on_other_rows(method):
    some = {"2": (TEXT, RATIONALE, "A")}
    more = {"1": ("x", "why not", "B"), **some}
    assert taught(method, some)["2"] == taught(method, more)["2"]


def test_each_of_several_rationales_is_shuffled_by_itself():
    told = {"1": Annotation("1", "ok", "a b c d e f", "A", others=("g h i j k l",))}
    method = METHODS["word-shuffled-rationales"]
    [row] = render_training_rows(method, [Example("1", "x")], told, TargetOptions())
    first, second = (targets[1].text for targets in (row.targets, *row.others))
    assert sorted(first.split()) == list("abcdef")
    assert sorted(second.split()) == list("ghijkl")
