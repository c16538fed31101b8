"""Texts that stand by themselves where a reply begins or ends: ``Ottawa, since it …``, ``… hence
the symbol: Au.``
"""

import re

from distilwhy.core.parsing.cues import APART, ITEM, has, hedges, question_of, spans, split, words
from distilwhy.core.parsing.statements import UNCUED, Statement

NAME = r"(?:[A-ZÀ-ÞĀ-Ž][\w'’-]+|[A-ZÀ-Þ]\.|\d[\w/.:-]*\w|\d)"
_ARTICLE = r"(?:don|doña|dona|[Tt]he|[Aa]n?|[Dd]er|[Dd]ie|[Dd]as|[Ee]ine?|[Ll][ae]|[Ll]es|[Ee]l|[Ll]os|[Ll]as|[OoAa]s?)"
PHRASE = re.compile(  # a name, or an article and a word
    rf"(?:{_ARTICLE} |[Ll]['’])?{NAME}(?: (?:of|de|da|do|del|von) [\w'’-]+| {NAME}){{,3}}"
    rf"|{_ARTICLE} [\w'’-]+|{NAME}, \d{{4}}|{NAME} {NAME}, \d{{4}}"
)
_WORD = r"(?:[A-Z]\.(?= [A-Z])|[^\s.,;:!?()\"“”„«»「」—–]{1,60}+)"
_OPENS = re.compile(
    rf"\A\W{{0,3}}+({_WORD}(?: {_WORD}){{0,5}}+(?:, \d{{4}}\b)?)"
    r"[\"”“»'’」]?(?=[.!](?:\s|\Z|[^\x00-\x7f])|[,;]\s|\s[-–—(]|\n)"
)
_ENDS = re.compile(
    r"([^.;:!?\n,]{0,80})(?::|\s(=>|->|→|⇒|=|[–—]))\s+[\"'“„«]?\s?([^:;?!\n]{1,60}?)\s?[\"'”»]?[.!]?\s*\Z"
)
_PARAGRAPH = re.compile(r"\n[ \t]*\n[^\w=→⇒-]{0,3}([^:;?!.,\n]{1,40})[.]?\s*\Z")
_BARE = re.compile(rf"[{APART}·]{{1,10}}")
_LONGEST = 200
_VERBAL = re.compile(r"[다요까죠니음함いるたんせすねよ吗呢]\Z|[不没無无未他她它们我你是在有]")


def find_opening(asked: str, text: str) -> Statement | None:
    """What a reply opens with, before a full stop or a mark that opens a remark on it."""
    found = _OPENS.match(text)
    if not found or ITEM.match(text) or not is_answer(asked, found[1]):
        return None
    rest = text[found.end() :]
    reasons = words("because", "aside", "which", "not", "circumstance")
    after = split(rest[:40])
    unlike = has(after[:1], "joins") and has(after[1:2], "not", "aside")  # "Ottawa, and not Toronto"
    if rest[:1] == "," and reasons.isdisjoint(after[:1]) and not unlike:
        return None
    return Statement(0, found.start(1), found.end(1), found[1].strip(), UNCUED, alone=True)


def find_closing(asked: str, text: str) -> Statement | None:
    """What a reply ends in: behind a colon or an arrow, or as a last short paragraph."""
    a, b = spans(text)[-1]
    found = _PARAGRAPH.search(text, max(0, len(text) - _LONGEST))
    if not found:
        found = _ENDS.search(text, max(a, b - _LONGEST), b)
        if not found or not _introduces(asked, found[1]):
            return None
    said = found[found.lastindex or 0]
    led = found.re is _ENDS and (found[2] or has(split(found[1])[-1:], "concludes"))
    before = {*split(text[a : found.start(found.lastindex or 0)])}
    if not is_answer(asked, said, named=not led) or hedges(before):
        return None
    at = found.start(found.lastindex or 0)
    return Statement(a, at, at + len(said), said, UNCUED, alone=True)


def _introduces(asked: str, head: str) -> bool:
    """Whether what stands before a colon concludes, or is in words of the question."""
    known = {word[:4] for word in split(question_of(asked))}
    said = split(head)
    told = [word for word in said if len(word) > 3 and not has([word], "tongue", "filler")]
    concludes = has(said[:1], "concludes", "opener") or not said
    return not has(said, "people", "crowd", "explains") and (
        concludes or bool(told and all(word[:4] in known for word in told))
    )


def is_answer(asked: str, said: str, *, named: bool = True) -> bool:
    """Whether a phrase names something that is not in the words of the question.

    Args:
        named: Whether it has to be spelt as a name, or be of the row; or it is up to three words.
    """
    said = said.strip()
    told = split(said)
    known = {*split(question_of(asked))}
    exclaims = ("missing", "unsaid", "yes", "no", "greets", "opener", "right", "it", "pronoun")
    no_name = ("is", "verb", "named", "noun", "head", "explains", "not", "step")
    bare = _BARE.fullmatch(said) and not _VERBAL.search(said)
    return bool(
        (bare or PHRASE.fullmatch(said) or (said in asked if named else True) and len(told) < 5)
        and len(said) > (said in asked)
        and said.lower() not in words(*exclaims)
        and not has(told[:1], "it", "pronoun")
        and not has(told, *no_name, *(["open"] if told[1:] else []))  # "May"
        and not known.issuperset(told)
    )
