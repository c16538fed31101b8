"""Answers that a reply states by a verdict on each choice."""

import re

from distilwhy.core.parsing.answer import Unreadable
from distilwhy.core.parsing.choices.choice import find_mentions
from distilwhy.core.parsing.cues import split, words
from distilwhy.core.parsing.reader import Reader
from distilwhy.core.parsing.sentences import LINE
from distilwhy.core.parsing.statements import UNCUED, Statement

_LONGEST = 300
_LETTER = re.compile(r"\(?\w[).:]")
_OPENS = re.compile(r"[\s#*|•➤▶·-]*(?:\d{1,2}[.)]\s)?\s*")


def find_verdicts(reader: Reader, text: str) -> list[Statement]:
    """The line of the one choice that is affirmed, where each has a line and another is denied:
    ``(a) Faux : … (b) Vrai : …``, ``❌ mall``.
    """
    if not reader.choices or (reader.letters.certain and not reader.question()):
        return []
    judged: dict[str, tuple[str, int, int]] = {}
    for line in list(LINE.finditer(text))[: 3 * len(reader.choices)]:
        choice, verdict = _judge(reader, line[0][:_LONGEST])
        if choice in judged:
            return []
        if choice:
            judged[choice] = (verdict, *line.span())
    affirmed = [choice for choice, (verdict, *_) in judged.items() if verdict in ("yes", "open")]
    verdicts = {verdict for verdict, *_ in judged.values()}
    if len(judged) < len(reader.choices) or len(affirmed) != 1 or not verdicts >= {"yes", "no"}:
        return []
    _, start, end = judged[affirmed[0]]
    return [Statement(start, start, end, affirmed[0], UNCUED, whole=True)]


def _judge(reader: Reader, line: str) -> tuple[str, str]:
    """The choice that a line opens with, and whether the line says yes or no to it, or neither."""
    begin = _OPENS.match(line)
    said = line[begin.end() if begin else 0 :]
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
    left_open = verdict == "yes" and not words("open", "supposed").isdisjoint(more)
    return min(mentions[0].choices), "open" if left_open else verdict
