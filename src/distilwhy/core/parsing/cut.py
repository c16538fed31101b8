"""Cuts a reply where the teacher goes on to an invented next row.

A row opens with a head: the words that the task's template writes before its first field, or one
in general use, such as ``Q:`` or ``### Problem 2``. Once the reply has stated an answer any head
ends it. Before that a head may also repeat the row itself, which ends nothing.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from distilwhy.core.parsing.clean import lowered
from distilwhy.core.parsing.cues import phrases, split, words

_LONGEST_HEAD = 40
_LONGEST_QUESTION = 5000
_MOST = 200  # heads looked at before an answer
_HEAD = re.compile(
    r"(?:\n|\A)\s*+[#>*_ \t\[(-]*(?P<mark>\d+[.)\]:] ?)?(?P<name>[^\W\d_]\S*?(?: [\w'’-]+){,2}?)"
    r" ?(?P<no>\d*)[*_ ]*[:.)\]]|(?<=[.!?)\]\"'])[ \t]++\**(?P<inline>[^\W\d_]+)[ \t]*\d*\**:"
)
_RULE = r"\n\s*+(?:#{3,}|\*{3,}|-{3,}|={3,}|_{3,})[ \t]*\n(?=\s*[\w# ]+:)"
# After an answer: a rule and a head, a title, a numbered question, an item, or a question alone.
_PARAGRAPH = re.compile(
    rf"{_RULE}|\n\s*+#+ (?P<title>\w[^\n:]{{0,40}})\n|\n\s*+\d+[.)][^\n?]*\?"
    r"|\n[ \t]*\n\s*+(?P<item>[2-9]|\d\d)[.)] |\n[ \t]*\n[^\n?]{10,400}\?[ \t]*\n"
)
_ANSWERED = re.compile(r"\n\s*(?:A|Answer)\s*:", re.I)
_FIELD_END = re.compile(r"[}%#]\}")
_FIELD = re.compile(r"\{[{%#]")
_WORD = re.compile(r"\w+")


@lru_cache(maxsize=64)
def row_heads(template: str) -> tuple[str, ...]:
    """The words that open a row by its template: ``Premise:`` of ``Premise: {{ premise }}``.

    That is the first line and what stands right before the first field, if they have letters and
    end in a colon; empty if the template opens with a field.
    """
    opening = _FIELD.split(template, maxsplit=1)[0]
    opens = [line.strip() for line in opening.split("\n") if line.strip()]
    heads = [line for line in (opens[:1] + opens[-1:]) if len(line) <= _LONGEST_HEAD]
    return tuple(dict.fromkeys(head for head in heads if head[-1] in ":：" and head[:1].isalpha()))


@lru_cache(maxsize=64)
def answer_head(template: str) -> str:
    """What a template writes behind its last field to ask for the answer, such as ``Stars:``."""
    head = _FIELD_END.split(template)[-1].strip().rpartition("\n")[2].strip()
    said = split(head)
    names = head[-1:] in (":", "：") and 0 < len(said) < 4 and len(head) > 3
    return (
        head[:-1].strip() if names and words("speaks", "noun", "explains").isdisjoint(said) else ""
    )


def break_before_heads(text: str, template: str) -> str:
    """A text in which each head of the template opens a line, as long as it was."""
    for head in row_heads(template):
        text = text.replace(f" {head}", f"\n{head}")
    return text


def cut_next_row(text: str, template: str, own: str, answered: Callable[[], int | None]) -> int:
    """Where a reply of usual width ends and an invented row begins; its length if none does.

    Args:
        own: The row's own text.
        answered: Gives the offset in ``text`` after the first answer; None if there is none.
    """
    heads = list(_heads(text, template))
    if not heads and "\n" not in text:
        return len(text)
    first = answered()
    known = set(_WORD.findall(own.lower()))
    for head, kind in heads[:_MOST]:
        at = head.start()
        if first is not None and at >= first - 1:
            break
        opens = at == 0 and kind != "row" and not _ANSWERED.search(text)
        if at == 0 and first is not None and "\n" not in text[head.end() : first].strip():
            continue  # "Topic: Sports", where the rows have topics as well
        if kind in ("row", "asks") and not opens and not _asks_again(text, head.end(), at, known):
            return at
    if first is None:
        return len(text)
    ends = [len(text)]
    for head, kind in heads:
        if head.start() >= first - 1 and (kind != "other" or _is_another(text, head, first)):
            ends.append(head.start())
            break
    for form in _PARAGRAPH.finditer(text, max(0, first - 1)):
        item, title = form["item"], form["title"]
        listed = item and re.search(rf"\n\s*{int(item) - 1}[.)] ", text[: form.start()])
        if not (listed or (title and _is_ours(title))):
            ends.append(form.start())
            break
    return min(ends)


def _heads(text: str, template: str) -> Iterator[tuple[re.Match[str], str]]:
    """Each head, and what it is: of the template, one that asks or shows a row, or another."""
    rows = {lowered(head[:-1]).strip() for head in row_heads(template)}
    for head in _HEAD.finditer(text):
        name = lowered(head["name"] or head["inline"])
        asks, shows = name in words("asks"), name in words("shows")
        if name in rows or f"{name} {head['no']}" in rows:
            yield head, "row"
        elif head["name"]:
            counted = asks or (shows and head["no"])
            yield head, "asks" if counted else "shows" if shows else "other"
        elif asks:
            yield head, "shows"


def _is_another(text: str, head: re.Match[str], first: int) -> bool:
    """Whether a headed paragraph after the answer is another row: it has a number, or a head that
    neither stood before the answer nor goes on with a reply."""
    if not re.match(r"\n[ \t]*\n", head[0]) or head[0][-1] != ":":
        return False
    again = f"{head['name']}:" in text[: first + 1]
    return bool(head["mark"]) or not (again or _is_ours(head["name"]))


def _is_ours(name: str) -> bool:
    ours = words("ours", "explains", "noun", "head", "revised")
    takes_back = phrases("retracts").match(name)
    known = not ours.isdisjoint(split(name)) or any(w in name for w in ours if not w.isascii())
    return known or takes_back is not None


def _asks_again(text: str, end: int, start: int, known: set[str]) -> bool:
    """Whether a head is followed by a question of these words: all its numbers, nearly all words.

    Where nothing stands before it, half of the words are enough.
    """
    line = text[end : end + _LONGEST_QUESTION].lstrip().split("\n", 1)[0]
    said = _WORD.findall(line.lower())
    foreign = set(said).difference(known)
    strange = sum(word in foreign for word in said)
    if not text[:start].strip():
        return strange <= len(said) / 2
    return strange < len(said) / 5 and not any(word[0].isdigit() for word in foreign)
