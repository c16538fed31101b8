"""Choices that are stated without a cue, as in "The shop is liable." """

import re
from collections.abc import Sequence

from distilwhy.core.parsing.choices.clause import Clause, ties
from distilwhy.core.parsing.clean import lowered
from distilwhy.core.parsing.cues import Words, has, hedges, phrases, split, words
from distilwhy.core.parsing.reader import Reader
from distilwhy.core.parsing.statements import UNCUED, Statement

_SEES = ("sees", "filler", "is", "as", "not", "hard", "pronoun", "noun", "kind", "because", "clash")
_CORRECTS = r"@[^,:.]{,12},"
_FIELD = re.compile(r"^([^\W\d_][\w ]{0,30})[:：]", re.M)
_ASIDE = re.compile(r"(?:\s(?:rather than|instead of)\b|, not\b)[^;:]*\Z")
_PARTICLE = re.compile(r"\W*[^\W\d_]+ ([^\W\d_]+)")
_ENDS = re.compile(r"[ぁ-ん가-힣]\W*$")  # as a sentence does whose last word is its verb
_ARTICLES = ("a", "o", "e", "y", "à")


def find_stated(reader: Reader, text: str, parts: Sequence[tuple[int, int]]) -> list[Statement]:
    """What sentences state, if the first or the last does."""
    stated = [_sentence(reader, text, a, b) for a, b in parts]
    if not stated or not (stated[0] or stated[-1]):
        stated = [_relation(reader, text, *parts[-1]) if parts else None]
    return [statement for statement in stated if statement]


def _sentence(reader: Reader, text: str, a: int, b: int) -> Statement | None:
    """``The shop is liable.``, ``It is no spam but an order.``"""
    unlike = _ASIDE.search(text[a:b])
    b = a + unlike.start() if unlike else b
    low = phrases("forced").sub(lambda said: " " * len(said[0]), lowered(text[a:b]))
    if (only := _only(low)) is not None and reader.lead(text[a + only : b].lstrip()):
        return Statement(a, a + only, b, text[a + only : b], UNCUED, whole=True)
    said = Words(low)
    tied = _tied(reader, said, text, a, b)
    if tied is None or not tied[2]:
        return None
    index, payload, _ = tied
    start, concludes, _ = _conclusion(said)
    arrow = not said.said[index][0].isalpha() and said.said[index] in words("as")
    begin = index if arrow else start if concludes and start > 2 else 0
    if said.word(begin - 1) in words("is", "concludes"):
        begin = 0  # what stands before it is no reason: "The claim is thus false."
    return Statement(a + said.at[begin], a + said.end(index), b, payload, UNCUED, whole=True)


def _tied(reader: Reader, said: Words, text: str, a: int, b: int) -> tuple[int, str, bool] | None:
    """The last word of a sentence that ties what follows it: its index, what follows, and whether
    what stands before affirms it.
    """
    start, concludes, corrects = _conclusion(said)
    first = said.word(said.skip(0, words("opener")))
    supposes = first in words("supposed", "conditional") and not has(said.said, "concludes")
    for index in range(len(said.said) - 1, start - 1, -1):
        word, at = said.said[index], a + said.end(index)
        payload = text[at:b].lstrip(" ,:")
        if payload.strip() in _ARTICLES:
            continue  # of a reply that breaks off
        last = word == ":" or (word != '"' and _ENDS.search(payload))
        closes = bool(last and reader.whole(payload.rstrip()))
        concluded = concludes and (word[0].isalpha() or word == ",") and word not in words("not")
        concluded = concluded and (index == start or not corrects)
        found = reader.lead(payload) if closes or concluded or ties(said, index) else None
        if found is None or _is_part(reader, found.label, text, at):
            continue
        side = lowered(found.label) in words("yes", "no")
        more = _PARTICLE.match(payload) if side else None
        particle = more and more[1].lower() not in words("because")  # "das ist ja das Problem"
        clause = Clause(reader, said, start, index, found.label)
        return index, payload, not (supposes or particle) and clause.affirms(closes=closes)
    return None


def _conclusion(said: Words) -> tuple[int, bool, bool]:
    """The word behind which a sentence makes its point (the first if there is none), whether it
    concludes, and whether that is a correction: "Actually, …".
    """
    points = [i for i, word in enumerate(said.said) if word in words("concludes", "clause")]
    first = said.word(said.skip(0, words("opener")))
    introduced = first in words("introduces", "because") - words("circumstance", "reports")
    corrects = phrases("retracts", _CORRECTS).match(said.low) is not None
    opened = introduced or first in words("concedes") or corrects
    if opened:
        commas = [i for i, word in enumerate(said.said) if word == ","]
        points += [i for i in commas if said.word(i + 1) != "which"]
    start = max(points, default=0)
    concludes = said.word(start) in words("concludes") or (opened and said.word(start) == ",")
    return start, concludes, corrects


def _only(low: str) -> int | None:
    """Where a sentence names what it denies of all else: "nothing but …", "not anything but …"."""
    if found := phrases("must_be").search(low):
        return None if hedges({*split(low[: found.start()])} - words("not")) else found.end()
    found = phrases("nothing_but").search(low)
    if not found and (other := phrases("but_for").search(low)):
        found = other if has(split(low[: other.start()]), "not", "hard") else None
    before = {*split(low[: found.start()])} if found else set()
    more = {word for word in before if len(word) > 3} - words(*_SEES)
    twice = has(before, "not") and has(before, "hard")
    return None if not found or more or twice or has(before, "supposed") else found.end()


def _is_part(reader: Reader, label: str, text: str, at: int) -> bool:
    """Whether a label at an offset is the end of another (``surgery`` of ``heart surgery``), or of
    a list of them.
    """
    start = text.find(label, at)
    whole, before = text[: start + len(label)], text[: max(start, 0)].rstrip(" ,、，/·")
    return any(
        before.endswith(other) or (other.endswith(label) and whole.endswith(other))
        for other in reader.choices
        if other != label
    )


def _relation(reader: Reader, text: str, a: int, b: int) -> Statement | None:
    """A last clause of the row's field names and a form of one label, which ties them:
    ``The premise contradicts the hypothesis.``
    """
    fields = words("kind").union(split(" ".join(_FIELD.findall(reader.asked))))
    said = split(text[a:b])
    turns = [i for i, word in enumerate(said) if word in words("turn", "concludes")]
    said = said[max(turns, default=0) :]
    more = {*said} - fields - words("bare", "filler", "as", "into", "concludes", "turn")
    labels = [label for label in reader.choices if len(label) > 4 and " " not in label]
    forms = [label for label in labels if {word[:5] for word in more} == {label[:5].lower()}]
    if len(forms) != 1 or fields.isdisjoint(said):
        return None
    return Statement(a, a, b, forms[0], UNCUED, whole=True)
