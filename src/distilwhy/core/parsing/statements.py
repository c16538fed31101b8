"""Finds where a reply states an answer, and whether it affirms it.

A statement is a cue and what follows it ("the answer is (b) mall"), a box, a tag, or an answer
and the cue behind it ("(b) is the answer"). Whether an answer can be read in it is another matter.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from distilwhy.core.parsing import cues
from distilwhy.core.parsing.clean import lowered, widen

Tier = Literal["explicit", "heading", "head", "weak"]

MOST = 16  # of a reply with more cues, so many of the first and of the last are looked at
_BEFORE = 120
_LONGEST_LEFT = 70
_AFTER = 120
_LONGEST = 1000
_BLANK = re.compile(r"[\s*$`#>\\\[\](){}_:\"'-]*")
_ITEM = re.compile(r"[-•>*]\s+")
_ASKS = re.compile(r"[^.!?\n]{0,80}\?\W*$")
_OTHERWISE = re.compile(r"; otherwise\b|, otherwise it\b")
_JOINS = re.compile(r"[\w/-]")
_CLOSING_TAG = re.compile(r"</[a-z_ ]+>", re.I)


@dataclass(frozen=True)
class Statement:
    """A place in a reply that states an answer.

    Attributes:
        start: Where its sentence begins, if that says nothing else; else where its cue begins.
        at: Where its payload begins, and ``end`` where that ends.
        payload: What may be the answer, or begins with it; None if the reply ends before it.
        tier: Statements of a lower tier ("Topic: x", then "the answer must be x") count only where
            there is none of a higher one.
        whole: Whether it counts only if the payload is the answer and nothing else.
        denied: Why it states nothing, such as "supposed"; else "".
        revised: Whether it says that it replaces an earlier answer.
        alone: Whether the payload has a place of its own, such as a box.
    """

    start: int
    at: int
    end: int
    payload: str | None
    tier: Tier = "explicit"
    whole: bool = False
    denied: str = ""
    revised: bool = False
    alone: bool = False

    def within(self, text: str) -> "Statement":
        """The same statement in a text that may end within its payload."""
        if self.end <= len(text):
            return self
        return replace(self, end=len(text), payload=text[self.at :].strip() or None)

    def payload_is_asked(self) -> bool:
        """Whether the payload is a question, such as ``41?``"""
        return self.payload is not None and _ASKS.match(self.payload) is not None


@dataclass(frozen=True)
class _Left:
    """What stands before a noun and belongs to it, such as ``so the best``.

    Attributes:
        start: Where it begins.
        words: Its words.
        before: The word that stands before it in the same clause; "" if none does.
        heading: Whether the noun, with at most three words, opens a line or a sentence.
        line: Where these words begin; ``start`` if it is no heading.
    """

    start: int
    words: frozenset[str]
    before: str
    heading: bool
    line: int


def find_statements(text: str, cue: str = "") -> list[Statement]:
    """All statements of a reply, affirmed or not, in the order in which they end.

    Args:
        cue: The task's own, such as ``정답은 {answer}입니다.``
    """
    text = widen(text)
    low = lowered(text)
    cued = list(_by_cue(text, low, cue)) if cue else []
    read = {at for statement in cued for at in (statement.at, statement.at + 1)}
    found = [
        *(s for noun in _some(cues.NOUN, low) if (s := _announced(text, low, noun))),
        *(s for noun in _some(cues.HEAD, low) if (s := _headed(text, low, noun))),
        *(s for mark in _some(cues.MARK, low) if (s := _marked(text, low, mark))),
        *(s for noun in _some(cues.REVERSE, low) if (s := _said_before(text, low, noun))),
        *_chosen(text, low),
        *(s for head in _some(cues.HEADING, low) if (s := _heading(text, low, head))),
    ]
    found = [*cued, *(statement for statement in found if statement.at not in read)]
    return sorted(found, key=lambda statement: (statement.end, statement.start))


def _some(pattern: re.Pattern[str], low: str) -> list[re.Match[str]]:
    found = list(pattern.finditer(low))
    return found if len(found) <= 2 * MOST else found[:MOST] + found[-MOST:]


def _left(low: str, at: int) -> _Left | None:
    """What stands before a noun; None if the noun is only the end of a word."""
    if low[at].isascii() and _JOINS.match(low[at - 1 : at]) and at:
        return None
    window = low[max(0, at - _BEFORE) : at]
    offset, start, words = at - len(window), len(window), set[str]()
    while opener := cues.OPENER_APART.search(window, 0, start):
        start = opener.start()
        words.add("so")
    after_article = opened = False
    before = ""
    for token in reversed([*cues.TOKEN.finditer(window, max(0, start - _LONGEST_LEFT), start)]):
        word = token[0]
        if window[token.end() : start].strip(" ,"):
            break
        if not (after_article or opened) and word in cues.QUALITY:
            pass
        elif not (after_article or opened) and word in cues.ARTICLES:
            after_article = True
        elif word in cues.OPENERS:
            opened = True
        else:
            before = word
            break
        words.add(word)
        start = token.start()
    ends = [window.rfind(end) + len(end) for end in ("\n", ". ", "! ", "? ") if end in window]
    line = cues.LINE_START.fullmatch(window, max(ends, default=0)) if ends or offset == 0 else None
    return _Left(
        offset + start,
        frozenset(words),
        before,
        line is not None,
        offset + line.start("words") if line else offset + start,
    )


def _announced(text: str, low: str, noun: re.Match[str]) -> Statement | None:
    """``The final answer is …``, ``Answer: …``, ``정답: …``"""
    link = cues.LINK.match(low, noun.end(), noun.end() + _AFTER)
    alone = None if link else cues.ALONE.match(low, noun.end(), noun.end() + _AFTER)
    left = _left(low, noun.start()) if link or alone else None
    if left is None or (alone and not left.heading):
        return None
    heading = left.heading and not (link and link["is"])
    if not heading and not left.words and left.before and noun[0].isascii():
        return None  # "the student's answer is"
    start = left.line if heading else left.start
    weak, maybe = (link["weak"], link["maybe"]) if link else (None, None)
    denied = "negated" if cues.NEGATIVE.search(f"{left.before} {low[start : noun.start()]}") else ""
    so = not cues.OPENERS.isdisjoint(left.words)
    denied = denied or ("supposed" if maybe else denial(low, start, so=so, weak=bool(weak)))
    at = (link or alone or noun).end()
    payload, end = _payload(text, at, "\n" in low[noun.end() : at])
    if link and link["is"]:
        payload = _without_copula(payload, link["is"])
    revised = not cues.REVISED.isdisjoint(left.words)
    return Statement(
        _opening(low, start), at, end, payload, "weak" if weak else "explicit",
        denied=denied, revised=revised,
    )  # fmt: skip


def _headed(text: str, low: str, noun: re.Match[str]) -> Statement | None:
    """``Label: …`` on a line of its own, and ``the right category is …``."""
    if noun[0] not in cues.HEADS:
        return None
    link = cues.LINK.match(low, noun.end(), noun.end() + _AFTER)
    left = _left(low, noun.start())
    if link is None or left is None or link["maybe"]:
        return None
    heading = left.heading and not link["is"]
    qualified = not cues.QUALITY.isdisjoint(left.words)
    vague = noun[0] in cues.VAGUE
    if not (heading or left.words) or (vague and not qualified):
        return None
    start = left.line if heading else left.start
    if cues.NEGATIVE.search(f"{left.before} {low[start : noun.start()]}"):
        return None
    if denial(low, start, weak=link["weak"] is not None):
        return None
    payload, end = _payload(text, link.end(), "\n" in link[0])
    tier: Tier = "explicit" if heading or qualified else "head"
    tier = "weak" if link["weak"] else tier
    return Statement(_opening(low, start), link.end(), end, payload, tier, whole=not vague)


def _heading(text: str, low: str, head: re.Match[str]) -> Statement | None:
    """``Department: Finance``, where no known noun heads the line."""
    name = head[1] or head[2]
    words = name.split()
    if len(words) > 3 or words[-1] in cues.HEADS or cues.NOUN.fullmatch(words[-1]):
        return None
    if cues.NEGATIVE.search(name) or cues.EXPLAINS.match(name):
        return None
    payload, end = _payload(text, head.end())
    return Statement(
        head.start(1 if head[1] else 2), head.end(), end, payload, "heading", whole=True
    )


def _marked(text: str, low: str, mark: re.Match[str]) -> Statement | None:
    """A box, ``<answer>``, or ``####``."""
    start, at = _opening(low, mark.start()), mark.end()
    denied = denial(low, mark.start())
    if mark["tag"]:
        if mark["tag"] not in cues.HEADS and mark["tag"] != "answer":
            return None
        closing = _CLOSING_TAG.search(text, at, at + _LONGEST)
        payload, end = (
            (text[at : closing.start()], closing.end()) if closing else _payload(text, at)
        )
        return Statement(start, at, end, (payload or "").strip() or None, denied=denied, alone=True)
    if mark[0][0] == "\\":
        payload, end = _in_braces(text, at)
        return Statement(start, at, end, payload, denied=denied, alone=True)
    if low[at - 5 : at - 4].strip():
        return None
    line = text[at : at + _LONGEST].split("\n", 1)[0]
    return Statement(start, at, at + len(line), line.strip(), whole=True, denied=denied)


def _said_before(text: str, low: str, noun: re.Match[str]) -> Statement | None:
    """``(d) is the answer``, ``making (c) the best choice``"""
    near = low[max(0, noun.start() - 60) : noun.start()]
    if not any(link in near for link in (" is ", " be ", " as ", "mak")):
        return None
    left = _left(low, noun.start())
    if left is None or low[noun.end() : noun.end() + 1] == "?":
        return None
    correct = noun[0] == "correct"
    if not correct and left.words.isdisjoint(cues.ARTICLES):
        return None
    clause = low[max(0, left.start - _BEFORE) : left.start]
    said = cues.REVERSE_IS.search(clause)
    if said is None and (correct or "mak" not in clause[-40:]):
        return None
    begin = left.start - len(clause) + (said.start("said") if said else 0)
    stop = left.start - len(clause) + said.end("said") if said else left.start
    lead = cues.REVERSE_LEFT.match(low, begin, stop)
    begin = lead.end() if lead else begin
    if said is None and lead is None:
        return None
    opening = lead.start() + len(lead[0].rstrip("abcdefghijklmnopqrstuvwxyz")) if lead else begin
    tier: Tier = "head" if correct else "explicit"
    return Statement(
        opening,
        noun.end(),
        noun.end(),
        text[begin:stop],
        tier,
        whole=True,
        denied=denial(low, begin),
    )


def _chosen(text: str, low: str) -> Iterator[Statement]:
    """``I choose (b)``, ``this is classified as neutral``"""
    for verb in _some(cues.VERB, low):
        payload, end = _payload(text, verb.end())
        denied = denial(low, verb.start())
        yield Statement(verb.start(), verb.end(), end, payload, "head", whole=True, denied=denied)


def _by_cue(text: str, low: str, cue: str) -> Iterator[Statement]:
    before, _, after = (part.strip() for part in lowered(widen(cue)).partition("{answer}"))
    tail = after.strip(".")
    for found in _some(re.compile(re.escape(before)), low):
        payload, end = _payload(text, found.end())
        closing = low.find(tail, found.end(), end) if tail else -1
        if payload and closing >= 0:
            payload, end = text[found.end() : closing].strip(), closing + len(tail)
        else:
            payload = _without_copula(payload, before)
        yield Statement(found.start(), found.end(), end, payload, denied=denial(low, found.start()))


def _without_copula(payload: str | None, said: str) -> str | None:
    """``서울`` of ``서울입니다. …``, where ``정답은`` is said before it."""
    if payload is None or not said.endswith(cues.TOPIC):
        return payload
    return cues.POLITE.split(payload, maxsplit=1)[0] or payload


def denial(low: str, at: int, *, so: bool = False, weak: bool = False) -> str:
    """Why a cue at an offset states nothing: what its clause says before it; "" if it does."""
    sentence = cues.SENTENCE_END.split(low[max(0, at - _BEFORE) : at])[-1]
    clause = cues.TURN.split(sentence)[-1]
    if cues.ATTRIBUTED.search(clause) or _OTHERWISE.search(
        low, at, low.find("\n", at) % (len(low) + 1)
    ):
        return "attributed"
    if (not so and cues.SUPPOSED.search(clause)) or (weak and cues.CONDITION.search(sentence)):
        return "supposed"
    return ""


def _opening(low: str, at: int) -> int:
    """Where the sentence of a cue begins, if it says nothing else, as in "Based on this, …"."""
    filler = cues.FILLER.search(low[max(0, at - 80) : at])
    return at - len(filler["filler"]) if filler else at


def _payload(text: str, at: int, on_next: bool = False) -> tuple[str | None, int]:
    """What stands after a cue, on its line or on the next, and where it ends."""
    blank = _BLANK.match(text, at)
    first = blank.end() if blank else at
    if first == len(text):
        rest = text[at:].strip()  # a label may be punctuation, such as ":("
        return (rest if rest.strip("*`#$>\\[]{(-_ \n") else None), first
    break_ = text.rfind("\n", at, first)
    begin = max(at, break_ + 1)
    end = text.find("\n", first)
    end = len(text) if end < 0 else end
    on_next = on_next or break_ >= 0
    if on_next and cues.EXPLAINS.match(text, first):
        return None, at
    line = text[begin:end].strip().strip("* ").rstrip("| ")
    return (_ITEM.sub("", line, count=1) if on_next and _ITEM.match(line) else line), end


def _in_braces(text: str, at: int) -> tuple[str | None, int]:
    if text[at : at + 1] != "{":
        return _payload(text, at)
    depth = 0
    for brace in re.finditer(r"[{}]", text[at : at + _LONGEST]):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return text[at + 1 : at + brace.start()], at + brace.end()
    return None, len(text)


def without_cue(text: str, cue: str = "") -> str:
    """``Paris`` of ``Answer: Paris``, which a field or a tag named so need not say."""
    stated = (s for s in find_statements(text[:_LONGEST], cue) if s.payload and s.start == 0)
    return next((s.payload or "" for s in stated), text)
