"""Which of some choices a text states: by letter, by text, or by both."""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import pairwise, takewhile
from typing import NamedTuple
from unicodedata import digit

from distilwhy.core.parsing.answer import ARTICLE, Unnamed, Unreadable
from distilwhy.core.parsing.choices.mention import Mention
from distilwhy.core.parsing.choices.ratings import find_ratings
from distilwhy.core.parsing.clean import lowered
from distilwhy.core.parsing.cues import (
    APART,
    SENTENCE_END,
    endings,
    has,
    listed,
    phrases,
    split,
    words,
)
from distilwhy.core.parsing.numbers.numerals import with_figures

# A letter in brackets; a capital one; "A", "I" and small ones only where they are no words.
_NAMED = (
    r"(?:(?:option|choice|letter|letra|lettre|buchstabe) |(?:选项|選項|選択肢|선택지) ?)([a-z])"
    r"|(?:opción|opção|alternativ[ae]|proposition|aussage|satz|statement|antwort|réponse|respuesta"
    r"|resposta) ([a-z])(?=[):.,;!]|\W*$)"
)
_MARKED = rf"[(\[{{'\"]\s*([a-z]|\d{{1,2}})\s*[)\]}}'\"]|{_NAMED}(?![a-z\d])"
# What stands beside a letter where words are not parted: "正解はBです", "B가 맞습니다".
_PARTED = r"(?:(?<![\w'.°-])|(?<=[はがのを은는이가是选選为為即和与與及や]))"
_JOINED = "[でがをはにのだや입가를을은는이번로와과是正对對项項和与與及]"
_CAPITAL = rf"((?-i:[B-HJ-Z]))(?:(?={_JOINED})|(?![\w'+#]|\.\w))|([a-z])(?=\)| ?{_JOINED}|一択)"
_ENDS = rf"(?=\s*(?:$|[).:,;/&]|[-–—]\s|{_JOINED}|(?:and|or|because|since|as|is|but)\b))"
_ALONE = rf"^\W*+(?:@ )?([a-z])(?=[ $!?*'\"]*(?:[):.](?![^\W{APART}])|$))"
_LETTER = rf"(?<!\w)(?:{_MARKED})|{_PARTED}(?:{_CAPITAL}|((?-i:[AI])){_ENDS})|{_ALONE}"
_LABELS = re.compile(r"[\s).:,;'\"*=–—-]*(?:(?:a|an|the)\s+|の)?")
_SENTENCE = re.compile(r"\.\s+[A-Z].* [a-z]")
_BESIDE = re.compile(r"[):]? ([^\W\d][^.,;:!?()]{1,30})(?=[.,;!]|$)")
_STOPS = re.compile(r"\W*$|\s*[.,;:!?()\[\]\"'–—*/&|]|\s+[-#]\s|\s*[^\x00-\x7f]")
_BEFORE = re.compile(r"(?:(?![のはが])[\w-]|[\d?][.,/:])$")
_AFTER = re.compile(r"[\w+#]|-(?!(?:priority|urgency|severity|risk)\b)\w|'[a-z]|[.,/:]\d", re.I)
_JOINT = re.compile(r"(?<=[^\W\d])[_/-](?=[^\W\d])")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_GLOSS = re.compile(r"\s?\(([^\s(),.]+(?: [^\s(),.]+){,2})\)")
_REASON = re.compile(r"\s?\(([^\s()]+(?: [^\s()]+){3,})\)\W*")
_FORMS = [f.split() for f in ["o a", "ve v", "f ve", "x sse", "v ve", "v ver", "v ves"]]
_ELIDED = re.compile(r"(?<!\w)[ld]['’](?=\w{3})", re.I)  # "l'équipe technique"
_PLACED = re.compile(r"\W*$|,| (?:of|de|der|von|das|dos) ")
_NEAR = 40
_OWN = rf"(?<![^\W{APART}])"  # a word of its own, unless words are not parted
_PLACE = re.compile(
    rf"{_OWN}(?:option|choice|opción|opção|alternativ[ea]|选项|選項|選択肢|선택지|보기) ?#?"
    r"([1-9])(?![\da-z_%개個つ种種]|[.,]\d)|^(?![^\d]*[-−+])\W*([1-9])\W*[번番号號]?\W*$|([①-⑨])"
    r"|(?<![\w.,])([1-9])(?:번|番)(?:이(?!나)|가|을|를|은|는|입|로|が|を|は|です|で|だ|に)",
    re.I,
)


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


def read_choice(line: str, choices: tuple[str, ...], letters: Letters) -> Found:
    """The one choice that a line states: the park in ``(b) park, not (c) mall``.

    Raises:
        Unreadable: if it names several, or gives the letter of one and the text of another.
        Unnamed: if it names none, or denies the one it names.
    """
    mentions, said = find_mentions(line, choices, letters), f"{line[:60]!r}"
    before = line[: mentions[0].start] if mentions else line
    if mentions and split(before) == [str(choices.index(min(mentions[0].choices)) + 1)]:
        before = ""  # of "2) Brazil", the second choice
    if mentions and re.fullmatch(r"[A-Z]{2,6} \(", before):
        before = ""  # of "NEI (Not Enough Info)"
    head = split(_ELIDED.sub("", before))
    if has(head, "not"):
        parted = re.search(r"[,:;.–—]", before)  # "No, that's spam."
        if mentions and not parted and (label := _opposite(head, mentions[0].choices, choices)):
            return Found(label, not re.search(r"\w", line[mentions[0].end :]), "")
        raise Unnamed(f"the answer is a negation: {said}")
    if not mentions or SENTENCE_END.search(before):
        raise Unnamed(f"the answer names none of the choices: {said}")
    first, *others = mentions
    gloss = None if others else _GLOSS.match(line, first.end)
    rest = line[gloss.end() if gloss else first.end :]
    after = split(re.split(r"[.,;:!?]|(?<=\s)[–—]\s+(?!no\b)", rest[:60], maxsplit=1)[0])
    wrong = words("not", "wrong") - {"unlike", "except"}
    near_by = after[:1] != ["not"] and not wrong.isdisjoint(after[:3])  # unlike "park, not mall"
    denied = not _gives_reason(rest) and (near_by or _denies(rest[:_NEAR], first))
    if denied or (gloss and has(split(gloss[1]), "open", "not")):
        raise Unreadable(f"the answer is a negation or left open: {said}")
    if not others and split(rest) and words("article").issuperset(split(rest)):
        raise Unnamed(f"the answer breaks off: {said}")  # "(b) The"
    gaps = [line[a.end : b.start] for a, b in pairwise(mentions)]
    near = takewhile(lambda beside: not _opens_aside(beside[0]), zip(gaps, others, strict=True))
    if has(head, "several") or any(other.choices != first.choices for _, other in near):
        raise Unreadable(f"the answer names more than one choice: {said}")
    fills = all(word in words("filler", "concludes", "kind") or word[-2:] == "ly" for word in head)
    goes_on = words("because", "aside", "kind", "filler", "is", "wins")
    praised = phrases("praises", r"\s@").match(rest)
    ends = _STOPS.match(rest) or praised or not goes_on.isdisjoint(after[:1])
    last = endings().sub("", line[others[-1].end :] if others else rest)
    around = head + split(" ".join([*gaps, last]))
    same = all(other.choices == first.choices for other in others)
    # "It is the first." may be said of anything, and a figure may count anything.
    place = first.lettered and line[first.start : first.end].lower() in words("ordinals")
    figure = line.strip().isdigit() and min(first.choices) not in line
    bare = same and not (place or figure) and words("bare", "kind").issuperset(around)
    if not fills or not (first.lettered or ends or bare):
        raise Unnamed(f"the answer only mentions a choice: {said}")
    return Found(min(first.choices), bare, rest)


def _opposite(head: Sequence[str], denied: frozenset[str], choices: tuple[str, ...]) -> str | None:
    """The choice ``no spam`` of "It is not spam" and "No es spam"."""
    known, texts = words("not", "no", "is", "subject").issuperset(head), {*map(lowered, denied)}
    denials = (choice for choice in choices if known and has(split(choice)[:1], "not", "no"))
    return next((c for c in denials if lowered(c).partition(" ")[2] in texts), None)


def _gives_reason(rest: str) -> bool:
    """Whether only a reason in brackets follows a label. A negation in it does not deny the label:
    "unclear (it isn't stated where)", "low (stone doesn't burn)".
    """
    reason = _REASON.fullmatch(rest)
    if not reason:
        return False
    first, *_ = said = split(reason[1]) or [""]
    told_of = words("it", "pronoun", "people", "not", "said", "is", "verb", "tongue") | {"there"}
    of_label = first in told_of or first.endswith("ly")  # unlike "stone"
    tells_nothing = has(said, "withholds") and first not in words("people")
    doubts = has({*said} - words("missing"), "open", "or", "supposed", "wrong")
    return not doubts and (tells_nothing or not of_label)


def _denies(rest: str, mention: Mention) -> bool:
    """Whether what follows a choice denies it; where words are parted, right after it."""
    denial = phrases("denies", r"([^.!?。\n]*?)@").match(rest)
    apart = denial and re.search("[a-z]|(?<!然)而$", denial[1], re.I)
    own = {lowered(choice) for choice in mention.choices}
    return bool(denial and not apart and own.isdisjoint(words("no", "wrong", "rejects")))


def find_mentions(line: str, choices: tuple[str, ...], letters: Letters) -> list[Mention]:
    """Every mention of a choice in one line, in order; a letter and its text are one mention.

    Raises:
        Unreadable: if a letter names one choice and the text beside it another, or a mention
            may be of several.
    """
    texts, mentions = _find_texts(line, choices, letters.certain), list[Mention]()
    taken = {at for hit in texts for at in range(hit.start, hit.end)}
    hits = [hit for hit in _find_letters(line, letters) if hit.end - 1 not in taken] + texts
    if letters.certain and not hits:
        hits = [*_find_places(line, choices, "1" in letters.named)]
    hits = find_ratings(line, choices) or hits
    hits.sort(key=lambda hit: hit.start, reverse=True)
    while hits:
        hit = hits.pop()
        beside = hits[-1] if hits and _LABELS.fullmatch(line, hit.end, hits[-1].start) else None
        if beside and hit.lettered and not beside.lettered:
            hits.pop()
            both = beside.choices & hit.choices if letters.certain else beside.choices
            if not both and _SENTENCE.fullmatch(line, hit.end, beside.end + 2):
                hits.append(beside)  # of "c. Caesar was no emperor"
                both, beside = hit.choices, hit
            if not both:
                said = f"{min(hit.choices)!r}, the text {min(beside.choices)!r}"
                raise Unreadable(f"the letter says {said}")
            hit = Mention(both, hit.start, beside.end, True)
        elif letters.certain and (hit.lettered or (beside and beside.lettered)):
            hit = hit._replace(lettered=True)
            if _other_text(line, hit):
                said = f"{min(hit.choices)!r}, the text {line[hit.end :][:40]!r}"
                raise Unreadable(f"the letter says {said}")
        if len(hit.choices) > 1:
            raise Unreadable(f"{line[hit.start : hit.end]!r} may be any of {sorted(hit.choices)}")
        mentions.append(hit)
    return mentions


def _find_places(line: str, choices: tuple[str, ...], numbered: bool) -> Iterator[Mention]:
    """The choices that a line names by place: ``the second option``, or ``the second, because``;
    ``option 2``, ``②`` and ``2번이`` anywhere.
    """
    places, named = listed("ordinals"), phrases("placed", r" ?@(?![a-z])").pattern
    for found in phrases("ordinals", rf"{_OWN}(?P<place>@)(?P<named>{named})?").finditer(line):
        index = places.index(found["place"].lower()) % 6
        alone = _PLACED.match(line, found.end()) and has(split(line[: found.start()])[-1:], "the")
        if (found["named"] or alone) and (index == 5 or index < len(choices)):
            yield Mention(frozenset([choices[-1 if index == 5 else index]]), *found.span(), True)
    for found in () if _counts(choices) and not numbered else _PLACE.finditer(line):
        index = digit(found[found.lastindex or 0]) - 1
        if index < len(choices):
            yield Mention(frozenset([choices[index]]), *found.span(), False)


@lru_cache(maxsize=1024)
def _counts(choices: tuple[str, ...]) -> bool:
    """Whether a choice has a number, so that none is a place."""
    said = "\n".join(choices)
    return re.search(r"\d", with_figures(said, said)) is not None


def _opens_aside(gap: str) -> bool:
    """Whether what stands between two choices opens an aside, such as ``, not …``, or is long."""
    *_, last = ["", *split(gap)]
    if has([last], "not", "or"):  # "(b) and not (c)", "yes for men …, or no"
        return has([last], "not")
    said = {*split(gap, marks=True)}
    joins = {"for", "and"} <= said or words("or") & said
    aside = SENTENCE_END.search(gap) or said & (words("not", "because", "aside") - {"in"})
    dashed = gap.lstrip()[:1] in ("–", "—") and len(split(gap)) > 2
    return len(gap) > _NEAR or bool((aside or dashed) and not joins)


def _other_text(line: str, letter: Mention) -> bool:
    """Whether a letter is followed by a text that is nothing like its choice, nor in its words."""
    beside = _BESIDE.match(line, letter.end)
    said = beside[1].lower().split() if beside else []
    goes_on = not said or said[0] in words(
        "because", "aside", "filler", "kind", "remark", "right", "is", "wins"
    )
    praised = phrases("praises", r"\s@").match(line, letter.end)
    if goes_on or praised or endings(r"[*\s]*@").match(line, letter.end):
        return False
    known = {word[:4] for choice in letter.choices for word in split(choice)}
    typos = (SequenceMatcher(None, " ".join(said), choice.lower()) for choice in letter.choices)
    return known.isdisjoint(word[:4] for word in said) and all(t.ratio() < 0.6 for t in typos)


def _find_texts(line: str, choices: tuple[str, ...], certain: bool) -> list[Mention]:
    """The choices' texts in a line, the longer before the shorter that they contain."""
    joined, hits = _joined(line), list[Mention]()
    for spelt, alike in _spellings(choices, certain):
        at = joined.find(spelt)
        while at >= 0:
            end = at + len(spelt)
            free = all(end <= hit.start or hit.end <= at for hit in hits)
            if free and _stands_alone(line, at, end):
                exact = [choice for choice in alike if line.endswith(_bare(choice), 0, end)]
                found = frozenset([max(exact, key=len)]) if exact else alike
                hits.append(Mention(found, at, end, False))
            at = joined.find(spelt, end)
    return hits


@lru_cache(maxsize=1024)
def _spellings(choices: tuple[str, ...], certain: bool) -> list[tuple[str, frozenset[str]]]:
    """The texts to look for, the longest first, each with the choices that it may be."""
    alike: dict[str, set[str]] = {}
    for label in () if certain else choices:  # "falsa" is "falso"
        for own, other in _FORMS:
            if label.lower().endswith(own) and " " not in label:
                alike[_joined(label[: -len(own)] + other)] = {label}
    for choice in choices:
        bare = _bare(choice)
        for text in (bare, _CAMEL.sub(" ", bare)):
            spelt = ARTICLE.sub("", _joined(text))
            ands = spelt.replace(" & ", " and "), spelt.replace(" and ", " & ")
            denied = re.sub("^not ", "non ", spelt)
            for form in (spelt, spelt.replace(" ", ""), denied, *ands):
                if len(form) > 1 or not (form.isalpha() and form.isascii()):
                    alike.setdefault(form, set()).add(choice)
    longest_first = sorted(filter(None, alike), key=len, reverse=True)
    return [(form, frozenset(alike[form])) for form in longest_first]


def _stands_alone(line: str, start: int, end: int) -> bool:
    """Not ``park`` in ``parking`` or ``park-like``, nor ``3`` in ``-3`` or ``3.5``."""
    if _BEFORE.search(line, max(0, start - 2), start):
        return False
    return not _AFTER.match(line, end) or endings().match(line, end) is not None


def _find_letters(line: str, letters: Letters) -> list[Mention]:
    found = []
    for mark in phrases("the", _LETTER).finditer(line):
        named = mark[mark.lastindex or 0].lower()
        pronoun = named == "i" and line[mark.start() :][:1] == "I"
        unmarked = line[mark.end() :][:1] == ":" or pronoun
        marked = mark[1] or mark[2] or letters.certain or not unmarked
        if named in letters.named and marked:
            found.append(Mention(letters.named[named], *mark.span(), True))
    return found


def _bare(text: str) -> str:
    return " ".join(text.split()).strip(" .,;:!?\"'")


def _joined(text: str) -> str:
    """A text in lower case, as long, with one way to join its words."""
    return _JOINT.sub(" ", lowered(text))
