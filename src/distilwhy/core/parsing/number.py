"""The number or the expression that a sentence states, read without guessing."""

import re

from distilwhy.core.parsing.answer import CURRENCY, Unnamed, Unreadable
from distilwhy.core.parsing.cues import listed, phrases, split, words
from distilwhy.core.parsing.expression import (
    NUMERAL,
    Equation,
    EquationError,
    Number,
    parse_leading_equation,
    render_equation,
    render_number,
)

_SIGNS = str.maketrans("≈≅", "==", CURRENCY)
_OPERATORS = {"minus": "-", "plus": "+", "times": "*", "divided by": "/", "multiplied by": "*"}
_OPERATOR = re.compile(rf"(?<=\d) ({'|'.join(_OPERATORS)}) (?=[\d(])", re.I)
_VULGAR = {"¼": " 1/4", "½": " 1/2", "¾": " 3/4", "⅓": " 1/3", "⅔": " 2/3"}
_UNIT = r"[^\W\d_]{3,}(?: [^\W\d_]{3,})?"
# Ways to write a number or an operator, and the plain way.
_PLAIN = (
    (re.compile(r"\b[A-Z]{1,3}(?=[$€£¥₹]\s*[\d.])"), ""),  # US$5
    (re.compile(r"(?<![\d.,(])(\d+),(\d\d?)(?![\d,]|\.\d)"), r"\1.\2"),  # 2,5
    (re.compile(r"(?<=\d)[ \u202f](?=\d{3}(?!\d))(?!\d+ ?/)"), ""),  # 2 500
    (re.compile(r"(?<=[\d)])(?!(?<=(?<![\d.,])0)[xX])\s*[xX]\s*(?=[\d(.])"), " * "),  # not 0x1F
    (
        re.compile(r"\b((?:[cmk]?m|in|ft|yd|mi|feet|\w*met\w+|units?) ?)(?:[²³]|\^\{?[23]\}?)"),
        r"\1",
    ),
)
_WORD = re.compile(r"\b[a-z]{3,}(?:-[a-z]{3,})?\b", re.I)
_BOTH = re.compile(r"(negative |minus )?(\d+) \((-?)(\d+)\)", re.I)  # seven (7)
_MINUS = re.compile(r"(?<![\w-])(?<!\d\s)(?:minus|negative)\s+(?=[\d.])", re.I)
_MIXED = re.compile(r"(?<![\w./,*+-])(\d+)\s+(\d+)\s*/\s*(\d+)(?![\d/.])")
_SENTENCE = re.compile(r"\D*\d.*?(?:[.!?](?=\s|$|[^\x00-\x7f])(?!\s*=)|;|$)")
_REASON = re.compile(
    r"(?<=.)\b(?:because|since|as|given)\b"
    r"|(?<=\d)[^\d]{0,20}?,? (?:not|rather than|instead of) [-$]?\d", re.I,
)  # fmt: skip
_START = re.compile(rf"(?<![A-Za-z0-9_.,])(?:^\s*[-−–]\s?|[-−–])?[(\[]*(?:[-−–]\s?)?(?:{NUMERAL})")
_RANGE = re.compile(r"\d\s*[–—~]\s*\d|\d-\d|[a-z]\s+[-−–]\s+[(\[]*[\d.]|[<>≤≥]|\bup to\b", re.I)
_SEVERAL = re.compile(r"(?:^|=)[^=\d]*+\d[^=]*?(?:,(?!\d)|;|\band\b)[^=]*=", re.I)
_UNKNOWN = re.compile(r"(?<![A-Za-z])(?!(?<=\d )[gLlmshVWJ]|(?<=/)[hs])[b-zB-Z](?![A-Za-z])")
_SCALED_PRICE = re.compile(rf"[{CURRENCY}]\s*[\d.,]+\s*[kmbt]\b(?!\s*\$)", re.I)  # $5 m
_UNIT_BESIDE = re.compile(rf"(?<=\d) (?P<unit>{_UNIT})(?=\s*(?:[-+*/=]|$))", re.I)
_SQUARED_UNIT = re.compile(r"\d ([^\W\d_]+) ?\* ?[\d.]+ \1\b")
_ORNAMENT = r"(?:q?quad|underline|color|therefore|implies|[rR]ightarrow|degree|checkmark|l?dots)\b"
# What stands before a number and makes it another: √5, |-5|, log 5, f(5), the square of 5.
_FUNCTION = re.compile(
    rf"(?:[√∛∜±∓≠|^]|[\w)]\s*[*/+]|\\(?!{_ORNAMENT})[a-z][\w^{{}}]*+|\b[a-z](?=\()"
    r"|\b(?:log|ln|lg|exp|sqrt|abs|sin|cos|tan)(?:[\d_^]\w*)?)[\s({\[]*$", re.I,
)  # fmt: skip
# What follows a number and is more of it: an operator, a power, another number, a scale.
_MORE = re.compile(
    r"[\d¼-¾⅐-⅞]|\s[-+*/]\s|[-+*/(=]\s*$|^\s*[²³⁰-⁹^+*!₀-₉]|^\s*-(?:\s*\(|\s+\w)|^-\w\b|^\s*/\s*(?:\(|\w\b)"
    rf"|^\W*[πϖ∞√]|^\s*\\(?!{_ORNAMENT})[a-z]|^-(?:something|odd)\b|\bbelow zero\b", re.I,
)  # fmt: skip
_SCALE = re.compile(
    r"(?:[abeijkmnoqruxyz]|bn|mn)\b|\s+(?:[KMBTkxyzni]|MM|bn|mn|mln|mio|mil|bln)\b"
    r"|\W*and\W+(?:an?\W+)?(?:hundred|thousand|million|half|quarter|third)\b|\W*half\b"
)
_PERCENT = re.compile(r"\s*(?:%|per ?cent\b)", re.I)
_BULLET = re.compile(r"(?:[-*•]|\d+[.)])\s|\d+ ?[^\W\d_]+ ?:")
_ADVERB = re.compile(r"\A\s*(?:therefore|thus|then|hence|indeed|\w+ly)[,:]?\s+", re.I)
_LINE = re.compile(r"(?:[^\W\d_][\w ]{0,30}=\s*)?[=$€£¥₹\s]*[-−–(\[]*[\d.]")


def read_number(text: str) -> str:
    """The number of ``$1,234.50``, ``42 apples``, ``minus 42``, ``1 1/2`` or ``6 * 7 = 42``.

    Raises:
        Unreadable: if there is none, or several, or it is denied, only a bound, or only part of
            what is stated, as in ``√42`` or ``42 squared``.
    """
    plain = _MINUS.sub("-", _plain(text))
    plain = re.sub(r"\s*([¼½¾⅓⅔])", lambda found: _VULGAR[found[1]], plain)
    *before, last = _MIXED.sub(r"(\1+\2/\3)", plain).split("=")
    if any(_UNKNOWN.search(side) and re.search(r"[\d+*/^²³√|-]", side) for side in before):
        raise Unreadable(f"the answer is not solved: {text[:60]!r}")
    start = _START.search(last)
    if start is None:
        raise Unnamed(f"the answer is no number: {text[:60]!r}")
    head = last[: start.start()]
    said = re.findall(r"(?<!-)\b[^\W\d_']+(?:'t)?\b|[<>≤≥]", "=".join([*before, head]).lower())
    if not words("indefinite", "not").isdisjoint(said) or _RANGE.search(last):
        raise Unreadable(f"the answer is no definite number: {text[:60]!r}")
    if _FUNCTION.search(head):
        raise Unreadable(f"only part of the answer can be read: {text[:60]!r}")
    try:
        value = _leading(last[start.start() :].strip()).value
    except EquationError as error:
        raise Unreadable(f"the answer is no number: {error}") from None
    return render_number(value)


def read_equation(text: str) -> str:
    """The equation of ``84 / 2``, ``84 / 2 = 42``, ``x = 84 / 2`` or ``84 points / 2 rounds``.

    Raises:
        Unreadable: if there is none, or only part of it can be read.
    """
    plain = _plain(_ADVERB.sub("", text))
    if not _SQUARED_UNIT.search(plain):
        plain = _UNIT_BESIDE.sub(_unit, plain)
    found = [side for part in plain.split("=") if (side := _side(part.strip()))]
    worked = [equation for equation in found if not isinstance(equation, Number)]
    if not found:
        raise Unnamed(f"the answer is no equation: {text[:60]!r}")
    if len({equation.value for equation in worked}) > 1:
        raise Unreadable(f"the answer has several equations: {text[:60]!r}")
    return render_equation((worked or found)[0])


def is_bare(line: str, kind: str) -> bool:
    """Whether a line such as ``54 - 13 = 41`` or ``41 apples`` has at most a unit beside it."""
    most = 12 if kind == "equation" else 4
    few = len(line.rpartition("=")[2].split()) <= most and len(line.split()) <= 12
    plain = words("is", "verb", "wrong").isdisjoint(split(line))
    return few and plain and bool(_LINE.match(line)) and not _BULLET.match(line)


def _unit(found: re.Match[str]) -> str:
    changed = words("changes", "worked")
    return found[0] if found["unit"].split()[0].lower() in changed else ""


def _figure(word: re.Match[str]) -> str:
    """``42`` of ``forty-two``; "one" may be any thing, as in "one of them"."""
    small, tens, said = listed("small"), listed("tens"), word[0].lower().split("-")
    values = [
        small.index(w) if w in small else tens.index(w) * 10 + 20 if w in tens else None
        for w in said
    ]
    follows = word.string[word.end() :].split(maxsplit=1)[:1]
    if None in values or follows in (["of"], ["that"]):
        return word[0]
    return str(sum(filter(None, values)))


def _plain(text: str) -> str:
    """The first sentence with a digit, without reasons and currency; ``*`` for a times cross."""
    if _SCALED_PRICE.search(text):
        raise Unreadable(f"only part of the answer can be read: {text[:60]!r}")
    plain = text
    for pattern, written in _PLAIN:
        plain = pattern.sub(written, plain)
    plain = _WORD.sub(_figure, plain.translate(_SIGNS).replace("\\approx", "="))
    plain = _OPERATOR.sub(lambda word: f" {_OPERATORS[word[1].lower()]} ", plain)
    spelt = _BOTH.search(plain)
    if spelt and (spelt[2] != spelt[4] or bool(spelt[1]) != bool(spelt[3])):
        raise Unreadable(f"the answer is two numbers: {text[:60]!r}")
    plain = _BOTH.sub(r"\3\4", plain)
    sentence = _SENTENCE.match(plain)
    plain = sentence[0] if sentence else plain
    reason = _REASON.search(plain)
    plain = plain[: reason.start()] if reason else plain
    if _SEVERAL.search(plain):
        raise Unreadable(f"the answer has several equations: {text[:60]!r}")
    return plain.strip("{} ").rstrip(".!?; ")


def _side(text: str) -> Equation | None:
    """One side of an equals sign; None where it is a name, such as ``x`` or ``total cost``."""
    try:
        return _leading(text)
    except EquationError:
        if re.search(r"\d|[+*]|\s[-/]\s", text):
            raise Unreadable(f"the answer is no equation: {text[:60]!r}") from None
        return None


def _leading(text: str) -> Equation:
    """The equation that ``text`` opens with, if only a unit or a remark follows."""
    equation, rest = parse_leading_equation(text.rstrip(".; "))
    percent = bool(_PERCENT.match(rest)) and not isinstance(equation, Number)
    said = re.findall(r"\b[a-z]+\b", rest.lower())
    changed = not (words("changes").isdisjoint(said[:1]) and words("worked").isdisjoint(said))
    changed = changed or (not rest.isascii() and phrases("denies").search(rest) is not None)
    if percent or changed or _MORE.search(rest) or _SCALE.match(rest):
        raise Unreadable(f"only part of the answer can be read: {text[:60]!r}")
    return equation
