"""Ends a reply where another row begins, which the teacher invented.

A row opens with a head: the words that the task's template writes before its first field, or one
in general use, such as ``Q:`` or ``### Problem 2``; or it asks what the template asks in every row.
Before an answer, that may also repeat the row itself, which ends nothing. After an answer, a title,
a numbered line, a question, a rule, code or HTML ends the reply too.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from itertools import islice

from distilwhy.core.parsing.answer import Unreadable
from distilwhy.core.parsing.clean import lowered
from distilwhy.core.parsing.cues import SENTENCE_END, has, phrases, spans, split, words
from distilwhy.core.parsing.decide import decide
from distilwhy.core.parsing.reader import Reader
from distilwhy.core.parsing.statements import Statement, find_statements
from distilwhy.core.parsing.uncued import find_uncued, first_alone
from distilwhy.core.task import Task

# Where another row may begin: surely; unless it repeats this row; behind an answer of any kind;
# there, unless another follows, as in a part of the reply; behind an answer with a cue.
NEW, ROW, OTHER, TITLE, LATER = range(5)

_LONGEST_QUESTION = 5000
_MOST = 200  # heads looked at
_TRIED = 2
_FEW = 10  # A question of fewer words must repeat the row to the word.
_HEAD = re.compile(
    r"(?:\n|\A)\s*+[#>*_ \t\[(-]*(?:\d+[.)\]:] ?)?(?P<name>[^\W\d_]\S{,60}?(?: [\w'’-]+){,2}?)"
    r" ?(?P<no>\d*)[*_ ]*+[:.)\]]|(?<=\S)[ \t]++\**(?P<inline>[^\W\d_]+)[ \t]*\d*\**:"
)
# After an answer: "#5", "[2/67]", code or HTML; "## Title", "Pair 2"; "Exercise 7."; a rule.
_PLAIN = re.compile(
    r"\n\s*+(?:#\d+\s|\[\d+/\d+\]|def \w+\(|class \w+[:(]|#include|</?(?:html|div|table|ul|h\d)\b)"
)
_TITLED = re.compile(
    r"\n\s*+(?:#+ (\w[^\n:]{0,40})|([^\W\d_]+(?: [^\W\d_]+)?) \d+[.)]?[ \t]*|(Next question))\n",
    re.I,
)
_NUMBERED = re.compile(r"\n[ \t]*\n([^\W\d_]+) \d+[.):] ?")
_RULE = re.compile(r"\n[ \t]*(?:[-*_=~#] ?){3,}[ \t]*\n[\s*#]*+([^\n:.*]{0,30})")
_ALONE = re.compile(r"\n[ \t]*\n[^\n?]{10,400}\?[ \t]*\n")
_OPTIONS = re.compile(
    r"(?m)^[^\n?]{4,400}\?[ \t]*\n[ \t]*\(?[Aa][).:] ?([^\n]+)\n[ \t]*\(?[Bb][).:]"
)
_OWN_HEAD = re.compile(r"\A\s*([^\W\d_][\w ]{0,30}[:：])\s")
_OPENS_ROW = re.compile(r"^\s*([^\W\d_].{0,38}[:：])\s*$", re.M)
_WORD = re.compile(r"\w+")
_FIELD = re.compile(r"\{\{.*?\}\}|\{[%#].*?[%#]\}", re.S)


@lru_cache(maxsize=64)
def row_heads(template: str) -> list[str]:
    """The words that open a row by its template: ``Premise:`` of ``Premise: {{ premise }}``.

    They stand on lines before the first field, and end in a colon.
    """
    return _OPENS_ROW.findall(re.split(r"\{[{%#]", template, maxsplit=1)[0])


@lru_cache(maxsize=64)
def _questions(template: str) -> re.Pattern[str]:
    """What a template asks or tells in every row, between its fields or behind them; in a group,
    what it heads a field with.
    """
    *between, behind = _FIELD.split(template)
    lines = [line.strip() for part in (*between, behind) for line in part.splitlines()]
    asked = [re.escape(line) for line in lines if len(split(line)) > 2]
    last = [part.strip().rpartition("\n")[2] for part in between[1:]]
    heads = [re.escape(line) for line in last if len(split(line)) > 1 and line[-1] in ":："]
    return re.compile("|".join([*asked, *(f"({head})" for head in heads)]) or "(?!)")


def break_before_heads(text: str, template: str) -> str:
    """A text in which each head of the template opens a line, as long as it was."""
    for head in row_heads(template):
        text = re.sub(f"(?<![,;]) (?={re.escape(head)})", "\n", text)
    return text


def cut_next_row(reader: Reader, task: Task, text: str, statements: Sequence[Statement]) -> int:
    """Where a reply of usual width ends and an invented row begins; its length if none does."""
    if "\n" not in text and not _HEAD.search(text):
        return len(text)
    template = task.row_format.template
    first, known = _answered(reader, text, statements), {*_WORD.findall(reader.asked.lower())}
    heads = [*row_heads(template), *_OWN_HEAD.findall(reader.asked)]
    breaks = [*_heads(text, {lowered(head[:-1]).strip() for head in heads}, lowered(reader.asked))]
    breaks += [*_asked(text, template), *_paragraphs(text, known, first), *_marks(text)]
    breaks += _options(reader, text)
    tried = 0
    for at, end, kind in sorted(breaks):
        if kind == NEW or (first is not None and at >= first - 1):
            return at
        if kind == ROW:
            tells = at == 0 and first and "\n" not in text[end:first].strip()
            if not tells and not _asks_again(text, end, at, known):
                return at
        elif kind in (OTHER, TITLE) and tried < _TRIED:
            tried += 1
            parts = text[:at], text[at:] if kind == TITLE else ""
            if [_answers(reader, task, part) for part in parts] == [True, False]:
                return at
    return len(text)


def _answered(reader: Reader, text: str, statements: Sequence[Statement]) -> int | None:
    """Where the first answer ends that has a cue, opens the text, or is a sentence of its own."""
    by_rank = sorted(statements, key=lambda found: found.rank)
    end = _end_of_first(reader, [*first_alone(reader, text), *by_rank], text)
    if end is None:
        opening = [found for found in find_uncued(reader, text, ()) if found.start == 0]
        end = _end_of_first(reader, opening, text)
    parts = spans(text) if reader.choices else []
    inline = [(a, b) for a, b in parts if text[a - 1 : a] not in ("", "\n")]
    alone = next((b for a, b in inline if reader.whole(text[a:b])), None)  # of "… for it. Spam."
    return min((at for at in (end, alone) if at), default=None)


def _end_of_first(reader: Reader, statements: Sequence[Statement], text: str) -> int | None:
    """Where the first statement ends, or its first sentence, of which either gives an answer."""
    for stated in statements:
        sentence = SENTENCE_END.search(text, stated.at + 3, stated.end)
        end = sentence.end() if sentence else stated.end
        first = replace(stated, payload=text[stated.at : end])
        if any(reader.label(each) is not None for each in (stated, first)):
            return end
    return None


def _answers(reader: Reader, task: Task, text: str) -> bool:
    """Whether a text states a choice, however it does."""
    with suppress(Unreadable):
        return bool(reader.choices and decide(reader, find_statements(text, task), text))
    return False


def _heads(text: str, rows: set[str], own: str) -> Iterator[tuple[int, int, int]]:
    """Heads with a colon, a full stop or a bracket that may open another row."""
    for head in islice(_HEAD.finditer(text), _MOST):
        at, end = head.span()
        name = lowered(head["name"] or head["inline"])
        said, begins, shows = split(name), head["name"] is not None, name in words("shows")
        asks, numbered = has(said, "asks"), shows and head["no"]
        if begins and head[0][-1] == "." and " " in name and not head["no"]:
            continue  # "Question sans danger."
        behind = begins and at == 0 and has(said[1:][-1:], "asks") and not has(said, "next")
        if behind or (not begins and text[at - 1] not in ".!?)]\"'"):
            if asks:  # of "B Question: …"
                start = lowered(text).rindex(said[-1], 0, end) if behind else at
                yield start, start, OTHER
            continue
        opens = re.match(r"\n[ \t]*\n", head[0]) and (head[0][-1] == ":" or head["no"])
        if asks and begins and has(said, "next"):
            yield at, end, NEW
        elif name in rows or f"{name} {head['no']}" in rows or (begins and (asks or numbered)):
            yield at, end, ROW
        elif asks or (begins and shows):
            yield at, end, LATER
        elif begins and opens and f"{head['name']}:" not in text[:at]:
            # The reply may head a part with what the row asks for: "New price:".
            again = re.findall(rf"(?<![a-z]){re.escape(name)}(?![a-z])([:：]?)", own)
            stems = {word[:4] for word in split(own)}
            asked = said and all(word[:4] in stems for word in said)
            if not (_is_ours(name) or (asked and not any(again))) and (not again or any(again)):
                yield at, end, LATER


def _asked(text: str, template: str) -> Iterator[tuple[int, int, int]]:
    """Lines with what the template asks in every row."""
    for found in islice(_questions(template).finditer(text), _TRIED):
        start = text.rfind("\n", 0, found.start())
        if start > 0:
            yield start, found.end() if found.lastindex else start, ROW


def _paragraphs(text: str, known: set[str], first: int | None) -> Iterator[tuple[int, int, int]]:
    """The first question alone; before an answer, that with a number which is new."""
    for question in _ALONE.finditer(text, max(0, (first or 0) - 1)):
        before = known.union(_WORD.findall(text[: question.start()]))
        new = {*_WORD.findall(question[0])} - before
        if first is not None or any(word[0].isdigit() for word in new):
            yield *question.span(), NEW
            break


def _options(reader: Reader, text: str) -> Iterator[tuple[int, int, int]]:
    """Questions with a list of choices that are not those of the row."""
    for found in islice(_OPTIONS.finditer(text), _TRIED) if reader.letters.certain else ():
        own = min(reader.letters.named.get("a", [""]))
        if own.lower() not in found[1].lower():
            yield found.start(), found.start(), NEW


def _marks(text: str) -> Iterator[tuple[int, int, int]]:
    """What ends a reply that has answered: numbers, code, titles and rules."""
    for pattern in (_PLAIN, _TITLED, _NUMBERED, _RULE):
        for mark in islice(pattern.finditer(text), _MOST):
            name = next(filter(None, mark.groups()), "")
            said = {*split(name)}
            shows = pattern is _PLAIN or has(said, "asks", "shows")
            if pattern is _TITLED and mark[3] and not (shows and said & words("next")):
                continue
            if pattern is _PLAIN or not _is_ours(name):
                yield mark.start(), mark.start(), OTHER if shows else TITLE


def _is_ours(name: str) -> bool:
    ours = words("ours", "explains", "noun", "head", "revised")
    return not ours.isdisjoint(split(name)) or phrases("retracts").match(name) is not None


def _asks_again(text: str, end: int, start: int, known: set[str]) -> bool:
    """Whether a head is followed by a question of these words: all its numbers, nearly all words.

    Where nothing stands before it, half of the words are enough.
    """
    line = text[end : end + _LONGEST_QUESTION].lstrip().split("\n", 1)[0]
    spelt = _WORD.findall(line)
    said = [word.lower() for word in spelt]
    foreign = [word for word in said if word not in known]
    if any(word[0].isdigit() for word in foreign):
        return False
    if not text[:start].strip():
        stems = {word[:4] for word in known}
        named = any(word[0].isupper() and word[:4].lower() not in stems for word in spelt[1:])
        half = len(said) / 2 if "?" in line else (len(said) + 1) / 2
        return len(foreign) < half and not named
    return len(foreign) < len(said) / (5 if len(said) > _FEW else 10)
