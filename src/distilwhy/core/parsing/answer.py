"""Answer spaces: choices, numbers, equations and text."""

import re
import string
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal
from unicodedata import normalize

from distilwhy.core.parsing.numbers.expression import (
    NUMERAL,
    EquationError,
    parse_equation,
    render_number,
)

Kind = Literal["choice", "number", "equation", "text"]

CURRENCY = "$€£¥₹"

_NUMBER = re.compile(rf"[-−–]?\s*(?:{NUMERAL})(?:\s*/\s*\d+)?")
# Not all of string.punctuation: C is not C++, and 5 is neither -5 nor $5.
_OUTER = " .,;:!?()[]*_`'\"“”‘’"
ARTICLE = re.compile(r"^(?:a|an|the) (?=.)")
# Those of other languages, which may also begin a name, as in "La Paz".
_ARTICLES = re.compile(
    r"^(?:(?:der|die|das|ein|eine|le|la|les|un|une|el|los|las|una|o|os|um|uma) |l['’])(?=.)"
)


class Unreadable(ValueError):
    """Why a text states no answer."""


class Unnamed(Unreadable):
    """It names nothing that could be one."""


@dataclass(frozen=True)
class Answer:
    """The answer space of a task, and when two answers are the same.

    Attributes:
        labels: The fixed labels of a ``choice``; empty if each row has its own options.
    """

    kind: Kind
    labels: tuple[str, ...] = ()

    def choices(self, options: tuple[str, ...]) -> tuple[str, ...]:
        """The choices of a row with these options: its own, or the fixed labels."""
        return options or self.labels

    def canonical(self, text: str, options: tuple[str, ...] = ()) -> str | None:
        """``text`` in canonical form; None if it is not a valid answer."""
        if self.kind == "choice":
            return match_choice(text, self.choices(options))
        if self.kind == "text":
            return " ".join(text.split()) or None
        with suppress(EquationError):
            if self.kind == "equation":
                return parse_equation(text).text
            plain = text.strip().strip(CURRENCY + " ").removesuffix("%").strip()
            if _NUMBER.fullmatch(plain):
                return render_number(parse_equation(plain).value)
        return None

    def same(self, left: str | None, right: str | None) -> bool:
        """Whether two labels, in canonical form, are the same answer.

        Equations and numbers are compared by exact value, choices to the letter, and text
        ignoring case, outer punctuation and a leading article, unless it has nothing else. None
        equals nothing, not even None.
        """
        if left is None or right is None:
            return False
        if self.kind in ("number", "equation"):
            return parse_equation(left).value == parse_equation(right).value
        if spelt(left) == spelt(right):
            return True
        plain = {_ARTICLES.sub("", fold(text)) for text in (left, right)}
        return self.kind == "text" and len(plain) == 1 and plain != {""}


def fold(text: str) -> str:
    """Text without case, extra spacing, outer punctuation and a leading article."""
    bare = spelt(text.lower()).strip(_OUTER)
    return ARTICLE.sub("", bare)


def spelt(text: str) -> str:
    """A text with one form of each letter, and single spaces."""
    return " ".join(normalize("NFC", text).split())


def match_choice(text: str, choices: tuple[str, ...]) -> str | None:
    """The choice that equals ``text``, exactly or after folding; None if there is no single one."""
    for choice in choices:
        if spelt(choice) == spelt(text):
            return choice
    folded = fold(text)
    found = {choice for choice in choices if folded and fold(choice) == folded}
    return found.pop() if len(found) == 1 else None


def letter(index: int) -> str:
    """The letter of an option: ``a`` for 0, ``b`` for 1, …; numbers after ``z``."""
    return string.ascii_lowercase[index] if index < 26 else str(index + 1)
