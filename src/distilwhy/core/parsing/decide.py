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
from distilwhy.core.parsing.sentences import find_uncued, first_alone, spans
from distilwhy.core.parsing.statements import EXPLICIT, HEADING, WEAK, Statement

_CLAUSE = r"(?:^|[.!?…\n(—,;*]|\s-\s)\s*+(?:(?:but|oh|hmm+|no|and|so|well|ah|sorry),?[^\S\n]+){0,3}"


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
        try:
            if decision := _agree(reader, ranked, lowered(text)):
                return decision
        except Unnamed as error:
            problem = problem or error
    denied = [
        f"the answer is only {s.denied}: {text[s.start :][:60]!r}" for s in statements if s.denied
    ]
    raise problem or Unreadable(denied[-1] if denied else "no answer is stated")


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
    uncued = find_uncued(reader, text, bold)
    yield [s for s in uncued if not cued or s.at > s.start or text[s.start - 1 : s.start] in "\n"]
    if reader.answer.kind != "text":
        yield [s for s in affirmed if s.rank == WEAK]


def _agree(reader: Reader, statements: Sequence[Statement], low: str) -> Decision | None:
    """What statements of one rank agree on; None if none of them has to be an answer."""
    found: Decision | None = None
    problem: Unreadable | None = None  # of the last ones
    for statement in statements:
        try:
            label = _state(reader, statement, statements)
        except Unreadable as error:
            optional = isinstance(error, Unnamed) and (statement.whole or statement.rank == WEAK)
            problem = problem if optional or (problem and isinstance(error, Unnamed)) else error
            continue
        problem, start = None, statement.start
        if found and reader.answer.same(found.label, label):
            label = max(found.label, label, key=lambda text: text.count(" "))
            if says_only(reader, low[found.statement.at : start], label):
                start = min(start, found.start)
        elif found and not _taken_back(low[found.statement.at : max(statement.at, start)]):
            raise Unreadable(f"{TWO_ANSWERS}: {found.label[:40]!r} and {label[:40]!r}")
        found = Decision(label, statement, start)
    if problem and not (found and isinstance(problem, Unnamed)):
        raise problem
    if found and _left_open(reader, low[found.statement.at :], found.label):
        raise Unreadable("the answer is left open")
    if found and _taken_back(low[found.statement.at + 1 :]):
        raise Unreadable("the answer is taken back")
    return found


def _state(reader: Reader, statement: Statement, others: Sequence[Statement]) -> str:
    """What a statement gives, up to the next on its line if it cannot be read whole."""
    following = [other.start for other in others if statement.at < other.start < statement.end]
    if following and statement.payload and reader.answer.kind != "text":
        with suppress(Unreadable):
            return reader.state(statement)
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


def _taken_back(low: str) -> bool:
    """Whether a text takes back what was said before: "Wait, …", "That is wrong." """
    for a, b in spans(low):
        said = split(low[a:b].partition(",")[0][:60])
        right = not (words("not").isdisjoint(said) or words("right").isdisjoint(said))
        is_short = len(said) < 9 and not words("said").isdisjoint(said[:2])
        if is_short and (right or not words("wrong").isdisjoint(said)):
            return True
    return phrases("retracts", f"{_CLAUSE}@").search(low) is not None


def says_only(reader: Reader, text: str, label: str) -> bool:
    """Whether a text says nothing, or this answer and nothing else."""
    if not re.search(r"\w", text):
        return True
    if "\n" in text.strip() or len(text.split()) > 12 or re.search(r"[.!?]\s+\w", text):
        return False
    found = reader.read(text)
    same = found and reader.answer.same(found.label, label)
    return bool(found and same and (found.bare or len(text.split()) < 7))
