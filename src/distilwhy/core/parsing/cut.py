"""Ends a reply where another row begins, which the teacher invented.

A row opens with a head: the words that the task's template writes before its first field, or one
in general use, such as ``Q:`` or ``### Problem 2``; or it asks what the template asks in every row.
Before an answer, that may also repeat the row itself, which ends nothing. After an answer, a title,
a numbered line, a question, a rule, code or HTML ends the reply too.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from itertools import islice

from distilwhy.core.parsing.clean import lowered
from distilwhy.core.parsing.cues import phrases, split, words

_LONGEST_QUESTION = 5000
_MOST = 200  # heads looked at
_TRIED = 4
_FEW = 10  # A question of fewer words must repeat the row to the word.
_SHORT = 40  # A rule ends a reply only after this many characters.
_HEAD = re.compile(
    r"(?:\n|\A)\s*+[#>*_ \t\[(-]*(?:\d+[.)\]:] ?)?(?P<name>[^\W\d_]\S{,60}?(?: [\w'’-]+){,2}?)"
    r" ?(?P<no>\d*)[*_ ]*+[:.)\]]|(?<=[.!?)\]\"'])[ \t]++\**(?P<inline>[^\W\d_]+)[ \t]*\d*\**:"
)
# After an answer: "#5", "[2/67]", code or HTML, "## Title", "Pair 2", "Next question".
_OTHER = re.compile(
    r"\n\s*+(?:#\d+\s|\[\d+/\d+\]|def \w+\(|class \w+[:(]|#include|</?(?:html|div|table|ul|h\d)\b"
    r"|#+ (?P<title>\w[^\n:]{0,40})\n|(?P<name>[^\W\d_]+(?: [^\W\d_]+)?)(?P<no> \d+)?[.)]?[ \t]*\n)"
)
_NUMBERED = re.compile(r"\n[ \t]*\n([^\W\d_]+) \d+[.):] ?")  # "Exercise 7."
_ALONE = re.compile(r"\n[ \t]*\n[^\n?]{10,400}\?[ \t]*\n")
_OWN_HEAD = re.compile(r"\A\s*([^\W\d_][\w ]{0,30}[:：])\s")
_OPENS_ROW = re.compile(r"^\s*([^\W\d_].{0,38}[:：])\s*$", re.M)
_WORD = re.compile(r"\w+")
_FIELD = re.compile(r"\{\{.*?\}\}|\{[%#].*?[%#]\}", re.S)
_RULE = re.compile(r"\n[ \t]*(?:[-*_=~#] ?){3,}[ \t]*\n[\s*#]*+([^\n:.*]{0,30})")


@lru_cache(maxsize=64)
def row_heads(template: str) -> list[str]:
    """The words that open a row by its template: ``Premise:`` of ``Premise: {{ premise }}``.

    They stand on lines before the first field, and end in a colon.
    """
    return _OPENS_ROW.findall(re.split(r"\{[{%#]", template, maxsplit=1)[0])


@lru_cache(maxsize=64)
def answer_head(template: str) -> str:
    """What a template writes behind its last field to ask for the answer, such as ``Stars:``."""
    head = re.split(r"[}%#]\}", template)[-1].strip().rpartition("\n")[2].strip()
    said = split(head)
    names = head[-1:] in (":", "：") and 0 < len(said) < 4
    return head[:-1] if names and words("speaks", "noun", "explains").isdisjoint(said) else ""


@lru_cache(maxsize=64)
def _questions(template: str) -> re.Pattern[str] | None:
    """What a template asks or tells in every row, between its fields or behind them."""
    lines = (line.strip() for part in _FIELD.split(template) for line in part.splitlines())
    asked = [re.escape(line) for line in lines if len(split(line)) > 2]
    return re.compile("|".join(asked)) if asked else None


def break_before_heads(text: str, template: str) -> str:
    """A text in which each head of the template opens a line, as long as it was."""
    for head in row_heads(template):
        text = re.sub(f"(?<![,;]) (?={re.escape(head)})", "\n", text)
    return text


def cut_next_row(
    text: str,
    template: str,
    own: str,
    answered: Callable[[], int | None],
    answers: Callable[[str], bool],
) -> int:
    """Where a reply of usual width ends and an invented row begins; its length if none does.

    Args:
        own: The row's own text.
        answered: Gives the offset in ``text`` after the first answer with a cue, or alone; None
            without one.
        answers: Whether a text states an answer, with a cue or without.
    """
    if "\n" not in text and not _HEAD.search(text):
        return len(text)
    first, known = answered(), {*_WORD.findall(own.lower())}
    heads = [*row_heads(template), *_OWN_HEAD.findall(own)]
    rows = {lowered(head[:-1]).strip() for head in heads}
    ends = [_head(text, rows, known, first), _question(text, template, known, first)]
    ends.append(_paragraph(text, known, first))
    marks = sorted(_marks(text))
    early = [mark for mark in marks if first is None or mark[0] < first - 1]
    for at, is_row in early[:_TRIED]:
        # What may be a part of the reply is none only where no answer follows.
        if answers(text[:at]) and (is_row or not answers(text[at:])):
            ends.append(at)
            break
    ends.append(next((at for at, _ in marks if first is not None and at >= first - 1), None))
    return min((end for end in ends if end is not None), default=len(text))


def _head(text: str, rows: set[str], known: set[str], first: int | None) -> int | None:
    """The first head that opens another row."""
    for head in islice(_HEAD.finditer(text), _MOST):
        at, name = head.start(), lowered(head["name"] or head["inline"])
        row = name in rows or f"{name} {head['no']}" in rows
        asks = not words("asks").isdisjoint(split(name))
        if first is not None and at >= first - 1:
            if row or asks or (head["name"] and _is_another(text, head, first)):
                return at
        elif head["name"] and asks and words("next").intersection(split(head["name"])):
            return at
        elif row or (head["name"] and (asks or (head["no"] and name in words("shows")))):
            tells = at == 0 and first and "\n" not in text[head.end() : first].strip()
            if not tells and not _asks_again(text, head.end(), at, known):
                return at
    return None


def _question(text: str, template: str, known: set[str], first: int | None) -> int | None:
    """The first line with what the template asks in every row, unless it repeats this row."""
    asked = _questions(template)
    for found in islice(asked.finditer(text), _TRIED) if asked else ():
        start = max(text.rfind("\n", 0, found.start()), 0)
        after = first is not None and found.start() >= first - 1
        if start and (after or not _asks_again(text, start, start, known)):
            return start
    return None


def _paragraph(text: str, known: set[str], first: int | None) -> int | None:
    """After an answer, the first question alone; before it, one with a new number."""
    questions = _ALONE.finditer(text, max(0, (first or 0) - 1))
    found = (q.start() for q in questions if first is not None or _asks_more(text, q, known))
    return next(found, None)


def _marks(text: str) -> list[tuple[int, bool]]:
    """What ends a reply that has answered, and whether it surely opens a row, as ``Pair 2``, ``#5``
    and code do, unlike titles, rules and ``Part 2``.
    """
    marks = islice(_OTHER.finditer(text), _MOST)
    found = [
        (m.start(), _is_row(m["name"] or m["title"] or ""))
        for m in marks
        if _opens_another(text, m)
    ]
    numbered = (head for head in _NUMBERED.finditer(text) if not _is_ours(head[1]))
    found += [(head.start(), _is_row(head[1])) for head in numbered]
    return found + [(r.start(), False) for r in _RULE.finditer(text, _SHORT) if not _is_ours(r[1])]


def _is_row(head: str) -> bool:
    return not head or not words("asks", "shows").isdisjoint(split(head))


def _opens_another(text: str, mark: re.Match[str]) -> bool:
    """Whether a mark opens another row, as code and numbers do; a title may be the reply's own."""
    name = mark["name"] or mark["title"]
    if not name:
        return True
    said = {*split(name)}
    asks = said & words("asks") and said & words("next")
    titled = mark["title"] or (mark["no"] and text.find(f"{name} ", 0, mark.start()) < 0)
    return bool(asks or (titled and not _is_ours(name)))


def _asks_more(text: str, question: re.Match[str], known: set[str]) -> bool:
    """Whether a question has a number that neither the row nor the reply before it has."""
    before = known.union(_WORD.findall(text[: question.start()]))
    return any(word[0].isdigit() and word not in before for word in _WORD.findall(question[0]))


def _is_another(text: str, head: re.Match[str], first: int) -> bool:
    """Whether a headed line after the answer is another row: it shows one, or it is a paragraph
    whose head neither stood before the answer nor goes on with a reply."""
    opens = re.match(r"\n[ \t]*\n", head[0]) and (head[0][-1] == ":" or head["no"])
    again = f"{head['name']}:" in text[: first + 1] or _is_ours(head["name"])
    return lowered(head["name"]) in words("shows") or bool(opens and not again)


def _is_ours(name: str) -> bool:
    ours = words("ours", "explains", "noun", "head", "revised")
    return not ours.isdisjoint(split(name)) or phrases("retracts").match(name) is not None


def _asks_again(text: str, end: int, start: int, known: set[str]) -> bool:
    """Whether a head is followed by a question of these words: all its numbers, nearly all words.

    Where nothing stands before it, half of the words are enough.
    """
    line = text[end : end + _LONGEST_QUESTION].lstrip().split("\n", 1)[0]
    said = _WORD.findall(line.lower())
    foreign = [word for word in said if word not in known]
    if any(word[0].isdigit() for word in foreign):
        return False
    if not text[:start].strip():
        return len(foreign) <= len(said) / 2
    return len(foreign) < len(said) / (5 if len(said) > _FEW else 10)
