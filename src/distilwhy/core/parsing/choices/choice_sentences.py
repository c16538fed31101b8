"""Choices that sentences state without a cue: "The shop is liable.", "It belongs to (b)." """

import re
from collections.abc import Sequence
from itertools import takewhile

from distilwhy.core.parsing.answer import Unreadable
from distilwhy.core.parsing.choices.choice import find_mentions
from distilwhy.core.parsing.clean import lowered
from distilwhy.core.parsing.cues import Words, listed, phrases, split, words
from distilwhy.core.parsing.reader import Reader
from distilwhy.core.parsing.sentences import hedges
from distilwhy.core.parsing.statements import UNCUED, Statement

_FIELD = re.compile(r"^([^\W\d_][\w ]{0,30})[:：]", re.M)
_ASIDE = re.compile(r"\s(?:rather than|instead of)\b|, not\b")
_PARTICLE = re.compile(r"\W*[^\W\d_]+ ([^\W\d_]+)")
_OVER = re.compile(r"\sover\b")


def find_stated(reader: Reader, text: str, parts: Sequence[tuple[int, int]]) -> list[Statement]:
    """What sentences state, if the first or the last does."""
    stated = [_sentence(reader, text, a, b) or _closing(reader, text, a, b) for a, b in parts]
    if not stated or not (stated[0] or stated[-1]):
        stated = [_relation(reader, text, *parts[-1]) if parts else None]
    return [statement for statement in stated if statement]


def _sentence(reader: Reader, text: str, a: int, b: int) -> Statement | None:
    """``The shop is liable.``, ``It is no spam but an order.``"""
    unlike = _ASIDE.search(text, a, b)
    b = unlike.start() if unlike else b
    low = phrases("forced").sub(lambda said: " " * len(said[0]), lowered(text[a:b]))
    said = Words(low)
    points = [i for i, word in enumerate(said.said) if word in words("concludes", "clause")]
    first = said.word(said.skip(0, words("opener")))
    introduced = first in words("introduces", "because") - words("circumstance", "reports")
    if introduced or first in words("concedes"):
        points += [i for i, word in enumerate(said.said) if word == ","]
    start = max(points, default=0)
    if first in words("supposed") and not start:
        return None
    concludes = said.word(start) in words("concludes") or (introduced and said.word(start) == ",")
    for index in range(len(said.said) - 1, start - 1, -1):
        word, at = said.said[index], a + said.end(index)
        payload = text[at:b].lstrip(" ,:")
        closes = word == ":" and reader.whole(payload.rstrip()) is not None
        concluded = concludes and (word[0].isalpha() or word == ",") and word not in words("not")
        ties = closes or concluded or _ties(said, index)
        found = reader.lead(payload) or reader.lead(_OVER.split(payload)[0]) if ties else None
        if found is None:
            continue
        particle = lowered(found.label) in words("yes", "no") and _PARTICLE.match(payload)
        if particle and particle[1].lower() not in words("because"):
            return None  # "das ist ja das Problem"
        if not _affirms(reader, said, start, index, found.label, closes=closes):
            return None
        arrow = not word[0].isalpha() and word in words("as")
        begin = index if arrow else start if concludes and start > 2 else 0
        if said.word(begin - 1) in words("is", "concludes"):
            begin = 0  # what stands before it is no reason: "The claim is thus false."
        return Statement(a + said.at[begin], at, b, payload, UNCUED, whole=True)
    return None


def _affirms(
    reader: Reader, said: Words, start: int, index: int, label: str, *, closes: bool
) -> bool:
    """Whether the words of a clause up to the one that ties a label affirm it.

    Args:
        start: The first word of the clause, and ``index`` that which ties the label to it.
        closes: Whether that is a colon.
    """
    first, tie = said.word(start), said.said[index]
    before = {*said.said[start if first == ";" else max(0, start - 1) : index + 1]}
    if tie in words("as") and not tie[0].isalpha():  # "not entailed → neutral"
        before -= words("not", "open")
    others = {choice.lower() for choice in reader.choices} - {label.lower()}
    clause = said.low[said.at[start] : said.end(index)]
    named = any(choice in clause for choice in others)
    denies = before & words("not")
    if denies and before & words("contrast"):
        return True
    last = said.said[said.back(index, frozenset(":"), 99) : index]
    if named and denies and denies.isdisjoint(last):  # "not the mall: it is the park"
        return not hedges(before - words("not"))
    quoted = said.low[: said.end(index)].count('"') % 2
    asked = before & words("noun") and not before & words("revises")
    theirs = closes and before & words("people", "attributed", "negative")
    if named or quoted or asked or theirs or hedges(before) or before & words("concedes"):
        return False
    # "In winter, … is" is no fact of the row.
    circumstance = first in words("circumstance") and reader.letters.certain
    return not circumstance or not words("said", "pronoun", "favor").isdisjoint(before)


def _closing(reader: Reader, text: str, a: int, b: int) -> Statement | None:
    """The one choice of a Korean or Japanese sentence that ends with it: ``spam です。``"""
    said = text[a:b].rstrip(" .!\n。")
    if said.isascii():
        return None
    try:
        mentions = find_mentions(said, reader.choices, reader.letters)
    except Unreadable:
        return None
    others = (c for c in reader.choices if mentions and c not in mentions[0].choices)
    one = mentions and not any(len(c) > 1 and c in said for c in others)
    one = one and len({mention.choices for mention in mentions}) == 1
    ending = rf"[\"'\s]*(?:(?:{'|'.join(listed('kind', 'ko') + listed('kind', 'ja'))})\s?){{,2}}@"
    closes = one and phrases("ending", ending).fullmatch(said, mentions[-1].end)
    if not closes or not re.search("[ぁ-ん가-힣]$", said):
        return None
    if hedges({*split(said[: mentions[0].start])} - words("not")):
        return None
    at = a + mentions[-1].start
    return Statement(a, at, b, said[mentions[-1].start :], UNCUED, whole=True)


def _ties(said: Words, index: int) -> bool:
    """Whether a word ties an answer to what it is said of: "is", or "to" in "belongs to"."""
    word, near = said.said[index], said.said[max(0, index - 9) : index]
    if near and near[-1] in words("favor"):
        return index < 3 or not words("files", "head").isdisjoint(near)
    if word in words("into"):
        return not words("files").isdisjoint(near)
    if word == "say":
        return near[-1:] in (["i'd"], ["i'll"]) or near[-2:] == ["i", "would"]
    return word in words("as", "concludes", "makes")


def _relation(reader: Reader, text: str, a: int, b: int) -> Statement | None:
    """A sentence of the row's field names and a form of one label, which ties them:
    ``The premise contradicts the hypothesis.``
    """
    fields = words("kind").union(split(" ".join(_FIELD.findall(reader.asked))))
    clause = Words(lowered(text[a:b]))
    turns = [i for i, word in enumerate(clause.said) if word in words("turn", "concludes")]
    said = split(text[a + (clause.at[turns[-1]] if turns else 0) : b])
    known = fields | words("bare", "filler", "as", "into", "concludes", "turn")
    more = [word for word in said if word not in known]
    labels = [label for label in reader.choices if len(more) == 1 and _is_form(more[0], label)]
    if len(labels) != 1 or fields.isdisjoint(said):
        return None
    return Statement(a, a, b, labels[0], UNCUED, whole=True)


def _is_form(word: str, label: str) -> bool:
    """Whether a word is a form of a label: ``contradicts`` and ``contradiction``."""
    pairs = zip(word, label.lower(), strict=False)
    stem = len([*takewhile(lambda pair: pair[0] == pair[1], pairs)])
    return stem > 4 and max(len(word), len(label)) - stem < 5
