"""Controls: what ``step-by-step`` is taught in place of the teacher's rationales.

A control keeps the second task and takes something away from the rationales. Where a student does
as well with it, what was taken away is not what helps. Students gain almost as much from rationales
with permuted words, and from a few of their words (Wadhwa et al. 2024, *Investigating Mysteries of
CoT-Augmented Distillation*, arXiv 2406.14511; Shah et al. 2025, *Regularization Through Reasoning*,
arXiv 2511.02044).
"""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import NamedTuple
from unicodedata import category

Rationales = tuple[str, ...]

# Scripts without spaces between words, with their punctuation: Thai, Lao, Burmese, Khmer, kana,
# Chinese characters, and full-width forms. A character of theirs is taken for a word.
_UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3001-\u303f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
    r"\uff01-\uffef\U00020000-\U0003ffff"
)
_IS_UNSPACED = re.compile(rf"[{_UNSPACED}]")
_WORD = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")
_PUNCTUATION = frozenset({"Ps", "Pe", "Pi", "Pf", "Po"})
_OPERATORS = frozenset("*/%&#@")


class TaughtRow(NamedTuple):
    """A row as a student learns it; without rationales if the teacher gave none."""

    id: str
    text: str
    label: str
    rationales: Rationales


@dataclass(frozen=True)
class Control:
    """One way to replace rationales.

    Attributes:
        words: What is taught instead, for people.
        replace: From rows and a seed, what each row teaches instead of its rationales.
        is_seeded: Whether the seed matters.
        is_short: Whether less text is left, so that training takes less time.
        by_label: Whether rows are matched by their label, which takes a task with fixed labels.
    """

    words: str
    replace: Callable[[Sequence[TaughtRow], int], list[Rationales]]
    is_seeded: bool = False
    is_short: bool = False
    by_label: bool = False


def split_words(text: str) -> list[str]:
    """The words of a text, with the punctuation that touches them.

    In scripts without spaces between words, each character counts as one, with its marks.
    """
    words: list[str] = []
    for word in _WORD.findall(text):
        if words and category(word[0]).startswith("M"):
            words[-1] += word
        else:
            words.append(word)
    return words


def join_words(words: Sequence[str]) -> str:
    """The text of some words, with no space between two characters of a script without spaces."""
    if not words:
        return ""
    spaced = (
        "" if _is_unspaced(one[-1]) and _is_unspaced(other[0]) else " "
        for one, other in pairwise(words)
    )
    return words[0] + "".join(space + word for space, word in zip(spaced, words[1:], strict=True))


def _is_unspaced(character: str) -> bool:
    return _IS_UNSPACED.match(character) is not None


def _blank(rows: Sequence[TaughtRow], seed: int) -> list[Rationales]:
    return [("",) if row.rationales else () for row in rows]


def _of_other_rows(rows: Sequence[TaughtRow], seed: int) -> list[Rationales]:
    """A single row with a rationale keeps its own."""
    given = [index for index, row in enumerate(rows) if row.rationales]
    moved = dict(zip(given, _shift(given, Random(seed)), strict=True))
    return [rows[moved.get(index, index)].rationales for index in range(len(rows))]


def _of_the_same_label(rows: Sequence[TaughtRow], seed: int) -> list[Rationales]:
    """The only row with a rationale for its label is left without one."""
    by_label: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        if row.rationales:
            by_label[row.label].append(index)
    found: list[Rationales] = [()] * len(rows)
    for label, given in by_label.items():
        if len(given) > 1:
            for index, other in zip(given, _shift(given, Random(f"{seed}:{label}")), strict=True):
                found[index] = rows[other].rationales
    return found


def _with_shuffled_words(rows: Sequence[TaughtRow], seed: int) -> list[Rationales]:
    return [
        tuple(
            _shuffle_words(text, Random(f"{seed}:{place}:{row.id}"))
            for place, text in enumerate(row.rationales)
        )
        for row in rows
    ]


def _shuffle_words(text: str, rng: Random) -> str:
    words = split_words(text)
    return join_words([words[place] for place in _shift(range(len(words)), rng)])


def _with_keywords_alone(rows: Sequence[TaughtRow], seed: int) -> list[Rationales]:
    return [tuple(_find_keywords(text, row.text) for text in row.rationales) for row in rows]


def _find_keywords(rationale: str, text: str) -> str:
    """The words of a rationale that its input does not have, each once, in their order.

    No stop words are left out: a list of them would be for one language, and would have "not" in
    it. A form with another ending is another word.
    """
    seen = {_strip(word).casefold() for word in split_words(text)}
    keywords = []
    for word in map(_strip, split_words(rationale)):
        folded = word.casefold()
        if word and folded not in seen:
            keywords.append(word)
            seen.add(folded)
    return join_words(keywords)


def _strip(word: str) -> str:
    """A word without the punctuation at its ends; dashes and operators stay."""
    kept = [
        place
        for place, character in enumerate(word)
        if character in _OPERATORS or category(character) not in _PUNCTUATION
    ]
    return word[kept[0] : kept[-1] + 1] if kept else ""


def _shift(indices: Sequence[int], rng: Random) -> list[int]:
    """The indices in another order; with two or more, none keeps its position."""
    order = list(indices)
    rng.shuffle(order)
    after = dict(zip(order, order[1:] + order[:1], strict=True))
    return [after[index] for index in indices]


BLANK = Control("blank rationales", _blank, is_short=True)
OTHER_ROWS = Control("rationales of other rows", _of_other_rows, is_seeded=True)
SAME_LABEL = Control(
    "rationales of other rows with the same label",
    _of_the_same_label,
    is_seeded=True,
    by_label=True,
)
SHUFFLED_WORDS = Control(
    "rationales with their words shuffled", _with_shuffled_words, is_seeded=True
)
KEYWORDS = Control("the keywords of rationales", _with_keywords_alone, is_short=True)
