"""Choices that are stated by a verdict on each: ``(a) Faux : … (b) Vrai : …``."""

import re

from distilwhy.core.parsing.answer import Unreadable
from distilwhy.core.parsing.choices.choice import find_mentions
from distilwhy.core.parsing.cues import LINE, has, split, words
from distilwhy.core.parsing.reader import Reader
from distilwhy.core.parsing.statements import UNCUED, Statement

_LONGEST = 300
_LETTER = re.compile(r"\(?\w[).:]")
_OPENS = re.compile(r"\A[\s#*|•➤▶·-]*(?:\d{1,2}[.)]\s)?\s*")


def find_verdicts(reader: Reader, text: str) -> list[Statement]:
    """The line of the one choice that is affirmed, where each has a line, and another is denied or
    this one alone has a mark: ``❌ mall``, ``(c) park ← this one``.
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
    after = split(said[mentions[0].end :], marks=True)
    more = ["", mark, *(word for word in after if word not in words("is")), ""]
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
