"""Decides which of the stated answers a reply gives."""

import re
from collections.abc import Sequence
from dataclasses import replace

from distilwhy.core.parsing.answer import Unnamed, Unreadable
from distilwhy.core.parsing.clean import lowered
from distilwhy.core.parsing.completion import TWO_ANSWERS
from distilwhy.core.parsing.cues import has, phrases, spans, split, words
from distilwhy.core.parsing.implied.implied_answer import find_implied
from distilwhy.core.parsing.reader import Reader
from distilwhy.core.parsing.statements import EXPLICIT, HEADING, UNCUED, WEAK, Statement
from distilwhy.core.parsing.uncued import find_uncued, first_alone

_MOST = 40  # spans in bold looked at
_LONGEST = 80  # of a payload that is no paragraph
_ASIDE = re.compile(
    r"\s*(?:\((?!or\b)|, (?:which|who|where|que|qui|où|onde|donde|der|die|das|wo)\b)"
)
_CLAUSE = r"(?:^|[.!?…\n(—,;*]|\s-\s)\s*+(?:(?:but|oh|hmm+|no|and|so|well|ah|sorry),?[^\S\n]+){0,3}"


def decide(
    reader: Reader, statements: Sequence[Statement], text: str, bold: Sequence[str] = ()
) -> tuple[str, Statement]:
    """The answer that the affirmed statements of a reply agree on, and the last that gives it; of
    several in a row that say the same, with the start of the first.

    Args:
        text: Of the usual width.
        bold: What is set in bold in it.

    Raises:
        Unreadable: if there is none, if the last is taken back, or if two differ and nothing
            between them takes the first back.
    """
    problem: Unreadable | None = None
    figures = [] if reader.choices else [span for span in {*bold[-_MOST:]} if reader.whole(span)]
    if reader.answer.kind == "text":
        statements = [_in_bold(statement, bold) for statement in statements]
    statements = [_with_figure(reader, statement, figures) for statement in statements]
    unread = {"choice": (), "text": (HEADING, WEAK)}.get(reader.answer.kind, (HEADING,))
    for rank in (EXPLICIT, HEADING, UNCUED, WEAK):  # the firmest first
        ranked = [s for s in statements if s.rank == rank not in unread and not s.denied]
        if rank == UNCUED:
            ranked = find_uncued(reader, text, bold)
        elif rank == EXPLICIT:
            ranked = sorted([*first_alone(reader, text), *ranked], key=lambda said: said.at)
        try:
            if decision := _agree(reader, ranked, text, statements):
                return decision
        except Unnamed as error:
            problem = problem or error
    unsaid = not problem and not any(s.denied for s in statements if s.rank == EXPLICIT)
    if unsaid and (decision := _agree(reader, find_implied(reader, text), text)):
        return decision
    for s in statements[::-1] if not problem else ():
        if s.denied:
            raise Unreadable(f"the answer is only {s.denied}: {text[s.start :][:60]!r}")
    raise problem or Unreadable("no answer is stated")


def _with_figure(reader: Reader, stated: Statement, figures: Sequence[str]) -> Statement:
    """A statement; of one that cannot be read, the one number in bold that ends its line."""
    line = stated.payload or ""
    found = [figure for figure in figures if figure in line and figure != line]
    if len(found) != 1 or reader.label(stated):
        return stated
    ends = re.search(rf"(?<![\w*.,]){re.escape(found[0])}(?![\w*])[^\d*]*\Z", line)
    return replace(stated, payload=found[0]) if ends else stated


def _in_bold(stated: Statement, bold: Sequence[str]) -> Statement:
    """A statement; of one that opens in bold, before a clause or a bracket about it, only that."""
    said = (stated.payload or "").lstrip(" \"'")
    for span in bold[-_MOST:]:
        opens = said.startswith(span) and _ASIDE.match(said, len(span))
        if opens and not has(split(said[len(span) :]), "open", "crowd", "attributed"):
            return replace(stated, payload=span)
    return stated


def _agree(
    reader: Reader, statements: Sequence[Statement], text: str, known: Sequence[Statement] = ()
) -> tuple[str, Statement] | None:
    """What statements of one rank agree on; None if none of them has to be an answer.

    Args:
        known: Statements of any rank. They count behind what takes an answer back.
    """
    low = lowered(text)
    found: tuple[str, Statement] | None = None
    problem: Unreadable | None = None  # of the last ones
    fatal = False  # whether it counts beside an answer
    for statement in statements:
        try:
            label = _state(reader, statement, statements)
        except Unreadable as error:
            unnamed = isinstance(error, Unnamed)
            optional = unnamed and (statement.whole or statement.rank == WEAK)
            if not optional and not (problem and unnamed):
                problem = error
                fatal = not unnamed and len(statement.payload or "") <= _LONGEST
            continue
        problem = None
        if found:
            before, last = found
            between = low[last.at + 1 : max(statement.at, statement.start)]
            if reader.answer.same(before, label):
                label = max(before, label, key=lambda each: each.count(" "))
                if says_only(reader, low[last.at : statement.start], label):
                    statement = replace(statement, start=min(statement.start, last.start))
            elif _retraction(between) is None:
                raise Unreadable(f"{TWO_ANSWERS}: {before[:40]!r} and {label[:40]!r}")
        found = label, statement
    if problem and (fatal or not found):
        raise problem
    if found and _left_open(reader, low[found[1].at :], found[0]):
        raise Unreadable("the answer is left open")
    if found and (back := _retraction(low[found[1].at + 1 :])) is not None:
        start = found[1].at + 1 + back
        behind = [s for s in known if s.start >= start and not s.denied]
        for later in find_uncued(reader, "\n" * start + text[start:], ()), behind:
            if later and (found := _agree(reader, later, text)):
                return found
        raise Unreadable("the answer is taken back")
    return found


def _state(reader: Reader, statement: Statement, others: Sequence[Statement]) -> str:
    """What a statement gives, up to the next on its line."""
    following = [other.start for other in others if statement.at < other.start < statement.end]
    if following and statement.payload and reader.answer.kind != "text":
        payload = statement.payload[: min(following) - statement.end]
        statement = replace(statement, payload=payload)
    return reader.state(statement)


def _left_open(reader: Reader, low: str, label: str) -> bool:
    """Whether a reply leaves its answer open after all: "Both are possible.", "… just as well." """
    others = "|".join(re.escape(c.lower()) for c in reader.choices if c != label)
    for a, b in spans(low):
        named = others and re.search(rf"(?<!\w)(?:{others})(?!\w)", low[a:b])
        if named and phrases("equal").search(low, a, b) and not words("not") & {*split(low[a:b])}:
            return True
    return phrases("undecided").search(low) is not None


def _retraction(low: str) -> int | None:
    """Where a text takes back what was said before, as in "Wait, …" or "That is wrong." """
    for a, b in spans(low):
        said = split(low[a:b].partition(",")[0][:60])
        wrong = has(said, "wrong") or (has(said, "not") and has(said, "right"))
        if wrong and has(said[:2], "said"):
            return a
    found = phrases("retracts", f"{_CLAUSE}@").search(low)
    return found.start() if found else None


def says_only(reader: Reader, text: str, label: str) -> bool:
    """Whether a text says nothing, or this answer and nothing else."""
    if not re.search(r"\w", text):
        return True
    found = None if re.search(r"[.!?]\s+\w", text) else reader.read(text)
    same = found and reader.answer.same(found.label, label)
    return bool(found and same and (found.bare or len(text.split()) < 7))
