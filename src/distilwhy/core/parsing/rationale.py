"""Extracts the rationale from a reply, without its answer, headings and courtesies."""

import re
from collections.abc import Sequence

from distilwhy.core.parsing.clean import widen, without_pictures_at_ends
from distilwhy.core.parsing.cues import SENTENCE_END, endings, phrases, split, words
from distilwhy.core.parsing.decide import says_only
from distilwhy.core.parsing.reader import Reader
from distilwhy.core.parsing.statements import EXPLICIT, Statement
from distilwhy.core.parsing.uncued import first_alone

_GREETING = r"\W*+(?:@[^\w\n]{0,3})?(?:(?:here|voici|aquí|hier)\b[^\n:.]{0,60}:)?\W{0,4}\n\s*"
_OPENING = r"\A\s*@[,!.]\s+"
_PREFACE = r"\A\W*@[^.!:。\n]{0,80}[.!:。\n]\s*"
_COURTESY = r"(?:\A|[.!?]\s++|\n\s*+)(?=@)"
_TITLE = re.compile(r"#+ ([^\n]{1,40})\n\s*")
_HEAD = re.compile(
    r"(?:\A|\n)[^\w\n]*+(?:\d[.)] [^\w\n]*+)?([^\W\d_][\w-]{0,20}(?: [\w-]{1,20}){0,2})\W{0,3}?"
    r"(?:[:：=][^\w\n\"'“„«(-]*|\n)"
)
_FIELD = re.compile(r"\A\W*[^\W\d_][\w ]{0,20}[:：]")
_ROW_LINE = re.compile(rf"{_FIELD.pattern}|[?？][*_ )]*$")
_LONGEST_ROW = 10_000
_WORD = re.compile(r"[^\W_\u3040-\u30ff\u3400-\u9fff]+|[\u3040-\u30ff\u3400-\u9fff]{2}")
_CONFIDENCE = re.compile(r"\n[^\w\n]{0,9}confidence\W{1,9}[\d.]{1,9}\W{0,9}\Z", re.I)
_TAGS = re.compile(r"\A(?:<[^\W\d]\w{0,30}>\s{0,9}){1,9}|(?:\s{0,9}</\w{1,30}>){1,9}\Z")
_NUMBERED = re.compile(r"\W*+(?:\d{1,2}\W*+)?")
_DANGLING = re.compile(r"(?:\A(?!.*\.)|\n|(?<=[.!?])\s)\W*([\w' ’]{1,30})\W*$", re.I)
# Matched against the reversed text.
_CLOSING = re.compile(r"(?:[-$*#>]++(?=\s|\Z)|(?:[#*`,;:\s<]|\$\$|[\[(]\\)+)*")
_GOES_ON = re.compile(r"[\"'”’)\]]*\s*[.!:;–—\n-]|\W*([^\W\d_]+)")


def reasons_before(reader: Reader, text: str, label: str, statements: Sequence[Statement]) -> str:
    """The reasons in a text before an answer, without what states it at either end of the text."""
    for statement in reversed(statements):
        if not reader.answer.same(reader.label(statement), label):
            continue
        rest = text[statement.at :].strip()
        if words("because") & {*split(rest)} or not says_only(reader, rest, label):
            break
        text = text[: statement.start]
    if opening := first_alone(reader, text):
        text = text[opening[0].end :]
    for other in reversed(statements):  # what it takes back later
        said = reader.label(other) if other.rank == EXPLICIT else None
        if said and not reader.answer.same(said, label) and "?" not in (other.payload or ""):
            end = SENTENCE_END.search(text, other.at, other.end)
            rest = text[: other.start] + text[end.end() if end else other.end :]
            text = rest if rest.strip() else text
    return tidy(_without_row(text, reader.asked))


def _without_row(text: str, asked: str) -> str:
    """A text without the questions and headed lines that repeat a line of the row."""
    *lines, last = text.split("\n")
    own = {_content(line) for line in asked[:_LONGEST_ROW].split("\n")}
    shown = [line for line in lines if not (_ROW_LINE.search(line) and _content(line) in own)]
    return "\n".join([*shown, last])


def _content(line: str) -> str:
    return " ".join(split(_FIELD.sub("", widen(line))))


def reasons_after(reader: Reader, text: str, label: str, statement: Statement) -> str:
    """The reasons that follow an answer, where nothing stands before it."""
    said = text[statement.at : statement.end]
    found = reader.read(widen(said))
    rest = said[len(said) - len(found.rest) :] if found else ""
    rest = endings(r"\A@").sub("", rest.lstrip("'’”»"))
    goes_on = _GOES_ON.match(rest)
    opens = goes_on and (not goes_on[1] or goes_on[1].lower() in words("because"))
    after = (rest if opens else "") + text[statement.end :]
    heads = [h for h in _HEAD.finditer(after) if _names(h, words("explains") - {"confidence"})]
    if heads:
        after = after[heads[0].end() : heads[1].start() if len(heads) > 1 else None]
    reasons = tidy(after)
    closed = "\"'" if reasons.count('"') % 2 else ""
    reasons = reasons.lstrip(f".,:;!)]{closed}–—- 。，、：；！")
    return reasons if len(_WORD.findall(reasons)) > 2 else ""


def without_preface(text: str) -> str:
    """A text without a first line such as "Sure! Here is my answer:" or "## Analysis"."""
    line = _TITLE.match(text)
    if not line or not _names(line, words("explains")):
        line = phrases("greets", _GREETING).match(text)
    return text[line.end() :] if line else text


def tidy(text: str) -> str:
    """One line, without headings at the ends, courtesies, and marks that nothing follows."""
    text = _CONFIDENCE.sub("", _TAGS.sub("", without_pictures_at_ends(text)))
    preface, greeting = phrases("prefaces", _PREFACE), phrases("greets", _OPENING)
    while opening := preface.match(text) or greeting.match(text) or _HEAD.match(text):
        if opening.re is _HEAD and not _names(opening, words("explains", "speaks")):
            break
        text = text[opening.end() :]
    closing = phrases("courtesy", _COURTESY).search(text, max(0, len(text) - 400))
    text = text[: closing.end()] if closing else text
    names = words("explains", "opener", "noun", "head", "ours", "speaks")
    for _ in range(3):
        text = _CLOSING.sub("", text[::-1], count=1)[::-1]
        dangling = _DANGLING.search(text, max(0, len(text) - 60))
        if dangling is None or not names.issuperset(split(dangling[1])):
            break
        text = text[: dangling.start()]
    return "" if _NUMBERED.fullmatch(text) else " ".join(text.split())


def _names(head: re.Match[str], known: frozenset[str]) -> bool:
    return not known.isdisjoint(split(head[1]))
