"""Texts that a reply states without a cue: "Paris", ``The plural is "mice".``, "Ida wrote it." """

import re
from collections.abc import Set

from distilwhy.core.parsing.clean import lowered
from distilwhy.core.parsing.cues import (
    Words,
    has,
    hedges,
    phrases,
    question_of,
    spans,
    split,
    words,
)
from distilwhy.core.parsing.statements import UNCUED, Statement
from distilwhy.core.parsing.texts.text_phrases import (
    NAME,
    PHRASE,
    find_closing,
    find_phrase,
    is_answer,
    stems,
)

_QUOTED = re.compile(r"\"([^\":\n]{1,60})\"")
_SINGLE = re.compile(r"(?<![\w'])'([^'\":\n]{1,60})'(?!\w)")
_INITIAL = re.compile(r"(?<![^\s(])(?:[A-Z]|Dr|Drs|Mr|Mrs|Ms|Prof|St|Sra?|Dra)\. \Z")
_LISTS = re.compile(rf", (?:(?:and|und|et|y|e) )?{NAME}")
_TAIL = re.compile(r",\s(?!\d)|[;:]\s|\s\(|\s[-–—]\s")
_NAMES = re.compile(rf"(?<![\w-]){NAME}(?: (?:(?:of|the|de|la|del|von|van|da|di|e|et) )?{NAME})*")
_LAST, _ENDS = r"(?<!\w)@\W*\Z", r"(?:@)?\s*(?:[.,;!]|\Z)"
_TOPIC = re.compile(
    r"(?:\A|(?<=[\s,.])|(?<=[一-龥ぁ-んァ-ヶ][，,.]))([^，,.]{1,40}?)(?:[은는] ?|は|(?<![不非])是)"
    r"(\d[\d년월일年月 ./-]*[일日]|[^\s\"，,的のはでない]{1,12}?)"
    r"(?:입니다|이다|예요|이에요|です|だ)?(?:[.。]?\Z|[,，](?=其|而|也))"
)
_LONGEST = 200


def find_text(asked: str, text: str) -> list[Statement]:
    """A phrase that stands by itself; failing that, what the first and the last sentence say of
    what is asked; failing that, what the text ends in.
    """
    if phrase := find_phrase(asked, text):
        return [phrase]
    question = {*split(question_of(asked))}
    parts = _sentences(text)
    stated = (
        _quotation(asked, question, text, a, b)
        or _topic(asked, text, a, b)
        or _name(asked, question, text, a, b)
        or _name(asked, question, text, a, _tail(text, a, b))
        or _copula(question, text, a, b)
        or _contrast(asked, text, a, b)
        or _agent(question, text, a, b)
        for a, b in parts[:1] + parts[1:][-1:]
        if b - a < 2 * _LONGEST
    )
    found = [statement for statement in stated if statement]
    closing = find_closing(asked, text) if parts else None
    return found or ([closing] if closing else [])


def _sentences(text: str) -> list[tuple[int, int]]:
    """The sentences of a text, of which no initial of a name ends one."""
    parts = list[tuple[int, int]]()
    for a, b in spans(text):
        if parts and _INITIAL.search(text, max(0, a - 6), a):
            a = parts.pop()[0]
        parts.append((a, b))
    return parts


def _quotation(asked: str, question: Set[str], text: str, a: int, b: int) -> Statement | None:
    """The quotation behind "is" or the like in a sentence, or of the row in one that has a word of
    the question, if it is the only one in the text.
    """
    text, found = _SINGLE.sub(r'"\1"', text), list[re.Match[str]]()
    for quote in _QUOTED.finditer(text, 0, b) if '"' not in text[b:] else ():
        clause = re.split(r"[.!?,:;\n]", text[max(0, quote.start() - 99) : quote.start()])[-1]
        links = words("is") & {*split(clause)[-1:]} or phrases("calls", _LAST).search(clause)
        if links and phrases("polite", _ENDS).match(text, quote.end()):
            found.append(quote)
    if not found:  # "It is governed by the laws of "Ohio"", where the row has that
        only = text.count('"') == 2 and not text[b:].strip()
        quotes = _QUOTED.finditer(text, a, b) if only else ()
        told = [q for q in quotes if q[1] in asked and q[1] not in question_of(asked)]
        before = [{*split(text[a : q.start()])} - words("tongue") for q in told]
        found = [q for q, said in zip(told, before, strict=True) if stems(question) & stems(said)]
    if not found or found[0].start() < a:
        return None
    head, tail = split(text[a : found[0].start()]), split(text[found[0].end() : b])
    theirs = words("people", "say").intersection(head[:-1])  # not "on dit"
    if hedges({*head} | {*tail} - words("not")) or theirs:
        return None
    return Statement(a, found[0].start(1), b, found[0][1], UNCUED, alone=True)


def _topic(asked: str, text: str, a: int, b: int) -> Statement | None:
    """``임대인은 김영호입니다.``, ``首都是渥太华。``, where the question has the topic."""
    found = _TOPIC.search(text[a:b].rstrip())
    # "수도는 중요합니다", "추출하는 작업입니다"
    if not found or found[2][-1] in "다요" or found[1][-1] in "하되있없":
        return None
    former = re.search("[旧舊昔옛]", found[1])
    if former or not _is_topic(question_of(asked), found[1]):
        return None
    return Statement(a, a + found.start(2), b, found[2], UNCUED, alone=True)


def _is_topic(question: str, topic: str) -> bool:
    """Whether most letters of a topic are in the question, but for those of grammar."""
    said = [
        letter for letter in topic if not re.match(r"[\sぁ-ん的所以因此个個의을를이가]", letter)
    ]
    told = [letter for letter in said if letter in question]
    ends = topic.rpartition(" ")[2]  # "분자이므로 화학식"
    near = topic in question or (len(ends) > 1 and ends in question)
    return near or (len(told) > 1 and 5 * len(told) >= 3 * len(said))


def _copula(question: Set[str], text: str, a: int, b: int) -> Statement | None:
    """What a sentence, or its last clause, says that the question's subject is: ``The river that
    flows through Cairo is the Nile.``, ``Diamond is the hardest natural material.``
    """
    turn = phrases("clause", r".*(?:,\s@|:)\s").match(text[a:b])  # "X is large, but …"
    a = a + turn.end() if turn else a
    joined = list(phrases("joins", r"[,;]\s(?:@\s)?").finditer(text, a, b))
    starts = [joint.end() for joint in joined[-1:]]
    # "It is not Sydney; it is Canberra."
    starts = [at for at in starts if not hedges({*split(text[a:at])} - words("not"))]
    return next(filter(None, (_is_said(question, text, at, b) for at in (a, *starts))), None)


def _contrast(asked: str, text: str, a: int, b: int) -> Statement | None:
    """``Not iron, but mercury.``"""
    found = phrases("contrast", r"[,;]\s@\s([^.,;:!?]{1,40})[.!]?\s*\Z").search(text, a, b)
    denies = found and has(split(text[a : found.start()])[:1], "not")
    if not found or not denies or not is_answer(asked, found[1]):
        return None
    return Statement(a, found.start(1), b, found[1], UNCUED, alone=True)


def _is_said(question: Set[str], text: str, a: int, b: int) -> Statement | None:
    """What one clause says that the question's subject is."""
    sentence = _TAIL.split(text[a:b].rstrip(" .!\n"), maxsplit=1)[0]
    said = Words(lowered(sentence))
    if "?" in text[a:b] or hedges({*said.said}) or has(said.said, "people", "attributed"):
        return None
    opening = phrases("calls", r"\A(?:@) ").match(sentence)
    told = sentence[opening.end() :] if opening else ""
    if (told[:1].isupper() or not text[b:].strip()) and is_answer(" ".join(question), told):
        return Statement(a, a + len(sentence) - len(told), b, told, UNCUED, alone=True)
    for index in range(1, len(said.said) - 1):
        would = said.said[index] == "be" and said.said[index - 1] == "would"
        if said.said[index] not in words("is", "named") and not would:
            continue
        sides = [(0, said.at[index - would]), (said.end(index), len(sentence))]
        for (start, end), other in zip(sides[::-1], sides, strict=True):
            answer = sentence[start:end].strip()
            named = PHRASE.fullmatch(answer) and answer.lower() not in words(
                "plain", "it", "tongue"
            )
            named = named and (answer != answer.lower() or not text[b:].strip())
            listed = end == len(sentence) and _LISTS.match(text, a + end)
            part = sentence[slice(*other)]
            figures = answer[:1].isdigit() and has(question, "dates")
            it = has([part.strip().lower()], "it", "this") and (answer[:1].isupper() or figures)
            it = start > 0 and (it or (would and has(split(part), "noun")))
            if named and not listed and (it or _is_asked(question, part)):
                at = a + sentence.index(answer, start)
                return Statement(a, at, at + len(answer), answer, UNCUED, alone=True)
    return None


def _is_asked(question: Set[str], part: str) -> bool:
    """Whether a part of a sentence is in words of the question, and few others."""
    if part[:1] == '"':
        return False  # it is about a word of the question
    asked = stems(question - words("tongue", "who", "is"))
    said = {word for word in split(part) if len(word) > 3}
    others = words("tongue", "filler", "plain", "pronoun", "who", "sources", "kind", "concludes")
    content = {word[:4] for word in said - others}
    told = content & asked
    foreign = has(said, "negative", "step", "now")  # "the former capital"
    near = 2 * len(told) >= len(asked) or told == content
    return bool(told) and near and 3 * len(told) >= 2 * len(content) and not foreign


def _tail(text: str, a: int, b: int) -> int:
    """Where the first clause of a sentence ends."""
    tail = _TAIL.search(text, a + 1, b)
    return tail.start() if tail and tail[0][0] != ":" else b


def _agent(question: Set[str], text: str, a: int, b: int) -> Statement | None:
    """Who did what the question asks: ``Penicillin was discovered by Alexander Fleming in …``."""
    name = rf"(?-i:{NAME}(?: (?:de |da |do |von )?{NAME})*)"
    found = list(phrases("agent", rf"\s(?:@) ({name})").finditer(text, a, b))
    if len(found) != 1 or not has(question, "who"):
        return None
    before, by = split(text[a : found[0].start()]), found[0]
    told = stems({*before[-1:]}) & stems(question - words("tongue", "who", "is"))
    joined = has(split(text[by.end() : by.end() + 20])[:1], "joint", "or", "joins")
    if hedges({*before}) or has(before, "people") or not told or joined:
        return None
    return Statement(a, by.start(1), b, by[1], UNCUED, alone=True)


def _name(row: str, question: Set[str], text: str, a: int, b: int) -> Statement | None:
    """The one name of a sentence whose other words are those of the question, in any form, and
    most of them; or that of the row, in a sentence about "it".
    """
    if has(split(text[a:b])[:1], "concedes"):
        a = text.rfind(", ", a, b) + 1 or a
    sentence = text[a:b].rstrip()
    known = {word[:4] for word in question if len(word) > 2} | {*question}
    names = [
        name
        for name in _NAMES.finditer(sentence)
        if any(word[:4] not in known for word in split(name[0]))
        and ":" not in sentence[name.end() :]
        and not (name.start() == 0 and has([name[0].lower()], "it", "circumstance", "tongue"))
    ]
    if len(names) != 1 or len(sentence) > _LONGEST or sentence[-1:] == "?":
        return None
    figures, before = names[0][0][0].isdigit(), split(sentence[: names[0].start()])[-1:]
    placed = has(before, "circumstance") and has(question, "who")
    elsewhere = has(question, "where") and not has(before, "places")
    if placed or elsewhere or (figures and not has(question, "dates")):
        return None
    rest = split(f"{sentence[: names[0].start()]} {sentence[names[0].end() :]}")
    told = {word[:4] for word in rest if len(word) > 3 and word[:4] in known}
    more = [word for word in rest if word[:4] not in known]
    plain = words("is", "filler", "plain", "article")
    asked = {word[:4] for word in question - words("tongue") if len(word) > 3}
    if not told or hedges({*rest}):
        return None
    told_of = has(rest[:1], "it") and names[0][0] in row  # "It was signed in Utrecht."
    plain |= words("it", "named", "circumstance") if told_of else set()
    if (2 * len(told) < len(asked) and not told_of) or not plain.issuperset(more):
        return None
    return Statement(a, a + names[0].start(), b, names[0][0], UNCUED, alone=True)
