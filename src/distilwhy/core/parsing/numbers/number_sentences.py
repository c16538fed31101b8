"""Numbers and expressions that sentences state without a cue: "So she has 41." """

import re
from collections.abc import Sequence, Set

from distilwhy.core.parsing.clean import lowered, without_latex
from distilwhy.core.parsing.cues import (
    ITEM,
    Words,
    has,
    hedges,
    language_of,
    phrases,
    question_of,
    split,
    words,
)
from distilwhy.core.parsing.numbers.number import UNKNOWN
from distilwhy.core.parsing.numbers.numerals import with_figures
from distilwhy.core.parsing.reader import Reader
from distilwhy.core.parsing.statements import UNCUED, Statement

_LONGEST_ROW = 1000
FIGURE = r"[-−]?(?:\d{1,3}(?:[ \u202f]\d{3}(?!\d))+|\d+)(?:[.,]\d+)*(?: ?\d*/\d+)?"
_NUMBER = re.compile(rf"(?<![A-Za-z0-9_.])(?<!\d,){FIGURE}")
_RESULT = re.compile(rf"= ?[$€£]?({FIGURE})(?![a-z]\b)")
# What works out a number ends before "=", unlike an equation with an unknown: "3s = 48".
_WORKED = re.compile(rf"\d(?: [^\W\d]{{1,12}}[²³]?)?\)? ?= ?[$€£]?({FIGURE})(?![a-z]\b)")
_SIGN = r"(?: ?[-+*/×÷·−xX] ?| : )"
_SUM = re.compile(
    rf"[(\[ ]*{FIGURE}(?: ?[)\]])*(?:{_SIGN}[(\[ ]*{FIGURE}(?: ?[)\]])*)+(?!{_SIGN}|\^)"
)
_ROOT = re.compile(rf"(?<![\w)])([a-z]) ?= ?({FIGURE})(?=[\s,.]*(?:[^\W\d]{{2}}|$))")
_SIGNED = re.compile(r"[+*/×÷·=]|\d ?[-−]")
_SUFFIX = re.compile(r"['’][a-z]\b|(?<=\d) ?[x×] ?(?=\d)")
_OPERATOR = re.compile(r"(?:[-+*/×÷·−^]|\d\s?:)[\s$€£]*\0|\0\s*[-+*/×÷·−^]\s*(?:[\d($€£]|$)")
_GLOSS = re.compile(r"\s?[(（](?=[^()（）]*(?:[^\W\d]|=))[^()（）]*[)）](?!\s*[-+*/×÷=^])")
_POWER = re.compile(r"(?<=[a-z])\^\{?[23]\}?")  # of cm^2
_UNLIKE = re.compile(r",? (?:(?:and|und|et|y|e) )?(?:not|nicht|non|no|não) [$€£]?[\d.,]+(?=\W*$)")
_CLAUSE = re.compile(r"(?<!\d),\s*|,\s")
_ANSWERED = re.compile(
    r"\W*(?:(?:it|that)['’]?s |it is )?[$€£]?[\d.,]*\d(?P<unit>(?: [^\W\d]+)?)"
    r"(?P<mark>[:,]?| [–—](?= [^\W\d]{2}))(?= )",
    re.I,
)
# So much for each of several.
RATE = re.compile(r"\d[^.\n]{0,30} (?:per|pro|par|por|je|each|every|cada|an?) (\w+)", re.I)
_NAME = re.compile(r"(?<![.!?\n] )\b[A-Z][a-z]+\b|\b[A-Z][a-z]+(?= is )")
_COUNTED = re.compile(r"\d ([^\W\d_]{3,})")
_LETTERS = re.compile(r"[^\W\d_]+")


def find_results(reader: Reader, text: str, parts: Sequence[tuple[int, int]]) -> list[Statement]:
    """The number of the last sentence, and that of a first with no other.

    The first alone counts if what follows works out its number, or if it is a number and no more.
    """
    listed = ITEM.match(text, parts[-1][0]) and "=" not in text[slice(*parts[-1])]
    found = [] if listed else _result(reader, text, *parts[-1])
    opening = without_reason(with_figures(text[slice(*parts[0])], reader.asked), "")
    alone = opening.strip().rstrip(".!")
    if parts[1:] and reader.whole(alone) and not _SIGNED.search(alone):
        first = [Statement(parts[0][0], *parts[0], alone, UNCUED)]
        return first + found if has(split(text[slice(*parts[-1])]), "concludes") else first
    if not parts[1:] or len(_NUMBER.findall(opening)) != 1 or has(split(opening), "concludes"):
        return found
    first, worked = _result(reader, text, *parts[0]), _RESULT.findall(text, parts[0][1])
    agrees = [*map(reader.label, first)] == [*map(reader.value, worked[-1:])]
    return [*first, *found] if found or agrees else []


def _result(reader: Reader, text: str, a: int, b: int) -> list[Statement]:
    """A sentence with one new number: all of a reply, or one that concludes, repeats a result, or
    says what is asked.
    """
    row, sentence, all_said = (
        _POWER.sub("", with_figures(without_latex(part), reader.asked))
        for part in (reader.asked[-_LONGEST_ROW:], text[a:b], text[:b])
    )
    sentence = phrases("assumes", r",\s@\s.*").sub("", sentence)
    plain = _GLOSS.sub(_without_gloss, sentence)
    sentence = _UNLIKE.sub("", plain if _NUMBER.search(plain) else sentence)
    roots = {*_ROOT.findall(sentence)}
    if len(roots) > len({unknown for unknown, _ in roots}):
        return []  # "x = 2 or x = 3"
    said = Words(lowered(sentence))
    others = {"also", "logo"} if language_of(reader.asked) == "en" else set()
    concludes = words("concludes") - others  # in German and Portuguese
    points = [said.end(i) for i, word in enumerate(said.said) if word in concludes]
    persons = {word for word in words("crowd") if word in lowered(row)} - {"some", "many"}
    if hedges(_words_of(sentence) - persons):
        return []
    results = [("", n) for n in _RESULT.findall(text, 0, a)[-1:]]
    given = {*_NUMBER.findall(reader.asked[-_LONGEST_ROW:])} - {"1"}
    complete = given and given.issubset(_NUMBER.findall(all_said))
    if (points or complete) and not UNKNOWN.search(_SUFFIX.sub("", sentence)):
        results += [("last", n) for n in _WORKED.findall(sentence)[-1:]]
    sums = [(place, reader.value(n)) for place, n in results]
    clause, first = without_reason(sentence[max(points, default=0) :], row), not text[:a].strip()
    several = len({*_NUMBER.findall(clause)} - given - {"1"}) > 1
    last = _CLAUSE.split(clause)[-1] if several else ""
    if has(split(clause)[:1], "circumstance") or has(split(last)[:1], "because"):
        last = ""
    if several and (asked := _part_asked(clause, row)):
        clause, last = asked, ""
    for part, whole in ((clause, first), (last, False)):
        if payload := _asked(reader, part, row, sums, firm=bool(points), whole=whole):
            return [Statement(a, a, b, payload, UNCUED)]
    return []


def _part_asked(clause: str, row: str) -> str:
    """Of two parts with a number each, joined by "and", the one with a word of the question that
    the other has not: ``the smaller is 19 and the larger is 31``.
    """
    parts = phrases("joins", r",?\s@\s").split(clause)
    if len(parts) != 2 or any(len(_NUMBER.findall(part)) != 1 for part in parts):
        return ""
    if not all(has(split(part), "is", "verb") for part in parts):
        return ""  # "3 dollars and 50 cents"
    asked = {*split(question_of(row))} - words("tongue")
    told = [asked.intersection(split(part)) for part in parts]
    only = [part for part, own, other in zip(parts, told, told[::-1], strict=True) if own - other]
    return only[0] if len(only) == 1 else ""


def _asked(
    reader: Reader, clause: str, row: str, sums: list[tuple[str, str]], *, firm: bool, whole: bool
) -> str:
    """The part of a clause with its one new number, if that is what the row asks for."""
    question = question_of(row)
    known, wanted = ({*map(reader.value, {*_NUMBER.findall(part)})} for part in (row, question))
    found = list(_NUMBER.finditer(clause))
    values = [reader.value(number[0]) for number in found]
    new, asked = {*values} - known, {*split(question)}
    results = [n for place, n in sums if n in (values[-1:] if place else values)]
    if len(new) == 1 and values[-1:] == [*new] and known.issuperset(results):
        results = []  # "since 2 · 84 = 168, it goes at 84", where 168 is given
    calculated = results and (new or len({*values}) == 1)
    if not (calculated or len(new) == 1) or is_of_another(clause, row, question):
        return ""
    value, mine = results[0] if calculated else min(new), wanted.intersection(values)
    at = len(values) - 1 - values[::-1].index(value)
    before = found[at - 1].end() if at else 0
    begin = max(before, clause.rfind(",", 0, found[at].start()) + 1)
    end = found[at + 1].start() if at + 1 < len(found) else len(clause)
    head, tail = clause[: found[at].start()], clause[found[at].end() : end]
    rates = {rate[1] for rate in RATE.finditer(clause, found[at].start(), end)}
    said = {*split(clause)}
    rates |= words("now") & said if wanted else set()  # "in 5 years"
    differs = (words("step") & said) | words("indefinite").intersection(split(tail)[:3])
    joined = end < len(clause) and has(split(tail)[-1:], "joint", "or", "worked", "range")
    if (rates | differs) - asked or joined or _OPERATOR.search(f"{head}\0{tail}"):
        return ""
    if mine - {value} and mine != wanted and words("joint") & asked:
        return ""  # "2 hours are 120 minutes", where 2 hours and 20 minutes are asked for
    known_words = {*split(row)}
    told = wanted.union(new).issuperset(values) and _tells(
        *((head, asked) if split(head) else (tail, known_words)), known_words, bare=whole
    )
    return clause[begin:end] if calculated or firm or told else ""


def find_expression(reader: Reader, text: str, parts: Sequence[tuple[int, int]]) -> list[Statement]:
    """The one expression of a reply, if it has all numbers of the row and is not left open."""
    given = {*_NUMBER.findall(with_figures(reader.asked[-_LONGEST_ROW:], reader.asked))} - {"1"}
    told = [(a, _GLOSS.sub("", without_latex(text[a:b]))) for a, b in parts]
    sums = [(a, said, found[0]) for a, said in told for found in _SUM.finditer(said)]
    sums = [found for found in sums if given and given.issubset(_NUMBER.findall(found[2]))]
    stated = {reader.value(found) for *_, found in sums}
    for a, said, found in sums[-1:] if len(stated) == 1 else ():
        if not hedges(_words_of(said)):
            return [Statement(a, a, a + len(said), found, UNCUED)]
    return []


def _words_of(sentence: str) -> Set[str]:
    """The words of a sentence with figures, without "some" and "many" as in "gives some away",
    "were" and "had", which tell of the past here, and what is counted ("12 people").
    """
    first, *others = split(_COUNTED.sub("", sentence)) or [""]  # first, "were" supposes
    said = {first, *({*others} - {"were", "had"})}
    counted = [first] not in (["some"], ["many"]) and not said & words("say")
    return said - {"some", "many"} if counted else said


def _tells(head: str, asked: Set[str], row: Set[str], *, bare: bool) -> bool:
    """Whether what stands before a number is in the words of a question.

    Args:
        bare: Whether it need not share one with it.
    """
    opening = split(head)
    own = {word[:n] for word in asked for n in (3, 4)}
    told = {w for w in opening if not own.isdisjoint([w[:4], w[:3]]) and len(w) > 2}
    plain = {w for w in opening if len(w) < 4 or "'" in w or w in words("plain")}
    signs = [w in asked for w in opening if len(w) == 1 and not w.isascii()]
    others, stems = {*opening} - told - plain, {word[:4] for word in row}
    if has(opening[:1], "circumstance") or any(w[:4] not in stems for w in others):
        return False
    alone = bare and not signs and not others
    return alone or any(len(w) > 3 for w in told) or sum(signs) > len(signs) / 2


def _without_gloss(gloss: re.Match[str]) -> str:
    """Nothing for "(seven and a half)" or "(not 133)"; a gloss that leaves something open stays."""
    said = split(gloss[0])
    doubts = has(said, "open", "or", "supposed", "not")
    return gloss[0] if doubts and not re.match(r"\s?.not [$€£]?\d", gloss[0]) else ""


def without_reason(clause: str, row: str) -> str:
    """``27`` of "27, since 31 minus 4 is 27"; ``22 players`` of "22 players: 11 on each side"."""
    start = _ANSWERED.match(clause)
    if not start:
        head = phrases("because", r",\s@\s").split(clause, maxsplit=1)[0]
        return head if len(_NUMBER.findall(head)) == 1 else clause
    unit, after = split(start["unit"]), split(clause[start.end() :])[:1]
    listed = start["mark"] == ":" and unit and unit[0][:4] in lowered(row) and "=" not in clause
    listed = listed or len(start["mark"]) > 1
    return start[0] if listed or words("because") & {*unit, *after} else clause


def is_of_another(sentence: str, row: str, question: str) -> bool:
    """Whether a sentence is about another name, or another counted thing, of the row than asked."""
    together = has(split(question), "together")
    for pattern in (_COUNTED, _NAME)[: 1 if language_of(row) == "de" else 2]:
        found = pattern.findall(row)
        known = {word for word in found if word.lower() not in words("joint", "is", "tongue")}
        said, asked = known & {*_LETTERS.findall(sentence)}, known & {*_LETTERS.findall(question)}
        if said and (said.isdisjoint(asked) if asked else len(said) == 1 < len(known) and together):
            return True
    return False
