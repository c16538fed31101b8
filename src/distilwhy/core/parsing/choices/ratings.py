"""Choices that are figures, as ratings are given: ``four stars``, ``3 out of 5``, ``★★★☆☆``."""

import re
from functools import cache, lru_cache

from distilwhy.core.parsing.choices.mention import Mention
from distilwhy.core.parsing.cues import phrases
from distilwhy.core.parsing.numbers.numerals import number_words

_LANGUAGES = ("en", "de", "fr", "es", "pt", "ko")
_DRAWN = re.compile(r"(?<![★☆])(★+)☆*(?![★☆])")
# "between 3 and 4 stars", "I took off 2 stars"
_RANGE = re.compile(
    r"(?:\d ?(?:[-–~～]|\w{1,3})?|\b(?:off|loses?|lost|below|under|minus|confidence)|[扣减減]) ?\Z",
    re.I,
)


def find_ratings(line: str, choices: tuple[str, ...]) -> list[Mention]:
    """The choices that a line gives as ratings, where they are a scale from 1 or 0 up."""
    most = _most(choices)
    if most is None:
        return []
    found = [(str(len(stars[1])), stars) for stars in _DRAWN.finditer(line)]
    for rating in _ratings(most).finditer(line):
        if _RANGE.search(line, max(0, rating.start() - 16), rating.start()):
            return []
        said = rating[rating.lastindex or 0].lower()
        found.append((_worth().get(said, said), rating))
    return [
        Mention(frozenset([label]), *rating.span(), False)
        for label, rating in found
        if label in choices
    ]


@lru_cache(maxsize=256)
def _most(choices: tuple[str, ...]) -> str | None:
    """The highest figure of a scale; None for other choices."""
    most = len(choices) - ("0" in choices)
    scale = {str(figure) for figure in range(1, most + 1)}
    return str(most) if 2 < len(choices) < 12 and {*choices} - {"0"} == scale else None


@cache
def _ratings(most: str) -> re.Pattern[str]:
    """A figure or a number word with stars, or out of the highest one; its group is the number."""
    number = rf"(10|\d|{'|'.join(sorted(_worth(), key=len, reverse=True))})"
    apart = r"(?<![^\W一-龥ぁ-んァ-ヶ가-힣]|[.,:/-])"
    of = rf"(?: ?/ ?| (?:out of|sur|von|de|em|su) ){most}(?![\d%])"
    stars, points = phrases("stars").pattern, phrases("points").pattern
    rated = rf"{apart}{number}(?:(?:{of})?[ -]?{stars}(?![a-z])(?:{of})?|{of}(?: {points})?)"
    drawn = rf"(?:星|별점? ?){number}(?:つ|개|점|(?!\d))"
    return re.compile(rf"{rated}|{drawn}|^\W*{number} ?{points}\W*$", re.I)


@cache
def _worth() -> dict[str, str]:
    """The figures of the small number words of all languages."""
    return {
        word: str(value)
        for language in _LANGUAGES
        for word, value in number_words(language).items()
        if 0 < value < 11
    } | dict(zip("一二三四五两", "123452", strict=True))
