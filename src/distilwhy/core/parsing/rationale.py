"""Extracts the rationale from a reply, without its answer, headings and courtesies."""

import re
from collections.abc import Sequence

from distilwhy.core.parsing.answer import Unreadable
from distilwhy.core.parsing.decide import Decision, first_alone, read_statement, says_only
from distilwhy.core.parsing.reader import Reader
from distilwhy.core.parsing.statements import Statement, find_statements

_NAMES = (
    "rationale|reason(?:ing|s)?|explanation|thoughts?|thinking|analysis|justification|solution"
    "|explication|begründung|erklärung|explicación|explicação|설명|이유|풀이|근거|理由|解释|解説"
    "|説明|分析"
)
_GREETING = r"(?:sure|okay|ok|certainly|of course)[,!.]\s+(?!\w+ (?:is|are)\b)"
_STEPS = r"let['’]?s think (?:this through )?(?:about (?:it|this) )?step by step[.:]\s*"
_OPENING = re.compile(
    rf"\A\s*(?:[#*]*[ \t]*(?:A|assistant|model|response|{_NAMES})\s*?(?:[:：]|\n)\s*"
    rf"|Q:[^\n]*\n+A:|{_GREETING}|{_STEPS})+", re.I,
)  # fmt: skip
_NAMED = re.compile(rf"(?:^|\n)[^\w\n]*(?:\d[.)] )?\W*(?:{_NAMES})\W{{0,3}}[:：]\W*", re.I)
_NUMBERED = re.compile(r"\W*\d{0,2}[.)]?\W*")
_DANGLING = re.compile(
    rf"(?:^|\n|(?<=[.!?])\s)\W*(?:{_NAMES}|final|conclusion|in conclusion|summary|(?:hence"
    rf"|therefore"
    rf"|thus|so)(?!\.)"
    r"|here(?: is|['’]s)[\w ]{0,30}|json|output|final answer|answer|step \d+)\W*$", re.I,
)  # fmt: skip
_COURTESY = re.compile(
    r"(?:^|(?<=[.!?\n]))\s*(?:let me know|i hope|hope (?:this|that)|feel free|if you (?:have|need)"
    r"|is there anything|please let)[^\n]*$", re.I,
)  # fmt: skip
# Matched against the reversed text.
_CLOSING = re.compile(r"(?:[-$*#>]++(?=\s|\Z)|(?:[#*`,;:\s<]|\$\$|[\[(]\\|\()+)*")
_REASON = re.compile(r"\b(?:because|since|as|given|for|due)\b", re.I)
_GOES_ON = re.compile(
    r"\W*(?:because|since|as|for|given|due|weil|da|denn|car|parce|porque|pois|因为|因為|なぜなら"
    r"|왜냐하면)\b"
    r"|[\"')\]]*[.!:;–—\n-]", re.I,
)  # fmt: skip


def reasons_before(reader: Reader, text: str, label: str, statements: Sequence[Statement]) -> str:
    """The reasons in a text before an answer, without what states it at either end of the text."""
    stated = [s for s in statements if _gives(reader, s, label)]
    for statement in reversed(stated):
        rest = text[statement.at :].strip()
        if _REASON.search(rest) or not (rest == "" or says_only(reader, rest, label)):
            break
        text = text[: statement.start]
    if stated and not text[: stated[0].start].strip() and "\n" in text:
        if says_only(reader, text[stated[0].at : stated[0].end], label):
            text = text[stated[0].end :]
    elif alone := first_alone(reader, text):
        text = text[alone[0].end :]
    return tidy(text)


def reasons_after(reader: Reader, text: str, answer: Decision) -> str:
    """The reasons that follow an answer, where nothing stands before it."""
    statement = answer.statement
    line = text[statement.at : statement.end]
    ends = [m.start() for m in re.finditer(r"[\s.,:;!–—]", line)][:40]
    end = max((e for e in ends if reader.whole(line[:e]) == answer.label), default=len(line))
    rest = line[end - (line[end - 1 : end] in ".!:;") :]
    if not _GOES_ON.match(rest):
        rest = ""
    after = rest + text[statement.end :]
    named = _NAMED.search(after)
    after = after[named.end() :] if named else after
    again = [s for s in find_statements(after) if _gives(reader, s, answer.label)]
    reasons = tidy(after[: again[0].start] if again else after)
    return reasons.lstrip(".,:;!)]\"'–—- ") if len(reasons.split()) > 2 else ""


def tidy(text: str) -> str:
    """One line, without headings at the ends, courtesies, and marks that nothing follows."""
    text = _COURTESY.sub("", _OPENING.sub("", text.strip(), count=1))
    for _ in range(3):
        text = _CLOSING.sub("", text[::-1], count=1)[::-1]
        dangling = _DANGLING.search(text, max(0, len(text) - 60))
        if dangling is None:
            break
        text = text[: dangling.start()]
    return "" if _NUMBERED.fullmatch(text) else " ".join(text.split())


def _gives(reader: Reader, statement: Statement, label: str) -> bool:
    try:
        return not statement.denied and reader.answer.same(read_statement(reader, statement), label)
    except Unreadable:
        return False
