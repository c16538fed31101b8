"""Answers that a reply states without a cue: "Spam.", "The shop is liable.", "So she has 41." """

import re
from collections.abc import Iterator, Sequence, Set
from itertools import pairwise

from distilwhy.core.parsing.answer import Unreadable
from distilwhy.core.parsing.choice import find_mentions
from distilwhy.core.parsing.clean import lowered, without_latex
from distilwhy.core.parsing.cues import SENTENCE_END, Words, phrases, split, words
from distilwhy.core.parsing.numbers.number import UNKNOWN
from distilwhy.core.parsing.numbers.numerals import with_figures
from distilwhy.core.parsing.reader import Reader
from distilwhy.core.parsing.statements import UNCUED, Statement
from distilwhy.core.parsing.verdicts import find_verdicts

_LONGEST = 300
_LONGEST_ROW = 1000
_MOST = 40
_LINE = re.compile(r"[^\n]*[^\s][^\n]*")
_ITEM = re.compile(r"[^\S\n]*(?:\d{1,2}[.)]|[-*•])(?=\s|$)")
_HEADING = re.compile(r"[#$ \t]*(?:[^\W\d_][\w ]{0,30}[:=]\s*)?")
_SHORT_TEXT = re.compile(
    r"(?!#)[^\s:]+(?: [^\s:]+){0,3}(?<![.!?:,;])(?=\n\s*\n|\Z)"
    r"|[A-Z][\w'-]+(?: [A-Z][\w'-]+){0,2}\.\Z"
)
_QUOTES = re.compile(r"([^\"\n.?!]{1,60}) \"([^\"\n]{1,60})\"[.!]?\s*\Z")  # The plural is "mice".
_FIELD = re.compile(r"^([^\W\d_][\w ]{0,30})[:：]", re.M)
_FIGURE = r"[-−]?(?:\d{1,3}(?:[ \u202f]\d{3}(?!\d))+|\d+)(?:[.,]\d+)*(?: ?\d*/\d+)?"
_NUMBER = re.compile(rf"(?<![A-Za-z0-9_.])(?<!\d,){_FIGURE}")
_RESULT = re.compile(rf"= ?[$€£]?({_FIGURE})(?![a-z]\b)")
# What works out a number ends before "=", unlike an equation with an unknown: "3s = 48".
_WORKED = re.compile(rf"\d(?: [^\W\d]{{1,12}}[²³]?)?\)? ?= ?[$€£]?({_FIGURE})(?![a-z]\b)")
_SIGN = r"(?: ?[-+*/×÷·−] ?| : )"
_SUM = re.compile(
    rf"[(\[ ]*{_FIGURE}(?: ?[)\]])*(?:{_SIGN}[(\[ ]*{_FIGURE}(?: ?[)\]])*)+(?!{_SIGN}|\^)"
)
_SUFFIX = re.compile(r"['’][a-z]\b|(?<=\d) ?[x×] ?(?=\d)")
_OPERATOR = re.compile(r"(?:[-+*/×÷·−^]|\d\s?:)[\s$€£]*\0|\0\s*[-+*/×÷·−^]\s*(?:[\d($€£]|$)")
_GLOSS = re.compile(r"\s?[(（](?=[^()（）]*[^\W\d]|=)[^()（）]*[)）](?!\s*[-+*/×÷=^])")
_CLAUSE = re.compile(r"(?<!\d),\s*|,\s")
_ANSWERED = re.compile(
    r"\W*(?:(?:it|that)['’]?s |it is )?[$€£]?[\d.,]*\d(?P<unit>(?: [^\W\d]+)?)(?P<mark>[:,]?)(?= )",
    re.I,
)
_ASIDE = re.compile(r"\s(?:rather than|instead of|over)\b|, not\b")
# So much for each of several.
_RATE = re.compile(r"\d[^.\n]{0,30} (?:per|pro|par|por|je|each|every|cada|an?) (\w+)", re.I)
_QUESTION_PART = re.compile(r"[.!?\n](?=\s)|[。！？，]")
_NAME = re.compile(r"(?<![.!?\n] )\b[A-Z][a-z]+\b|\b[A-Z][a-z]+(?= is )")
_COUNTED = re.compile(r"\d ([^\W\d_]{3,})")
_LETTERS = re.compile(r"[^\W\d_]+")


def find_uncued(reader: Reader, text: str, bold: Sequence[str]) -> list[Statement]:
    """What the first or the last sentence or line opens with, unless all is a list; failing that,
    what sentences state; failing that, the one answer in bold.
    """
    if reader.answer.kind == "text":
        alone = _SHORT_TEXT.match(text.rstrip())
        if alone and words("noun").isdisjoint(split(alone[0])):
            return [Statement(0, 0, alone.end(), alone[0], UNCUED, alone=True)]
        quoted = _QUOTES.match(text)
        said = split(quoted[1]) if quoted else []
        if quoted and said and said[-1] in words("is") and not hedges({*said}):
            return [Statement(0, quoted.start(2), quoted.end(2), quoted[2], UNCUED, alone=True)]
        return _emphasised(reader, text, bold)
    lines = [line.span() for line in _LINE.finditer(text)]
    said = [text[a:b] for a, b in lines]
    parts = [(a, b) for a, b in spans(text) if b - a < _LONGEST and "?" not in text[a:b]]
    parts = parts[:1] + parts[1:][-_MOST:]
    leads = {lead.label for line in said[:12] if reader.choices and (lead := reader.lead(line))}
    if len(leads) > 1 or (len(said) > 1 and all(_ITEM.match(line) for line in said[-2:])):
        ends = []  # a list
    elif reader.choices:
        ends = parts[:1] + parts[1:][-1:]
    else:
        worked = len(lines) > 1 and re.search(r"[-+*/×÷=]", said[0])
        ends = ([] if worked else lines[:1]) + lines[1:][-1:]
    found = [statement for a, _ in ends if (statement := _opening(reader, text, a))]
    if not found and reader.choices:
        found = find_verdicts(reader, text) or _sentences(reader, text, parts)
    elif not found and reader.answer.kind == "equation":
        found = [*_expression(reader, text, parts)]
    elif not found and reader.answer.kind == "number":
        explains = words("explains")  # as "Check: …" does
        told = [(a, b) for a, b in parts if explains.isdisjoint(split(text[a:b][:30])[:1])]
        told = [(a, b) for a, b in told if not phrases("courtesy").match(lowered(text[a:b]))]
        found = [statement for a, b in told[-1:] for statement in _number(reader, text, a, b)]
    return found or _emphasised(reader, text, bold)


def first_alone(reader: Reader, text: str) -> list[Statement]:
    """A first line that is nothing but a choice or a number, with more after it."""
    line, newline, rest = text.partition("\n")
    if not newline or not reader.whole(line):
        return []
    following = rest.strip().split("\n", 1)[0]
    listed = reader.lead(following) if reader.choices else rest[:1] != "\n" or "=" in line
    return [] if listed else [Statement(0, 0, len(line), line, UNCUED, whole=True)]


def spans(text: str) -> list[tuple[int, int]]:
    """The sentences of a text, with the blanks behind them."""
    ends = [0]
    for stop in SENTENCE_END.finditer(text):
        if stop[0] == "\n" or stop.start() - ends[-1] > 1:  # unlike "b. park"
            ends.append(stop.end())
    return [(a, b) for a, b in pairwise([*ends, len(text)]) if text[a:b].strip()]


def hedges(said: Set[str]) -> bool:
    """Whether a sentence of these words affirms nothing, or says what others think."""
    theirs = {word[:-2] for word in said if word[-2:] == "'s"} & words("crowd", "people")
    theirs -= {"he", "she"}
    reported = said & words("reports") and not said & words("kind")
    return bool(theirs or reported or said & words("open", "not", "crowd", "supposed", "wrong"))


def _opening(reader: Reader, text: str, a: int) -> Statement | None:
    """What a line opens with; the last line also behind a heading: "Severity = high"."""
    line, more, _ = text[a:].partition("\n")
    line = line.rstrip("$ \t\r")
    heading = None if more else _HEADING.match(line)
    named = {*split(heading[0])} if heading else set()
    theirs = hedges(named) or named & words("explains", "negative")
    for at in [0, heading.end()] if heading and not theirs else [0]:
        if len(line) < _LONGEST and (found := reader.lead(line[at:])):
            end = a + len(line) - len(found.rest)
            return Statement(a, a + at, end, text[a + at : end], UNCUED, whole=True)
    return None


def _sentences(reader: Reader, text: str, parts: Sequence[tuple[int, int]]) -> list[Statement]:
    """What sentences state, if the first or the last does."""
    stated = [_sentence(reader, text, a, b) or _closing(reader, text, a, b) for a, b in parts]
    if not stated or not (stated[0] or stated[-1]):
        last = [s for a, b in parts[-1:] for s in _relation(reader, text, a, b)]
        return last or _line_alone(reader, text)
    return [statement for statement in stated if statement]


def _sentence(reader: Reader, text: str, a: int, b: int) -> Statement | None:
    """``The shop is liable.``, ``It is no spam but an order.``"""
    unlike = _ASIDE.search(text, a, b)
    b = unlike.start() if unlike else b
    said = Words(lowered(text[a:b]))
    points = [i for i, word in enumerate(said.said) if word in words("concludes", "clause")]
    first = said.word(said.skip(0, words("opener")))
    introduced = first in words("introduces") - words("circumstance", "reports")
    if introduced or first in words("concedes"):
        points += [i for i, word in enumerate(said.said) if word == ","]
    start = max(points, default=0)
    concludes = said.word(start) in words("concludes") or (introduced and said.word(start) == ",")
    for index in range(len(said.said) - 1, start - 1, -1):
        word, at = said.said[index], a + said.end(index)
        ties = (concludes and word not in words("not") | {'"'}) or _ties(said, index)
        found = reader.lead(text[at:b].lstrip(" ,:")) if ties else None
        if found is None:
            continue
        before = {*said.said[max(0, start - 1) : index + 1]}  # "might also be"
        if word in words("as") and not word[0].isalpha():  # "not entailed → neutral"
            before -= words("not", "open")
        others = {choice.lower() for choice in reader.choices} - {found.label.lower()}
        named = any(choice in said.low[said.at[start] : at - a] for choice in others)
        hedged = text[a:at].count('"') % 2 or hedges(before) or before & words("concedes")
        hedged = hedged or (before & words("noun") and not before & words("revises"))
        # "In winter, … is" is no fact of the row.
        if said.word(start) in words("circumstance") and reader.letters.certain:
            hedged = hedged or words("said", "pronoun", "favor").isdisjoint(before)
        contrast = before & words("not") and before & words("contrast")
        if contrast or not (named or hedged):
            return Statement(a, at, b, text[at:b].lstrip(" ,:"), UNCUED, whole=True)
        return None
    return None


def _closing(reader: Reader, text: str, a: int, b: int) -> Statement | None:
    """The one choice of a Korean or Japanese sentence that ends with it: ``spam です。``"""
    said = text[a:b].rstrip(" .!\n。")
    if said.isascii():
        return None
    try:
        mentions = find_mentions(said, reader.choices, reader.letters)
    except Unreadable:
        return None
    others = (c for c in reader.choices if mentions and c not in mentions[0].choices)
    one = mentions and not any(len(c) > 1 and c in said for c in others)
    one = one and len({mention.choices for mention in mentions}) == 1
    closes = one and phrases("ending", r"[\"'\s]*@").fullmatch(said, mentions[-1].end)
    if not closes or not re.search("[ぁ-ん가-힣]$", said):
        return None
    if hedges({*split(said[: mentions[0].start])} - words("not")):
        return None
    at = a + mentions[-1].start
    return Statement(a, at, b, said[mentions[-1].start :], UNCUED, whole=True)


def _line_alone(reader: Reader, text: str) -> list[Statement]:
    """The one paragraph that is a choice and nothing else, below a heading or a sentence."""
    lines = [line.span() for line in _LINE.finditer(text) if reader.whole(line[0])]
    if len(lines) != 1 or lines[0][0] == 0:
        return []
    at, end = lines[0]
    before = text[:at].rstrip().rpartition("\n")[2]
    apart = text[:at].endswith("\n\n") and text[end : end + 2] in ("", "\n\n")
    apart = apart or before[:1] == "#"
    if not apart or "?" in before or hedges({*split(before)}):
        return []
    return [Statement(at, at, end, text[at:end], UNCUED, whole=True)]


def _ties(said: Words, index: int) -> bool:
    """Whether a word ties an answer to what it is said of: "is", or "to" in "belongs to"."""
    word, near = said.said[index], said.said[max(0, index - 9) : index]
    if near and near[-1] in words("favor"):
        return index < 3 or not words("files", "head").isdisjoint(near)
    if word in words("into"):
        return not words("files").isdisjoint(near)
    if word == "say":
        return near[-1:] in (["i'd"], ["i'll"]) or near[-2:] == ["i", "would"]
    return word in words("as", "concludes", "makes")


def _relation(reader: Reader, text: str, a: int, b: int) -> Iterator[Statement]:
    """A sentence of the row's field names and a form of one label, which ties them:
    ``The premise contradicts the hypothesis.``
    """
    fields = words("kind").union(split(" ".join(_FIELD.findall(reader.asked))))
    clause = Words(lowered(text[a:b]))
    turns = [i for i, word in enumerate(clause.said) if word in words("turn", "concludes")]
    said = split(text[a + (clause.at[turns[-1]] if turns else 0) : b])
    more = [
        w
        for w in said
        if w not in fields | words("bare", "filler", "as", "into", "concludes", "turn")
    ]
    labels = [label for label in reader.choices if len(more) == 1 and _is_form(more[0], label)]
    if len(labels) == 1 and not fields.isdisjoint(said):
        yield Statement(a, a, b, labels[0], UNCUED, whole=True)


def _is_form(word: str, label: str) -> bool:
    """Whether a word is a form of a label: ``contradicts`` and ``contradiction``."""
    stem = next((n for n in range(5, len(word) + 1) if word[: n + 1] != label.lower()[: n + 1]), 5)
    return len(word) > 4 and word[:5] == label[:5].lower() and max(len(word), len(label)) - stem < 5


def _number(reader: Reader, text: str, a: int, b: int) -> Iterator[Statement]:
    """A sentence with one new number: all of a reply, or one that concludes, repeats a result, or
    says what is asked.
    """
    row, sentence, all_said = (
        with_figures(without_latex(part), reader.asked)
        for part in (reader.asked[-_LONGEST_ROW:], text[a:b], text[:b])
    )
    sentence = _GLOSS.sub(_without_gloss, sentence)
    said = Words(lowered(sentence))
    points = [said.end(i) for i, word in enumerate(said.said) if word in words("concludes")]
    if hedges(_words_of(sentence)) or _ITEM.match(text, a):
        return
    results = [("", n) for n in _RESULT.findall(text, 0, a)[-1:]]
    given = {*_NUMBER.findall(row)} - {"1"}
    complete = given and given.issubset(_NUMBER.findall(all_said))
    if (points or complete) and not UNKNOWN.search(_SUFFIX.sub("", sentence)):
        results += [("last", n) for n in _WORKED.findall(sentence)[-1:]]
    sums = [(place, reader.value(n)) for place, n in results]
    clause, first = _without_reason(sentence[max(points, default=0) :], row), not text[:a].strip()
    several = len({*_NUMBER.findall(clause)} - given - {"1"}) > 1
    several = several and words("circumstance").isdisjoint(split(clause)[:1])
    for part, whole in ((clause, first), (_CLAUSE.split(clause)[-1] if several else "", False)):
        if payload := _asked(reader, part, row, sums, firm=bool(points), whole=whole):
            yield Statement(a, a, b, payload, UNCUED)
            return


def _asked(
    reader: Reader, clause: str, row: str, sums: list[tuple[str, str]], *, firm: bool, whole: bool
) -> str:
    """The part of a clause with its one new number, if that is what the row asks for."""
    question = _QUESTION_PART.split(row[: max(row.rfind("?"), row.rfind("？"))])[-1]
    known, wanted = ({*map(reader.value, {*_NUMBER.findall(part)})} for part in (row, question))
    found = list(_NUMBER.finditer(clause))
    values = [reader.value(number[0]) for number in found]
    new, asked = {*values} - known, {*split(question)}
    results = [n for place, n in sums if n in (values[-1:] if place else values)]
    calculated = results and (new or len({*values}) == 1)
    if not (calculated or len(new) == 1) or _is_of_another(clause, row, question):
        return ""
    value, mine = results[0] if calculated else min(new), wanted.intersection(values)
    at = len(values) - 1 - values[::-1].index(value)
    before = found[at - 1].end() if at else 0
    begin = max(before, clause.rfind(",", 0, found[at].start()) + 1)
    end = found[at + 1].start() if at + 1 < len(found) else len(clause)
    head, tail = clause[: found[at].start()], clause[found[at].end() : end]
    rates = {rate[1] for rate in _RATE.finditer(clause, found[at].start(), end)}
    said = {*split(clause)}
    rates |= words("now") & said if wanted else set()  # "in 5 years"
    differs = (words("step") & said) | words("indefinite").intersection(split(tail)[:3])
    joined = end < len(clause) and words("joint", "or", "worked", "range").intersection(
        split(tail)[-1:]
    )
    if (rates | differs) - asked or joined or _OPERATOR.search(f"{head}\0{tail}"):
        return ""
    if mine and mine != wanted and words("joint") & asked:
        return ""  # "2 hours are 120 minutes", where 2 hours and 20 minutes are asked for
    told = wanted.union(new).issuperset(values) and _tells(
        *((head, asked) if split(head) else (tail, {*split(row)})), bare=whole
    )
    return clause[begin:end] if calculated or firm or told else ""


def _expression(reader: Reader, text: str, parts: Sequence[tuple[int, int]]) -> Iterator[Statement]:
    """The one expression of a reply, if it has all numbers of the row and is not left open."""
    given = {*_NUMBER.findall(with_figures(reader.asked[-_LONGEST_ROW:], reader.asked))} - {"1"}
    told = [(a, _GLOSS.sub("", without_latex(text[a:b]))) for a, b in parts]
    sums = [(a, said, found[0]) for a, said in told for found in _SUM.finditer(said)]
    stated = {label for *_, found in sums if (label := reader.value(found))}
    for a, said, found in sums[-1:] if len(stated) == 1 else ():
        used, spoken = {*_NUMBER.findall(found)}, _words_of(said)
        if given and used >= given and not hedges(spoken):
            yield Statement(a, a, a + len(said), found, UNCUED)


def _words_of(sentence: str) -> Set[str]:
    """The words of a sentence with figures, without "some" and "many" as in "gives some away"."""
    said = {*split(sentence)}
    counted = split(sentence)[:1] not in (["some"], ["many"]) and not said & words("say")
    return said - {"some", "many"} if counted else said


def _tells(head: str, asked: Set[str], *, bare: bool) -> bool:
    """Whether what stands before a number is in the words of a question.

    Args:
        bare: Whether it need not share one with it.
    """
    opening = split(head)
    own = {word[:n] for word in asked for n in (3, 4)}
    told = {w for w in opening if not own.isdisjoint([w[:4], w[:3]]) and len(w) > 2}
    plain = {w for w in opening if len(w) < 4 or "'" in w or w in words("plain")}
    signs = [w in asked for w in opening if len(w) == 1 and not w.isascii()]
    if told | plain < {*opening} or not words("circumstance").isdisjoint(opening[:1]):
        return False
    return (bare and not signs) or any(len(w) > 3 for w in told) or sum(signs) > len(signs) / 2


def _without_gloss(gloss: re.Match[str]) -> str:
    """Nothing for "(seven and a half)" or "(not 133)"; a gloss that leaves something open stays."""
    said = split(gloss[0])
    doubts = words("open", "or", "supposed", "not").intersection(said)
    return gloss[0] if doubts and not re.match(r"\s?.not [$€£]?\d", gloss[0]) else ""


def _without_reason(clause: str, row: str) -> str:
    """``27`` of "27, since 31 minus 4 is 27"; ``22 players`` of "22 players: 11 on each side"."""
    start = _ANSWERED.match(clause)
    if not start:
        return clause
    unit, after = split(start["unit"]), split(clause[start.end() :])[:1]
    listed = start["mark"] == ":" and unit and unit[0][:4] in lowered(row)
    return start[0] if listed or words("because") & {*unit, *after} else clause


def _is_of_another(sentence: str, row: str, question: str) -> bool:
    """Whether a sentence is about another name, or another counted thing, of the row than asked."""
    together = not words("together").isdisjoint(split(question))
    for pattern in (_NAME, _COUNTED):
        known = set(pattern.findall(row))
        said, asked = known & {*_LETTERS.findall(sentence)}, known & {*_LETTERS.findall(question)}
        if said and (said.isdisjoint(asked) if asked else len(said) == 1 < len(known) and together):
            return True
    return False


def _emphasised(reader: Reader, text: str, bold: Sequence[str]) -> list[Statement]:
    """The one answer that a reply sets in bold, in a sentence that neither hedges nor denies."""
    is_text = reader.answer.kind == "text"
    answers = {
        span for span in {*bold} if (span[-1] not in ":：" if is_text else reader.whole(span))
    } - {text}
    for span in answers if len(answers) == 1 and text.count(min(answers)) == 1 else ():
        at = text.index(span)
        a, b = next((a, b) for a, b in spans(text) if a <= at < b)
        if not hedges({*split(text[a:b])}):
            whole = not is_text
            return [Statement(a, at, at + len(span), span, UNCUED, whole=whole, alone=is_text)]
    return []
