"""Decides which of the stated answers a reply gives."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from distilwhy.core.parsing.answer import Unnamed, Unreadable
from distilwhy.core.parsing.clean import lowered
from distilwhy.core.parsing.completion import TWO_ANSWERS
from distilwhy.core.parsing.cues import phrases, split, words
from distilwhy.core.parsing.reader import Reader
from distilwhy.core.parsing.sentences import ITEM, around, emphasised, hedges, sentences, ticked
from distilwhy.core.parsing.statements import EXPLICIT, HEADING, UNCUED, WEAK, Statement

_LONGEST_LINE = 300
_LINE = re.compile(r"[^\n]*[^\s][^\n]*")
_HEADING = re.compile(r"[^\W\d_][\w ]{0,30}[:=]\s*")
_SHORT_TEXT = re.compile(
    r"(?!#)[^\s:]+(?: [^\s:]+){0,3}(?<![.!?:,;])(?=\n\s*\n|\Z)"
    r"|[A-Z][\w'-]+(?: [A-Z][\w'-]+){0,2}\.\Z"
)
_TAIL = re.compile(r"(?:^|(?<=\S\S[.!])\s+)(?:[^\W\d_][\w ]{0,20}: )?([^.!?\n]{1,80}[.!]?)$")
_CLAUSE = r"(?:^|[.!?…\n(—,;*]|\s-\s)\s*+(?:(?:but|oh|hmm+|no|and|so|well|ah|sorry),?[^\S\n]+){0,3}"
_SAID = re.compile(r"(?:^|[.!?\n])\s*+(?:(?:but|oh|hmm+|no|well|sorry),? )?(?=[^\W\d_])")
_STOPS = re.compile(r"$|[.:;,!]|\s+(?:[-–—(\[A-Z]|because\b|since\b|as\b|weil\b|parce\b|porque\b)")
_WORKED = re.compile(r"[-+*/×÷=]")


@dataclass(frozen=True)
class Decision:
    """The answer of a reply.

    Attributes:
        start: Where what states it begins: with the first of several in a row that say the same.
    """

    label: str
    statement: Statement
    start: int


def decide(
    reader: Reader, statements: Sequence[Statement], text: str, bold: Sequence[str] = ()
) -> Decision:
    """The answer that the affirmed statements of a reply agree on.

    Args:
        text: Of the usual width.
        bold: What is set in bold in it.

    Raises:
        Unreadable: if there is none, if the last is taken back, or if two differ and nothing
            between them takes the first back.
    """
    problem: Unreadable | None = None
    for ranked in _by_rank(reader, [s for s in statements if not s.denied], text, bold):
        found, trouble = _read_all(reader, ranked)
        problem = problem or trouble
        if found:
            return _resolve(reader, found, trouble, lowered(text))
        if problem and not isinstance(problem, Unnamed):
            raise problem
    if problem is None and (supposed := [s for s in statements if s.denied]):
        said = text[supposed[-1].start :][:60]
        raise Unreadable(f"the answer is only {supposed[-1].denied}: {said!r}")
    raise problem or Unreadable("no answer is stated")


def _by_rank(
    reader: Reader, affirmed: Sequence[Statement], text: str, bold: Sequence[str]
) -> Iterator[list[Statement]]:
    """What states an answer, the firmest first: of each, only where none before it can be read."""
    explicit = [s for s in affirmed if s.rank == EXPLICIT]
    stated = any(reader.label(s) is not None for s in explicit)
    yield [*first_alone(reader, text), *explicit] if stated else explicit
    if reader.choices:
        yield [s for s in affirmed if s.rank == HEADING]
    cued = any(not s.whole for s in explicit)  # then "The answer is e.g. park." has no line "park."
    yield [s for s in lines(reader, text) if not cued or text[s.start - 1 : s.start] in "\n"]
    yield ticked(reader, text) or sentences(reader, text) or emphasised(reader, text, bold)
    if reader.answer.kind != "text":
        yield [s for s in affirmed if s.rank == WEAK]


def _read_all(
    reader: Reader, statements: Sequence[Statement]
) -> tuple[list[tuple[Statement, str]], Unreadable | None]:
    """What can be read, and the last problem after it, if any."""
    found: list[tuple[Statement, str]] = []
    problem: Unreadable | None = None
    for statement in statements:
        try:
            found.append((statement, _state(reader, statement, statements)))
            problem = None
        except Unnamed as error:
            problem = problem or (None if statement.whole or statement.rank == WEAK else error)
        except Unreadable as error:
            problem = error
    return found, problem


def _state(reader: Reader, statement: Statement, others: Sequence[Statement]) -> str:
    """What a statement gives, up to the next on its line if it cannot be read whole."""
    try:
        return reader.state(statement)
    except Unreadable:
        following = [other.start for other in others if statement.at < other.start < statement.end]
        if not following or statement.payload is None or reader.answer.kind == "text":
            raise
        payload = statement.payload[: min(following) - statement.end]
        with suppress(Unreadable):
            return reader.state(replace(statement, payload=payload))
        raise


def _resolve(
    reader: Reader, found: list[tuple[Statement, str]], problem: Unreadable | None, low: str
) -> Decision:
    (last, label), start = found[0], found[0][0].start
    for statement, other in found[1:]:
        if reader.answer.same(label, other):
            label = max(label, other, key=lambda text: (text.count(" "), text == label))
            again = says_only(reader, low[last.at : statement.start], label)
            start = min(start, statement.start) if again else statement.start
        elif statement.revised or _taken_back(low[last.at : max(statement.at, statement.start)]):
            label, start = other, statement.start
        else:
            raise Unreadable(f"{TWO_ANSWERS}: {label[:40]!r} and {other[:40]!r}")
        last = statement
    if problem and not isinstance(problem, Unnamed):
        raise problem
    if _left_open(reader, low, last, label):
        raise Unreadable("the answer is left open")
    if _taken_back(low[last.at + 1 :]):
        raise Unreadable("the answer is taken back")
    return Decision(label, last, start)


def _left_open(reader: Reader, low: str, last: Statement, label: str) -> bool:
    """Whether a reply leaves its answer open after all: "Both are possible.", "… just as well." """
    if phrases("undecided").search(low, last.at):
        return True
    others = "|".join(re.escape(c.lower()) for c in reader.choices if c != label)
    for equal in phrases("equal").finditer(low, last.at):
        a, b = around(low, equal.start(), equal.end())
        said = low[max(a, last.at) : b]
        named = others and re.search(rf"(?<!\w)(?:{others})(?!\w)", said)
        if named and words("not").isdisjoint(split(said)):
            return True
    return False


def _taken_back(low: str) -> bool:
    """Whether a text takes back what was said before: "Wait, …", "That is wrong." """
    if phrases("retracts", f"{_CLAUSE}@").search(low):
        return True
    for sentence in _SAID.finditer(low):
        said = split(re.split(r"[.!?\n,]", low[sentence.end() :][:60], maxsplit=1)[0])
        right = not (words("not").isdisjoint(said) or words("right").isdisjoint(said))
        if said[0] in words("said") and len(said) < 9 and (right or words("wrong") & {*said}):
            return True
    return False


def says_only(reader: Reader, text: str, label: str) -> bool:
    """Whether a text says nothing, or this answer and nothing else."""
    if not re.search(r"\w", text):
        return True
    if "\n" in text.strip() or len(text.split()) > 12 or re.search(r"[.!?]\s+\w", text):
        return False
    found = reader.read(text)
    same = found and reader.answer.same(found.label, label)
    return bool(found and same and (found.bare or len(text.split()) < 7))


def first_alone(reader: Reader, text: str) -> list[Statement]:
    """A first line that is nothing but a choice or a number, with more after it."""
    line, newline, rest = text.partition("\n")
    if not newline or not reader.whole(line):
        return []
    following = rest.strip().split("\n", 1)[0]
    listed = _lead(reader, following)[0] if reader.choices else rest[:1] != "\n" or "=" in line
    return [] if listed else [Statement(0, 0, len(line), line, UNCUED, whole=True)]


def lines(reader: Reader, text: str) -> list[Statement]:
    """A first or a last line that is an answer, or a first that gives one and reasons for it."""
    if reader.answer.kind == "text":
        alone = _SHORT_TEXT.match(text)
        stated = alone and words("noun").isdisjoint(split(alone[0]))
        return (
            [Statement(0, 0, alone.end(), alone[0], UNCUED, alone=True)] if alone and stated else []
        )
    spans = [m.span() for m in _LINE.finditer(text)]
    spans = [(a, b) for a, b in spans if b - a < _LONGEST_LINE or len(spans) == 1]
    if not spans:
        return []
    (a, b), leads = spans[0], [_lead(reader, text[a:b]) for a, b in spans[:12] if reader.choices]
    labels = [label for label, _ in leads]
    several = len({*labels} - {None}) > 1
    if several and (None not in labels[-2:] or len(labels) == len(spans) > 2):
        return []  # the options are listed
    found = _last_line(reader, text, spans)
    told = [text[a:b] for a, b in spans[:12]]
    column = all(reader.whole(line) and not _WORKED.search(line) for line in told)
    if several or (found and not reader.choices and not column):
        return found
    if reader.whole(text[a:b]) and not ("=" in text[a:b] and b < len(text)):
        found.insert(0, Statement(a, a, b, text[a:b], UNCUED, whole=True))
    elif leads and leads[0][0]:
        end = a + leads[0][1]
        found.insert(0, Statement(a, a, end, text[a:end], UNCUED, whole=True))
    return found


def _last_line(reader: Reader, text: str, spans: Sequence[tuple[int, int]]) -> list[Statement]:
    a, b = spans[-1]
    last = text[a:b].lstrip("#").strip("$ \t\r")
    heading = _HEADING.match(last)
    if heading and not _is_theirs(heading[0]):
        last = last[heading.end() :]
    listed = ITEM.match(text, a) and ITEM.match(text[slice(*spans[-2])]) if len(spans) > 1 else None
    alone = not listed if len(spans) > 1 else last != text[a:b].strip()
    end = _TAIL.search(text, a, b) if reader.choices else None
    if alone and reader.whole(last):
        return [Statement(a, a, b, last, UNCUED, whole=True)]
    if end and reader.whole(end[1]) and not _is_theirs(text[end.start() : end.start(1)]):
        opening = end.start() + len(end[0]) - len(end[0].lstrip())
        return [Statement(opening, end.start(1), b, end[1], UNCUED, whole=True)]
    return []


def _is_theirs(heading: str) -> bool:
    said = {*split(heading)}
    return hedges(said) or not words("explains", "negative").isdisjoint(said)


def _lead(reader: Reader, line: str) -> tuple[str | None, int]:
    """The label that a line opens with before it says more, and where that begins."""
    item = ITEM.match(line)
    at = item.end() if item else 0
    found = reader.read(line[at:_LONGEST_LINE])
    if found is None:
        return None, 0
    end = len(line[:_LONGEST_LINE]) - len(found.rest)
    both = end - at > len(found.label) + 2  # a letter and its text
    ends = both or _STOPS.match(line, end) or line[end - 1] in ".:;,!–—-)"
    return (found.label, end) if ends and reader.whole(line[at:end]) else (None, 0)
