"""Near-duplicates are found by MinHash, and said so in the plan."""

import pytest

from commands import call
from distilwhy.pipeline.near_duplicates import find_near_duplicates, group_near_duplicates

TEXT = "The swing near the old rose garden at Elm Street has a long crack since the storm."


@pytest.mark.parametrize(
    "other",
    [
        TEXT.upper(),
        TEXT.replace(" ", "\n").rstrip("."),
        f"{TEXT} Thanks!",
        f"Hello, {TEXT}",
        TEXT.replace("storm", "fair"),
        TEXT.replace("a long crack", "a crack"),
        "花壇のそばの古いベンチに長いひびが入っています。",
    ],
)
def test_small_changes_make_near_duplicates(other: str):
    first = TEXT if other.isascii() else other.replace("長い", "")
    assert find_near_duplicates([other], [first]) == [(0, 0)]


@pytest.mark.parametrize(
    "other",
    [
        "The fountain near the north gate leaks day and night, please send somebody.",
        TEXT.replace("Elm Street", "Elm Street 12"),
        "",
        "?!",
    ],
)
def test_other_texts_are_none(other: str):
    assert find_near_duplicates([other], [TEXT, "", "order 7"]) == []


def test_groups_hold_near_duplicates_of_their_members():
    longer = f"{TEXT} Thank you all so very much."
    assert find_near_duplicates([f"{longer} Yours truly, a neighbour."], [TEXT]) == []
    texts = ["a b c", TEXT, f"{longer} Yours truly, a neighbour.", "d e f", longer]
    assert group_near_duplicates(texts) == [[0], [1, 2, 4], [3]]


def test_the_plan_names_near_duplicates(write_experiment):
    def rows(letter: str, *texts: str) -> list[dict[str, str]]:
        return [
            {"id": f"{letter}{i}", "message": text, "kind": "damage"}
            for i, text in enumerate(texts)
        ]

    other = ["May dogs bathe in the pond?", "We love the new fence.", "Where is the map?"]
    train = rows("a", TEXT, f"{TEXT} Thanks!", *other, "The lamp is dark.", "A gate.", "A bin.")
    test = rows("t", "May dogs swim there?", TEXT.replace("since", "after"))
    shown = call("plan", write_experiment(train=train, test=test)).stdout
    assert (
        "warning: 1 near-duplicate of train rows in test, such as 't1' of 'a0': a student" in shown
    )
    assert "warning: 1 near-duplicate within train, such as 'a1' of 'a0'" in shown
    plain = call("plan", write_experiment(train=train[1:], test=test[:1])).stdout
    assert "near-duplicate" not in plain
