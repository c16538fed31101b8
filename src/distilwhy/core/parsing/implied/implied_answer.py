"""Answers that a reply implies: the last resort, where nothing in it states one.

The rules look at what a reply is made of rather than at how it says that it answers: which choices
it names, and in what order; whether its last number follows from those of the row.
"""

import re
from collections.abc import Set
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from distilwhy.core.parsing.answer import Unreadable
from distilwhy.core.parsing.choices.choice import find_mentions
from distilwhy.core.parsing.choices.mention import Mention
from distilwhy.core.parsing.clean import lowered, without_latex
from distilwhy.core.parsing.cues import (
    APART,
    ITEM,
    Words,
    endings,
    has,
    hedges,
    phrases,
    question_of,
    spans,
    split,
    words,
)
from distilwhy.core.parsing.numbers.number import RANGE
from distilwhy.core.parsing.numbers.number_sentences import (
    FIGURE,
    RATE,
    is_of_another,
    without_reason,
)
from distilwhy.core.parsing.numbers.numerals import with_figures
from distilwhy.core.parsing.reader import Reader
from distilwhy.core.parsing.statements import IMPLIED, Statement
from distilwhy.core.parsing.uncued import is_aside

_VERDICT = ("noun", "head", "vague", "quality", "right", "makes", "pronoun", "overall")
_CLOSED = re.compile(r"[.!][\"')\]]*\W*\Z")  # unlike a reply that a limit cut
_JOINED = re.compile(r"[,;:.](?: ?[^\W\d]{1,3})?\Z")  # ", and so"
_CLAUSE = re.compile(r"[,;:–—]\s*|\s-\s|\.{3}|\s?\((?=[^()]{3})")
_NUMBER = re.compile(rf"(?<![A-Za-z0-9_.])(?<!\d,){FIGURE}")
_UNIT = re.compile(r" ?[^\W\d]*(?: ?/ ?[^\W\d]+)?[\s%€$¢°]*")
_PART = re.compile(r"(?<!\d)[,，;；]\s*|[,，;；](?!\d)\s*")
_GLOSS = re.compile(r"\s?[(（][^()（）]*[)）]")
_DENIED = ("not", "wrong", "discards", "negative", "rejects")
_DISCARDS = ("not", "wrong", "discards", "rejects", "left")
_UNSURE = ("open", "supposed", "crowd", "attributed", "says", "believes", "reports", "spares")
_MOST_NUMBERS, _LONGEST_ROW, _LONGEST = 3, 1000, 300
_MOST, _MOST_KNOWN = 200, 200  # sentences and numbers of the reply


def find_implied(reader: Reader, text: str) -> list[Statement]:
    """The answer that a reply of usual width implies, if any."""
    every = spans(text)
    parts = [(a, b) for a, b in every if not is_aside(text[a:b])] if len(every) <= _MOST else []
    if not parts:
        return []
    (a, b), sentences = parts[-1], [text[a:b] for a, b in parts]
    if b - a > _LONGEST or has(split(sentences[-1]), "plans"):
        return []
    start = a if parts[1:] else b  # the only sentence is the rationale too
    if reader.choices:
        label = _concluded(reader, sentences[-1]) or _closing_choice(reader, sentences)
        return [Statement(start, a, b, label, IMPLIED, whole=True)] if label else []
    if reader.answer.kind != "number":
        return []
    said = _closing_number(reader, sentences)
    return [Statement(start, a, b, said, IMPLIED, alone=True)] if said else []


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

    def doubts(self) -> bool:
        """Whether it is unsure, or opens with a concession or with who thinks so: "I …"."""
        # "He needs a barometer" tells of the row.
        told_of = words("concedes", "people") - {"he", "she", "they"} | {"i"}
        said = self.words()
        partly = phrases("seemingly").search(self.text)
        return has(said, *_UNSURE) or bool(told_of.intersection(said[:1]) or partly)

    def denies(self, mention: Mention) -> bool:
        clause = {*self.words(*self.clause(mention))}
        denied = phrases("denies").search(self.said, mention.end)
        return has(clause, *_DENIED, "mentions") or hedges(clause) or denied is not None


def _concluded(reader: Reader, last: str) -> str:
    """The one choice behind a word that concludes, in the last sentence: ``…, so Business is the
    more accurate category.``
    """
    said = Words(lowered(last))
    points = [
        said.at[i] for i, word in enumerate(said.said) if word in words("concludes", "overall")
    ]
    before = last[: points[-1]].rstrip() if points else "x"
    if before and not _JOINED.search(before):
        return ""
    try:
        told = _sentence(reader, last[points[-1] :])
    except Unreadable:
        return ""
    labels = {min(mention.choices) for mention in told.named}
    open_ended = told.doubts() or has(told.words(), "several") or not _CLOSED.search(last)
    if len(labels) != 1 or open_ended or any(map(told.denies, told.named)):
        return ""
    label, mention = labels.pop(), told.named[-1]
    cased = label[:1].islower() or not told.text[mention.start : mention.end].islower()
    plain = words("is", "article", "quality", "noun", "head", "vague", "right", "wins", "kind")
    after = split(endings(r"\A\s*@").sub("", told.said[mention.end :]))
    judged = plain.issuperset(after) or has(after[:1], "because")
    firm = judged and (cased or reader.letters.certain)
    return label if firm and label not in words("yes", "no") else ""


def _closing_choice(reader: Reader, sentences: list[str]) -> str:
    """The one choice that the last sentence names, and neither denies nor doubts, if the reply
    names no other, or if it discards others and comes to this one only then.
    """
    try:
        told = [_sentence(reader, sentence) for sentence in sentences]
    except Unreadable:
        return ""
    last = told[-1]
    if len({mention.choices for mention in last.named}) != 1 or not _CLOSED.search(last.text):
        return ""
    mention, label = last.named[-1], min(last.named[-1].choices)
    if last.doubts() or any(map(last.denies, last.named)) or label in words("yes", "no"):
        return ""
    if not reader.letters.certain and not _is_label(last, mention, label):
        return ""
    row = reader.asked.lower()  # what it speaks of itself may be only repeated
    if row.count(label.lower()) > min(row.count(choice.lower()) for choice in reader.choices):
        return ""
    several = any(m.choices != mention.choices for sentence in told for m in sentence.named)
    firm = _is_reached(told, mention) if several else _is_alone(reader, told, mention)
    return label if firm else ""


def _is_label(last: _Sentence, mention: Mention, label: str) -> bool:
    """Whether a fixed label ends a clause, as it is spelt, or a sentence says little else:
    elsewhere it may be any word.
    """
    plain = words("filler", "plain", "concludes", "clause", "files", "kind", "wins", *_VERDICT)
    told = [word for word in last.words() if len(word) > 3 and word not in plain]
    if not told and not mention.lettered:
        return True
    closes = not last.words(mention.end, last.clause(mention)[1])
    denies = has(last.words(mention.end), *_DENIED, "clause")
    cased = label[:1].islower() or not last.text[mention.start : mention.end].islower()
    return closes and cased and not denies and not mention.lettered


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
    plain = [c for c in reader.choices if c not in mention.choices and c.isascii()]
    last, before = told[-1], told[-1].words(0, mention.start)
    # "(b)" and "option 2" are no words of a fact.
    marked = last.text[last.named[0].start] == "(" or last.text[mention.end - 1].isdigit()
    opens = words("the", "article").issuperset(before) and not marked
    return not (
        opens
        or mention.end - mention.start < 2
        or has(before[:1], "circumstance")
        or has(last.words(last.clause(mention)[0], mention.start), *_DENIED, "favor")
        or any(choice in sentence.text for choice in rest for sentence in told)
        or any(
            re.search(rf"(?<!\w){re.escape(c)}s(?!\w)", s.text, re.I) for c in plain for s in told
        )
        or any(sentence.denies(m) for sentence in told for m in sentence.named)
    )


def _is_reached(told: list[_Sentence], mention: Mention) -> bool:
    """Whether a choice is new in the last sentence, some sentence discards others, and none names
    just one other without a denial.
    """
    for sentence in told:
        others = {m.choices for m in sentence.named} - {mention.choices}
        if len(others) == 1 and not has(sentence.words(), *_DENIED, "supposed"):
            return False
    discards = any(has(sentence.words(), *_DISCARDS) for sentence in told)
    if any(has(sentence.words(), "supposed") for sentence in told[:-1] if sentence.named):
        return False
    return discards and not any(m.choices == mention.choices for s in told[:-1] for m in s.named)


def _closing_number(reader: Reader, sentences: list[str]) -> str:
    """The only number of the last sentence that the row has not, if those of the row make it, all
    of them; or any two of row and reply, where the reply goes over all of the row.
    """
    row, *told = (
        with_figures(without_latex(said), reader.asked)
        for said in (reader.asked[-_LONGEST_ROW:], *sentences)
    )
    question, given = question_of(row), _values(reader, row)
    known = {*_values(reader, " ".join(told))}
    number = _new_number(reader, told, sentences[-1], {*given})
    if number is None or is_of_another(number.string, row, question):
        return ""
    said, value = number.string, _values(reader, number[0])[0]
    closed = _CLOSED.search(said) or _UNIT.fullmatch(said, number.end())
    if not closed or _is_other(said, number, {*split(row)}, {*split(question)}):
        return ""
    digits = _values(reader, reader.asked[-_LONGEST_ROW:])  # without "two" of "two numbers"
    for parts in (given, digits):
        results = _results(tuple(parts)) if 1 < len(parts) <= _MOST_NUMBERS else set()
        percent = said[number.end() :].lstrip()[:1] == "%" and value / 100 in results
        if value in results or percent:
            return number[0]
    known -= {value}
    made = any(y in known and y != x for x in known for y in _made(value, x))
    return number[0] if known.issuperset(given) and (made or value / 100 in known) else ""


def _new_number(
    reader: Reader, told: list[str], last: str, given: Set[Fraction]
) -> re.Match[str] | None:
    """The one new number of the last sentence, or of its last clause: ``20 - 12 = 8, so 8 remain``.

    Args:
        told: The sentences with figures, and ``last`` the last without.
    """
    item = ITEM.match(told[-1])
    said = without_reason(_GLOSS.sub("", told[-1][item.end() if item else 0 :]), "")
    new = _new(reader, said, {*given, *_values(reader, " ".join(told[:-1]))})
    new = new or _new(reader, said, given)
    if len(new) > 1:  # "it is 5 over the two days"
        figures = {*_values(reader, without_latex(last))}
        new = {value: number for value, number in new.items() if value in figures}
    if len(new) != 1:
        new = _new(reader, _PART.split(said)[-1], given)
    return new.popitem()[1] if len(new) == 1 else None


def _new(reader: Reader, said: str, known: Set[Fraction]) -> dict[Fraction, re.Match[str]]:
    """The numbers of a sentence that are not known, each where it stands last."""
    numbers = [(_values(reader, number[0]), number) for number in _NUMBER.finditer(said)]
    return {value[0]: number for value, number in numbers if value and value[0] not in known}


def _values(reader: Reader, text: str, most: int = _MOST_KNOWN) -> list[Fraction]:
    """The last numbers of a text, sorted, without 1, which may be an article."""
    found = (reader.read(number) for number in _NUMBER.findall(text)[-most:])
    return sorted(Fraction(each.label) for each in found if each and each.label != "1")


def _is_other(said: str, number: re.Match[str], row: Set[str], question: Set[str]) -> bool:
    """Whether a sentence doubts its number, or makes it a bound, a rate, a part of another, or one
    of another time.
    """
    after, stems = split(said[number.end() :])[:2], {word[:4] for word in row}
    beside = {*split(said[: number.start()])[-2:], *after}
    rates = {rate[1] for rate in RATE.finditer(said, number.start())}
    return bool(
        hedges({word for word in split(said) if word[:4] not in stems or not has([word], "crowd")})
        or has({*split(said)} - {"need", "like"}, "spares")  # "you need 5" tells what is asked
        or RANGE.search(said, max(0, number.start() - 7), number.end() + 7)
        or (rates | words("now") & {*split(said)}) - question
        or has(beside, "indefinite", "worked", "changes")
        or has(after, "joint", "or")
    )


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
