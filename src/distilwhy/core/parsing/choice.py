"""Which of some choices a text states: by letter, by text, or by both."""

import re
from collections.abc import Mapping
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from distilwhy.core.parsing.answer import ARTICLE, Unnamed, Unreadable
from distilwhy.core.parsing.clean import lowered
from distilwhy.core.parsing.cues import SENTENCE_END, phrases, split, words

_LETTER = re.compile(
    r"(?<!\w)(?:[(\[{'\"]\s*([a-z]|\d{1,2})\s*[)\]}'\"]|(?:option|choice|letter) ([a-z])(?!\w))"
    r"|(?<![\w'.-])([a-z])(?![\w'+#]|\.\w)", re.I
)  # fmt: skip
_WORDLIKE = re.compile(r"\s*(?:$|[).:,;/&]|[-–—]\s|(?:and|or|because|since|as|is|but)\b)")
_LABELS = re.compile(r"[\s).:,;'\"*=–—-]*(?:(?:a|an|the)\s+)?")
_BESIDE = re.compile(r"[):]? ([^\W\d][^.,;:!?()]{1,30})(?=[.,;!]|$)")
_STOPS = re.compile(r"\W*$|\s*[.,;:!?()\[\]\"'–—*/&|]|\s+-\s|\s*[^\x00-\x7f]")
_PHRASE = re.compile(r"[.,;:!?]")
_BEFORE = re.compile(r"(?:[\w-]|\d[.,/:])$")
_AFTER = re.compile(r"[\w+#]|-\w|'[a-z]|[.,/:]\d")
_JOINT = re.compile(r"(?<=[^\W\d])[_/-](?=[^\W\d])")
_GLOSS = re.compile(r"\s?\(([^\s(),.]+(?: [^\s(),.]+){,2})\)")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NEAR = 40


class Found(NamedTuple):
    """An answer in a text, whether the text is that and nothing else, and what follows it."""

    label: str
    bare: bool
    rest: str


class Letters(NamedTuple):
    """The choices that each letter, in lower case, may stand for.

    Attributes:
        certain: Whether the teacher was shown them. Otherwise the text beside a letter decides.
    """

    named: Mapping[str, frozenset[str]]
    certain: bool = True


class Mention(NamedTuple):
    """Where a text names a choice, or one of several that differ by case alone."""

    choices: frozenset[str]
    start: int
    end: int
    lettered: bool


def read_choice(line: str, choices: tuple[str, ...], letters: Letters) -> Found:
    """The one choice that a line states: the park in ``(b) park, not (c) mall``.

    Raises:
        Unreadable: if it names several, or gives the letter of one and the text of another.
        Unnamed: if it names none, or denies the one it names.
    """
    mentions = find_mentions(line, choices, letters)
    before = line[: mentions[0].start] if mentions else line
    head = split(before)
    said = f"{line[:60]!r}"
    if not words("not").isdisjoint(head):
        raise Unnamed(f"the answer is a negation: {said}")
    if not mentions or SENTENCE_END.search(before):
        raise Unnamed(f"the answer names none of the choices: {said}")
    first = mentions[0]
    gloss = _GLOSS.match(line, first.end) if len(mentions) == 1 else None
    if gloss and not words("open", "not").isdisjoint(split(gloss[1])):
        raise Unreadable(f"the answer is left open: {said}")
    end = gloss.end() if gloss else first.end
    rest = line[end:]
    after = split(_PHRASE.split(rest[:60], maxsplit=1)[0])
    wrong = words("not", "wrong") - {"unlike", "except"}
    denied = after[:1] != ["not"] and not wrong.isdisjoint(after[:3])
    if denied or phrases("denies", r"\s*@").match(rest):  # unlike "park, not mall"
        raise Unreadable(f"the answer is a negation: {said}")
    lists = len(mentions) == len(choices) > 2 and all(
        not re.search(r"\w", line[a.end : b.start]) for a, b in pairwise(mentions)
    )
    if lists or not words("several").isdisjoint(head) or _names_another(line, mentions):
        raise Unreadable(f"the answer names more than one choice: {said}")
    fills = all(word in words("filler", "concludes") or word[-2:] == "ly" for word in head)
    goes_on = words("because", "aside", "kind", "filler")
    ends = _STOPS.match(rest) or not goes_on.isdisjoint(after[:1])
    same = [mention for mention in mentions if mention.choices == first.choices]
    beside = [line[a.end : b.start] for a, b in pairwise(same)]
    last = phrases("ending").sub("", line[max(end, same[-1].end) :])
    bare = words("bare", "kind").issuperset(split(" ".join([*beside, before, last])))
    if not fills or not (first.lettered or ends or bare):
        raise Unnamed(f"the answer only mentions a choice: {said}")
    return Found(min(first.choices), bare, rest)


def find_mentions(line: str, choices: tuple[str, ...], letters: Letters) -> list[Mention]:
    """Every mention of a choice in one line, in order; a letter and its text are one mention.

    Raises:
        Unreadable: if a letter names one choice and the text beside it another, or a mention
            may be of several.
    """
    hits = _find_texts(line, choices)
    taken = {at for hit in hits for at in range(hit.start, hit.end)}
    hits += [hit for hit in _find_letters(line, letters) if hit.start not in taken]
    hits.sort(key=lambda hit: hit.start, reverse=True)
    mentions: list[Mention] = []
    while hits:
        named, start, end, lettered = hits.pop()
        beside = hits[-1] if hits and _LABELS.fullmatch(line, end, hits[-1].start) else None
        found = named
        if beside and lettered and not beside.lettered:
            found, end = beside.choices, hits.pop().end
            found = named & found if letters.certain else found
            if not found:
                said = f"{min(named)!r}, the text {min(beside.choices)!r}"
                raise Unreadable(f"the letter says {said}")
        elif letters.certain and (lettered or (beside and beside.lettered)):
            lettered = True
            if _other_text(line, end, found):
                raise Unreadable(f"the letter says {min(found)!r}, the text {line[end:][:40]!r}")
        if len(found) > 1:
            raise Unreadable(f"{line[start:end]!r} may be any of {sorted(found)}")
        mentions.append(Mention(found, start, end, lettered))
    return mentions


def _names_another(line: str, mentions: list[Mention]) -> bool:
    """Whether another choice stands beside the first, not in an aside such as ``, not …``."""
    for last, other in pairwise(mentions):
        between = line[last.end : other.start]
        said = {*split(between, marks=True)}
        joined = "for" in said and "and" in said
        aside = SENTENCE_END.search(between) or said & (words("not", "because", "aside") - {"in"})
        if len(between) > _NEAR or (aside and not joined):
            return False
        if other.choices != mentions[0].choices:
            return True
    return False


def _other_text(line: str, end: int, choices: frozenset[str]) -> bool:
    """Whether a letter is followed by a text that is nothing like its choice, nor in its words."""
    beside = _BESIDE.match(line, end)
    text = beside[1].lower() if beside else ""
    if not text or text.split()[0] in words("because", "aside", "filler", "kind", "remark"):
        return False
    near = {word[:4] for word in text.split()}
    return not any(
        near & {word[:4] for word in re.findall(r"\w+", choice.lower())}
        or SequenceMatcher(None, text, choice.lower()).ratio() >= 0.6
        for choice in choices
    )


def _find_texts(line: str, choices: tuple[str, ...]) -> list[Mention]:
    """The choices' texts in a line, the longer before the shorter that they contain."""
    low, joined, hits = lowered(line), _joined(line), list[Mention]()
    for bare, alike in _list_texts(choices):
        at = joined.find(bare)
        while at >= 0:
            end = at + len(bare)
            free = all(end <= hit.start or hit.end <= at for hit in hits)
            if free and _stands_alone(low, at, end):
                exact = [choice for choice in alike if line.endswith(_bare(choice), 0, end)]
                found = frozenset([max(exact, key=len)]) if exact else alike
                hits.append(Mention(found, at, end, False))
            at = joined.find(bare, end)
    return hits


@lru_cache(maxsize=1024)
def _list_texts(choices: tuple[str, ...]) -> list[tuple[str, frozenset[str]]]:
    """The texts to look for, the longest first, each with the choices that it may be."""
    by_text: dict[str, set[str]] = {}
    for choice in choices:
        bare = ARTICLE.sub("", _joined(_bare(choice)))
        if bare and not (len(bare) == 1 and bare.isalpha() and bare.isascii()):
            parted = ARTICLE.sub("", _joined(_CAMEL.sub(" ", _bare(choice))))
            ands = bare.replace(" & ", " and "), bare.replace(" and ", " & ")
            for spelt in (bare, parted, bare.replace(" ", ""), *ands):
                by_text.setdefault(spelt, set()).add(choice)
    longest_first = sorted(by_text, key=len, reverse=True)
    return [(bare, frozenset(by_text[bare])) for bare in longest_first]


def _stands_alone(low: str, start: int, end: int) -> bool:
    """Not ``park`` in ``parking`` or ``park-like``, nor ``3`` in ``-3`` or ``3.5``."""
    if _BEFORE.search(low, max(0, start - 2), start):
        return False
    return not _AFTER.match(low, end) or phrases("ending").match(low, end) is not None


def _find_letters(line: str, letters: Letters) -> list[Mention]:
    found = []
    for mark in _LETTER.finditer(line):
        named = (mark[1] or mark[2] or mark[3]).lower()
        if named in letters.named and (not mark[3] or _is_letter(line, mark, letters.certain)):
            found.append(Mention(letters.named[named], *mark.span(), True))
    return found


def _is_letter(line: str, mark: re.Match[str], certain: bool) -> bool:
    """Whether a bare letter is one, and no word such as "a" or "I"."""
    after, rest = line[mark.end() : mark.end() + 1], line[mark.end() :].strip(" $!?*'\"")
    if not certain and after == ":":
        return False
    if mark[0].isupper() and (mark[0] not in "AI" or _WORDLIKE.match(line, mark.end())):
        return True
    first = words("the").issuperset(split(line[: mark.start()]))
    return after == ")" or (first and rest[:1] in "):.")


def _joined(text: str) -> str:
    """A text in lower case, as long, with one way to join its words."""
    low = lowered(text)
    return _JOINT.sub(" ", low)


def _bare(text: str) -> str:
    return " ".join(text.split()).strip(" .,;:!?\"'")
