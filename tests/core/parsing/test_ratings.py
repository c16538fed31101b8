"""Ratings: labels that are figures, as stars and scales give them."""

import pytest

from reading import read

STARS = ("1", "2", "3", "4", "5")


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("Cinq étoiles.", "5"),
        ("★★★★★", "5"),
        ("★★★☆☆", "3"),
        ("Três estrelas: o texto é morno.", "3"),
        ("Cinco estrellas, sin duda.", "5"),
        ("One flaw, so I'd go with four stars.", "4"),
        ("整体好评，扣一星，所以给四星。", "4"),
        ("最後まで普通なので、星3つとしました。", "3"),
        ("My grade for this essay is a two.", "2"),
        ("The rating is 4 out of 5.", "4"),
        ("Zwischen 3 und 4 Sternen, je nachdem.", None),
        ("Between 3 and 4 stars.", None),
        ("Rating: ?/5", None),
        ("I'd take off 2 stars.", None),
        ("I can't rate it. Confidence 4/5.", None),
        ("It raises 2 points.", None),
        ("The room has 4 windows and 2 beds.", None),
    ],
)
def test_a_rating(reply: str, label: str | None) -> None:
    assert read("choice", reply, labels=STARS).label == label


def test_other_figures_are_no_ratings() -> None:
    options = ("2", "3", "4", "5")
    said = "The answer is 5, as 2 stars and 3 stars make 5."
    assert read("choice", said, options).label == "5"
    assert read("choice", "The answer is ³. 5 stars", ("²", "³")).label == "³"


def test_a_scale_to_ten() -> None:
    ten = tuple(str(figure) for figure in range(1, 11))
    assert read("choice", "The rating is 10/10.", labels=ten).label == "10"
    assert read("choice", "I'd give it 8 out of 10.", labels=ten).label == "8"
