"""Texts that a reply states without a cue: "Paris", ``The plural is "mice".``, "Ida wrote it." """

import re

from distilwhy.core.parsing.cues import split, words
from distilwhy.core.parsing.sentences import hedges, spans
from distilwhy.core.parsing.statements import UNCUED, Statement

_SHORT = re.compile(
    r"(?!#)[^\s:]+(?: [^\s:]+){0,3}(?<![.!?:,;])(?=\n\s*\n|\Z)"
    r"|[A-Z][\w'-]+(?: [A-Z][\w'-]+){0,2}\.\Z"
)
_QUOTED = re.compile(r"([^\"\n.?!]{1,60}) \"([^\"\n]{1,60})\"[.!]?\s*\Z")
_HEADED = re.compile(r"\W{0,3}([^\W\d_][\w ]{0,30}): +(\S[^\n:]{0,60})\Z")
_NAME = r"(?:[A-ZÀ-Þ][\w'’-]+|[A-ZÀ-Þ]\.|\d[\w/.:-]*\w|\d)"
_NAMES = re.compile(rf"(?<![\w-]){_NAME}(?: (?:(?:of|the|de|la|del|von|van|da|di|e|et) )?{_NAME})*")
_QUESTION = re.compile(r"\n|[.!?:]\s")
_LONGEST = 200


def find_text(asked: str, text: str) -> list[Statement]:
    """A reply of a few words; one in quotation marks; a last line headed by a word of the row, or
    for a label; or the name in a sentence that is else made of words of the row's question.
    """
    alone = _SHORT.match(text.rstrip())
    if alone and words("noun").isdisjoint(split(alone[0])):
        return [Statement(0, 0, alone.end(), alone[0], UNCUED, alone=True)]
    quoted, headed = _QUOTED.match(text), _HEADED.match(text, text.rfind("\n") + 1)
    said = split(quoted[1]) if quoted else []
    if quoted and said and said[-1] in words("is") and not hedges({*said}):
        return [Statement(0, quoted.start(2), quoted.end(2), quoted[2], UNCUED, alone=True)]
    question = {*split(_QUESTION.split(asked[-_LONGEST:].strip())[-1])}
    if headed and words("head").union(question).issuperset(split(headed[1])):
        return [Statement(0, headed.start(2), headed.end(2), headed[2], UNCUED, alone=True)]
    parts = spans(text)
    ends = parts[:1] + parts[1:][-1:]
    return [found for a, b in ends if (found := _name(question, text, a, b))]


def _name(question: set[str], text: str, a: int, b: int) -> Statement | None:
    """The one name of a sentence whose other words are those of the question, in any form, and
    most of them.
    """
    sentence = text[a:b].rstrip()
    known = {word[:4] for word in question if len(word) > 2} | {*question}
    names = [
        name
        for name in _NAMES.finditer(sentence)
        if any(word[:4] not in known for word in split(name[0]))
    ]
    if len(names) != 1 or len(sentence) > _LONGEST or sentence[-1:] == "?":
        return None
    rest = split(f"{sentence[: names[0].start()]} {sentence[names[0].end() :]}")
    told = {word[:4] for word in rest if len(word) > 3 and word[:4] in known}
    more = [word for word in rest if word[:4] not in known]
    plain = words("is", "filler", "plain", "article")
    asked = {word[:4] for word in question if len(word) > 3}
    if not told or 2 * len(told) < len(asked) or hedges({*rest}) or not plain.issuperset(more):
        return None
    return Statement(a, a + names[0].start(), b, names[0][0], UNCUED, alone=True)
