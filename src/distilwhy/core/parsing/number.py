"""The number or the equation that a sentence states, read without guessing."""

import re

from distilwhy.core.parsing.answer import CURRENCY, Unreadable
from distilwhy.core.parsing.expression import (
    NUMERAL,
    Equation,
    EquationError,
    Number,
    parse_leading_equation,
    render_number,
)

_SIGNS = str.maketrans("≈≅", "==", CURRENCY)
_ISSUER = re.compile(rf"\b[A-Z]{{1,3}}(?=[{CURRENCY}]\s*[\d.])")  # US$5
_SCALED_PRICE = re.compile(rf"[{CURRENCY}]\s*[\d.,]+\s*[kmbt]\b(?!\s*\$)", re.I)  # $5 m
_TIMES = re.compile(r"(?<=[\d)])(?!(?<=(?<![\d.,])0)[xX])\s*[xX]\s*(?=[\d(.])")  # not 0x1F
_MINUS = re.compile(r"(?<![\w-])(?<!\d\s)(?:minus|negative)\s+(?=[\d.])", re.I)
_NEGATIVE = re.compile(r"(?<![\w-])negative\b", re.I)
_BECAUSE = re.compile(r"\b(?:because|since|as|given)\b", re.I)
_SENTENCE = re.compile(r"\D*\d.*?(?:[.!?](?=\s|$)(?!\s*=)|;|$)")
_START = re.compile(rf"(?<![\w.,])(?:^\s*[-−–]\s?|[-−–])?[(\[]*(?:[-−–]\s?)?(?:{NUMERAL})")
_RANGE = re.compile(r"\d\s*[–—]\s*\d|\d-\d|[a-z]\s+[-−–]\s+[(\[]*[\d.]", re.I)
_SEVERAL = re.compile(r"(?:^|=)[^=\d]*+\d[^=]*?(?:,(?!\d)|;|\band\b)[^=]*=", re.I)
_WORDS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|half|third|quarter|twice|double"
)
_HEDGE = re.compile(
    r"\b(?:not|no|neither|nor|never|cannot|unknown|unclear|minus|less|more|fewer|greater|at least"
    rf"|at most|under|over|above|below|between|either|up to|from)\b|n['’]t\b|[<>≤≥]"
    rf"|\b(?<!-)(?:{_WORDS})\b",
    re.I,
)
_ORNAMENT = r"(?:q?quad|underline|color|therefore|implies|[rR]ightarrow|degree|checkmark|l?dots)\b"
# What stands before a number and makes it another: √5, |-5|, log 5, f(5), the square of 5.
_FUNCTION = re.compile(
    rf"(?:[√∛∜±∓≠|^]|[\w)]\s*[*/+]|\\(?!{_ORNAMENT})[a-z][\w^{{}}]*+|\b[a-z](?=\()"
    r"|\b(?:square|cube|root|reciprocal|inverse|opposite|absolute\s+value)\s+of"
    r"|\b(?:hundred|thousand|[mbtr]+illion|dozen)(?:\s+and)?"
    r"|\b(?:log|ln|lg|exp|sqrt|abs|sin|cos|tan)(?:[\d_^]\w*)?)[\s({\[]*$",
    re.I,
)
_PART = r"third|quarter|fourth|fifth|sixth|seventh|eighth|ninth|tenth|hundredth|thousandth"
_UNKNOWN = re.compile(r"(?<![A-Za-z])[b-zB-Z](?![A-Za-z])")
_MORE = re.compile(
    r"[\d¼-¾⅐-⅞]|\bor\b|\s[-+*/]\s|[-+*/(=]\s*$"
    r"|^\s*(?:[²³⁰-⁹^]|[+*]\s*[\w(]|-\s*\(|-\s+\w|-\w\b|/\s*\(|/\s*\w\b)"
    r"|^\W*(?:and\W+)?(?:an?\W+)?(?:hundred|thousand|[mbtr]+illion|lakh|crore|dozen)"
    rf"|\band\W+(?:an?\W+)?(?:{_WORDS})\b",
    re.I,
)
# What follows a number and makes it another: 5a, 5π, $5 M, 5 squared, 3 tenths, 5 below zero.
_CHANGED = re.compile(
    r"^(?:[abeijkmnoqruxyz]|bn|mn)\b|^[!₀-₉]|^\W*(?:[πϖ∞√]|(?:pi|sin|cos|ln|sqrt)\b)"
    r"|^\s+(?:(?-i:[KMBTk]|MM|[xyzni])|bn|mn|mln|mio|mil|bln)\b"
    rf"|^\s*\\(?!{_ORNAMENT})[a-z]"
    r"|^\W*(?:squared|cubed|factorial|repeating|recurring|plus|grand|gross)\b|^-(?:something|odd)\b"
    rf"|^\W*(?:halves|(?:{_PART})s)\b|^\W*(?:half|{_PART})\W*(?:of\b|$)"
    r"|\bbelow zero\b|\bat (?:the )?(?:most|least|maximum|minimum)\b",
    re.I,
)


def read_number(text: str) -> str:
    """The number of ``$1,234.50``, ``42 apples``, ``minus 42`` or ``6 * 7 = 42``, canonical.

    Raises:
        Unreadable: if there is none, or several, or it is denied, only a bound, or only part of
            what is stated, as in ``√42`` or ``42 squared``.
    """
    plain = _MINUS.sub("-", _plain(text))
    *before, last = plain.split("=")
    if any(_UNKNOWN.search(side) and re.search(r"[\d+*/^²³√|-]", side) for side in before):
        raise Unreadable(f"the answer is not solved: {text[:60]!r}")
    start = _START.search(last)
    if start is None:
        raise Unreadable(f"the answer is no number: {text[:60]!r}")
    head = last[: start.start()]
    if _HEDGE.search("=".join([*before, head])):
        raise Unreadable(f"the answer is no definite number: {text[:60]!r}")
    if _FUNCTION.search(head):
        raise Unreadable(f"only part of the answer can be read: {text[:60]!r}")
    if _RANGE.search(last):
        raise Unreadable(f"the answer is a range or a difference: {text[:60]!r}")
    try:
        value = _leading(last[start.start() :].strip()).value
    except EquationError as error:
        raise Unreadable(f"the answer is no number: {error}") from None
    if value > 0 and _NEGATIVE.search(head):
        raise Unreadable(f"the sign of the answer is not clear: {text[:60]!r}")
    return render_number(value)


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
    if _SCALED_PRICE.search(text):
        raise Unreadable(f"only part of the answer can be read: {text[:60]!r}")
    plain = _ISSUER.sub("", text).translate(_SIGNS).replace("\\approx", "=")
    plain = _TIMES.sub(" * ", plain)
    sentence = _SENTENCE.match(plain)
    plain = sentence[0] if sentence else plain
    reason = _BECAUSE.search(plain, 1)
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
    percent = rest.lstrip().startswith("%") and not isinstance(equation, Number)
    if percent or _MORE.search(rest) or _CHANGED.search(rest):
        raise Unreadable(f"only part of the answer can be read: {text[:60]!r}")
    return equation
