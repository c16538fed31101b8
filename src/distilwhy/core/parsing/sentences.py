"""Answers that a sentence states without a cue: "The shop is liable.", "So she has 41 apples." """

import re
from collections.abc import Iterator, Sequence, Set

from distilwhy.core.parsing.answer import Unreadable
from distilwhy.core.parsing.clean import lowered
from distilwhy.core.parsing.completion import TWO_ANSWERS
from distilwhy.core.parsing.cues import SENTENCE_END, Words, phrases, split, words
from distilwhy.core.parsing.reader import Reader
from distilwhy.core.parsing.statements import UNCUED, Statement

_LONGEST = 300
ITEM = re.compile(r"[^\S\n]*(?:\d{1,2}[.)]|[-*•])(?=\s|$)")
_MOST = 40
_FIELD = re.compile(r"^([^\W\d_][\w ]{0,30}):", re.M)
_NUMBER = re.compile(r"(?<![A-Za-z0-9_.,])[-−]?\d[\d,]*(?:\.\d+)?")
_RESULT = re.compile(r"= ?[$€£]?([-−]?\d[\d,]*(?:\.\d+)?)")
_ASIDE = re.compile(r"\s(?:rather than|instead of|over)\b|, not\b")
_TICKED = re.compile(r"^([^\n:]{1,60}): *[\u2713\u2714\u2705\u2611]", re.M)
# A change, and not what it leads to; so much for each of several.
_RATE = re.compile(r"\b(by) \W?\d|\d[^.\n]{0,30} (?:per|each|every|an?) (\w+)", re.I)
_NAME = re.compile(r"(?<![.!?\n] )(?<!\A)\b[A-Z][a-z]+\b|\b[A-Z][a-z]+(?= (?:is|has|was|had) )")
_COUNTED = re.compile(r"\d ([^\W\d_]{3,})")
_LETTERS = re.compile(r"[^\W\d_]+")
_LONG_WORD = re.compile(r"\b(?!there\b|this\b|that\b)[a-zà-ÿ]{4,}")
_STEP = re.compile(r"\W*\d+ ?[^\W\d_]{0,5} ?:")
_PHRASE = re.compile(r"[.!,;:]|\s(?=because|since|rather|instead)")


def sentences(reader: Reader, text: str) -> list[Statement]:
    """A first or a last sentence that says it: "The shop is liable.", "So she has 41 apples."

    With them, those between that say it as well. A last one that sums up stands alone.
    """
    spans = _spans(text)
    if reader.answer.kind == "number":
        return [*_last_number(reader, text, spans)]
    stated = [_choice_statements(reader, text, a, b) for a, b in spans if reader.choices]
    if not stated or not (stated[0] or stated[-1]):
        return [s for a, b in spans[-1:] for s in _relation(reader, text, a, b)]
    found = [statement for states in stated for statement in states]
    firm = [s for s in found if not phrases("weak", "@ be").search(text, s.start, s.at)] or found
    sums_up = [not words("concludes").isdisjoint(split(text[s.start : s.at])[:1]) for s in firm]
    return firm[-1:] if sums_up[-1] and not any(sums_up[:-1]) else firm


def _spans(text: str) -> list[tuple[int, int]]:
    """The sentences of a text: the first and the last ones, none that asks or is very long."""
    text = text.rstrip()
    spans, start = list[tuple[int, int]](), 0
    for end in [*SENTENCE_END.finditer(text), None]:
        stop = end.start() + (end[0] != "\n") if end else len(text)
        if text[start:stop].strip():
            spans.append((start, stop))
        start = end.end() if end else stop
    spans = spans[:1] + spans[1:][-_MOST:]
    return [(a, b) for a, b in spans if b - a < _LONGEST and text[b - 1] != "?"]


def _choice_statements(reader: Reader, text: str, a: int, b: int) -> list[Statement]:
    """What a sentence states; failing that, what stands behind its last colon: "In short: …"."""
    colon = text.rfind(":", a, b) + 1
    stated = [*_choice_sentence(reader, text, a, b)]
    return [*_choice_sentence(reader, text, colon, b)] if colon and not stated else stated


def _choice_sentence(reader: Reader, text: str, a: int, b: int) -> Iterator[Statement]:
    """``The shop is liable.``, ``It is no spam but an order.``"""
    unlike = _ASIDE.search(text, a, b)
    b = unlike.start() if unlike else b
    said = Words(lowered(text[a:b]))
    points = [i for i, word in enumerate(said.said) if word in words("concludes", "clause")]
    if said.word(0) in words("concedes"):
        aside = words("aside", "because")
        points += [i for i, w in enumerate(said.said) if w == "," and said.word(i + 1) not in aside]
    start = max(points, default=0)
    concludes = said.word(start) in words("concludes") and not reader.letters.certain
    for index in range(len(said.said) - 1, start - 1, -1):
        at = a + said.end(index)
        at += len(text[at:b]) - len(text[at:b].lstrip(" ,:"))
        payload = _PHRASE.split(text[at:b], maxsplit=1)[0]
        label = reader.whole(payload) if concludes or _ties(said, index) else None
        label = None if label and reader.differs(text[at:b]) else label
        negated = said.said[index] in words("not") and f"{said.said[index]} {payload}"
        if label is None or (negated and reader.whole(negated)):
            continue  # "spam" of "not spam"
        before = {*said.said[start : index + 1]}
        contrast = before & words("not") and before & words("contrast")
        others = {choice.lower() for choice in reader.choices} - {label.lower()}
        named = any(choice in said.low[said.at[start] : at - a] for choice in others)
        *_, opened = quotes = text[a:at].split('"')
        quoted = len(quotes) % 2 == 0 and not words("bare", "kind").issuperset(split(opened))
        hedged = quoted or hedges(before) or before & words("noun", "concedes")
        if contrast or not (named or hedged or _is_elsewhere(reader, said.said[start : index + 1])):
            yield Statement(a, at, b, payload, UNCUED, whole=True)
        return


def ticked(reader: Reader, text: str) -> list[Statement]:
    """The one choice that a table ticks."""
    found = [row for row in _TICKED.finditer(text) if reader.choices and reader.whole(row[1])]
    if len(found) != 1:
        return []
    a, b = found[0].span(1)
    start, end = text.rfind("\n\n", 0, a) + 1, text.find("\n\n", b) % (len(text) + 1)
    return [Statement(start, end, end, text[a:b], UNCUED, whole=True)]


def emphasised(reader: Reader, text: str, bold: Sequence[str]) -> list[Statement]:
    """The one answer that a reply sets in bold, in a sentence that neither hedges nor denies."""
    labels = {label: span for span in bold if (label := reader.whole(span))}
    if reader.answer.kind == "text":
        labels = {span: span for span in bold if span[-1] not in ":：" and span != text}
    if len(labels) != 1 or text.count(span := next(iter(labels.values()))) != 1:
        return []
    at = text.index(span)
    a, b = around(text, at, at)
    if hedges({*split(text[a:b])}):
        return []
    is_text = reader.answer.kind == "text"
    return [Statement(a, at, at + len(span), span, UNCUED, whole=not is_text, alone=is_text)]


def around(text: str, start: int, end: int) -> tuple[int, int]:
    """Where the sentence around a place begins and ends."""
    before = max((stop.end() for stop in SENTENCE_END.finditer(text, 0, start)), default=0)
    after = SENTENCE_END.search(text, end)
    return before, after.start() + 1 if after else len(text)


def _ties(said: Words, index: int) -> bool:
    """Whether a word ties an answer to what it is said of: "is", or "to" in "belongs to"."""
    if said.said[index] == "say":
        return said.word(index - 1) in ("i'd", "i'll") or said.said[index - 2 : index] == [
            "i",
            "would",
        ]
    if said.word(index - 1) in words("favor"):
        decides = words("files", "noun", "head").intersection(said.said[max(0, index - 9) : index])
        return index < 3 or bool(decides) or said.word(index - 3) in words("as")
    if said.said[index] in words("into"):
        return not words("files").isdisjoint(said.said[max(0, index - 9) : index])
    return said.said[index] in words("as", "concludes")


def _last_number(
    reader: Reader, text: str, spans: Sequence[tuple[int, int]]
) -> Iterator[Statement]:
    """The last sentence that is headed by no word for reasons, such as ``Check:``, if it tells."""
    explains = words("explains")
    told = [(a, b) for a, b in spans if explains.isdisjoint(split(text[a:b][:30])[:1])]
    said = [text[a:b] for a, b in told[-2:]]
    if len({*said}) > 1 and _shape(said[0]) == _shape(said[1]):
        raise Unreadable(f"{TWO_ANSWERS}: {said[0][:40]!r} and {said[1][:40]!r}")
    if told:
        yield from _number_sentence(reader, text, *told[-1])


def _number_sentence(reader: Reader, text: str, a: int, b: int) -> Iterator[Statement]:
    """A sentence with one number: all of a reply, or one that concludes or repeats a result."""
    said = Words(lowered(text[a:b]))
    points = [said.end(i) for i, word in enumerate(said.said) if word in words("concludes")]
    begin, all_said = a + max(points, default=0), {*said.said}
    numbers = _NUMBER.findall(text, begin, b)
    hedged = hedges(all_said) or (all_said & words("people") and all_said & words("say"))
    counted = _STEP.match(text, a) or ITEM.match(text, a)
    several = len(numbers) > 1 and not points
    asked = reader.asked.rpartition("?")[0] or reader.asked
    last = re.split(r"[.!?\n](?=\s)", asked)[-1]
    question = split(last)
    rated = {m[1] or m[2] for m in _RATE.finditer(text, begin, b)}.difference(question)
    opening = split(text[begin : text.index(numbers[0], begin)]) if numbers else []
    rated |= words("circumstance").intersection(opening if len(opening) == 1 else [])
    if any(word[0].isdigit() for word in question):  # "in 5 years"
        rated |= words("now").intersection(all_said).difference(question)
    if not numbers or several or counted or rated or "#" in text or hedged:
        return
    if _is_of_another(text[begin:b], reader.asked, last):
        return
    alone = not text[:a].strip() and _is_asked(text[a : text.index(numbers[0], a)], question)
    new = numbers[-1] not in reader.asked
    if (new and (points or alone)) or _RESULT.findall(text, 0, a)[-1:] == numbers:
        yield Statement(a, begin, b, text[begin:b], UNCUED)


def hedges(said: Set[str]) -> bool:
    """Whether a sentence of these words affirms nothing, or says what others think."""
    theirs = {word[:-2] for word in said if word[-2:] == "'s"} & words("crowd", "people")
    unsure = words("open", "not", "attributed", "believes", "crowd", "supposed", "wrong")
    return bool(theirs or said & unsure)


def _is_elsewhere(reader: Reader, said: Sequence[str]) -> bool:
    """Whether a sentence tells a fact of other circumstances than the row's: "In winter, … is"."""
    asked = reader.asked.lower()
    where = [word for word in said[1:4] if len(word) > 3][:1]
    restricts = said[0] in words("circumstance") and any(word[:4] not in asked for word in where)
    return restricts and reader.letters.certain and words("said", "pronoun").isdisjoint(said)


def _relation(reader: Reader, text: str, a: int, b: int) -> Iterator[Statement]:
    """A sentence of the row's field names and a form of one label, which ties them:
    ``The premise contradicts the hypothesis.``
    """
    fields = words("kind").union(split(" ".join(_FIELD.findall(reader.asked))))
    said = split(text[a:b])
    more = [w for w in said if w not in fields | words("bare", "filler", "as", "into", "concludes")]
    labels = {label for label in reader.choices for word in more if _is_form(word, label.lower())}
    if len(more) == 1 == len(labels) and not fields.isdisjoint(said):
        yield Statement(a, a, b, labels.pop(), UNCUED, whole=True)


def _is_form(word: str, label: str) -> bool:
    """Whether a word is a form of another: ``contradicts`` and ``contradiction``."""
    alike = (i for i, (a, b) in enumerate(zip(word, label, strict=False)) if a != b)
    stem = next(alike, min(len(word), len(label)))
    return stem > 4 and max(len(word), len(label)) - stem < 5


def _shape(sentence: str) -> str:
    """A sentence without its numbers."""
    return _NUMBER.sub("#", sentence).strip(" .!")


def _is_asked(said: str, question: Sequence[str]) -> bool:
    """Whether a question asks for what is said of a number: all long words are its own."""
    own = {word[:4] for word in question}
    return all(word[:4] in own or word[:3] in own for word in _LONG_WORD.findall(said.lower()))


def _is_of_another(sentence: str, row: str, question: str) -> bool:
    """Whether a sentence is about another name, or another counted thing, of the row than asked."""
    together = not words("together").isdisjoint(split(question))
    for pattern in (_NAME, _COUNTED):
        known = set(pattern.findall(row))
        said, asked = known & {*_LETTERS.findall(sentence)}, known & {*_LETTERS.findall(question)}
        if said and (said.isdisjoint(asked) if asked else len(said) == 1 < len(known) and together):
            return True
    return False
