"""Reads one answer in the words of one statement: a choice, a number, an expression or text."""

import re
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache

from distilwhy.core.parsing.answer import (
    Answer,
    Unnamed,
    Unreadable,
    fold,
    letter,
)
from distilwhy.core.parsing.choices.choice import Found, Letters, find_mentions, read_choice
from distilwhy.core.parsing.clean import lowered, without_latex
from distilwhy.core.parsing.cues import (
    has,
    hedges,
    phrases,
    reported,
    split,
    words,
)
from distilwhy.core.parsing.numbers.figures import with_points
from distilwhy.core.parsing.numbers.number import is_bare, read_equation, read_number
from distilwhy.core.parsing.numbers.numerals import with_figures
from distilwhy.core.parsing.statements import EXPLICIT, Statement
from distilwhy.core.parsing.texts.text import read_text

_LONGEST_CHOICE, _LONGEST_NUMBER, _SHORT = 300, 600, 80
_TRUTH = {"true": "yes", "false": "no"}
_REASON = re.compile(
    r",\s+(?:because|since|due to|given|as|which|I (?:think|guess))\b|(?<!\s)\s++because\b(?! of\b)"
)
# After "Paris." a sentence may end, after "Mr.", "Prof." and "J." only where a next one opens.
_SENTENCE = re.compile(
    r"(?<=\w{4})(?<!\b(?:Prof|Capt|Pres|Dept|Univ|Corp|Bros))[.!][\"'”’)]*\s+(?=[\"'“‘(]?[A-Z])"
    r"|[.!][\"'”’)]*\s+(?=(?:Its?|He|She|They|Th\w+|We|I|You|His|Her)\s)"
)
# A full stop after two figures or more ends a sentence, too, except in a text: "15. Mai".
_FIGURE_ENDS = re.compile(rf"{_SENTENCE.pattern}|(?<=[\w.,$€£]\d)\.\s+(?=[\dA-Z])")
_QUOTED = re.compile(r"[\"“].*[\"”]\.?", re.S)
_NUMBERED = re.compile(r"(?<!\w)1[).:\]]\s")
_LETTERING = re.compile(r"(?<!\w)[A-Za-z0-9](?:[).:\]]| ?=)")
_ASKS = re.compile(r"[^.!?\n]{0,80}\?(?:\s|\W*$)")
_FULL_STOP = re.compile(r"[.!](?=\s)|。")
_DASH = re.compile(r";(?= )|\s[–—-](?= )")
_INSERTED = re.compile(r",[^,.;:!?()]{1,30},")
# Of "(a), the park, is …".
_APPOSED = re.compile(r",(?: \(\w\),)?(?= (?:is|was|are|describes|means|ist|est|es|é)\b)")
_OF_ALL = r"(?: (?:out )?of (?:the|these|those|all) \w+)?"
_PRAISED = rf"\s@{_OF_ALL}(?=\W*$|[.;:!]|,(?! (?:unless|if|but)\b)|\s[-–—])"
_LISTED = re.compile(r"\s*\d{1,2}[.)]\s")
_DOUBTS = ("or", "open", "not", "wrong", "rejects", "discards", "spares")
_DENIES = ("not", "negative", "discards")  # in a question: it asks what is not so
_SIDES = ("yes", "no")
_PARTICIPLE = re.compile(r"\W*([a-z]{3,})ed\W*")
_POLAR = re.compile(r"[\s\"'*¡]*([^\W\d_]+)(?: ([^\W\d_]+))?(?=\s*(?:[,.!:;–—]|$))")
_PHRASE = re.compile(r"[.!,;:](?![A-Za-z0-9])|\s[-–—]|[–—―]{2}|\s\((?!\w\))|\s#\s")


@dataclass(frozen=True)
class Reader:
    """Reads the answers to one row with these choices, if any."""

    answer: Answer
    choices: tuple[str, ...]
    letters: Letters
    asked: str = ""
    # What was read before: the same statement is looked at from several sides.
    known: dict[tuple[str, bool], Found | tuple[type[Unreadable], str]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def find(self, text: str, *, alone: bool = False) -> Found:
        """The answer, in canonical form, that one statement gives, such as ``(b) park.``

        Args:
            alone: Whether the text has a place of its own, where no remark belongs.

        Raises:
            Unnamed: if it names no answer at all.
            Unreadable: if it may be read in two ways, or denies what it names.
        """
        if (text, alone) not in self.known:
            try:
                self.known[text, alone] = self._find(text, alone)
            except Unreadable as error:
                self.known[text, alone] = (type(error), str(error))
        found = self.known[text, alone]
        if isinstance(found, Found):
            return found
        kind, problem = found
        raise kind(problem)

    def _find(self, text: str, alone: bool) -> Found:
        if text.strip() in self.choices:
            return Found(text.strip(), True, "")
        text, kind = text.lstrip(" *`\n"), self.answer.kind
        if kind == "choice":
            plain = without_latex(text[:_LONGEST_CHOICE])
            if alone and _TRUTH.get(plain) in self.choices:
                return Found(_TRUTH[plain], True, "")
            own = {_together(choice) for choice in self.choices}
            if fold(plain) in words("missing") and _together(fold(plain)) not in own:
                raise Unreadable(f"the answer is missing: {plain!r}")
            if all(choice.isdigit() for choice in self.choices):
                plain = with_figures(plain, plain)
            return read_choice(plain, self.choices, self.letters)
        if kind != "text" and len(text) > _LONGEST_NUMBER:  # what is cut off may be more of it
            text = f"{text[:_LONGEST_NUMBER]} +"
        sentence = _SENTENCE if kind == "text" else _FIGURE_ENDS
        remarks = [] if _QUOTED.fullmatch(text.strip()) else [_REASON, sentence]
        ends = [remark.start() for found in remarks if (remark := found.search(text, 1))]
        end = min(ends, default=len(text))
        if kind == "text":
            aside = split(text[end:])
            if has(aside[:1], "which") and (hedges({*aside}) or has(aside, "wrong")):
                raise Unreadable("the answer is doubted")
            few = not alone and len(text[:end].split()) <= 10
            return Found(read_text(self.answer, text[:end] if few else text), False, text[end:])
        plain = with_points(text, self.asked)
        label = read_number(plain) if kind == "number" else read_equation(plain)
        more_figures = _FIGURE_ENDS.match(text, end) and re.search(r"\d", text[end:])
        return Found(label, is_bare(plain, kind) and not more_figures, text[end:])

    def read(self, text: str) -> Found | None:
        """The answer that a statement gives; None if it cannot be read."""
        with suppress(Unreadable):
            return self.find(text)
        return None

    def value(self, number: str) -> str:
        """A number of the reply or the row in canonical form; as it stands if it has none."""
        found = self.read(number)
        return found.label if found else number

    def _of_participle(self, text: str) -> str | None:
        """The label of which a text is the participle: ``SUPPORTS`` for ``supported``."""
        verb = _PARTICIPLE.fullmatch(text.lower())
        forms = {f"{verb[1]}s", f"{verb[1]}es"} if verb else set()
        found = [choice for choice in self.choices if choice.lower() in forms]
        return found[0] if len(found) == 1 else None

    def whole(self, text: str) -> str | None:
        """The label, if ``text`` is nothing else; None otherwise."""
        fits = len(text) <= _LONGEST_CHOICE and self.answer.kind != "text"
        found = self.read(text) if fits else None
        return found.label if found and found.bare else None

    def lead(self, text: str) -> Found | None:
        """The answer that a text is, or opens with before it says more."""
        if self.choices and (text.rstrip().endswith(":") or reported(text)):
            return None
        if label := self.whole(text):
            return Found(label, True, "")
        text = text[:_LONGEST_CHOICE]
        if not self.choices:
            return None
        if opening := _POLAR.match(text):
            label = self._polar(lowered(opening[1]), opening[2] or "")
            if label:
                return Found(label, False, text[opening.end() :])
        try:
            found: Found | None = self.find(text)
        except Unnamed:
            found = None
        except Unreadable:  # of what may stand behind a whole sentence, or behind its dash
            for end in (_FULL_STOP.search(text, 3), _DASH.search(text, 3)):
                label = self.whole(text[: end.start()]) if end else None
                rest = text[end.end() :] if end else ""
                # "Business; Sports is possible too"
                beside = len(split(rest)) < 8 and not self.names_no_other(rest, label or "")
                doubted = beside or has(split(rest)[:3], *_DOUBTS)
                if end and label and not doubted and not self.whole(rest):
                    return Found(label, False, text[end.start() :])
            return None
        said, told = _PHRASE.split(text, maxsplit=1)[0], ""
        if found:
            rest = found.rest.removeprefix(")")  # of "b) is correct"
            start = text.removesuffix(rest)
            opening = _APPOSED.match(rest)
            apposed = opening.end() if opening else 0
            verdict = self._verdict(found.label, rest[apposed:])
            if _is_subject(rest) or (apposed and not verdict):
                return None
            lettered = ")" in start and len(start) > len(found.label) + 2
            if verdict:
                said, told = start, rest[:apposed] + verdict
            elif (lettered and not rest.lstrip()[:1].islower()) or _goes_on(start, rest):
                said = start
            elif phrases("toward", r"\s@\s[^,;]*\Z").match(rest):
                said = start if self.names_no_other(rest, found.label) else said
        doubted = has(split(text[len(said) :])[:2], "wrong", "rejects", "discards")
        if doubted and _DASH.match(text, len(said)):
            return None  # "Business – wrong."
        listed = said != text and _LISTED.match(said) and said.lstrip()[0] not in self.choices
        label = None if listed else self.whole(said)
        return Found(label, False, text[len(said) + len(told) :]) if label else None

    def _verdict(self, label: str, rest: str) -> str:
        """What follows a choice and calls it the answer: " is the best option"; "" if none does."""
        if praise := phrases("praises", _PRAISED).match(rest):
            return praise[0]
        more = _PHRASE.split(rest, maxsplit=1)[0]
        verdict = phrases("because", r"\s(?!as\b)@(?!\w)").split(more, maxsplit=1)[0]
        judges = has(split(verdict), "right", "noun", "head", "quality")
        if judges and self.names_no_other(_FULL_STOP.split(rest, maxsplit=1)[0], label):
            more = verdict  # of " is correct because …"
        known = words("is", "article", "quality", "noun", "head", "vague", "right", "wins")
        if self.letters.certain and has(split(more), "the"):
            question = {*split(self.asked[-_LONGEST_CHOICE:])}
            known |= set() if has(question, *_DENIES) else question
        return more if split(more) and known.issuperset(split(more)) else ""

    def names_no_other(self, text: str, label: str) -> bool:
        """Whether a text names no choice but this one."""
        with suppress(Unreadable):
            mentions = find_mentions(text, self.choices, self.letters)
            return all(label in mention.choices for mention in mentions)
        return False

    def _polar(self, said: str, verb: str) -> str | None:
        """The label that another word for it gives: ``yes`` for "Yep!", ``no`` for "No puede."."""
        own = {table: [c for c in self.choices if lowered(c) in words(table)] for table in _SIDES}
        sides = [table for table in _SIDES if said in words(table)]
        known = not verb or (sides == ["no"] and lowered(verb) in split(self.asked))
        fits = sides and known and all(len(labels) == 1 for labels in own.values())
        return own[sides[0]][0] if fits else None

    def state(self, statement: Statement) -> str:
        """The label of a statement.

        Raises:
            Unreadable: if it has none.
        """
        payload = statement.payload
        if payload is None:
            raise Unnamed("the reply ends before its answer")
        if _ASKS.match(payload):
            raise (Unnamed if statement.whole else Unreadable)("the answer is only asked")
        if statement.rank == EXPLICIT and (verb := self._of_participle(payload)):
            return verb
        whole = statement.whole
        found = self.lead(payload) if whole else self.find(payload, alone=statement.alone)
        if found is None:
            short = self.choices and statement.rank == EXPLICIT and len(payload) < _SHORT
            if short and ("/" in payload or has(split(payload), "or")):
                self.find(payload)  # which tells of several choices, if it names them
            raise Unnamed("no answer is stated")
        return found.label

    def label(self, statement: Statement) -> str | None:
        """The label that a statement affirms; None if it has none."""
        with suppress(Unreadable):
            return None if statement.denied else self.state(statement)
        return None


def reader_of(answer: Answer, options: tuple[str, ...], asked: str, *shown: str) -> Reader:
    """The reader of a row with these options.

    Args:
        asked: The row's text, which may letter the fixed labels, as "(a) spam (b) not spam" does.
        shown: Further texts that may. Labels that no text letters are lettered in their order.
    """
    choices = answer.choices(options) if answer.kind == "choice" else ()
    named = {} if options else _lettered(choices, "\n".join([asked, *shown]))
    # Where no text letters them: by the letter that a choice itself is, and by its place.
    pairs = [(choice.lower(), choice) for choice in choices if len(choice) == 1]
    if options or not pairs:
        pairs += [(letter(index), choice) for index, choice in enumerate(choices)]
    in_order = {name: frozenset(c for other, c in pairs if other == name) for name, _ in pairs}
    if options and _NUMBERED.search(asked):
        in_order |= _lettered(choices, asked)
    letters = Letters(named or in_order, bool(options or named))
    return Reader(answer, choices, letters, asked)


@lru_cache(maxsize=256)
def _lettered(choices: tuple[str, ...], text: str) -> dict[str, frozenset[str]]:
    """The letters that a text gives to all choices, all different; else empty."""
    named: dict[str, frozenset[str]] = {}
    for choice in choices if _LETTERING.search(text) else ():
        mark = re.search(
            rf"(?<!\w)([A-Za-z]|\d{{1,2}})(?:[).:\]]| ?=)\s*{re.escape(choice)}(?!\w)", text
        )
        if mark:
            named[mark[1].lower()] = frozenset([choice])
    return named if len(named) == len(choices) else {}


def _together(text: str) -> str:
    """A text in lower case without blanks: "Not mentioned" may be the label ``NotMentioned``."""
    return "".join(text.lower().split())


def _is_subject(rest: str) -> bool:
    """Whether a choice before this only opens a sentence: "Ham, by contrast, comes …"."""
    inserted = _INSERTED.match(rest)
    said = split(inserted[0]) if inserted else []
    opens = has(said[:1], "circumstance") or has(said, "spares")
    return opens or has(split(rest)[:1], "clause")


def _goes_on(start: str, rest: str) -> bool:
    """Whether what follows an answer opens a reason or an aside."""
    after = split(rest)[:1]
    if after == ["by"]:  # "refuted by the evidence", unlike "music by Mozart"
        return lowered(start.rstrip()).endswith("ed")
    reasons = words("because", "aside") - (set() if rest[:1] == "," else {"car"})
    return not reasons.isdisjoint(after)
