"""Finds where a reply states an answer, and whether it affirms it.

A statement is a cue and what follows it ("the answer is (b) mall"), a box, a tag, a heading, or an
answer and the cue behind it ("(b) is the answer"). Whether an answer can be read in it is another
matter.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from distilwhy.core.parsing.clean import lowered, widen
from distilwhy.core.parsing.cues import Words, has, phrases, split, words
from distilwhy.core.task import CUE, Task

# Statements of a rank count only where none of a lower rank can be read.
EXPLICIT, HEADING, UNCUED, WEAK, IMPLIED = range(5)

_UNSAID = ("people", "crowd", "wrong", "not", "negative", "attributed", "discards")
_DOUBTFUL = ("wrong", "crowd", "people", "say", "believes", "open", "supposed")  # in a heading
_MOST = 8  # of a reply with more cues, so many of the first and of the last are looked at
_LONGEST = 1000
_BLANK = re.compile(r"[\s*$`#>\\[\](){}_:\"'-]*")
_ASKED_NOUN = re.compile(r"([^\W\d_]+)[:：]\s*\Z")
_ITEM = re.compile(r"[-•>*]\s+")
_MARK = re.compile(
    r"\\f?boxed\s*\{|####|\[\[|\[(?:final )?(?P<name>[^\W\d][\w ]{0,30})\](?=:? *\S)"
    r"|<(?:final[_ ])?(?P<tag>[^\W\d][\w ]{0,30})>"
)
_BOXED = re.compile(r"((?:[^{}]++|\{(?:[^{}]++|\{[^{}]*+\})*+\})*+)\}")
_DOUBLE = re.compile(r"([^\[\]\n]{1,60})\]\]")
_TAGGED = re.compile(r"([^<]*+(?:<(?!/)[^<]*+)*+)</[\w ]+>")
_BESIDE = re.compile(r" \| (?=[^|\n]{1,30}:)")
_FIELD = re.compile(r"; ?([^\W\d]\w{1,30}) ?[=:]")
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
        alone: Whether the payload has a place of its own, such as a box.
    """

    start: int
    at: int
    end: int
    payload: str | None
    rank: int = EXPLICIT
    whole: bool = False
    denied: str = ""
    alone: bool = False


def find_statements(text: str, task: Task | None = None) -> list[Statement]:
    """All statements of a reply of usual width, affirmed or not, in the order in which they end.

    Args:
        task: Its cue counts as well, and what its template asks for the answer with.
    """
    said = Words(lowered(text))
    own = _asked_noun(task.row_format.template) if task else ""
    nouns = words("noun", "head", "vague") | {own}
    # Apart, so that many other headings do not crowd out the nouns of an answer.
    known = [i for i, word in enumerate(said.said) if word in nouns]
    others = [
        i
        for i, word in enumerate(said.said)
        if word not in nouns and said.word(i + 1) == ":" != word and said.word(i + 2) != "\n"
    ]
    cued = [*_by_cue(text, said, task.cue)] if task and task.cue != CUE else []
    taken = {at for statement in cued for at in (statement.at, statement.at + 1)}
    heads = _some(known) + _some(others)
    found = [s for i in heads for s in _announced(text, said, i, said.said[i] == own)]
    found += [s for mark in _some([*_MARK.finditer(said.low)]) for s in _marked(text, said, mark)]
    found = cued + [statement for statement in found if statement.at not in taken]
    return sorted(found, key=lambda statement: (statement.end, statement.start))


def _asked_noun(template: str) -> str:
    """The word with which a template asks for the answer behind its last field, as ``Stars:``."""
    asked = _ASKED_NOUN.search(template.lower())
    return asked[1] if asked and asked[1] not in words("speaks", "explains") else ""


def _some(found: list[_Found]) -> list[_Found]:
    return found if len(found) <= 2 * _MOST else found[:_MOST] + found[-_MOST:]


def _announced(text: str, said: Words, index: int, asked: bool) -> Iterator[Statement]:
    """``The final answer is …``, ``Answer: …``, ``the right category is …``, ``Department: …``

    Args:
        asked: Whether the task's template asks for the answer with this noun, as with ``Stars:``.
    """
    noun, (link, after) = said.said[index], _link(said, index + 1)
    line = start = said.skip_back(index, words("quality", "article", "opener"))
    while start - line < 4 and said.word(line - 1)[0].isalpha():
        line -= 1
    said_of, before = {*said.said[start:index]}, said.word(start - 1)
    known = noun in words("noun", "head", "vague")
    if not link and known and before in words("inverts"):
        link, after = "is", index + 1
    stops = words("stop") if known or asked else {"\n"}
    begins = said.word(line - 1) in words("bullet") | stops
    heads = begins and link != "is"
    firm = noun in words("noun") or (asked and heads)
    free = said_of or (firm and not (before[0].isalpha() and noun.isascii()))
    if not link or not (heads or (known and free and link != "line")):
        return  # "the student's answer is"
    if not known and not asked and noun in words("explains", "beside"):
        return  # "Confidence: low"
    said_of.update(said.said[index + 1 : after])
    qualities = words("quality") if noun == "one" else words("quality", "concludes")
    if noun in words("vague") and said_of.isdisjoint(qualities) and not firm:
        return
    first = line if heads else start
    denied = denial(said, index, link == "weak")
    owner, between = said.word(index - 1), said.said[index + 1 : after]
    owned = owner[-2:] == "'s" and owner[:-2] not in words("kind") | {"here", "it", "that"}
    unsaid = words(*_UNSAID) - {"most"}  # of "the answer that makes the most sense"
    if owned or (between[:1] in (["that"], ["which"]) and not unsaid.isdisjoint(between)):
        denied = "attributed"  # "my neighbour's answer:", "the answer that most people give is"
    no_answer = words("negative", "discards", *(() if known else _DOUBTFUL))
    out = has(between, "discards") or no_answer.intersection(
        [before, *said.said[first : index + 1]]
    )
    if out and not asked:
        denied = "negated"
    at, on_next = said.end(after - 1), "\n" in said.said[index:after]
    payload, end = _payload(text, at, on_next)
    if link == "weak" and payload and has(split(payload), "supposed"):
        denied = "supposed"
    rank = WEAK if link == "weak" else EXPLICIT if known or asked else HEADING
    yield Statement(_opening(said, first), at, end, payload, rank, not firm, denied)


def _link(said: Words, index: int) -> tuple[str, int]:
    """How a noun is linked to what follows ("" if it is not), and the first word after the link."""
    index = said.skip(index, words("part"))
    opens = said.word(index) in words("about") | {"("} and said.word(index + 1) != ")"
    if opens:  # "to the question is", unlike "a) is"
        ends = words("is", "linked", "stop")
        index = next((i for i in range(index, index + 10) if said.word(i) in ends), index)
    word = said.word(index)
    short = said.word(index - 2) == "\n" and said.word(index - 1) in words("abbreviated")
    if word == "." and short:  # "Ans. B"
        return ":", index + 1
    if word in words("is"):
        index = said.skip(index + 1, words("concludes"))
        return "is", index + (said.word(index) == ":")
    be = index + 1 + (said.word(index + 1) == "to")
    if word in words("weak") and said.word(be) == "be":
        return "weak", be + 1
    if word in words("linked") and (word != "-" or said.low.startswith(" ", said.end(index))):
        return ":", index + 1
    return ("line", index + 1) if word == "\n" and index < len(said.said) else ("", index)


def _marked(text: str, said: Words, mark: re.Match[str]) -> Iterator[Statement]:
    """A box, ``[[A]]``, ``<answer>``, ``[RESULT]`` or ``####``."""
    start, at, tag = mark.start(), mark.end(), mark["tag"]
    if mark["name"] and mark["name"] not in words("noun", "head"):
        return  # "[1]"
    known = not tag or tag in words("noun", "head") | {"final"}
    pattern = _TAGGED if tag else _DOUBLE if mark[0] == "[[" else _BOXED
    inside = None if mark["name"] or mark[0] == "####" else pattern.match(text, at, at + _LONGEST)
    if mark[0] == "[[" and not inside:
        return  # a list of lists
    payload, end = _payload(text, at) if mark[0][-1] != "{" else (None, len(text))
    if inside:
        payload, end = inside[1].strip() or None, inside.end()
    whole, denied = not (known and (inside or not payload)), denial(said, said.index(start))
    rank = EXPLICIT if known else HEADING
    yield Statement(start, at, end, payload, rank, whole, denied, alone=inside is not None)


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
    start = said.back(index, words("stop") if weak else words("turn", "stop"), 25)
    clause = {*said.said[start:index]}
    held = has(clause, "believes") or ("second" not in clause and has(clause, "attributed"))
    theirs = has(clause, "people", "crowd") and has(clause, "say", "reports")
    before = said.said[:index]
    quoted = before.count('"') % 2 and has(
        (word.removesuffix("'s") for word in before), "crowd", "people"
    )
    if held or theirs or quoted:
        return "attributed"
    unnamed = words("kind", "pronoun", "article", "because", "filler")
    for at in range(said.back(index, words("turn", "stop"), 9), index):
        if said.said[at] in words("says") and unnamed.isdisjoint(said.said[max(0, at - 2) : at]):
            return "attributed"  # "Ida says that the answer is"
    doubted = has(clause, "opinion") and has(clause, "not")
    if has(clause, "supposed"):  # unlike "if I have to choose"
        clause = {*split(phrases("forced").sub("", said.low[said.at[start] : said.at[index]]))}
    return "supposed" if doubted or has(clause, "supposed") else ""


def _opening(said: Words, index: int) -> int:
    """Where the sentence of a cue begins, if it says nothing else, as in "Based on this, …"."""
    start = said.back(index, words("stop"), 9)
    before = [word for word in said.said[start:index] if word not in words("opener")]
    alone = has(before[:1], "introduces") or words("frame").issuperset(before)
    return said.at[start if alone and start < index else index]


def _payload(text: str, at: int, on_next: bool = False) -> tuple[str | None, int]:
    """What stands after a cue, on its line or on the next, and where it ends."""
    blank = _BLANK.match(text, at)
    first = blank.end() if blank else at
    newline = text.rfind("\n", at, first) + 1
    end = text.find("\n", first) % (len(text) + 1)
    line = _BESIDE.split(text[newline or at : end].strip(), maxsplit=1)[0]
    fields = (f.start() for f in _FIELD.finditer(line) if has([f[1].lower()], "explains", "beside"))
    line = line[: next(fields, None)]  # without ";confidence=0.9"
    line = line.strip("* ").rstrip("| ")
    return (_ITEM.sub("", line, count=1) if on_next or newline else line) or None, end


def without_cue(text: str, task: Task) -> str:
    """``Paris`` of ``Answer: Paris``, which a field or a tag named so need not say."""
    stated = (s for s in find_statements(text[:_LONGEST], task) if s.payload and s.start == 0)
    return next((s.payload or "" for s in stated), text)
