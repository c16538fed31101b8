"""Finds where a reply states an answer, and whether it affirms it.

A statement is a cue and what follows it ("the answer is (b) mall"), a box, a tag, a heading, or an
answer and the cue behind it ("(b) is the answer"). Whether an answer can be read in it is another
matter.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from distilwhy.core.parsing.clean import answer_head, lowered, widen
from distilwhy.core.parsing.cues import Words, split, words
from distilwhy.core.task import CUE, Task

# Statements of a rank count only where none of a lower rank can be read.
EXPLICIT, HEADING, UNCUED, WEAK = range(4)

_MOST = 16  # of a reply with more cues, so many of the first and of the last are looked at
_LONGEST = 1000
_BLANK = re.compile(r"[\s*$`#>\\[\](){}_:\"'-]*")
_ITEM = re.compile(r"[-•>*]\s+")
_MARK = re.compile(r"\\f?boxed\s*(?={)|(?<!#)####(?!#)|<(?:final[_ ])?(?P<tag>[^\W\d][\w ]{0,30})>")
_CLOSING_TAG = re.compile(r"</[\w ]+>")
_BESIDE = re.compile(r" \| (?=[^|\n]{1,30}:)|\s\s+#|\s+# ")
_HEADING = re.compile(
    r"(?:^|\n)[ \t#*>•|(-]*(?:\d{1,2}[.)\]] )?([^\W\d_][\w'’ -]{0,30}?)[ *]*: *(?=\S)"
    r"|(?:^|\n)#+ ?([^\W\d_][\w ]{0,30})\n+(?=\S)"
)
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Statement:
    """A place in a reply that states an answer.

    Attributes:
        start: Where its sentence begins, if that says nothing else; else where its cue begins.
        at: Where its payload begins, and ``end`` where that ends.
        payload: What may be the answer, or begins with it; None if the reply ends before it.
        whole: Whether it counts only if the payload is the answer and nothing else.
        denied: Why it states nothing, such as "supposed"; else "".
        revised: Whether it says that it replaces an earlier answer.
        alone: Whether the payload has a place of its own, such as a box.
    """

    start: int
    at: int
    end: int
    payload: str | None
    rank: int = EXPLICIT
    whole: bool = False
    denied: str = ""
    revised: bool = False
    alone: bool = False


def find_statements(text: str, task: Task | None = None) -> list[Statement]:
    """All statements of a reply of usual width, affirmed or not, in the order in which they end.

    Args:
        task: Its cue counts as well, and what its template asks for the answer with.
    """
    said = Words(lowered(text))
    cued = [*_by_cue(text, said, task.cue)] if task and task.cue != CUE else []
    head = split(answer_head(task.row_format.template)) if task else []
    nouns = words("noun", "head", "vague", "right").union(head[-1:])
    found: list[Statement] = []
    for index in _some([i for i, word in enumerate(said.said) if word in nouns]):
        first = index + 1 - len(head)
        own = bool(head) and said.said[max(0, first) : index + 1] == head
        start = _left(said, first if own else index)
        found += _announced(text, said, index, start, own)
        found += _said_before(text, said, index, start)
    found += [s for mark in _some([*_MARK.finditer(said.low)]) for s in _marked(text, said, mark)]
    found += [s for head in _some([*_HEADING.finditer(text)]) for s in _headed(text, head)]
    taken = {at for statement in cued for at in (statement.at, statement.at + 1)}
    found = cued + [statement for statement in found if statement.at not in taken]
    return sorted(found, key=lambda statement: (statement.end, statement.start))


def _some(found: list[_Found]) -> list[_Found]:
    return found if len(found) <= 2 * _MOST else found[:_MOST] + found[-_MOST:]


def _left(said: Words, index: int) -> int:
    """Where the words that belong to a noun begin, as in ``so the best answer``."""
    start, ours = index, words("quality", "article", "opener")
    while (word := said.word(start - 1)) in ours or (
        word == "," and said.word(start - 2) in words("opener")
    ):
        start -= 1
    return start


def _announced(
    text: str, said: Words, index: int, start: int, own: bool = False
) -> Iterator[Statement]:
    """``The final answer is …``, ``Answer: …``, ``Label: …``, ``the right category is …``

    Args:
        own: Whether the task's template asks for the answer with this noun, as with ``Stars:``.
    """
    quoted = own and said.word(index + 1) == '"'  # a field of broken JSON
    noun, link, after = said.said[index], *_link(said, index + 1 + quoted)
    line = start
    while start - line < 4 and said.word(line - 1)[0].isalpha():
        line -= 1
    marks = said.low[said.low.rfind("\n", 0, said.at[line]) + 1 : said.at[line]]
    begins = said.word(line - 1) in words("stop", "bullet") or not re.search(r"\w", marks)
    opens = begins and start - line < 4
    said_of, before = {*said.said[start:index]}, said.word(start - 1)
    heading = opens and link != "is"
    own = own and heading
    if not link or not (own or noun in words("noun", "head", "vague")):
        return
    head = not own and noun not in words("noun")
    qualified = own or not said_of.isdisjoint(words("quality", "concludes"))
    unbound = not (heading or said_of) and (head or (before[0].isalpha() and noun.isascii()))
    if unbound or (link == "line" and not heading) or (noun in words("vague") and not qualified):
        return  # "the student's answer is"
    first = line if heading else start
    denied = denial(said, index, link == "weak")
    if "says" in (before, before == "that" and said.word(start - 2)):
        denied = "attributed"  # "my sister says that the answer is"
    if not words("negative").isdisjoint([before, *said.said[first:start]]):
        denied = "negated"
    at, on_next = said.end(after - 1), "\n" in said.said[index:after]
    rank = WEAK if link == "weak" else EXPLICIT
    if not (head and denied):
        revised = not words("revised").isdisjoint(said.said[first:index])
        payload, end = _payload(text, at, on_next)
        if own and (payload or "").endswith("?"):
            return  # the head of a column, such as "Fits?"
        if rank == WEAK and payload and not words("supposed").isdisjoint(split(payload)):
            denied = "supposed"
        yield Statement(_opening(said, first), at, end, payload, rank, head, denied, revised)


def _link(said: Words, index: int) -> tuple[str, int]:
    """How a noun is linked to what follows ("" if it is not), and the first word after the link."""
    while said.word(index) in words("part"):
        index += 1
    if said.word(index) in words("about"):
        reach = index + 10
        while index < reach and said.word(index) not in words("is", "linked", "stop"):
            index += 1
    if said.word(index) == "(" and ")" in said.said[index : index + 8]:
        index = said.said.index(")", index) + 1
    while said.word(index) in words("opener", "part") | {",", "*"}:
        index += 1
    word, following = said.word(index), said.word(index + 1)
    if word in words("is"):
        while (following := said.word(index + 1)) in words("concludes"):
            index += 1
        return "is", index + 1 + (following == ":")
    be = index + 1 + (following == "to")
    if word in words("weak") and said.word(be) == "be":
        return "weak", be + 1
    if word in words("linked") or (
        word in words("dash") and said.low[said.end(index) :][:1] == " "
    ):
        return ":", index + 1
    return ("line", index + 1) if word == "\n" and index < len(said.said) else ("", index)


def _said_before(text: str, said: Words, index: int, start: int) -> Iterator[Statement]:
    """``(d) is the answer``, ``making (c) the best choice``, ``(b) 부산이 정답입니다``"""
    following, before = said.word(index + 1), said.word(start - 1)
    is_right = said.said[index] in words("right") and before in words("is")
    if is_right and following[0].isalpha() and following not in words("because"):
        return
    articled = not words("the").isdisjoint(said.said[start:index])
    if (
        said.said[index] not in words("noun", "vague", "right")
        or following in words("is", "about")
        or not (articled or is_right or before in words("subject"))
    ):
        return
    stop, ends = start, words("makes")
    if before in words("is", "subject"):
        stop, ends = start - 1, words("opener", "makes", "bound", "stop")
    first = said.back(stop, ends, 14)
    if first < stop and said.word(first - 1) in ends:
        opening = first - (said.word(first - 1) in words("opener", "makes"))
        payload, at = text[said.at[first] : said.end(stop - 1)], said.end(index)
        denied = denial(said, first)
        yield Statement(said.at[opening], at, at, payload, whole=True, denied=denied)


def _headed(text: str, head: re.Match[str]) -> Iterator[Statement]:
    """``Department: Finance``, where no known noun heads the line."""
    named, known = split(head[1] or head[2]), words("noun", "head", "vague")
    ours = named[-1:] and named[-1] not in known and named[0] not in words("explains")
    if ours and len(named) < 4 and words("negative").isdisjoint(named):
        payload, end = _payload(text, head.end())
        start = head.start(1 if head[1] else 2)
        yield Statement(start, head.end(), end, payload, HEADING, whole=True)


def _marked(text: str, said: Words, mark: re.Match[str]) -> Iterator[Statement]:
    """A box, ``<answer>``, or ``####``."""
    start, at, tag = mark.start(), mark.end(), mark["tag"]
    known = not tag or tag == "final" or tag in words("noun", "head")
    closing = _CLOSING_TAG.search(text, at, at + _LONGEST) if tag else None
    if not (known or closing):
        return
    if closing:
        payload, end = text[at : closing.start()].strip() or None, closing.end()
    else:
        payload, end = _in_braces(text, at) if mark[0][0] == "\\" else _payload(text, at)
    denied, alone = denial(said, said.index(start)), mark[0] != "####"
    rank, whole = EXPLICIT if known else HEADING, not (alone and known)
    yield Statement(start, at, end, payload, rank, whole, denied=denied, alone=alone)


def _by_cue(text: str, said: Words, cue: str) -> Iterator[Statement]:
    before, _, after = (part.strip() for part in lowered(widen(cue)).partition("{answer}"))
    tail = after.strip(".")
    for found in _some(list(re.finditer(re.escape(before), said.low))):
        payload, end = _payload(text, found.end())
        closing = said.low.find(tail, found.end(), end) if tail else -1
        if payload and closing >= 0:
            payload, end = text[found.end() : closing].strip(), closing + len(tail)
        denied = denial(said, said.index(found.start()))
        yield Statement(found.start(), found.end(), end, payload, denied=denied)


def denial(said: Words, index: int, weak: bool = False) -> str:
    """Why a cue states nothing: what its clause says before it; "" if it does."""
    clause = said.clause(index)
    theirs = clause & words("people") or (clause & words("pronoun") and clause & words("maybe"))
    held = clause & words("believes") or ("second" not in clause and clause & words("attributed"))
    if held or (theirs and clause & words("say")):
        return "attributed"
    if weak:
        clause |= {*said.said[said.back(index, words("stop"), 25) : index]}
    if said.said[:index].count('"') % 2:  # "another student wrote: "… so the answer is 36.""
        quote = index - 1 - said.said[:index][::-1].index('"')
        if not words("crowd", "people").isdisjoint(said.said[max(0, quote - 12) : quote]):
            return "attributed"
    doubted = clause & words("opinion") and clause & words("not")
    return "supposed" if doubted or clause & words("supposed") else ""


def _opening(said: Words, index: int) -> int:
    """Where the sentence of a cue begins, if it says nothing else, as in "Based on this, …"."""
    start = said.back(index, words("stop"), 9)
    before = [word for word in said.said[start:index] if word not in words("opener")]
    introduced = (
        before
        and before[0] in words("introduces")
        and (before[-1] == "," or not said.low.isascii())
    )
    alone = introduced or words("frame").issuperset(before)
    return said.at[start if alone and start < index else index]


def _payload(text: str, at: int, on_next: bool = False) -> tuple[str | None, int]:
    """What stands after a cue, on its line or on the next, and where it ends."""
    blank = _BLANK.match(text, at)
    first = blank.end() if blank else at
    if first == len(text):
        rest = text[at:].strip()  # a label may be punctuation, such as ":("
        return (rest if rest.strip("*`#$>\\[]{(-_ \n") else None), first
    newline = text.rfind("\n", at, first)
    end = text.find("\n", first) % (len(text) + 1)
    on_next = on_next or newline >= 0
    if on_next and not words("explains").isdisjoint(split(text[first:end][:60])[:2]):
        return None, at
    line = (
        _BESIDE.split(text[max(at, newline + 1) : end].strip(), maxsplit=1)[0]
        .strip("* ")
        .rstrip("| ")
    )
    return (_ITEM.sub("", line, count=1) if on_next else line), end


def _in_braces(text: str, at: int) -> tuple[str | None, int]:
    depth = 0
    for brace in re.finditer(r"[{}]", text[at : at + _LONGEST]):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return text[at + 1 : at + brace.start()], at + brace.end()
    return None, len(text)


def without_cue(text: str, task: Task) -> str:
    """``Paris`` of ``Answer: Paris``, which a field or a tag named so need not say."""
    stated = (s for s in find_statements(text[:_LONGEST], task) if s.payload and s.start == 0)
    return next((s.payload or "" for s in stated), text)
