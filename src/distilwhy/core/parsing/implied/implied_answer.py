"""Answers that a reply implies: the last resort, where nothing in it states one.

No rule here knows a wording. Each rests on what a reply is made of: which choices it names, and in
what order; whether a number follows from those of the row; what stands alone, or last.
"""

import re
from collections.abc import Set
from fractions import Fraction
from functools import lru_cache
from itertools import permutations
from typing import NamedTuple

from distilwhy.core.parsing.answer import Unreadable
from distilwhy.core.parsing.choices.choice import Mention, find_mentions
from distilwhy.core.parsing.clean import without_latex
from distilwhy.core.parsing.cues import APART, language_of, split, words
from distilwhy.core.parsing.numbers.number_sentences import FIGURE, RATE, is_of_another
from distilwhy.core.parsing.numbers.numerals import with_figures
from distilwhy.core.parsing.reader import Reader
from distilwhy.core.parsing.sentences import hedges, spans
from distilwhy.core.parsing.statements import UNCUED, Statement
from distilwhy.core.parsing.text_sentences import NAMES
from distilwhy.core.parsing.uncued import is_aside

_CLOSED = re.compile(r"[.!][\"')\]]*\W*\Z")  # unlike a reply that a limit cut
_CLAUSE = re.compile(r"[,;:–—]\s*|\s-\s|\.{3}|\s?\((?=[^()]{3})")
_NUMBER = re.compile(rf"(?<![A-Za-z0-9_.])(?<!\d,){FIGURE}")
_SIGN = re.compile(r"[-+*/×÷·=]")
_GLOSS = re.compile(r"\s?[(（][^()（）]*[)）]")
_QUOTED = re.compile(r"\"([^\"\n]{1,60})\"(?=\.|,| [–—-])")
_DENIED = ("not", "wrong", "discards", "negative", "rejects")
_UNSURE = ("open", "supposed", "crowd", "people", "attributed", "says", "believes", "reports")
_MOST_NUMBERS, _LONGEST_ROW = 3, 1000


def find_implied(reader: Reader, text: str) -> list[Statement]:
    """The answer that a reply of usual width implies, if any."""
    parts = [(a, b) for a, b in spans(text) if not is_aside(text[a:b])]
    if not parts:
        return []
    (a, b), sentences = parts[-1], [text[a:b] for a, b in parts]
    start = a if parts[1:] else b  # the only sentence is the rationale too
    if reader.choices:
        label = _closing_choice(reader, sentences)
        return [Statement(start, a, b, label, UNCUED, whole=True)] if label else []
    if reader.answer.kind == "equation":
        return []
    opens = _opening_number if reader.answer.kind == "number" else _opening_quotation
    if said := opens(reader, sentences):
        at = text.index(said)
        return [Statement(at, at, at + len(said), said, UNCUED, alone=True)]
    closes = _closing_number if reader.answer.kind == "number" else _closing_name
    said = closes(reader, sentences) if _CLOSED.search(text[a:b]) else ""
    return [Statement(start, a, b, said, UNCUED, alone=True)] if said else []


class _Sentence(NamedTuple):
    """A sentence, what it says beside the choices that it names, and where it names them."""

    text: str
    said: str
    named: list[Mention]

    def clause(self, mention: Mention) -> tuple[int, int]:
        cuts = [cut.span() for cut in _CLAUSE.finditer(self.said)]
        starts = [end for _, end in cuts if end <= mention.start]
        ends = [start for start, _ in cuts if start >= mention.end]
        return max(starts, default=0), min(ends, default=len(self.said))

    def words(self, start: int = 0, end: int | None = None) -> list[str]:
        return split(self.said[start:end])

    def denies(self, mention: Mention) -> bool:
        clause = {*self.words(*self.clause(mention))}
        return bool(clause & words(*_DENIED)) or hedges(clause)

    def sets_aside(self, mention: Mention) -> bool:
        """Whether all that a clause says of a choice is that it is not so: ``, not the park``."""
        start, _ = self.clause(mention)
        before = self.words(start, mention.start)
        return start > 0 and len(before) < 4 and not words("not").isdisjoint(before)


def _closing_choice(reader: Reader, sentences: list[str]) -> str:
    """The one choice that the last sentence names, and neither denies nor doubts, if the reply
    names no other, or if it discards others and comes to this one only then.
    """
    try:
        told = [_sentence(reader, sentence) for sentence in sentences]
    except Unreadable:
        return ""
    last, own = told[-1], reader.letters.certain
    kept = [mention for mention in last.named if not last.sets_aside(mention)]
    if len({mention.choices for mention in kept}) != 1 or not _CLOSED.search(last.text):
        return ""
    mention, label, opening = kept[-1], min(kept[-1].choices), last.words()[:1]
    doubted = words(*_UNSURE) & {*last.words()} or words("concedes").intersection(opening)
    if doubted or any(map(last.denies, kept)) or label in words("yes", "no"):
        return ""
    spelt = last.text[mention.start : mention.end]
    closes = not last.words(mention.end, last.clause(mention)[1])
    denies = words(*_DENIED, "clause") & {*last.words(mention.end)}
    # A label may be any word of a sentence, unless it ends a clause.
    if not own and (
        mention.lettered or not closes or denies or (spelt.islower() and label[0].isupper())
    ):
        return ""
    others = any(m.choices != mention.choices for sentence in told for m in sentence.named)
    return label if (_is_reached if others else _is_alone)(reader, told, mention) else ""


def _sentence(reader: Reader, text: str) -> _Sentence:
    """A sentence and the choices in it, also where words are not parted, as in ``海豚用肺呼吸``."""
    found = find_mentions(text, reader.choices, reader.letters)
    for choice in reader.choices if not text.isascii() else ():
        longer = any(choice in c and c in text for c in reader.choices if c != choice)
        known = longer or any(choice in mention.choices for mention in found)
        if not known and re.fullmatch(f"[{APART}]{{2,}}", choice):
            hits = re.finditer(re.escape(choice), text)
            found += [Mention(frozenset([choice]), *hit.span(), False) for hit in hits]
    said = text
    for _, start, end, _ in found:
        said = said[:start] + " " * (end - start) + said[end:]
    return _Sentence(text, said, sorted(found, key=lambda mention: mention.start))


def _is_alone(reader: Reader, told: list[_Sentence], mention: Mention) -> bool:
    """Whether a reply names no other choice, and says of this one no mere fact, as in
    ``Mercury is close to the sun``.
    """
    rest = [c for c in reader.choices if c not in mention.choices and not c.isascii()]
    last, before = told[-1], told[-1].words(0, mention.start)
    opens = words("the", "article").issuperset(before) and last.text[mention.start] != "("
    return not (
        opens
        or mention.end - mention.start < 2
        or words("circumstance").intersection(before[:1])
        or words(*_DENIED, "favor").intersection(before)
        or any(choice in sentence.text for choice in rest for sentence in told)
        or any(sentence.denies(m) for sentence in told for m in sentence.named)
    )


def _is_reached(_: Reader, told: list[_Sentence], mention: Mention) -> bool:
    """Whether a choice is new in the last sentence, and the others are discarded or lumped."""
    for sentence in told:
        others = {m.choices for m in sentence.named} - {mention.choices}
        if len(others) == 1 and not words(*_DENIED, "supposed") & {*sentence.words()}:
            return False
    discards = any(words(*_DENIED, "left") & {*sentence.words()} for sentence in told)
    return discards and not any(m.choices == mention.choices for s in told[:-1] for m in s.named)


def _opening_number(reader: Reader, sentences: list[str]) -> str:
    """``Twenty-four`` of "Twenty-four. Each spider has eight legs." """
    said = sentences[0].strip().rstrip(".!")
    return said if sentences[1:] and reader.whole(said) and not _SIGN.search(said) else ""


def _closing_number(reader: Reader, sentences: list[str]) -> str:
    """The only number of the last sentence that the row has not, if those of the row make it, all
    of them; or any two of row and reply, where the reply goes over all of the row.
    """
    row, *told = (
        with_figures(without_latex(said), reader.asked)
        for said in (reader.asked[-_LONGEST_ROW:], *sentences)
    )
    said, question = _GLOSS.sub("", told[-1]), {*split(asked := row[slice(*spans(row)[-1])])}
    given, known = (sorted(n for n, _ in _numbers(reader, t)) for t in (row, " ".join(told)))
    new = {value: number for value, number in _numbers(reader, said) if value not in given}
    if len(new) != 1 or hedges({*split(said)}) or is_of_another(said, row, asked):
        return ""
    value, number = new.popitem()
    after = split(said[number.end() :])[:2]
    beside = {*split(said[: number.start()])[-2:], *after}
    rates = {rate[1] for rate in RATE.finditer(said, number.start())}
    elsewhere = (rates | words("now") & {*split(said)}) - question
    changed = beside & words("indefinite", "worked", "changes") or words("joint", "or") & {*after}
    if elsewhere or changed or _SIGN.search(said.rstrip()[-1:]):
        return ""
    if len(given) <= _MOST_NUMBERS and value in _results(tuple(given)):
        return number[0]
    pairs = permutations({*known, *given} - {value}, 2)
    made = value / 100 in known or any(value in _made(x, y) for x, y in pairs)
    return number[0] if made and {*given} - {1} <= {*known} else ""


def _numbers(reader: Reader, text: str) -> list[tuple[Fraction, re.Match[str]]]:
    read = ((reader.read(number[0]), number) for number in _NUMBER.finditer(text))
    return [(Fraction(found.label), number) for found, number in read if found]


@lru_cache(maxsize=256)
def _results(numbers: tuple[Fraction, ...]) -> Set[Fraction]:
    """What sums, differences, products and quotients make of some numbers, each used once."""
    if len(numbers) < 2:
        return frozenset(numbers)
    splits = (
        [tuple(n for i, n in enumerate(numbers) if picked >> i & 1 == side) for side in (0, 1)]
        for picked in range(1, 2 ** (len(numbers) - 1))
    )
    pairs = ((x, y) for left, right in splits for x in _results(left) for y in _results(right))
    return frozenset(made for x, y in pairs for made in _made(x, y))


def _made(x: Fraction, y: Fraction) -> Set[Fraction]:
    return set() if {x, y} & {0, 1} else {x + y, x - y, y - x, x * y, x / y, y / x}


def _opening_quotation(reader: Reader, sentences: list[str]) -> str:
    """``mice`` of ``"Mice", an irregular plural.``"""
    found, said = _QUOTED.match(sentences[0]), {*split(" ".join(sentences))}
    doubted = words("open", "supposed") & said
    return found[1] if found and not doubted and found[0] not in reader.asked else ""


def _closing_name(reader: Reader, sentences: list[str]) -> str:
    """The one name of the last sentence beside those of the question, if the sentence ends with it
    and either the row has it too or more is said before.
    """
    said = sentences[-1].rstrip(' .!"\n')
    question = reader.asked[slice(*spans(reader.asked)[-1])].lower()
    named = {n[0] for n in NAMES.finditer(said) if n.start() > 0 or " " in n[0]}
    new = [name for name in named if name.lower() not in question]
    if len(new) != 1 or not said.endswith(new[0]) or ":" in said or re.search(f"[{APART}]", new[0]):
        return ""
    before, extracts = {*split(said.removesuffix(new[0]))}, new[0] in reader.asked
    noun = language_of(reader.asked) == "de" and not extracts  # any has a capital letter
    doubted = hedges(before) or before & words("noun", "says")
    return new[0] if (extracts or sentences[1:]) and not noun and not doubted else ""
