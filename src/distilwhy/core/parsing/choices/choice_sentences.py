"""Choices that are stated without a cue, as in "The shop is liable.", or by a verdict on each."""

import re
from collections.abc import Sequence

from distilwhy.core.parsing.answer import Unreadable
from distilwhy.core.parsing.choices.choice import find_mentions
from distilwhy.core.parsing.choices.clause import Clause, ties
from distilwhy.core.parsing.clean import lowered
from distilwhy.core.parsing.cues import LINE, Words, has, hedges, phrases, split, words
from distilwhy.core.parsing.reader import Reader
from distilwhy.core.parsing.statements import UNCUED, Statement

_SEES = ("sees", "filler", "is", "as", "not", "hard", "pronoun", "noun", "kind", "because", "clash")
_CORRECTS = r"@[^,:.]{,12},"
_FIELD = re.compile(r"^([^\W\d_][\w ]{0,30})[:：]", re.M)
_ASIDE = re.compile(r"(?:\s(?:rather than|instead of)\b|, not\b)[^;:]*\Z")
_PARTICLE = re.compile(r"\W*[^\W\d_]+ ([^\W\d_]+)")
_ENDS = re.compile(r"[ぁ-ん가-힣]\W*$")  # as a sentence does whose last word is its verb
_LONGEST = 300
_LETTER = re.compile(r"\(?\w[).:]")
_OPENS = re.compile(r"\A[\s#*|•➤▶·-]*(?:\d{1,2}[.)]\s)?\s*")
_ARTICLES = ("a", "o", "e", "y", "à")


def find_verdicts(reader: Reader, text: str) -> list[Statement]:
    """The line of the one choice that is affirmed, where each has a line and another is denied:
    ``(a) Faux : … (b) Vrai : …``, ``❌ mall``.
    """
    if reader.letters.certain and has(split(reader.asked[-_LONGEST:]), "not", "negative"):
        return []
    lines = list(LINE.finditer(text))[: 3 * len(reader.choices)]
    judged = [(*_judge(reader, line[0][:_LONGEST]), *line.span()) for line in lines]
    judged = [found for found in judged if found[0]]
    affirmed = [found for found in judged if found[1] in ("yes", "marked", "open")]
    each = sorted(choice for choice, *_ in judged) == sorted(reader.choices)
    denied = any(found[1] == "no" for found in judged)
    if not each or len(affirmed) != 1:
        return []
    if affirmed[0][1] != "marked" and not (denied and affirmed[0][1] == "yes"):
        return []
    choice, _, start, end = affirmed[0]
    return [Statement(start, start, end, choice, UNCUED, whole=True)]


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
    points = [i for i, word in enumerate(said.said) if word in words("concludes", "clause")]
    first = said.word(said.skip(0, words("opener")))
    introduced = first in words("introduces", "because") - words("circumstance", "reports")
    corrects = phrases("retracts", _CORRECTS).match(low) is not None
    opened = introduced or first in words("concedes") or corrects
    if opened:
        commas = [i for i, word in enumerate(said.said) if word == ","]
        points += [i for i in commas if said.word(i + 1) != "which"]
    start = max(points, default=0)
    concludes = said.word(start) in words("concludes") or (opened and said.word(start) == ",")
    # "If that is so, it is spam."
    conditional = first in words("supposed", "conditional") and not has(said.said, "concludes")
    for index in range(len(said.said) - 1, start - 1, -1):
        word, at = said.said[index], a + said.end(index)
        payload = text[at:b].lstrip(" ,:")
        if payload.strip() in _ARTICLES:
            continue  # of a reply that breaks off
        last = word == ":" or (word != '"' and _ENDS.search(payload))
        closes = bool(last and reader.whole(payload.rstrip()))
        concluded = concludes and (word[0].isalpha() or word == ",") and word not in words("not")
        concluded = concluded and (index == start or not corrects)
        tied = closes or concluded or ties(said, index)
        found = reader.lead(payload) if tied else None
        if found is None or _is_part(reader, found.label, text, at):
            continue
        if conditional:
            return None
        particle = lowered(found.label) in words("yes", "no") and _PARTICLE.match(payload)
        if particle and particle[1].lower() not in words("because"):
            return None  # "das ist ja das Problem"
        if not Clause(reader, said, start, index, found.label).affirms(closes=closes):
            return None
        arrow = not word[0].isalpha() and word in words("as")
        begin = index if arrow else start if concludes and start > 2 else 0
        if said.word(begin - 1) in words("is", "concludes"):
            begin = 0  # what stands before it is no reason: "The claim is thus false."
        return Statement(a + said.at[begin], at, b, payload, UNCUED, whole=True)
    end = text.rfind("; ", a, b)
    earlier = _sentence(reader, text, a, end) if end > a else None
    label = reader.label(earlier) if earlier else None
    more = split(text[max(end, a) : b])
    taken_back = words("wrong", "believes", "supposed", "rejects") - words("no")
    doubted = not taken_back.isdisjoint(more) or (len(more) < 7 and has(more, "not"))
    return earlier if label and not doubted and reader.names_no_other(text[end:b], label) else None


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


def _judge(reader: Reader, line: str) -> tuple[str, str]:
    """The choice that a line opens with, and whether the line says yes or no to it, or neither."""
    said = _OPENS.sub("", line, count=1)
    marks = words("affirms", "rejects")
    mark = said[:1] if said[:1] in marks else ""
    said = said.removeprefix(mark).strip()
    try:
        mentions = find_mentions(said, reader.choices, reader.letters)
    except Unreadable:  # of what stands beside a letter
        letter = _LETTER.match(said)
        mentions = find_mentions(letter[0], reader.choices, reader.letters) if letter else []
    if not mentions or split(said[: mentions[0].start]):
        return "", ""
    more = ["", mark, *split(said[mentions[0].end :], marks=True), ""]
    apart = {  # not in "correct spelling"
        word
        for before, word, after in zip(more, more[1:], more[2:], strict=False)
        if word in marks and not (word.isalpha() and (before[:1].isalnum() or after[:1].isalnum()))
    }
    sides = {word in words("affirms") for word in apart}
    verdict = ("yes" if sides.pop() else "no") if len(sides) == 1 else ""
    doubted = has(more, "open", "supposed", "crowd") or not {"?", "likely"}.isdisjoint(more)
    left_open = verdict == "yes" and doubted
    if verdict == "yes" and apart.isdisjoint("○◯") and not any(map(str.isalnum, apart)):
        verdict = "marked"
    return min(mentions[0].choices), "open" if left_open else verdict
