"""Answers that a reply states without a cue: "Spam.", "The shop is liable.", "So she has 41." """

import re
from collections.abc import Sequence
from itertools import islice

from distilwhy.core.parsing.choices.choice_sentences import find_stated
from distilwhy.core.parsing.choices.verdicts import find_verdicts
from distilwhy.core.parsing.cues import ITEM, LINE, has, hedges, phrases, spans, split
from distilwhy.core.parsing.numbers.number_sentences import find_expression, find_results
from distilwhy.core.parsing.numbers.numerals import with_figures
from distilwhy.core.parsing.reader import Reader
from distilwhy.core.parsing.statements import UNCUED, Statement
from distilwhy.core.parsing.texts.text_sentences import find_text

_LONGEST = 300
_MOST = 40
_ITEM = re.compile(rf"{ITEM.pattern}|\s*[(\[]?[a-hA-H][)\].:]\s")
# An operator, a comma with "and", or a particle that needs a verb.
_BREAKS_OFF = r"(?:[\w)%€] ?[-−+*/×÷=,(]|(?<=,) @|[をがはへ을를은는]) ?\Z"
_BOXED = re.compile(r"\s*\[([^\[\]\n]{1,60})\]")
_ARROW = re.compile(r"→|⇒|(?<![=-])(?:=+|-+)>")
_CLOSES = re.compile(
    rf"(?:.*[.,;!?]\s)?((?:[^.,;!?]|[.,](?=\d))*)({_ARROW.pattern}|(?<=[^\W\d]):)\s*"
    r"((?:[^.!?]|[.!?](?! +\w))*)\Z"
)
_HEADING = re.compile(r"\A[#$ \t]*(?:[^\W\d_][\w ]{0,30}(?<! \d)[:=]\s*|\[[^\[\]\n]{1,20}\]\s*)?")


def find_uncued(reader: Reader, text: str, bold: Sequence[str]) -> list[Statement]:
    """What the first or the last sentence or line opens with, unless all is a list; failing that,
    what sentences state; failing that, the one answer in bold.
    """
    if reader.answer.kind == "text":
        return find_text(reader.asked, text) or _emphasised(reader, text, bold)
    if not reader.choices and phrases("joint", _BREAKS_OFF).search(text):
        return []
    if _asks_back(text):
        return []
    parts = _sentences(text)
    found = [] if _is_list(reader, text) else _at_ends(reader, text, parts)
    if reader.choices and found:
        found += find_stated(reader, text, parts[-1:]) if found[-1].start < parts[-1][0] else []
    elif reader.choices:
        found = find_verdicts(reader, text) or find_stated(reader, text, parts)
    elif parts and not found:
        find = find_expression if reader.answer.kind == "equation" else find_results
        found = find(reader, text, parts)
    return found or _emphasised(reader, text, bold)


def _asks_back(text: str) -> bool:
    """Whether a text ends in a question to the user: "… Which text is it from?" """
    a, b = (spans(text) or [(0, 0)])[-1]
    last = text[a:b].rstrip()
    return last.endswith("?") and phrases("asks_back").match(last) is not None


def _sentences(text: str) -> list[tuple[int, int]]:
    """The first and the last sentences that may state something."""
    every = [(a, b) for a, b in spans(text) if b - a < _LONGEST]
    telling = [n for n, (a, b) in enumerate(every[:_MOST]) if not is_aside(text[a:b])][:1]
    last = (
        n
        for n in range(len(every) - 1, max(telling, default=-1), -1)
        if not is_aside(text[slice(*every[n])])
    )
    return [every[n] for n in [*telling, *[*islice(last, _MOST)][::-1]]]


def is_aside(sentence: str) -> bool:
    """Whether a sentence asks, checks, greets, wishes well, is in brackets, or has only marks."""
    if not re.search(r"\w|[^\x00-\x7f]", sentence):
        return True
    checks = ":" in sentence[:30] and has(split(sentence[:30])[:1], "explains")
    bracketed = re.fullmatch(r"\([^()]{20,}\)\W*", sentence)
    greets = phrases("greets", r"\W*@\W*\Z").match(sentence)
    beside = phrases("courtesy").match(sentence) or phrases("besides").match(sentence.lstrip())
    return "?" in sentence or any((checks, bracketed, greets, beside))


def _is_list(reader: Reader, text: str) -> bool:
    """Whether the lines of a text list several answers, or end in a list."""
    lines = [line[0] for line in LINE.finditer(text)]
    leads = {lead.label for line in lines[:12] if reader.choices and (lead := reader.lead(line))}
    return len(leads) > 1 or (len(lines) > 1 and all(_ITEM.match(line) for line in lines[-2:]))


def _at_ends(reader: Reader, text: str, parts: Sequence[tuple[int, int]]) -> list[Statement]:
    """What the first and the last sentence open with, and sentences that are a choice and no more;
    of numbers, what the first and the last line open with.
    """
    if not reader.choices:
        parts = [line.span() for line in LINE.finditer(text)]
        if len(parts) > 1 and re.search(r"[-+*/×÷=]", text[slice(*parts[0])]):
            parts = parts[-1:]  # the first works something out
    inner = [part for part in parts[1:-1] if reader.choices and reader.whole(text[slice(*part)])]
    ends = [*parts[:1], *inner, *parts[1:][-1:]]
    return [statement for a, _ in ends if (statement := _opening(reader, text, a))]


def first_alone(reader: Reader, text: str) -> list[Statement]:
    """A first line that is nothing but a choice, with more after it, or nothing but a number,
    before a blank line or the heading of another row; and a last line that is only a choice.
    """
    line, newline, rest = text.partition("\n")
    if not newline or not reader.whole(line):
        return []
    following = rest.strip().split("\n", 1)[0]
    parted = rest[:1] == "\n" or (":" in following and has(split(following)[:1], "asks", "shows"))
    goes_on = "=" in line or not parted
    if reader.lead(following) if reader.choices else goes_on:
        return []
    found = [Statement(0, 0, len(line), line, UNCUED, whole=True)]
    last = text.rstrip().rpartition("\n")[2] if reader.choices else ""
    at = text.rstrip().rfind("\n") + 1
    if reader.whole(last):
        found.append(Statement(at, at, at + len(last), last, UNCUED, whole=True))
    return found


def _opening(reader: Reader, text: str, a: int) -> Statement | None:
    """What a line opens with. The last line may also state it after a heading ("Severity = high")
    or, of numbers, at its end ("0.25 => 25%").
    """
    boxed = _BOXED.match(text, a) if reader.choices else None
    rest = text[boxed.end() :].partition("\n")[0] if boxed else ""
    label = reader.whole(boxed[1]) if boxed and rest[:1].isspace() | rest[:1].isalpha() else None
    doubted = has(split(rest)[:4], "is", "or", "not", "wrong", "rejects") or "[" in rest
    if boxed and label and len(boxed[1]) > 1 and not doubted:
        return Statement(a, *boxed.span(1), boxed[1], UNCUED, whole=True)
    line, more, _ = text[a:].partition("\n")
    line = line.rstrip("$ \t\r")
    heading = line if label else _HEADING.sub("", line, count=1)
    named = {*split(line.removesuffix(heading))}
    theirs = more or hedges(named) or has(named, "explains", "negative", "people")
    may_close = not more and not reader.choices and len(line) < _LONGEST
    closing = _closing_figure(text, line) if may_close else ""
    for said in [line] if theirs else [line, heading, closing]:
        if len(line) < _LONGEST and (found := reader.lead(said)):
            at, end = a + len(line) - len(said), a + len(line) - len(found.rest)
            return Statement(a, at, end, text[at:end], UNCUED, whole=True)
    return None


def _closing_figure(text: str, line: str) -> str:
    """What stands at the end of the last line of a text: after a colon whose clause concludes or
    corrects, or after the only arrow, if a result or nothing stands before it; "" if nothing does.
    """
    closes = _CLOSES.match(line)
    if not closes:
        return ""
    clause, mark, told = closes.groups()
    said = {*split(with_figures(clause, clause))}
    if hedges(said) or has(said, "explains", "indefinite"):
        return ""
    if mark == ":":  # "one" is a word of [right], too
        concludes = has(said - {"one"}, "concludes", "right", "revised")
        return told if concludes and not any(word.isdigit() for word in said) else ""
    opens = line.lstrip().startswith(mark)
    return told if len(_ARROW.findall(text)) == 1 and ("=" in clause or opens) else ""


def _emphasised(reader: Reader, text: str, bold: Sequence[str]) -> list[Statement]:
    """The one answer that a reply sets in bold, in a sentence that neither hedges nor denies."""
    is_text = reader.answer.kind == "text"
    answers = {s for s in {*bold} if (s[-1] not in ":：" if is_text else reader.whole(s))} - {text}
    span = answers.pop() if len(answers) == 1 else ""
    at = text.rfind(span)
    # It may be in a part that is no longer there.
    if not span or at < 0 or (text.count(span) > 1 and at < spans(text)[-1][0]):
        return []
    a, b = next((a, b) for a, b in spans(text) if a <= at < b)
    heads = is_text and text[at + len(span) :].lstrip()[:1] in (":", "：")
    if heads or hedges({*split(text[a:b])}):
        return []
    whole = not is_text
    return [Statement(a, at, at + len(span), span, UNCUED, whole=whole, alone=is_text)]
