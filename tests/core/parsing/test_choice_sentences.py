"""Choices that sentences state, or set aside, without a cue."""

import pytest

from reading import choose, read

LEVELS = ("P1", "P2", "P3")
TEAMS = ("billing", "network", "accounts")


@pytest.mark.parametrize(
    "reply",
    [
        "Opinions differ, but if I have to choose I'd say the mall.",
        "It isn't (a), as parks have no shops; it's (b), mall.",
        "The option that fits is (b) mall.",
        "Of the places you list, the right one is the mall.",
        "Please take mall as my answer.",
        "He likes shops and crowds. The conclusion for a Saturday in the rain: mall.",
        "Shops sell shoes. Mall\n\nI hope that helps, and that it stops raining.",
    ],
)
def test_a_sentence_states_a_choice(reply: str) -> None:
    assert choose(reply).label == "mall"


@pytest.mark.parametrize(
    "reply",
    [
        "Parks have no shops, so I cross out the park.",
        "He has no work to do there, so we can rule out the office.",
        "So I would exclude the mall.",
        "Ida says that the answer is (b) mall. We have not checked it.",
        "My neighbour's answer: mall. I haven't got one.",
        "Shoes are sold in the mall. If they were new, the answer would be mall. These are old.",
        "If it rains, it is the mall.",
        "I'd say mall, were it not for the rain.",
        "Anything but the mall.",
        "Mall here is only a word. The place that is meant is the park.",
        "The editors would presumably mark it as mall.",
        "The answer that most people give is (b) mall, and they are mistaken.",
        "Without more context I can't tell. People meet in a park, and also shop in a mall.",
        "That would be in character for a mall, and for a park. I lean neither way.",
        "A rainy day would be a case for the mall; a sunny one for the park. Both apply.",
    ],
)
def test_a_sentence_that_sets_a_choice_aside_states_none(reply: str) -> None:
    assert choose(reply).label is None


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("There is a workaround. Because of that, P3 is my decision.", "P3"),
        ("All customers are affected.\n\n=> P1\n\nIt may be downgraded later.", "P1"),
        ("First impression: P3. After a second look, I change my answer to P1.", "P1"),
    ],
)
def test_a_level_is_decided(reply: str, label: str | None) -> None:
    assert read("choice", reply, labels=LEVELS).label == label


def test_the_reason_before_a_conclusion_in_one_sentence_is_kept() -> None:
    found = read("choice", "Routers are part of the wiring, so it is network.", labels=TEAMS)
    assert (found.label, found.rationale) == ("network", "Routers are part of the wiring")
    found = read("choice", "The ticket is therefore network.", labels=TEAMS)
    assert (found.label, found.rationale) == ("network", "")


def test_a_field_for_the_final_choice_is_read_in_a_broken_object_too() -> None:
    reply = 'Here it is:\n\n{"rationale": "A "mall" has shops.", "final_choice": "mall",}\n\nBye!'
    assert choose(reply).label == "mall"
