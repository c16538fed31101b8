"""Ends a reply where another row begins, which the teacher invented.

A row opens with a head: the words that the task's template writes before its first field, or one
in general use, such as ``Q:`` or ``### Problem 2``. Once the reply has stated an answer any head
ends it. Before that a head may also repeat the row itself, which ends nothing.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from itertools import islice

from distilwhy.core.parsing.clean import lowered
from distilwhy.core.parsing.cues import phrases, split, words

_LONGEST_QUESTION = 5000
_MOST = 200  # heads looked at
_FEW = 10  # words of a question
_HEAD = re.compile(
    r"(?:\n|\A)\s*+[#>*_ \t\[(-]*(?:\d+[.)\]:] ?)?(?P<name>[^\W\d_]\S*?(?: [\w'’-]+){,2}?)"
    r" ?(?P<no>\d*)[*_ ]*[:.)\]]|(?<=[.!?)\]\"'])[ \t]++\**(?P<inline>[^\W\d_]+)[ \t]*\d*\**:"
)
# After an answer: "#5", "[2/67]", "Pair 2" or "Next question" on a line, code or HTML.
_OTHER = re.compile(
    r"\n\s*+(?:#\d+\s|\[\d+/\d+\]|def \w+\(|class \w+[:(]|#include|</?(?:html|div|table|ul|h\d)\b"
    r"|(?P<name>[^\W\d_]+(?: [^\W\d_]+)?)(?P<no> \d+)?[ \t]*\n)"
)
# After an answer: a title, or a question alone.
_PARAGRAPH = re.compile(r"\n\s*+#+ (\w[^\n:]{0,40})\n|\n[ \t]*\n[^\n?]{10,400}\?[ \t]*\n")
_OWN_HEAD = re.compile(r"\A\s*([^\W\d_][\w ]{0,30}[:：])\s")
_OPENS_ROW = re.compile(r"^\s*([^\W\d_].{0,38}[:：])\s*$", re.M)
_WORD = re.compile(r"\w+")
_FIELD = re.compile(r"\{\{.*?\}\}|\{[%#].*?[%#]\}", re.S)
_RULE = re.compile(r"\n[ \t]*(?:[-*_=~] ?){3,}[ \t]*\n")


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
def _questions(template: str) -> list[re.Pattern[str]]:
    """What a template asks or tells in every row, between its fields or behind them."""
    parts = (part.strip() for part in _FIELD.split(template))
    long = (part for part in parts if len(split(part)) > 2 and "\n" not in part)
    return [re.compile(re.escape(part)) for part in long]


def break_before_heads(text: str, template: str) -> str:
    """A text in which each head of the template opens a line, as long as it was."""
    for head in row_heads(template):
        text = re.sub(f"(?<![,;]) {re.escape(head)}", f"\n{head}", text)
    return text


def cut_next_row(text: str, template: str, own: str, answered: Callable[[], int | None]) -> int:
    """Where a reply of usual width ends and an invented row begins; its length if none does.

    Args:
        own: The row's own text.
        answered: Gives the offset in ``text`` after the first answer; None if there is none.
    """
    if "\n" not in text and not _HEAD.search(text):
        return len(text)
    heads = [*row_heads(template), *_OWN_HEAD.findall(own)]
    rows = {lowered(head[:-1]).strip() for head in heads}
    first, end, known = answered(), len(text), set(_WORD.findall(own.lower()))
    for head in islice(_HEAD.finditer(text), _MOST):
        at, name = head.start(), lowered(head["name"] or head["inline"])
        row = name in rows or f"{name} {head['no']}" in rows
        asks = not words("asks").isdisjoint(split(name))
        if first is not None and at >= first - 1:
            if row or asks or (head["name"] and _is_another(text, head, first)):
                end = at
                break
        elif head["name"] and asks and words("next").intersection(split(head["name"])):
            return at
        elif row or (head["name"] and (asks or (head["no"] and name in words("shows")))):
            tells = at == 0 and first and "\n" not in text[head.end() : first].strip()
            if not tells and not _asks_again(text, head.end(), at, known):
                return at
    for found in (found for asked in _questions(template) for found in asked.finditer(text)):
        start = max(text.rfind("\n", 0, found.start()), 0)
        after = first is not None and found.start() >= first
        if start and (after or not _asks_again(text, start, start, known)):
            end = min(end, start)
    if first is not None:
        others = (o for o in _OTHER.finditer(text, first - 1) if _opens_another(o))
        end = min((other.start() for other in others), default=end)
        rule = _RULE.search(text, first - 1) if len(split(text[:first])) > _FEW else None
        end = min(end, rule.start() if rule else end)
    for form in _PARAGRAPH.finditer(text, max(0, (first or 0) - 1)):
        unanswered = first is None and (form[1] or not _asks_more(text, form, known))
        if not unanswered and not (form[1] and _is_ours(form[1])):
            return min(end, form.start())
    return end


def _opens_another(mark: re.Match[str]) -> bool:
    name = split(mark["name"] or "")
    asks = not words("asks").isdisjoint(name) and not words("next").isdisjoint(name)
    return not mark["name"] or asks or bool(mark["no"] and not _is_ours(mark["name"]))


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
