"""What an answer may be: one of some choices, a number, an equation, or text."""

import re
import string
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from distilwhy.core.parsing.expression import (
    NUMERAL,
    EquationError,
    parse_equation,
    render_equation,
    render_number,
)

Kind = Literal["choice", "number", "equation", "text"]

CURRENCY = "$€£¥₹"

_NUMBER = re.compile(rf"[-−–]?\s*(?:{NUMERAL})(?:\s*/\s*\d+)?")
# Not all of string.punctuation: C is not C++, and 5 is neither -5 nor $5.
_OUTER = " .,;:!?()[]*_`'\"“”‘’"
_ARTICLE = re.compile(r"^(?:a|an|the) (?=.)")


class Unreadable(ValueError):
    """Why a text states no answer."""


@dataclass(frozen=True)
class Answer:
    """The space of a task's answers, and when two of them are the same.

    Attributes:
        kind: ``choice``, ``number``, ``equation`` or ``text``.
        labels: The fixed labels of a ``choice``; empty where each row brings its own options.
    """

    kind: Kind
    labels: tuple[str, ...] = ()

    def choices(self, options: tuple[str, ...]) -> tuple[str, ...]:
        """The labels open to a row with these options: its own, or the fixed ones."""
        return options or self.labels

    def canonical(self, text: str, options: tuple[str, ...] = ()) -> str | None:
        """``text`` as this answer is always written, or None if it is no such answer."""
        if self.kind == "choice":
            return match_choice(text, self.choices(options))
        if self.kind == "number":
            return _canonical_number(text)
        if self.kind == "equation":
            return _canonical_equation(text)
        return " ".join(text.split()) or None

    def same(self, left: str | None, right: str | None) -> bool:
        """Whether two labels, in canonical form, are the same answer.

        Equations and numbers are compared by their exact value; choices and text without
        letter case, punctuation at their ends and a leading article; None is the same as
        nothing.
        """
        if left is None or right is None:
            return False
        if self.kind in ("number", "equation"):
            return _value(left) == _value(right)
        return fold(left) == fold(right)


def fold(text: str) -> str:
    """Text with case, spacing, outer punctuation and a leading article taken away."""
    bare = " ".join(text.lower().split()).strip(_OUTER)
    return _ARTICLE.sub("", bare)


def match_choice(text: str, choices: tuple[str, ...]) -> str | None:
    """The choice that ``text`` is, letter for letter or else when both are folded."""
    if text in choices:
        return text
    folded = fold(text)
    found = {choice for choice in choices if folded and fold(choice) == folded}
    return found.pop() if len(found) == 1 else None


def letter(index: int) -> str:
    """``a`` for 0, ``b`` for 1, …: how the options of a row are marked; past ``z``, numbers."""
    return string.ascii_lowercase[index] if index < 26 else str(index + 1)


def _canonical_number(text: str) -> str | None:
    cleaned = text.strip().strip(CURRENCY + " ").removesuffix("%").strip()
    if not _NUMBER.fullmatch(cleaned):
        return None
    return _canonical_value(cleaned)


def _canonical_value(text: str) -> str | None:
    try:
        return render_number(parse_equation(text).value)
    except EquationError:
        return None


def _canonical_equation(text: str) -> str | None:
    try:
        return render_equation(parse_equation(text))
    except EquationError:
        return None


def _value(text: str) -> Fraction:
    return parse_equation(text).value
