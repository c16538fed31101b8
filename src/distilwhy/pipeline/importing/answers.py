"""Finds the answers in a log: their kind, their labels, and what each reply says."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from distilwhy.core.parsing.answer import Answer, Kind, fold, match_choice, spelt
from distilwhy.core.parsing.completion import Completion
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.task import Example, RowFormat, Task
from distilwhy.errors import ConfigError

KINDS: tuple[Kind, ...] = ("number", "equation", "text")
MOST_LABELS = 50
_MOST_SHOWN = 3
# Shares of the replies that must be of one form, or have one of the labels.
_MOST, _NEARLY_ALL = 0.8, 0.95
_MOST_DIGITS = 10  # more labels than these that are all numbers are no labels
_LONGEST_LABEL = 60
_CUT = ("length", "max_tokens")

_KEYED = re.compile(r"^\W*([A-Za-z][\w ]{0,30}?)[*_`'\"“”)\]]*\s*[:=][*_`'\"“”]*\s*(\S.*)$")
_TITLED = re.compile(r"^\W*[A-Za-z]\w*(?: \w+)?\W*[:=]\W*\s")
_FENCED = re.compile(r"^\s*```(?:json)?\s*(\{.*\})\s*```\s*$", re.S)
_NUMBER = re.compile(r"\W*\d")
_LABEL_NAME = re.compile(
    r"(?i)label|answer|categ|class|kind|type|intent|sentiment|topic|decision|verdict|result|output"
)
_REASON_NAME = re.compile(r"(?i)reason|rational|expla|why|thought|analysis|justif|because|evidence")
_OUTER = " .*_`'\"“”"


@dataclass(frozen=True)
class ParsedReply:
    """The label of one reply and the reasons for it; no label if none was found."""

    label: str | None
    rationale: str = ""


@dataclass(frozen=True)
class Answers:
    """The answers in a log.

    Attributes:
        parsed: What each reply says.
        verbatim: Whether replies can be recorded as they are, because they parse to the same labels
            and reasons.
        found: What was found, in words.
    """

    answer: Answer
    parsed: list[ParsedReply]
    verbatim: bool
    found: str

    @property
    def explains(self) -> bool:
        """Whether replies give reasons, for the most part."""
        return 2 * sum(bool(one.rationale) for one in self.parsed) >= len(self.parsed)


def find_answers(replies: Sequence[Completion], wanted: str | None = None) -> Answers:
    """Find the answers in replies.

    Args:
        wanted: ``number``, ``equation``, ``text``, or the labels of a choice separated by commas.
            None to find out.

    Raises:
        ConfigError: if ``wanted`` names one label alone.
    """
    whole = [reply for reply in replies if not _is_cut(reply)]
    if not whole:
        return _find(replies, wanted)
    found = _find(whole, wanted)
    parsed = iter(found.parsed)
    nothing = ParsedReply(None)
    return replace(found, parsed=[nothing if _is_cut(one) else next(parsed) for one in replies])


def _is_cut(reply: Completion) -> bool:
    return reply.finish_reason.lower() in _CUT


def _find(replies: Sequence[Completion], wanted: str | None) -> Answers:
    texts = [reply.text for reply in replies]
    readings = [
        _read_statements(texts),
        *_read_json(texts),
        _read_line(texts, -1),
        _read_line(texts, 0),
    ]
    answer = read_wanted(wanted) if wanted else None
    if answer is None or answer.kind == "choice":
        for parsed in readings:
            labels = list(answer.labels) if answer else _find_labels(parsed)
            respelt = _respell(parsed, labels)
            if labels and _labelled_share(respelt) >= _MOST:
                found = _answers(Answer("choice", tuple(labels)), respelt, replies)
                joined = "" if answer else _describe_joined(parsed, labels)
                return replace(found, found=found.found + joined)
    if answer is None and _are_numbers(readings[0], replies):
        answer = Answer("number")
    if answer and answer.kind != "text":
        return _answers(answer, _parse(replies, answer), replies)
    parsed = _parse(replies, Answer("text"))
    if _labelled_share(parsed) < _MOST:
        parsed = [ParsedReply(text.strip()) for text in texts]
    return _answers(Answer("text"), parsed, replies)


def _answers(answer: Answer, parsed: list[ParsedReply], replies: Sequence[Completion]) -> Answers:
    pairs = zip(_parse(replies, answer), parsed, strict=True)
    same = sum(_is_same(answer, *pair) for pair in pairs)
    verbatim = same >= _NEARLY_ALL * sum(one.label is not None for one in parsed)
    counts = Counter(one.label for one in parsed if one.label is not None)
    shown = ", ".join(f"{label} ({counts[label]:,})" for label in answer.labels)
    missing = len(parsed) - counts.total()
    unread = f"; no answer was found in {missing:,} replies" if missing else ""
    return Answers(answer, parsed, verbatim, f"{answer.kind}{': ' if shown else ''}{shown}{unread}")


def _is_same(answer: Answer, one: ParsedReply, other: ParsedReply) -> bool:
    """Whether two readings of a reply have the same label and the same reasons."""
    is_same_reason = one.rationale.split() == other.rationale.split()
    return is_same_reason and answer.same(one.label, other.label)


def read_wanted(wanted: str) -> Answer:
    """The answer space that ``--answer`` names.

    Raises:
        ConfigError: if it names one label alone.
    """
    if wanted in KINDS:
        return Answer(wanted)
    labels = [label.strip() for label in wanted.split(",") if label.strip()]
    if len(set(map(spelt, labels))) < 2:
        raise ConfigError(
            f"--answer {wanted!r}: must be {', '.join(KINDS)}, or two or more labels separated by "
            "commas"
        )
    return Answer("choice", tuple(dict.fromkeys(labels)))


def _parse(replies: Sequence[Completion], answer: Answer) -> list[ParsedReply]:
    """What the parser of annotations reads."""
    task = Task("", RowFormat(""), answer)
    found = (parse_completion(task, Example("", ""), reply, []) for reply in replies)
    return [
        ParsedReply(one.label, one.rationale) if one.outcome == "ok" else ParsedReply(None)
        for one in found
    ]


def _are_numbers(stated: Sequence[ParsedReply], replies: Sequence[Completion]) -> bool:
    """Whether most replies state a number, and not only a text with one in it."""
    numbers = _parse(replies, Answer("number"))
    texts = (one.label or reply.text for one, reply in zip(stated, replies, strict=True))
    begin = (bool(_NUMBER.match(text)) for text in texts)
    both = sum(b and one.label is not None for b, one in zip(begin, numbers, strict=True))
    return both >= _MOST * len(numbers)


def _find_labels(parsed: Sequence[ParsedReply]) -> list[str]:
    """The labels, the commonest first; none if there are too many to be labels."""
    spelled = _group_spellings(parsed)
    counts = {name: found.total() for name, found in spelled.items() if found.total() > 1}
    are_numbers = all(re.fullmatch(r"[-\d.,]+", name) for name in counts)
    if not 2 <= len(counts) <= (_MOST_DIGITS if are_numbers else MOST_LABELS):
        return []
    if sum(counts.values()) < _MOST * len(parsed):
        return []
    ordered = sorted(counts, key=lambda name: -counts[name])
    return [spelled[name].most_common(1)[0][0] for name in ordered]


def _group_spellings(parsed: Sequence[ParsedReply]) -> dict[str, Counter[str]]:
    """How often each label is written in each way. Labels of signs alone, such as ``:)``, have
    only one."""
    spelled: dict[str, Counter[str]] = {}
    for one in parsed:
        if one.label and len(one.label) <= _LONGEST_LABEL:
            spelled.setdefault(fold(one.label) or spelt(one.label), Counter())[one.label] += 1
    return spelled


def _respell(parsed: Sequence[ParsedReply], labels: Sequence[str]) -> list[ParsedReply]:
    """Replies with the spelling of these labels; other labels become None."""
    choices = tuple(labels)
    return [
        ParsedReply(match_choice(one.label, choices) if one.label else None, one.rationale)
        for one in parsed
    ]


def _describe_joined(parsed: Sequence[ParsedReply], labels: Sequence[str]) -> str:
    """Which spellings count as one label, as far as they are words; "" if none do."""
    pairs = [
        f"{spelling!r} ({count:,}) counts as {label!r}"
        for label in labels
        for spelling, count in _group_spellings(parsed).get(fold(label), {}).items()
        if spelling.strip(_OUTER + ",;:!?()[]") != label.strip(_OUTER + ",;:!?()[]")
    ]
    more = f" and {len(pairs) - _MOST_SHOWN} more" if pairs[_MOST_SHOWN:] else ""
    advice = "; if they are different labels, list them in --answer"
    return f"; {', '.join(pairs[:_MOST_SHOWN])}{more}{advice}" if pairs else ""


def _labelled_share(parsed: Sequence[ParsedReply]) -> float:
    return sum(one.label is not None for one in parsed) / max(1, len(parsed))


def _read_statements(texts: Sequence[str]) -> list[ParsedReply]:
    """What follows ``The answer is``, or stands in the field ``answer`` of JSON."""
    return _parse([Completion(text) for text in texts], Answer("text"))


def _read_json(texts: Sequence[str]) -> list[list[ParsedReply]]:
    """Each field of JSON objects, those first that are named like labels or have few values."""
    objects = [_load(text) for text in texts]
    names = Counter(name for found in objects for name in found)
    readings = {name: [_read_field(found, name) for found in objects] for name in names}
    counts = {name: len(_find_labels(parsed)) for name, parsed in readings.items()}
    order = sorted(names, key=lambda name: (not _LABEL_NAME.search(name), counts[name]))
    return [readings[name] for name in order]


def _load(text: str) -> dict[str, Any]:
    fenced = _FENCED.match(text)
    with suppress(ValueError):
        value = json.loads(fenced[1] if fenced else text)
        if isinstance(value, dict):
            return value
    return {}


def _read_field(found: dict[str, Any], name: str) -> ParsedReply:
    value = found.get(name)
    if not isinstance(value, str | int | float):
        return ParsedReply(None)
    others = {n: text for n, text in found.items() if n != name and isinstance(text, str)}
    reasons = [text for other, text in others.items() if _REASON_NAME.search(other)]
    label = value if isinstance(value, str) else json.dumps(value)
    return ParsedReply(label, max(reasons or others.values(), key=len, default=""))


def _read_line(texts: Sequence[str], place: int) -> list[ParsedReply]:
    """The first line (0) or the last (-1), bare or as ``Category: damage``; the rest is reasons."""
    split = [[line for line in text.splitlines() if line.strip()] for text in texts]
    keys = Counter(key for lines in split if lines and (key := _key(lines[place])))
    usual = keys.most_common(1)[0][0] if keys else None
    return [_read_lines(lines, place, usual) for lines in split]


def _read_lines(lines: list[str], place: int, usual: str | None) -> ParsedReply:
    if not lines:
        return ParsedReply(None)
    label = lines.pop(place)
    keyed = _KEYED.match(label)
    if keyed and _key(label) == usual:
        label = keyed[2]
    rest = "\n".join(lines).strip()
    titled = _TITLED.match(rest)
    return ParsedReply(
        label.strip(_OUTER) or label.strip(), rest[titled.end() :] if titled else rest
    )


def _key(line: str) -> str | None:
    keyed = _KEYED.match(line)
    return keyed[1].strip().lower() if keyed else None
