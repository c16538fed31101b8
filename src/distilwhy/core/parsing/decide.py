"""Decides which of the stated answers a reply gives."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from distilwhy.core.parsing import cues
from distilwhy.core.parsing.answer import Unnamed, Unreadable
from distilwhy.core.parsing.clean import lowered, widen
from distilwhy.core.parsing.completion import TWO_ANSWERS
from distilwhy.core.parsing.reader import Reader
from distilwhy.core.parsing.statements import Statement

_LONGEST_LINE = 300
_WINDOW = 5000
_LINES = 12
_ASKED = re.compile(
    r"(?:[^.!?\n]|\.(?=\w)){0,300}\?\W*(?:no|not|nope|wrong|wait|hmm?|maybe)\b", re.I
)
_ITEM = re.compile(r"[^\S\n]*(?:\d{1,2}[.)]|[-*•])(?=\s|$)")
_LEAD = re.compile(r"[.:;,!](?=\s)|\s")
_BARE = re.compile(r"[-−$€£]?\d[\d,]*(?:\.\d+)?[%.]?")
_STOPS = re.compile(r"$|[.:;,!]|\s+(?:[-–—(\[A-Z]|because\b|since\b|as\b|weil\b|parce\b|porque\b)")
_SHORT_TEXT = re.compile(r"(?!#)[^\s:]+(?: [^\s:]+){0,3}(?<![.!?:,;])(?=\n\s*\n|\Z)")
_FILLS = re.compile(r"\b(?:an?|the|option|choice|answer|letter|label)\Z", re.I)
_NEAR = 40
_LINE = re.compile(r"[^\n]*[^\s][^\n]*")
_HEADING = re.compile(r"[^\W\d_][\w ]{0,30}[:=]\s*")
_LAST_SENTENCE = re.compile(
    r"(?:^|(?<=\w\w[.!])\s+)(?:[^\W\d_][\w ]{0,20}: )?([^.!?\n]{1,80}[.!]?)$"
)
_FIRST = re.compile(r"[^\n]{1,300}?(?:[.!](?=\s)|(?=\n)|\Z)")
_LAST = re.compile(r"(?:(?<=[.!?:] )|(?<=\n)|\A)[^\n.!?:]{1,200}(?:\.\d+[^\n.!?]{0,60})?[.!]?\Z")
_OPEN = re.compile(
    r"\b(?:not|cannot|whether|if|could|might|may|would|possible|either|neither|some|many|labels"
    r"|options"
    r"|categories|initially|question|if|were|had)\b|n['’]t\b|\?|如果|可能|もし|만약|かもしれ"
)
_CONTRAST = re.compile(
    r"\b(?:not|no|nicht|kein\w*|weder)\b.*\b(?:but|es)\b|\b(?:sondern|sino)\b|아니라|不是.*而是"
)
_CONCLUDES = re.compile(
    r".*(?:\b(?:is|are|as|be|category|class|label|kategorie|ist|est|es|é|but|sondern|sino)\s+"
    r"(?:an? |the |eine? |una? |clearly )?|(?:→|[=-]>)\s+|(?:[是为은は]|(?<!또)는|아니라|而是)\s?)"
    r"(?P<label>[^.!?\n,;:]{1,80})(?:[.!,;:].*)?"
)
_DENIES = re.compile(r"\b(?:no|ne|não|nicht|kein\w*|pas)\b|不|안 |아니")
_NUMBER = re.compile(r"(?<![A-Za-z0-9_.,])[-−]?\d[\d,]*(?:\.\d+)?")
_RESULT = re.compile(r"= ?[$€£]?([-−]?\d[\d,]*(?:\.\d+)?)")
_CONCLUSION = re.compile(
    r"\b(?:so|thus|hence|therefore|also|donc|así|por lo tanto|portanto|logo)\b"
    r"|所以|因此|따라서|그러므로|なので"
)
_FIRST_SENTENCE = re.compile(
    r"(?<=[.!?;])\s|\s[-–—(]|,\s(?=because|since|as)|\s(?=because|rather than|instead of)"
)


@dataclass(frozen=True)
class Decision:
    """The answer of a reply.

    Attributes:
        start: Where what states it begins: with the first of several in a row that say the same.
    """

    label: str
    statement: Statement
    start: int


def decide(reader: Reader, statements: Sequence[Statement], text: str) -> Decision:
    """The answer that the affirmed statements of a reply agree on.

    Raises:
        Unreadable: if there is none, if the last is taken back, or if two differ and nothing
            between them takes the first back.
    """
    text = widen(text)
    low = lowered(text)
    affirmed = [s for s in statements if not s.denied]
    explicit = [s for s in affirmed if s.tier == "explicit"]
    found, problem = _read_all(reader, explicit)
    if found:
        first, _ = _read_all(reader, first_alone(reader, text))
        return _resolve(reader, first + found, problem, low)
    weaker: list[Callable[[], list[Statement]]] = [
        lambda: [s for s in affirmed if s.tier == "heading" and reader.choices],
        lambda: [
            s for s in _lines(reader, text) if not explicit or text[s.start - 1 : s.start] in "\n"
        ],
        lambda: [s for s in affirmed if s.tier == "head"],
        lambda: [] if any(not s.whole for s in explicit) else _sentences(reader, text),
        lambda: [s for s in affirmed if s.tier == "weak" and reader.answer.kind != "text"],
    ]
    for tier in weaker:
        if problem and not isinstance(problem, Unnamed):
            raise problem
        found, trouble = _read_all(reader, tier())
        problem = problem or trouble
        if found:
            return _resolve(reader, found, trouble, low)
    supposed = [s for s in statements if s.denied]
    if problem is None and supposed:
        said = text[supposed[-1].start :][:60]
        problem = Unreadable(f"the answer is only {supposed[-1].denied}: {said!r}")
    raise problem or Unreadable("no answer is stated")


def read_statement(reader: Reader, statement: Statement) -> str:
    """The label of one statement.

    Raises:
        Unreadable: if it has none.
    """
    payload = statement.payload
    if payload is None:
        raise Unnamed("the reply ends before its answer")
    if statement.payload_is_asked():
        raise (Unnamed if statement.whole else Unreadable)("the answer is only asked")
    if statement.whole:
        label = reader.whole(payload)
        if label is None and reader.answer.kind == "choice":
            label = reader.whole(_FIRST_SENTENCE.split(payload, maxsplit=1)[0])
        if label is None:
            raise Unnamed("no answer is stated")
        return label
    return reader.read(payload, alone=statement.alone)


def first_line_end(reader: Reader, text: str) -> int | None:
    """Where a first line that is an answer ends; None if it is none."""
    return next((s.end for s in _lines(reader, widen(text)) if s.start == 0), None)


def _read_all(
    reader: Reader, statements: Sequence[Statement]
) -> tuple[list[tuple[Statement, str]], Unreadable | None]:
    """What can be read, and the last problem after it, if any."""
    found: list[tuple[Statement, str]] = []
    problem: Unreadable | None = None
    for statement in statements:
        try:
            found.append((statement, read_statement(reader, statement)))
            problem = None
        except Unnamed as error:
            problem = problem or (None if statement.whole or statement.tier == "weak" else error)
        except Unreadable as error:
            problem = error
    return found, problem


def _resolve(
    reader: Reader, found: list[tuple[Statement, str]], problem: Unreadable | None, low: str
) -> Decision:
    (last, label), start = found[0], found[0][0].start
    for statement, other in found[1:]:
        between = low[last.at : max(statement.at, statement.start)]
        if not reader.answer.same(label, other):
            if not (statement.revised or cues.RETRACTED.search(between)):
                raise Unreadable(f"{TWO_ANSWERS}: {label[:40]!r} and {other[:40]!r}")
            label, start = other, statement.start
        else:
            label = _fuller(label, other)
            apart = low[last.at : statement.start]
            start = (
                min(start, statement.start) if says_only(reader, apart, label) else statement.start
            )
        last = statement
    if problem and not isinstance(problem, Unnamed):
        raise problem
    if cues.RETRACTED.search(low, last.at + 1) or _ASKED.match(last.payload or ""):
        raise Unreadable("the answer is taken back")
    return Decision(label, last, start)


def _fuller(label: str, other: str) -> str:
    """The expression, if the two labels are an expression and its value."""
    return max(label, other, key=lambda text: (text.count(" "), text == label))


def says_only(reader: Reader, text: str, label: str) -> bool:
    """Whether a text says nothing, or this answer and nothing else."""
    if not re.search(r"\w", text) or reader.whole(text) == label:
        return True
    if "\n" in text.strip() or len(text.split()) > 6 or re.search(r"[.!?]\s+\w", text):
        return False
    try:
        return reader.answer.same(reader.read(text), label)
    except Unreadable:
        return False


def _lines(reader: Reader, text: str) -> list[Statement]:
    """A first or a last line that is an answer, or a first that gives one and reasons for it."""
    if reader.answer.kind == "text":
        alone = _SHORT_TEXT.match(text)
        stated = alone and not cues.NOUN.search(lowered(alone[0]))
        return [Statement(0, 0, alone.end(), alone[0], alone=True)] if alone and stated else []
    spans = [m.span() for m in _LINE.finditer(text, 0, _WINDOW)]
    if len(text) > _WINDOW:  # lines in between are neither first nor last
        spans += [m.span() for m in _LINE.finditer(text, max(_WINDOW, text.find("\n", -_WINDOW)))]
    spans = [(a, b) for a, b in spans if b - a < _LONGEST_LINE or len(spans) == 1]
    if not spans:
        return []
    is_choice = reader.answer.kind == "choice"
    leads = [_lead(reader, text[a:b])[0] for a, b in spans[:_LINES]] if is_choice else []
    if len({*leads} - {None}) > 1 and (None not in leads[-2:] or len(leads) == len(spans) > 2):
        return []  # the options are listed
    found = [*_last_line(reader, text, spans)]
    if len({*leads} - {None}) < 2 and (is_choice or not found):
        found[:0] = _first_line(reader, text, *spans[0])
    return found


def first_alone(reader: Reader, text: str) -> list[Statement]:
    """A first line that is a choice, with more after it, and that is no heading of a list."""
    line, newline, rest = text.partition("\n")
    if reader.answer.kind == "number" and _BARE.fullmatch(line) and rest.startswith("\n"):
        return [Statement(0, 0, len(line), line, whole=True)]
    longest = max((len(choice) for choice in reader.choices), default=0) + 12
    if (
        not (newline and reader.choices)
        or len(line) > longest
        or _lead(reader, rest.strip().split("\n", 1)[0])[0]
    ):
        return []
    return [Statement(0, 0, len(line), line, whole=True)] if reader.whole(line) else []


def _first_line(reader: Reader, text: str, a: int, b: int) -> Iterator[Statement]:
    line = text[a:b]
    if reader.whole(line) and not ("=" in line and b < len(text)):
        yield Statement(a, a, b, line, whole=True)
    elif reader.answer.kind == "choice":
        label, end = _lead(reader, line)
        if label:
            yield Statement(a, a, a + end, line[:end], whole=True)


def _last_line(reader: Reader, text: str, spans: Sequence[tuple[int, int]]) -> Iterator[Statement]:
    a, b = spans[-1]
    before = text[slice(*spans[-2])] if len(spans) > 1 else ""
    last = text[a:b].strip("#$ \t\r")
    heading = _HEADING.match(last)
    if heading and not (cues.EXPLAINS.match(last) or cues.NEGATIVE.search(lowered(heading[0]))):
        last = last[heading.end() :]
    listed = _ITEM.match(text, a) and _ITEM.match(before)
    alone = not listed if len(spans) > 1 else last != text[a:b].strip()
    end = _LAST_SENTENCE.search(text, a, b) if reader.choices else None
    if alone and reader.whole(last):
        yield Statement(a, a, b, last, whole=True)
    elif end and reader.whole(end[1]):
        yield Statement(end.start(1), end.start(1), b, end[1], whole=True)


def _sentences(reader: Reader, text: str) -> list[Statement]:
    """A first or a last sentence that says it: "The shop is liable.", "So she has 41 apples." """
    first, last = _FIRST.match(text), _LAST.search(text, max(0, len(text) - _LONGEST_LINE))
    spans = sorted({m.span() for m in (first, last) if m})
    if reader.answer.kind == "number":
        return [s for a, b in spans[-1:] for s in _number_sentence(text, a, b)]
    return [s for a, b in spans if reader.choices for s in _choice_sentence(reader, text, a, b)]


def _choice_sentence(reader: Reader, text: str, a: int, b: int) -> Iterator[Statement]:
    said = _CONCLUDES.fullmatch(text, a, b)
    if said is None or "depend" in text:
        return
    before = lowered(text[a : said.start("label")])
    if not _CONTRAST.search(before):
        named = any(choice.lower() in before for choice in reader.choices)
        if named or _OPEN.search(before) or _DENIES.search(before) or cues.NOUN.search(before):
            return
    at = said.start("label")
    yield Statement(a, at, b, said["label"], "head", whole=True)


def _number_sentence(text: str, a: int, b: int) -> Iterator[Statement]:
    """A sentence with one number: all of a reply, or one that concludes or repeats a result."""
    numbers = list(_NUMBER.finditer(text, a, b))
    said = lowered(text[a:b])
    if len(numbers) != 1 or "#" in text or "?" in said or cues.ATTRIBUTED.search(said):
        return
    results = _RESULT.findall(text, 0, a)
    concludes = _CONCLUSION.search(said)
    if not text[:a].strip() or concludes or (results and results[-1] == numbers[0][0]):
        yield Statement(a, a, b, text[a:b], "head")


def _lead(reader: Reader, line: str) -> tuple[str | None, int]:
    """The label that a line opens with before it says more, and where that begins."""
    line = line[:_LONGEST_LINE]
    item = _ITEM.match(line)
    at = item.end() if item else 0
    ends = [m.start() for m in islice(_LEAD.finditer(line, at), 8)]
    ends = [end for end in [*ends, len(line)] if not _FILLS.search(line, at, end)]
    wholes = [(end, label) for end in ends if (label := reader.whole(line[at:end]))]
    if not wholes or len({label for _, label in wholes}) > 1:
        return None, 0
    end, label = wholes[-1]
    try:
        near = line[at:] if len(line) <= end + _NEAR else line[at : end + _NEAR].rpartition(" ")[0]
        stated = reader.read(near)
    except Unreadable:
        return None, 0
    ends_there = _STOPS.match(line, end) or line[end - 1] in ".:;,!–—-"
    lettered = label.lower() in line[at:end].lower() and end - at > len(label) + 1
    return (label, end) if stated == label and (ends_there or lettered) else (None, 0)
