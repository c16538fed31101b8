"""Which of some choices a sentence names: by letter, by text, or by both."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from distilwhy.core.parsing.answer import Unnamed, Unreadable
from distilwhy.core.parsing.clean import widen


@dataclass(frozen=True)
class Letters:
    """The choices that each letter, in lower case, may stand for.

    Attributes:
        certain: Whether the teacher was shown them. Otherwise the text beside a letter decides.
    """

    named: Mapping[str, frozenset[str]]
    certain: bool = True


_MARK = re.compile(
    r"(?<!\w)[(\[{'\"]\s*([A-Za-z]|\d{1,2})\s*[)\]}'\"]"  # (b)
    r"|(?<=\s)([A-Za-z])\)"  # b), after an article
    r"|\b(?i:option|choice|letter)\s+([A-Za-z])(?![\w'])"  # option B
    r"|^\W*([A-Za-z])(?=\s*[):]|\.(?!\w\.)|[\s!?*'\"]*$)"  # b. and b) at the start, and b alone
    r"|(?<![\w'.-])([B-HJ-Z])(?![\w'+#]|-\w|\.\w)"  # a bare capital, unless it may be a word
    r"|(?<![\w'.-])([AI])(?=\s*(?:$|[).:,;/&]|[-–—]\s|(?:and|or|because|since|as|is|but)\b))"
)
_QUOTES = str.maketrans("“”‘’„_", '""\'\'" ')
_ENDS = " .,;:!?\"'"
_ARTICLE = re.compile(r"^(?:a|an|the) (?=.)")
_BEFORE = re.compile(r"(?:[\w-]|\d[.,/:])$")
_AFTER = re.compile(r"[\w+#]|[-']\w|[.,/:]\d")
_LABELS_ITS_TEXT = re.compile(r"[\s).:,;'\"*=–—-]*(?:(?:a|an|the)\s+)?")
_NEGATED = re.compile(
    r"\b(?:not|no|neither|none|never|cannot|except|unlike|unclear|unknown|ambiguous|depends"
    r"|hardly|barely|scarcely|nicht|kein\w*|pas)\b"
    r"|n't\b|\b(?:rather than|instead of)\b",
    re.I,
)
_FILLER = re.compile(
    r"(?:\W|\b(?:that|this|it|is|would|be|to|in|at|on|of|by|for|the|an?|la|el|le|die|der|das|um"
    r"|uma|una?|une|eine?|most|very|quite|just|then"
    r"|thus|hence|therefore|indeed|daher|also|somit|donc|ainsi|portanto|logo|option|choice|letter"
    r"|answer|label|class|category|kind|type"
    r"|sentiment|case|\w+ly)\b)*",
    re.I,
)
_SEVERAL = re.compile(r"\b(?:either|both|between|any of|all of|one of)\b", re.I)
# What may follow the text of a choice: an end, punctuation, a reason, or what it is said of.
_AFTER_IT = (
    "because|since|as|for|so|given|due|which|while|whereas|rather|instead|not|here|overall|based"
    "|unlike|in (?:this|that)|weil|da|denn|car|porque|puesto|ya|pois|option|choice|label|class"
    "|category|sentiment|relation(?:ship)?|overall|I think|I believe"
)
_ENDS_THERE = re.compile(
    rf"\W*$|\s*[.,;:!?()\[\]\"'–—*/&|]|\s+-\s|\s+(?:{_AFTER_IT})\b|\s*[^\x00-\x7f]", re.I
)
_BESIDE = re.compile(r"\b(?!(?:an?|the|option|choice|answer|letter|label)\b)\w", re.I)
_STARTS_A_REMARK = "is|in|it|the|and|or|but|best|with|would|makes?|fits?|no|this|that|they"
_TEXT_BESIDE = re.compile(
    rf"[):]? ((?!(?:{_AFTER_IT}|{_STARTS_A_REMARK})\b)[^\W\d][^.,;:!?()]{{1,30}})(?=[.,;!]|$)", re.I
)
_ALIKE = 0.6
_DENIED = re.compile(
    r"\s+(?:\w+\s+){0,2}(?:not|\w+n't|wrong|incorrect)\b|\s*(?:では(?:あり|な)|じゃな|[이가]? "
    r"?아[니닙])",
    re.I,
)
_FOR_ONE = re.compile(r"\W*for\b[^.!?,;]*\b(?:and|but)\s+(?:\w+ly\s+)?")
_TURN = re.compile(
    r"[.!?](?:\s|$)|\b(?:not|because|since|as|for|so|which|while|whereas|unlike|given)\b"
    r"|\b(?:rather than|instead of|due to)\b",
    re.I,
)


@dataclass(frozen=True)
class Mention:
    """Where in a sentence a choice is named."""

    choice: str
    start: int
    end: int
    lettered: bool


@dataclass(frozen=True)
class _Hit:
    """A letter, or a text that may be any of several choices if they differ by case alone."""

    choices: frozenset[str]
    start: int
    end: int
    is_letter: bool


def read_choice(text: str, choices: tuple[str, ...], letters: Letters) -> str:
    """The one choice that ``text`` states.

    ``(b) park, not (c) mall`` states the park; ``(b) park or (c) mall`` states none.

    Args:
        letters: The choices that each letter may stand for.

    Raises:
        Unreadable: if it names none or several, denies the one it names, or gives the letter
            of one and the text of another.
    """
    line = _without_scale(_flat(text), choices)
    mentions = find_mentions(line, choices, letters)
    head = line[: mentions[0].start] if mentions else line
    if _NEGATED.search(head):
        raise Unreadable(f"the answer is a negation: {line[:60]!r}")
    if not mentions or re.search(r"[.!?]\s", head):
        raise Unnamed(f"the answer names none of the choices: {line[:60]!r}")
    first, *others = mentions
    if _DENIED.match(line, first.end):
        raise Unreadable(f"the answer is a negation: {line[:60]!r}")
    if _SEVERAL.search(head) or _names_another(line, first, others):
        raise Unreadable(f"the answer names more than one choice: {line[:60]!r}")
    if not _FILLER.fullmatch(head) or not (first.lettered or _ENDS_THERE.match(line, first.end)):
        raise Unnamed(f"the answer only mentions a choice: {line[:60]!r}")
    return first.choice


def whole_choice(text: str, choices: tuple[str, ...], letters: Letters) -> str | None:
    """The choice that ``text`` is, with nothing said beside it; None if it is none."""
    line = _without_scale(_flat(text), choices)
    try:
        mentions = find_mentions(line, choices, letters)
    except Unreadable:
        return None
    beside, at = "", 0
    for mention in mentions:
        beside += line[at : mention.start]
        at = mention.end
    alone = len({mention.choice for mention in mentions}) == 1
    return mentions[0].choice if alone and not _BESIDE.search(beside + line[at:]) else None


def _without_scale(line: str, choices: tuple[str, ...]) -> str:
    """``2`` of ``2/5``, ``2 out of 5`` and ``2 stars``, where the choices are numbers up to 5."""
    if not all(choice.isdigit() for choice in choices):
        return line
    highest = max(map(int, choices), default=0)
    return re.sub(rf"(?<=\d)(?:(?: ?/ ?| out of ){highest}\b| stars?\b)", "", line)


def find_mentions(line: str, choices: tuple[str, ...], letters: Letters) -> list[Mention]:
    """Every mention of a choice in one line, in order; a letter and its text are one mention.

    Raises:
        Unreadable: if a letter names one choice and the text beside it another, or a mention
            may be of several.
    """
    hits = _find_texts(line, choices)
    taken = {at for hit in hits for at in range(hit.start, hit.end)}
    hits += [hit for hit in _find_letters(line, letters) if hit.start not in taken]
    mentions: list[Mention] = []
    hits.sort(key=lambda hit: hit.start, reverse=True)
    while hits:
        hit = hits.pop()
        end, found, lettered = hit.end, hit.choices, hit.is_letter
        if not hit.is_letter and hits and hits[-1].is_letter and _labels(line, hit, hits[-1]):
            lettered = True
        if hit.is_letter and hits and not hits[-1].is_letter and _labels(line, hit, hits[-1]):
            named, written = found, hits[-1].choices
            found = named & written if letters.certain else written
            end = hits.pop().end
            if not found:
                raise Unreadable(f"the letter says {_one(named)!r}, the text {_one(written)!r}")
        if letters.certain and lettered and end == hit.end and _other_text(line, end, found):
            raise Unreadable(f"the letter says {_one(found)!r}, the text {line[end:][:40]!r}")
        if len(found) > 1:
            raise Unreadable(f"{line[hit.start : end]!r} may be any of {sorted(found)}")
        mentions.append(Mention(_one(found), hit.start, end, lettered))
    return mentions


def _other_text(line: str, end: int, choices: frozenset[str]) -> bool:
    """Whether a letter is followed by a text that is nothing like its choice, nor in its words."""
    beside = _TEXT_BESIDE.match(line, end)
    if beside is None:
        return False
    text = beside[1].lower()
    words = {word[:4] for word in re.findall(r"\w+", text)}
    return not any(
        choice.lower() in text
        or words & {word[:4] for word in re.findall(r"\w+", choice.lower())}
        or SequenceMatcher(None, text, choice.lower()).ratio() >= _ALIKE
        for choice in choices
    )


def _names_another(line: str, first: Mention, others: list[Mention]) -> bool:
    """Whether another choice stands beside the first, not in an aside such as ``, not …``."""
    at = first.end
    for other in others:
        between = line[at : other.start]
        if _TURN.search(between) and not _FOR_ONE.fullmatch(between):
            return False
        if other.choice != first.choice:
            return True
        at = other.end
    return False


def _labels(line: str, mark: _Hit, text: _Hit) -> bool:
    return _LABELS_ITS_TEXT.fullmatch(line, mark.end, text.start) is not None


def _find_texts(line: str, choices: tuple[str, ...]) -> list[_Hit]:
    """The choices' texts in a line, the longer before the shorter that they contain."""
    low, free = line.lower(), [True] * len(line)
    hits = []
    for bare, alike in _list_texts(choices):
        at = low.find(bare)
        while at >= 0:
            end = at + len(bare)
            if all(free[at:end]) and _stands_alone(low, at, end):
                free[at:end] = [False] * len(bare)
                hits.append(_Hit(_written(line, end, alike), at, end, False))
            at = low.find(bare, end)
    return hits


@lru_cache(maxsize=1024)
def _list_texts(choices: tuple[str, ...]) -> list[tuple[str, frozenset[str]]]:
    """The texts to look for, the longest first, each with the choices that it may be."""
    by_text: dict[str, set[str]] = {}
    for choice in choices:
        bare = _ARTICLE.sub("", _flat(choice).lower().strip(_ENDS))
        if bare and not (len(bare) == 1 and bare.isalpha() and bare.isascii()):
            joined = bare.replace(" and ", " & ")
            for spelt in (
                bare,
                bare.replace("-", " "),
                bare.replace(" ", "-"),
                bare.replace(" & ", " and "),
                joined,
            ):
                by_text.setdefault(spelt, set()).add(choice)
    longest_first = sorted(by_text, key=len, reverse=True)
    return [(bare, frozenset(by_text[bare])) for bare in longest_first]


def _written(line: str, end: int, alike: frozenset[str]) -> frozenset[str]:
    """Those of some choices, alike but for capitals and articles, that a line up to ``end`` ends
    with to the letter, ``the park`` before ``park``; all of them where it ends with none."""
    exact = [choice for choice in alike if line.endswith(_flat(choice).strip(_ENDS), 0, end)]
    return frozenset([max(exact, key=len)]) if exact else alike


def _stands_alone(low: str, start: int, end: int) -> bool:
    """Not ``park`` in ``parking`` or ``park-like``, nor ``3`` in ``-3`` or ``3.5``."""
    return not _BEFORE.search(low[max(0, start - 2) : start]) and not _AFTER.match(low, end)


def _find_letters(line: str, letters: Letters) -> list[_Hit]:
    return [
        _Hit(letters.named[match[match.lastindex].lower()], *match.span(), True)
        for match in _MARK.finditer(line)
        if match.lastindex and match[match.lastindex].lower() in letters.named
    ]


def _flat(text: str) -> str:
    flat = " ".join(widen(text).translate(_QUOTES).split())
    return flat if len(flat.lower()) == len(flat) else flat.lower()


def _one(choices: frozenset[str]) -> str:
    return min(choices)
