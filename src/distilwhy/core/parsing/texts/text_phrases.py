"""Texts that stand by themselves where a reply begins or ends: ``Ottawa, since it …``, ``… hence
the symbol: Au.``
"""

import re
from collections.abc import Set

from distilwhy.core.parsing.cues import (
    APART,
    ITEM,
    SENTENCE_END,
    has,
    hedges,
    names_asked,
    phrases,
    question_of,
    spans,
    split,
    words,
)
from distilwhy.core.parsing.statements import UNCUED, Statement

NAME = r"(?:[A-ZÀ-ÞĀ-Ž][\w'’-]+|[A-ZÀ-Þ]\.|\d[\w/.:-]*\w|\d)"
_ARTICLE = (
    r"(?:don|doña|dona|[Tt]he|[Aa]n?|[Dd](?:er|ie|as)|[Ee]ine?|[Ll](?:[ae]s?|os)|[Ee]l|[Oo]s?)"
)
PHRASE = re.compile(  # a name, or an article and a word
    rf"(?:{_ARTICLE} |[Ll]['’])?{NAME}(?: (?:of|de|da|do|del|von) [\w'’-]+| {NAME}){{,3}}"
    rf"|{_ARTICLE} [\w'’-]+|{NAME}, \d{{4}}|{NAME} {NAME}, \d{{4}}"
)
_SHORT = re.compile(
    r"(?!#|<\w|[^\n]*\s(?:[-=]?>|→|⇒|[/=–—])\s)(?:[^\s:(,]|,(?=[\d\s])){1,40}"
    r"(?: [^\s:(]{1,40}){0,3}"
    r"(?<![.!?:,;])(?=\n\s*\n|\Z)"
    r"|[A-Z][\w'-]+(?: [A-Z][\w'-]+){0,2}\.\Z"
    r"|[A-Z][\w'-]+(?: [A-Z][\w'-]+){0,2} (?:and|und|et|y|e) [A-Z][\w'-]+(?: [A-Z][\w'-]+){0,2}\Z"
)
_HEADED = re.compile(
    r"(?:\A|\n)\W{0,3}([^\W\d_][\w ]{0,30})(?: ?: *\n?|>| (?:→|->|=>|⇒) )([^\s<][^\n:<→]{0,60})"
    r"(?:</\w+>)?(?=\Z|\n[ \t]*\n)"
)
_FIELD = re.compile(
    r"(?m)^[^\w\n]{0,4}([^\W\d_][\w ]{0,30}?) ?[:=] *[^\w\s(]{0,2}([^\s:][^\n:]{0,60}?)\W?$"
)
_HEAD = re.compile(r"(?m)^\W{0,3}[^\W\d_][\w ]{0,30} ?:(?=[ *])")
_UNLIKE = r"\A([^\n()]{1,60}) \((?:[^\W\d]+ )?(?:@|non) (?-i:[A-ZÀ-Þ])[^()\n]*\)\W*\Z"
_MARK = re.compile(r"\A(?:####|[-*•])\s+(?=[^\n]+\Z)")  # of the only line
_REMARK = re.compile(r"(?<=\w\.) \([^()]*\)\W*\Z")  # of "Snow. (It says that snow fell.)"
_POLITE = r"([^\s.,!\"はがをもにのでと]{1,20}?)(?<![いん])@(?=[.!][^\"]*\Z)"
_WORD = r"(?:[A-Z]\.(?= [A-Z])|[^\s.,;:!?()\"“”„«»「」—–]{1,60}+)"
_OPENS = re.compile(
    rf"\A\W{{0,3}}+({_WORD}(?: {_WORD}){{0,5}}+(?:, \d{{4}}\b)?)"
    r"[\"”“»'’」]?(?=[.!](?:\s|\Z|[^\x00-\x7f])|[,;]\s|\s[-–—(]|\n(?:\s*\n|[^\W\d_]{3,15}:))"
)
_GLOSSED = re.compile(r"\s\([^()]*\)\.?\s*(?:\n.*)?", re.S)
_ENDS = re.compile(  # "hence the symbol: Au.", "mouse -> mice"
    r"([^.;:!?\n,]{0,80})(?::|(?<!\S)(=>|->|→|⇒|=|[–—]))\s+[\"'“„«]?\s?([^:;?!\n]{1,60}?)"
    r"\s?[\"'”»]?[.!]?\s*\Z"
)
_PARAGRAPH = re.compile(r"\n[ \t]*\n[^\w=→⇒-]{0,3}(\w[^:;?!.,\n]{0,39})\.?\s*\Z")
_BARE = re.compile(rf"[{APART}·]{{1,10}}")
_LONGEST, _LONGEST_ROW = 200, 2000
# "모르겠어요", "わかりません", "他们住在那里", "東京と京都"
_VERBAL = re.compile(
    r"[다요까죠니음함いるたんせすねよ吗呢]\Z|[との和与或か과와不没無无未他她它们我你是在有难難]"
)


def find_phrase(asked: str, text: str) -> Statement | None:
    """A reply of a few words or a part of the row; a line headed by what the question asks for, or
    by a head for labels such as *Label*; or what the text opens with.
    """
    text = _REMARK.sub("", text)
    if text.rstrip()[-1:] == "?" and len(spans(text)) == 1:
        return None
    said = _MARK.sub("", text.rstrip())
    whole = said and said[-1] not in ".!?" and not any(mark in said for mark in ":\n")
    if whole and len(said) < _LONGEST and said in asked:
        return Statement(0, 0, len(text), said, UNCUED, alone=True)  # a part of the row
    said = text.rstrip() if text[:1] == "#" else said
    plain = phrases("not", _UNLIKE).sub(r"\1", said)  # "Ottawa (not Toronto)."
    opening = phrases("calls", r"\A@ (?-i:(?=[A-ZÀ-Þ\d]))").match(plain)
    at = opening.end() if opening else 0
    alone = _SHORT.match(plain, at) or phrases("polite", _POLITE).match(text)
    unsaid = alone and alone.re is not _SHORT and alone[1] in words("unsaid")
    if alone and not unsaid and not has(split(alone[0]), "noun"):
        return Statement(0, at, alone.end(), alone[0], UNCUED, alone=True)
    if field := _field(asked, text):
        return field
    if (headed := _HEADED.search(text)) and _heads(headed, asked[-_LONGEST_ROW:].lower()):
        return Statement(headed.start(), *headed.span(2), headed[2], UNCUED, alone=True)
    return _opening(asked, text)


def _heads(headed: re.Match[str], row: str) -> bool:
    """Whether the head of a line is one for labels, or the only head and in the row."""
    name = headed[1].lower()
    if name in words("explains"):
        return False
    in_row = {*split(row)}.issuperset({*split(name)} - words("part", "filler"))
    only = len(_HEAD.findall(headed.string)) < 2
    return headed[0][:1] == "<" or name in words("head") or (in_row and only)


def _field(asked: str, text: str) -> Statement | None:
    """The value of the one of several headed lines whose head is what the question asks for."""
    lines = list(_FIELD.finditer(text))
    named = [line for line in lines if names_asked(question_of(asked), line[1])]
    if len(lines) < 2 or len(named) != 1:
        return None
    said = split(named[0][2])
    unsaid = hedges({*said}) or has(said, "or", "negative", "missing")
    if unsaid or (has(split(question_of(asked)), "who") and named[0][2].isdigit()):
        return None
    start, (at, end) = named[0].start(), named[0].span(2)
    return Statement(start, at, end, named[0][2], UNCUED, alone=True)


def _opening(asked: str, text: str) -> Statement | None:
    """What a reply opens with, before a full stop or a mark that opens a remark on it."""
    found = _OPENS.match(text)
    if not found or ITEM.match(text) or not is_answer(asked, found[1]):
        return None
    numbered = re.fullmatch(r"[^\W\d]+ \d+", found[1])  # "Step 1"
    if found[1] not in asked and (numbered or found[1].split(" ")[-1].islower()):
        return None
    rest = text[found.end() :]
    follows = split(rest[:200])
    # What the reply goes on with is about it, unlike after "Hello!" and "Hard to say."
    told = stems({*follows}) & stems({*split(question_of(asked))} - words("tongue"))
    # "Au (from the Latin word)."
    glossed = _GLOSSED.fullmatch(rest) and "?" not in rest and not has(follows[:3], "open")
    about = told or has(follows[:1], "it") or found[1].lower() in asked.lower()
    about = about or glossed or rest[:1] in ",;" or not rest.strip(" .。")
    clause = SENTENCE_END.split(rest, maxsplit=1)[0]
    listed = clause.count(";") > 1 or hedges({*split(clause)} - words("not"))
    if not about or (rest[:1] in ",;" and listed):
        return None
    if has(follows[:2], "or", "supposed", "no", "wrong", "retracts"):
        return None
    reasons = words("because", "aside", "which", "not", "circumstance")
    after = split(rest[:40])
    # "Ottawa, and not Toronto"
    unlike = has(after[:1], "joins") and has(after[1:2], "not", "aside")
    if rest[:1] == "," and reasons.isdisjoint(after[:1]) and not unlike:
        return None
    return Statement(0, found.start(1), found.end(1), found[1].strip(), UNCUED, alone=True)


def find_closing(asked: str, text: str) -> Statement | None:
    """What a reply ends in: behind a colon or an arrow, or as a last short paragraph."""
    a, b = spans(text)[-1]
    if found := _PARAGRAPH.search(text, max(0, len(text) - _LONGEST)):
        said, at, led = found[1], found.start(1), False
        *_, last = spans(text[: found.start()]) or [(0, 0)]
        if hedges({*split(text[slice(*last)])} - words("not")) or last[1] - last[0] < 2 * len(said):
            return None  # "It could be either.", or one of a list
    elif (found := _ENDS.search(text, max(a, b - _LONGEST), b)) and _introduces(asked, found[1]):
        said, at = found[3], found.start(3)
        led = found[2] is not None or has(split(found[1])[-1:], "concludes")
    else:
        return None
    if not is_answer(asked, said, named=not led) or hedges({*split(text[a:at])}):
        return None
    return Statement(a, at, at + len(said), said, UNCUED, alone=True)


def _introduces(asked: str, head: str) -> bool:
    """Whether what stands before a colon concludes, or is in words of the question."""
    known = {word[:4] for word in split(question_of(asked))}
    said = split(head)
    told = [word for word in said if len(word) > 3 and not has([word], "tongue", "filler")]
    concludes = has(said[:1], "concludes", "opener") or not said
    theirs = has(said, "people", "crowd", "explains", "negative", "step")
    return not theirs and bool(concludes or told) and all(word[:4] in known for word in told)


def is_answer(asked: str, said: str, *, named: bool = True) -> bool:
    """Whether a phrase names something that is not in the words of the question.

    Args:
        named: Whether it has to be spelt as a name, or to be of the row.
    """
    said = said.strip()
    told = split(said)
    known = {*split(question_of(asked))}
    exclaims = ("missing", "unsaid", "yes", "no", "greets", "opener", "right", "it", "pronoun")
    no_name = ("is", "verb", "named", "noun", "head", "explains", "not", "step")
    bare = _BARE.fullmatch(said) and not _VERBAL.search(said)
    return bool(
        (bare or PHRASE.fullmatch(said) or ((said in asked or not named) and len(told) < 5))
        and (len(said) > 1 or said not in asked)
        and said.lower() not in words(*exclaims)
        and not has(told[:1], "it", "pronoun")
        and not has(told, *no_name, *(["open"] if told[1:] else []))  # "May"
        and not known.issuperset(told)
    )


def stems(said: Set[str]) -> Set[str]:
    """The first letters of words, by which forms of one are told to be the same."""
    return {word[:4] for word in said if len(word) > 2}
