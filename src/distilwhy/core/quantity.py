"""The number or the equation that a sentence states, read without guessing."""

import re

from distilwhy.core.answer import CURRENCY, Unreadable
from distilwhy.core.equation import (
    NUMERAL,
    Equation,
    EquationError,
    Number,
    parse_leading_equation,
    render_number,
)

_SIGNS = str.maketrans("≈≅", "==", CURRENCY)
_TIMES = re.compile(r"(?<=[\d)])\s*[xX]\s*(?=[\d(.])")
_BECAUSE = re.compile(r"\b(?:because|since|as|given)\b", re.I)
_SENTENCE = re.compile(r"\D*\d.*?(?:[.!?](?=\s|$)|;|$)")
_START = re.compile(rf"(?<![\w.,])(?:^\s*[-−–]\s?|[-−–])?[(\[]*(?:[-−–]\s?)?(?:{NUMERAL})")
_RANGE = re.compile(r"\d\s*[–—]\s*\d|\d-\d")
_SEVERAL = re.compile(r"\d[^=]*(?:,(?!\d)|;|\band\b)[^=]*=", re.I)
_WORDS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|half|third|quarter|twice|double"
)
_HEDGE = re.compile(
    r"\b(?:not|no|neither|nor|never|cannot|unknown|unclear|less|more|fewer|greater|at least"
    rf"|at most|under|over|above|below|between|either|up to|from)\b|n['’]t\b|[<>≤≥]"
    rf"|\b(?<!-)(?:{_WORDS})\b",
    re.I,
)
_UNKNOWN = re.compile(r"(?<![A-Za-z])[b-zB-Z](?![A-Za-z])")
_MORE = re.compile(
    r"[\d¼-¾⅐-⅞]|\bor\b|\s[-+*/]\s|[-+*/(=]\s*$"
    r"|^\s*(?:[²³⁰-⁹^]|[+*]\s*[\w(]|-\s*\(|-\s+\w|-\w\b|/\s*\(|/\s*\w\b)"
    r"|^(?:[kmbxyzn]|bn|mn)\b"
    r"|^\W*(?:and\W+)?(?:an?\W+)?(?:hundred|thousand|[mbtr]+illion|lakh|crore|dozen)"
    rf"|\band\W+(?:an?\W+)?(?:{_WORDS})\b",
    re.I,
)


def read_number(text: str) -> str:
    """The number of ``$1,234.50``, ``42 apples``, ``about 42`` or ``6 * 7 = 42``, canonical.

    Raises:
        Unreadable: if there is none, or several, or it is denied or only a bound.
    """
    plain = _plain(text)
    *before, last = plain.split("=")
    if any(_UNKNOWN.search(side) and re.search(r"[\d+*/-]", side) for side in before):
        raise Unreadable(f"the answer is not solved: {text[:60]!r}")
    start = _START.search(last)
    if start is None:
        raise Unreadable(f"the answer is no number: {text[:60]!r}")
    if _HEDGE.search("=".join([*before, last[: start.start()]])):
        raise Unreadable(f"the answer is no definite number: {text[:60]!r}")
    if _RANGE.search(last):
        raise Unreadable(f"the answer is a range or a difference: {text[:60]!r}")
    try:
        return render_number(_leading(last[start.start() :].strip()).value)
    except EquationError as error:
        raise Unreadable(f"the answer is no number: {error}") from None


def read_equation(text: str) -> Equation:
    """The equation of ``84 / 2``, ``(84 / 2)``, ``84 / 2 = 42``, ``x = 84 / 2`` or ``$84 / 2``.

    Raises:
        Unreadable: if there is none, or only part of it can be read.
    """
    found = [side for part in _plain(text).split("=") if (side := _side(part.strip()))]
    worked = [equation for equation in found if not isinstance(equation, Number)]
    if not found:
        raise Unreadable(f"the answer is no equation: {text[:60]!r}")
    if len({equation.value for equation in worked}) > 1:
        raise Unreadable(f"the answer has several equations: {text[:60]!r}")
    return (worked or found)[0]


def _plain(text: str) -> str:
    """The first sentence with a digit, without reasons and currency; ``*`` for a times cross."""
    plain = _TIMES.sub(" * ", text.translate(_SIGNS).replace("\\approx", "="))
    sentence = _SENTENCE.match(plain)
    plain = sentence[0] if sentence else plain
    reason = _BECAUSE.search(plain, 1)
    plain = plain[: reason.start()] if reason else plain
    if _SEVERAL.search(plain):
        raise Unreadable(f"the answer has several equations: {text[:60]!r}")
    return plain.strip("{} ")


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
    equation, rest = parse_leading_equation(text.rstrip(".!?; "))
    percent = rest.lstrip().startswith("%") and not isinstance(equation, Number)
    if percent or _MORE.search(rest):
        raise Unreadable(f"only part of the answer can be read: {text[:60]!r}")
    return equation
