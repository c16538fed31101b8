"""Cuts a reply where the teacher goes on to an invented next row.

A row opens with a head: the words that the task's template writes before its first field, or one
in general use, such as ``Q:`` or ``### Problem 2``. Once the reply has stated an answer any head
ends it. Before that a head may also repeat the row itself, which ends nothing.
"""

import re
from collections.abc import Callable
from functools import lru_cache

from distilwhy.core.parsing.clean import lowered, widen

_LONGEST_HEAD = 40
_LONGEST_QUESTION = 5000
_MOST = 200  # heads looked at before an answer

# "Q" and the like ask; the others may also be the teacher's own words, such as "Problem: …".
_ASKS = r"q|question|frage|pregunta|pergunta|질문|문제|问题|問題|質問"
_SHOWS = r"input|problem|example|exercise|instruction|human|user|text|case|item|passage|task|row"
_MARKS = r"[#>*_ \t\[(-]*"
_HEAD = re.compile(
    rf"(?:\n|\A)\s*+{_MARKS}(?:(?P<asks>{_ASKS})"
    rf"|(?P<shows>{_SHOWS}))\s*+(?P<number>\d*+)\s*+[*_]*[:.)\]]",
    re.I,
)
_IN_LINE = re.compile(rf"(?<=[.!?)\]\"'])[ \t]++\**(?:{_ASKS})[ \t]*+\d*+\**:", re.I)
# After an answer: another headed paragraph, a title, a numbered question, or a rule and a head.
_PARAGRAPH = re.compile(
    r"\n\s*+#+ (?P<title>\w[^\n:]{0,40})\n"
    r"|\n[ \t]*\n\s*+[#>*_ \t]*(?P<number>[(\[]?\d+[)\].] ?)?"
    r"(?P<head>[^\W\d_][\w'’-]{0,20}(?: [\w'’-]{1,20}){0,2})\**:"
    r"|\n\s*+\d+[.)][^\n?]*\?|\n[ \t]*\n\s*+(?P<item>[2-9]|\d\d)[.)] |\n[ \t]*\n[^\n?]{10,400}\?[ "
    r"\t]*\n|\n\s*+(?:#{3,}|\*{3,}|-{3,}|={3,}"
    r"|_{3,})[ \t]*\n(?=\s*[\w# ]+:)"
)
_ANSWERED = re.compile(r"\n\s*(?:A|Answer)\s*:", re.I)
_OURS = re.compile(
    r"(?:.*\b(?:answer|explanation|reason\w*|rationale|note|because|justification|label|analysis"
    r"|why|confidence|evidence|option|choice|correct|conclusion|verdict|result|output|final|wait"
    r"|correction|actually|check|edit|update|revis\w*|verification|step|here|calculation)|.*(?:답"
    r"|설명|이유|答|解|理由|"
    r"antwort|erklärung|begründung|réponse|explication|respuesta|resposta|razón))",
    re.I,
)
_FIELD = re.compile(r"\{[{%#]")
_WORD = re.compile(r"\w+")


@lru_cache(maxsize=64)
def row_heads(template: str) -> tuple[str, ...]:
    """The words that open a row by its template: ``Premise:`` of ``Premise: {{ premise }}``.

    That is the first line and what stands right before the first field, if they have letters and
    end in a colon; empty if the template opens with a field.
    """
    opening = _FIELD.split(template, maxsplit=1)[0]
    lines = [line.strip() for line in opening.split("\n") if line.strip()]
    heads = [line for line in (lines[:1] + lines[-1:]) if len(line) <= _LONGEST_HEAD]
    return tuple(dict.fromkeys(head for head in heads if head[-1] in ":：" and head[:1].isalpha()))


def break_before_heads(text: str, template: str) -> str:
    """A text in which each head of the template opens a line, as long as it was."""
    for head in row_heads(template):
        text = text.replace(f" {head}", f"\n{head}")
    return text


def cut_next_row(
    text: str, template: str, own: str, answered: Callable[[], int | None]
) -> tuple[str, bool]:
    """A reply without the invented rows after it, and whether there were any.

    Args:
        own: The row's own text.
        answered: Gives the offset in ``text`` after the first answer; None if there is none.
    """
    known: set[str] = set()
    original, text = text, widen(text)
    heads = _find_heads(text, template)
    if not heads and "\n" not in text:
        return original, False
    first = answered()
    for at, end, asks in heads[:_MOST]:
        if first is not None and at >= first - 1:
            break
        known_head = text[at:end] in row_heads(template)
        if not asks or (at == 0 and not known_head and not _ANSWERED.search(text)):
            continue
        known = known or set(_WORD.findall(own.lower()))
        strict = bool(text[:at].strip())  # a reply may open with its row in other words
        if not _asks_again(text[end : end + _LONGEST_QUESTION], known, strict=strict):
            return original[:at].rstrip(), True
    if first is None:
        return original, False
    ends = [at for at, _, _ in heads if at >= first - 1][:1]
    for paragraph in _PARAGRAPH.finditer(text, max(0, first - 1)):
        item = paragraph["item"]
        if item and re.search(rf"\n\s*{int(item) - 1}[.)] ", text[: paragraph.start()]):
            continue  # a list of the reply's own
        head = paragraph["head"] or paragraph["title"]
        again = head is not None and f"{head}:" in text[: first + 1]
        if paragraph["number"] or head is None or not (again or _OURS.match(head)):
            ends.append(paragraph.start())
            break
    return (original[: min(ends)].rstrip(), True) if ends else (original, False)


def _find_heads(text: str, template: str) -> list[tuple[int, int, bool]]:
    """Start and end of each head, and whether it ends a reply that has no answer yet."""
    found = [
        (head.start(), head.end(), bool(head["asks"] or head["number"]))
        for head in _HEAD.finditer(text)
    ]
    # Within a line a head counts only after an answer.
    found += [(head.start(), head.end(), False) for head in _IN_LINE.finditer(text)]
    low = lowered(text)
    for words in row_heads(template):
        at = low.find(words.lower())
        while at >= 0:
            before = text[max(0, at - 10) : at].rstrip("#>*_ \t-")
            opens_line = not before or before[-1] == "\n"
            if opens_line or before[-1] in ".!?)\"'":
                found.append((at, at + len(words), opens_line))
            at = low.find(words.lower(), at + len(words))
    return sorted(found)


def _asks_again(text: str, known: set[str], *, strict: bool) -> bool:
    """Whether a first line is a question of these words: all its numbers, nearly all its words."""
    words = _WORD.findall(text.lstrip().split("\n", 1)[0].lower())
    foreign = set(words).difference(known)
    strange = sum(word in foreign for word in words)
    if not strict:
        return strange <= len(words) / 2
    return strange < len(words) / 5 and not any(word[0].isdigit() for word in foreign)
