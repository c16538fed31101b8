"""Answers that a reply states without a cue: "Spam.", "The shop is liable.", "So she has 41." """

import re
from collections.abc import Sequence

from distilwhy.core.parsing.choices.choice_sentences import find_stated, find_verdicts
from distilwhy.core.parsing.cues import ITEM, LINE, hedges, phrases, spans, split, words
from distilwhy.core.parsing.numbers.number_sentences import find_expression, find_results
from distilwhy.core.parsing.reader import Reader
from distilwhy.core.parsing.statements import UNCUED, Statement
from distilwhy.core.parsing.text_sentences import find_text

_LONGEST = 300
_MOST = 40
_HEADING = re.compile(r"[#$ \t]*(?:[^\W\d_][\w ]{0,30}[:=]\s*)?")


def find_uncued(reader: Reader, text: str, bold: Sequence[str]) -> list[Statement]:
    """What the first or the last sentence or line opens with, unless all is a list; failing that,
    what sentences state; failing that, the one answer in bold.
    """
    if reader.answer.kind == "text":
        return find_text(reader.asked, text) or _emphasised(reader, text, bold)
    parts = [(a, b) for a, b in spans(text) if b - a < _LONGEST and not _is_aside(text[a:b])]
    parts = parts[:1] + parts[1:][-_MOST:]
    found = _at_ends(reader, text, parts)
    if reader.choices and found and found[-1].start == parts[0][0] and parts[1:]:
        found += find_stated(reader, text, parts[-1:])
    return found or _in_sentences(reader, text, parts) or _emphasised(reader, text, bold)


def _is_aside(sentence: str) -> bool:
    """Whether a sentence only asks, checks, greets, wishes well, or stands in brackets."""
    checks = ":" in sentence[:30] and not words("explains").isdisjoint(split(sentence[:30])[:1])
    bracketed = re.fullmatch(r"\([^()]{20,}\)\W*", sentence)
    greets = phrases("greets", r"\W*@\W*\Z").match(sentence)
    beside = phrases("courtesy").match(sentence) or phrases("besides").match(sentence.lstrip())
    return "?" in sentence or any((checks, bracketed, greets, beside))


def _at_ends(reader: Reader, text: str, parts: Sequence[tuple[int, int]]) -> list[Statement]:
    """What the first and the last sentence open with, and sentences that are a choice and no more;
    of numbers, what the first and the last line open with.
    """
    lines = [line.span() for line in LINE.finditer(text)]
    said = [text[a:b] for a, b in lines]
    leads = {lead.label for line in said[:12] if reader.choices and (lead := reader.lead(line))}
    if len(leads) > 1 or (len(said) > 1 and all(ITEM.match(line) for line in said[-2:])):
        return []  # a list
    if reader.choices:
        lines = [*parts]
    elif len(lines) > 1 and re.search(r"[-+*/×÷=]", said[0]):
        lines = lines[-1:]  # the first works something out
    ends = [
        line
        for line in lines
        if line in (lines[0], lines[-1]) or (reader.choices and reader.whole(text[slice(*line)]))
    ]
    return [statement for a, _ in ends if (statement := _opening(reader, text, a))]


def _in_sentences(reader: Reader, text: str, parts: Sequence[tuple[int, int]]) -> list[Statement]:
    """What sentences state."""
    if reader.choices:
        return find_verdicts(reader, text) or find_stated(reader, text, parts)
    if reader.answer.kind == "equation":
        return find_expression(reader, text, parts)
    return find_results(reader, text, parts) if parts else []


def first_alone(reader: Reader, text: str) -> list[Statement]:
    """A first line that is nothing but a choice or a number, with more after it."""
    line, newline, rest = text.partition("\n")
    if not newline or not reader.whole(line):
        return []
    following = rest.strip().split("\n", 1)[0]
    listed = reader.lead(following) if reader.choices else rest[:1] != "\n" or "=" in line
    return [] if listed else [Statement(0, 0, len(line), line, UNCUED, whole=True)]


def _opening(reader: Reader, text: str, a: int) -> Statement | None:
    """What a line opens with; the last line also behind a heading: "Severity = high"."""
    line, more, _ = text[a:].partition("\n")
    line = line.rstrip("$ \t\r")
    heading = None if more else _HEADING.match(line)
    named = {*split(heading[0])} if heading else set()
    theirs = hedges(named) or named & words("explains", "negative", "people")
    for at in [0, heading.end()] if heading and not theirs else [0]:
        if len(line) < _LONGEST and (found := reader.lead(line[at:])):
            end = a + len(line) - len(found.rest)
            return Statement(a, a + at, end, text[a + at : end], UNCUED, whole=True)
    return None


def _emphasised(reader: Reader, text: str, bold: Sequence[str]) -> list[Statement]:
    """The one answer that a reply sets in bold, in a sentence that neither hedges nor denies."""
    is_text = reader.answer.kind == "text"
    answers = {
        span for span in {*bold} if (span[-1] not in ":：" if is_text else reader.whole(span))
    } - {text}
    for span in answers if len(answers) == 1 else ():
        at = text.rindex(span)
        a, b = next((a, b) for a, b in spans(text) if a <= at < b)
        if not hedges({*split(text[a:b])}):
            whole = not is_text
            return [Statement(a, at, at + len(span), span, UNCUED, whole=whole, alone=is_text)]
    return []
