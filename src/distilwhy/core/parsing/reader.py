"""Reads one answer in the words of one statement: a choice, a number, an expression or text."""

import re
from dataclasses import dataclass
from functools import lru_cache

from distilwhy.core.parsing import cues
from distilwhy.core.parsing.answer import CURRENCY, Answer, Unnamed, Unreadable, letter
from distilwhy.core.parsing.choice import Letters, read_choice, whole_choice
from distilwhy.core.parsing.clean import without_latex
from distilwhy.core.parsing.expression import render_equation
from distilwhy.core.parsing.number import read_equation, read_number, whole_number

_LONGEST = 1000
_LONGEST_CHOICE = 300
_FEW_WORDS = 10
_TRUTH = {"true": "yes", "false": "no"}
_ADVERB = re.compile(
    r"\A\s*(?:therefore|thus|then|hence|simply|indeed|clearly|definitely|probably"
    r"|(?:most )?likely)[,:]?\s+", re.I,
)  # fmt: skip
_REMARK = re.compile(
    r",\s+(?:because|since|I (?:think|believe|guess))\b|(?<!\s)\s++because\b(?! of\b)"
    # After "Paris." a sentence may end, after "Mr.", "Prof." and "J." only where a next one opens.
    r"|(?<=\w{4})(?<!\b(?:Prof|Capt|Pres|Dept|Univ|Corp|Bros))[.!][\"'”’)]*\s+(?=[\"'“‘(]?[A-Z])"
    r"|[.!][\"'”’)]*\s+(?=(?:Its?|He|She|They|This|That|These|Those|The|We|I|You|There|His|Her"
    r"|Their)\s)"
)
_QUOTED = re.compile(r"[\"“].*[\"”]\.?", re.S)
_DECLINES = re.compile(
    r"\W*(?:(?:i['’]?m (?:so |very )?sorry|i am sorry|sorry|unfortunately|but)\W+)*(?:as an ai\b"
    r"|i(?: can(?:no|['’])t|(?:['’]m| am) (?:unable|not able) to| could(?: not|n['’]t)| won['’]t"
    r"| will not)\s+(?:help|assist|answer|provide|comply|say|tell|determine|do|discuss|give)\b"
    r"|(?:i|we) (?:do not|don['’]t) (?:really )?know"
    r"|(?:can(?:not|['’]t) be|not) (?:determined|given"
    r"|stated|specified|mentioned|known|available|sure|clear)\b|(?:none|nothing|null|unanswerable"
    r"|unbekannt|keine angaben?|nicht angegeben|inconnue?|non précisée?"
    r"|no especificad[oa]|desconocid[oa]|não informado|não especificado|desconhecid[oa]|알 수 없음"
    r"|모름|없음"
    r"|해당 없음|不明|記載なし|わかりません|不详|未知|未提及|无法确定|没有提到"
    r"|no answer|n/?a|unknown|unclear|tbd)\W*$)",
    re.I,
)
_NOT_THIS = re.compile(r"not (?:[A-Z]|the |an? |in |at |on )")
_EITHER = re.compile(r"(?:[Ee]ither .+ or|[A-Z]\w* or) [A-Z]\w*")
_LETTERING = re.compile(r"(?<!\w)[aA1][).:\]]")
_PLACEHOLDER = re.compile(r"[\[<{(][^\])}>]*[\])}>]\.?|[_.…?-]+")


@dataclass(frozen=True)
class Reader:
    """Reads the answers to one row with these choices, if any."""

    answer: Answer
    choices: tuple[str, ...]
    letters: Letters

    def read(self, text: str, *, alone: bool = False) -> str:
        """The label, in canonical form, that one statement gives, such as ``(b) park.``

        Args:
            alone: Whether the text has a place of its own, where no remark belongs.

        Raises:
            Unnamed: if it names no answer at all.
            Unreadable: if it may be read in two ways, or denies what it names.
        """
        if self.answer.kind == "text":
            return _read_text(self.answer, text if alone else _without_remark(text.strip()))
        if text.strip() in self.choices:
            return text.strip()
        most = _LONGEST_CHOICE if self.answer.kind == "choice" else _LONGEST
        plain = self._without_ending(without_latex(text[:most]))
        if self.answer.kind == "choice":
            if alone and plain in _TRUTH and _TRUTH[plain] in self.choices:
                return _TRUTH[plain]
            return read_choice(plain, self.choices, self.letters)
        if self.answer.kind == "number":
            return read_number(plain)
        return render_equation(read_equation(_ADVERB.sub("", plain)))

    def whole(self, text: str) -> str | None:
        """The label, if ``text`` is nothing else; None otherwise."""
        if len(text) > _LONGEST:
            return None
        plain = self._without_ending(without_latex(text)).strip(" *`>").rstrip(". ")
        if self.answer.kind == "choice":
            return whole_choice(plain, self.choices, self.letters)
        if self.answer.kind == "text":
            return None
        return self.answer.canonical(plain.strip(CURRENCY + " ")) or whole_number(
            plain, self.answer.kind
        )

    def _without_ending(self, text: str) -> str:
        """``배송`` of ``배송입니다``, but all of ``좋다`` where that is a choice."""

        def shorten(found: re.Match[str]) -> str:
            said = text[: found.end()].rstrip(" .!")
            return found[0] if said.endswith(self.choices) else ""

        return cues.ENDING.sub(shorten, text)


def reader_of(answer: Answer, options: tuple[str, ...], *shown: str) -> Reader:
    """The reader of a row with these options.

    Args:
        shown: Texts that may letter the fixed labels, as "(a) spam (b) not spam" does; the first
            that does decides. Labels that no text letters are lettered in their order.
    """
    if answer.kind != "choice":
        return Reader(answer, (), Letters({}))
    choices = answer.choices(options)
    named = {} if options else next(filter(None, (_lettered(choices, t) for t in shown)), {})
    certain = bool(options or named)
    return Reader(answer, choices, Letters(named or _in_order(choices, bool(options)), certain))


@lru_cache(maxsize=1024)
def _in_order(choices: tuple[str, ...], lettered: bool) -> dict[str, frozenset[str]]:
    """The letters of choices: the letter that a choice itself is, and that of its place."""
    named: dict[str, set[str]] = {}
    single = {choice for choice in choices if len(choice) == 1 and choice.isalpha()}
    for index, choice in enumerate(choices):
        if choice in single:
            named.setdefault(choice.lower(), set()).add(choice)
        if lettered or not single:
            named.setdefault(letter(index), set()).add(choice)
    return {name: frozenset(found) for name, found in named.items()}


@lru_cache(maxsize=256)
def _lettered(choices: tuple[str, ...], text: str) -> dict[str, frozenset[str]]:
    """The letters that a text gives to at least two choices, all different; else empty."""
    named: dict[str, frozenset[str]] = {}
    for choice in choices if _LETTERING.search(text) else ():
        mark = re.search(rf"(?<!\w)([A-Za-z]|\d{{1,2}})[).:\]]\s*{re.escape(choice)}(?!\w)", text)
        if mark:
            named[mark[1].lower()] = frozenset([choice])
    return named if len(named) == len(choices) else {}


def _read_text(answer: Answer, text: str) -> str:
    plain = without_latex(text.strip())
    label = answer.canonical(plain.rstrip(".").strip("\"'“”").rstrip("."))
    if label is None:
        raise Unnamed("the answer is empty")
    if label.endswith(":") or label.lower() in ("as follows", "the following"):
        raise Unreadable(f"the answer is only announced: {label[:60]!r}")
    if _PLACEHOLDER.fullmatch(label):
        raise Unreadable(f"the answer is a placeholder: {label[:60]!r}")
    if _EITHER.fullmatch(label):
        raise Unreadable(f"the answer names more than one: {label[:60]!r}")
    if _DECLINES.match(label):
        raise Unreadable(f"the answer is a refusal: {label[:60]!r}")
    if _NOT_THIS.match(label):
        raise Unreadable(f"the answer is a negation: {label[:60]!r}")
    return label


def _without_remark(text: str) -> str:
    """``Paris`` of ``Paris. It is the capital.`` and of ``Paris, because it is the capital.``

    Where more than a few words stand before, all of it is the answer, such as a summary; so it
    is where it is all in quotes.
    """
    remark = None if _QUOTED.fullmatch(text) else _REMARK.search(text, 1)
    first = text[: remark.start()] if remark else text
    return first if len(first.split()) <= _FEW_WORDS else text
