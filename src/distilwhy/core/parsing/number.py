"""The number or the expression that a sentence states, read without guessing."""

import re

from distilwhy.core.parsing.answer import CURRENCY, Unnamed, Unreadable
from distilwhy.core.parsing.cues import words
from distilwhy.core.parsing.expression import (
    NUMERAL,
    Equation,
    EquationError,
    Number,
    parse_leading_equation,
    render_equation,
    render_number,
)

_UNITS = (
    "zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen"
    "|sixteen|seventeen|eighteen|nineteen"
)
_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_VALUES = {name: value for value, name in enumerate(_UNITS.split("|"))}
_VALUES |= {name: 10 * value for value, name in enumerate(_TENS.split("|"), 2)}
# "one" may be any thing, as in "one of them".
_WORD = re.compile(rf"\b({_UNITS}|{_TENS})(?:-({_UNITS}))?\b(?! (?:of|that)\b)", re.I)
_BOTH = re.compile(r"(negative |minus )?(\d+) \((-?)(\d+)\)", re.I)  # seven (7)
_OPERATORS = {"minus": "-", "plus": "+", "times": "*", "divided by": "/", "multiplied by": "*"}
_OPERATOR = re.compile(rf"(?<=\d) ({'|'.join(_OPERATORS)}) (?=[\d(])", re.I)
_PARTS = "third|quarter|fourth|fifth|sixth|seventh|eighth|ninth|tenth|hundredth|thousandth"
_SCALES = "hundred|thousand|million|billion|trillion|dozen|lakh|crore"
# Before a number: it is no definite one, or a difference.
_HEDGES = words(
    "not no neither nor never cannot unknown unclear minus less more fewer greater under over "
    "above "
    "below between either from decrease loss drop reduction decline half third quarter twice double"
)
_HEDGE_PHRASE = re.compile(r"n['’]t\b|[<>≤≥]|\bat (?:least|most)\b|\bup to\b", re.I)
# After a number: it is another one. The latter change it wherever they stand.
_CHANGES = words(
    "squared cubed factorial repeating recurring times grand gross halves pi sin cos ln sqrt am pm "
    "thirds quarters fourths fifths sixths sevenths eighths ninths tenths hundredths thousandths"
)
_WORKED = words("plus minus divided multiplied doubled tripled halved quadrupled")
_SYMBOLS = set("abeijkmnoqruxyz") | {"bn", "mn"}
_SCALE_SIGN = re.compile(r"\s+(?:[KMBTk]|MM|[xyzni]|bn|mn|mln|mio|mil|bln)\b")

_PLAIN_SIGNS = str.maketrans("≈≅", "==", CURRENCY)
_ISSUER = re.compile(rf"\b[A-Z]{{1,3}}(?=[{CURRENCY}]\s*[\d.])")  # US$5
_SPACED = re.compile(r"(?<=\d)[ \u202f](?=\d{3}(?!\d))(?!\d+ ?/)")  # 2 500
_SCALED_PRICE = re.compile(rf"[{CURRENCY}]\s*[\d.,]+\s*[kmbt]\b(?!\s*\$)", re.I)  # $5 m
_TIMES = re.compile(r"(?<=[\d)])(?!(?<=(?<![\d.,])0)[xX])\s*[xX]\s*(?=[\d(.])")  # not 0x1F
_MINUS = re.compile(r"(?<![\w-])(?<!\d\s)(?:minus|negative)\s+(?=[\d.])", re.I)
_NEGATIVE = re.compile(r"(?<![\w-])negative\b", re.I)
_BECAUSE = re.compile(r"\b(?:because|since|as|given)\b", re.I)
_RATHER = re.compile(r"(?<=\d)[^\d]{0,20}?,? (?:not|rather than|instead of) [-$]?\d", re.I)
_VULGAR = {"¼": " 1/4", "½": " 1/2", "¾": " 3/4", "⅓": " 1/3", "⅔": " 2/3"}
_MIXED = re.compile(r"(?<![\w./,*+-])(\d+)\s+(\d+)\s*/\s*(\d+)(?![\d/.])")
_UNIT_POWER = re.compile(
    r"\b((?:[cmk]?m|in|ft|yd|mi|inch(?:es)?|feet|met(?:er|re)s?|units?) ?)(?:[²³]"
    r"|\^\{?[23]\}?)(?!\w)"
)
_UNIT = r"[^\W\d_]{3,}(?: [^\W\d_]{3,})?"
_NOT_UNITS = "|".join([*_CHANGES, *_WORKED])
_UNIT_BESIDE = re.compile(rf"(?<=\d) (?!{_NOT_UNITS})(?P<unit>{_UNIT})(?=\s*(?:[-+*/=]|$))", re.I)
_SQUARED_UNIT = re.compile(r"\d ([^\W\d_]+) ?\* ?[\d.]+ \1\b")
_SENTENCE = re.compile(r"\D*\d.*?(?:[.!?](?=\s|$|[^\x00-\x7f])(?!\s*=)|;|$)")
_OF = r"\b(?:square|cube|root|reciprocal|inverse|opposite|absolute\s+value)\s+of"
_START = re.compile(rf"(?<![A-Za-z0-9_.,])(?:^\s*[-−–]\s?|[-−–])?[(\[]*(?:[-−–]\s?)?(?:{NUMERAL})")
_RANGE = re.compile(r"\d\s*[–—~]\s*\d|\d-\d|[a-z]\s+[-−–]\s+[(\[]*[\d.]", re.I)
_SEVERAL = re.compile(r"(?:^|=)[^=\d]*+\d[^=]*?(?:,(?!\d)|;|\band\b)[^=]*=", re.I)
_UNKNOWN = re.compile(r"(?<![A-Za-z])[b-zB-Z](?![A-Za-z])")
_ORNAMENT = r"(?:q?quad|underline|color|therefore|implies|[rR]ightarrow|degree|checkmark|l?dots)\b"
_NAMED = r"\b(?:log|ln|lg|exp|sqrt|abs|sin|cos|tan)(?:[\d_^]\w*)?"
# What stands before a number and makes it another: √5, |-5|, log 5, f(5), the square of 5.
_FUNCTION = re.compile(
    rf"(?:[√∛∜±∓≠|^]|[\w)]\s*[*/+]|\\(?!{_ORNAMENT})[a-z][\w^{{}}]*+|\b[a-z](?=\()|{_OF}"
    rf"|\b(?:{_SCALES})(?:\s+and)?|{_NAMED})[\s({{\[]*$", re.I,
)  # fmt: skip
# What follows a number and is more of it: an operator, a power, another number, a scale.
_MORE = re.compile(
    r"[\d¼-¾⅐-⅞]|\bor\b|\s[-+*/]\s|[-+*/(=]\s*$|^\s*[²³⁰-⁹^+*!₀-₉]\s*|^\s*-\s*\(|^\s*-\s+\w|^-\w\b"
    r"|^\s*/\s*\("
    rf"|\btimes \w|^\s*/\s*\w\b|^\W*[πϖ∞√]|^\s*\\(?!{_ORNAMENT})[a-z]|^-(?:something|odd)\b",
    re.I,
)
_SCALED = re.compile(rf"^\W*(?:and\W+)?(?:an?\W+)?(?:{_SCALES})", re.I)
_AND_MORE = re.compile(r"\band\W+(?:an?\W+)?(?:half|quarter|third)\b", re.I)
_PART_OF = re.compile(rf"^\W*(?:half|{_PARTS})\W*(?:of\b|$)", re.I)
_BOUND = re.compile(r"\bbelow zero\b|\bat (?:the )?(?:most|least|maximum|minimum)\b", re.I)
_LINE = re.compile(r"(?:[^\W\d_][\w ]{0,30}=\s*)?[=$€£¥₹\s]*[-−–(\[]*[\d.]")
_BULLET = re.compile(r"(?:[-*•]|\d+[.)])\s")


def read_number(text: str) -> str:
    """The number of ``$1,234.50``, ``42 apples``, ``minus 42``, ``1 1/2`` or ``6 * 7 = 42``.

    Raises:
        Unreadable: if there is none, or several, or it is denied, only a bound, or only part of
            what is stated, as in ``√42`` or ``42 squared``.
    """
    plain = _MINUS.sub("-", _plain(text))
    plain = _MIXED.sub(r"(\1+\2/\3)", re.sub(r"\s*([¼½¾⅓⅔])", lambda m: _VULGAR[m[1]], plain))
    *before, last = plain.split("=")
    if any(_UNKNOWN.search(side) and re.search(r"[\d+*/^²³√|-]", side) for side in before):
        raise Unreadable(f"the answer is not solved: {text[:60]!r}")
    start = _START.search(last)
    if start is None:
        raise Unnamed(f"the answer is no number: {text[:60]!r}")
    head = last[: start.start()]
    _need_definite("=".join([*before, head]), text)
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
    """The equation of ``84 / 2``, ``84 / 2 = 42``, ``x = 84 / 2`` or ``84 points / 2 rounds``.

    Raises:
        Unreadable: if there is none, or only part of it can be read.
    """
    plain = _plain(text)
    if not _SQUARED_UNIT.search(plain):
        plain = _UNIT_BESIDE.sub("", plain)
    found = [side for part in plain.split("=") if (side := _side(part.strip()))]
    worked = [equation for equation in found if not isinstance(equation, Number)]
    if not found:
        raise Unnamed(f"the answer is no equation: {text[:60]!r}")
    if len({equation.value for equation in worked}) > 1:
        raise Unreadable(f"the answer has several equations: {text[:60]!r}")
    return (worked or found)[0]


def whole_number(line: str, kind: str) -> str | None:
    """What a line such as ``54 - 13 = 41`` or ``41 apples`` states, with at most a unit."""
    if not _LINE.match(line) or _BULLET.match(line) or len(line.split()) > 12:
        return None
    try:
        if kind == "equation":
            return render_equation(read_equation(line))
        few = len(line.rpartition("=")[2].split()) <= 4
        return read_number(line) if few else None
    except Unreadable:
        return None


def _figure(word: re.Match[str]) -> str:
    """``42`` of ``forty-two``."""
    return str(_VALUES[word[1].lower()] + _VALUES.get((word[2] or "").lower(), 0))


def _need_definite(head: str, text: str) -> None:
    said = re.findall(r"(?<!-)\b[a-z]+\b", head.lower())
    if not _HEDGES.isdisjoint(said) or _HEDGE_PHRASE.search(head):
        raise Unreadable(f"the answer is no definite number: {text[:60]!r}")


def _plain(text: str) -> str:
    """The first sentence with a digit, without reasons and currency; ``*`` for a times cross."""
    if _SCALED_PRICE.search(text):
        raise Unreadable(f"only part of the answer can be read: {text[:60]!r}")
    plain = _ISSUER.sub("", text).translate(_PLAIN_SIGNS).replace("\\approx", "=")
    plain = _WORD.sub(_figure, _SPACED.sub("", plain))
    plain = _OPERATOR.sub(lambda word: f" {_OPERATORS[word[1].lower()]} ", plain)
    spelt = _BOTH.search(plain)
    if spelt and (spelt[2] != spelt[4] or bool(spelt[1]) != bool(spelt[3])):
        raise Unreadable(f"the answer is two numbers: {text[:60]!r}")
    plain = _BOTH.sub(r"\3\4", plain)
    plain = _UNIT_POWER.sub(r"\1", _TIMES.sub(" * ", plain))
    sentence = _SENTENCE.match(plain)
    plain = sentence[0] if sentence else plain
    reason = _BECAUSE.search(plain, 1) or _RATHER.search(plain, 1)
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
    said = re.findall(r"\b[a-z]+\b", rest.lower())
    changed = not (_CHANGES.isdisjoint(said[:1]) and _WORKED.isdisjoint(said))
    changed |= re.split(r"\W", rest.lower(), maxsplit=1)[0] in _SYMBOLS
    partial = any(p.search(rest) for p in (_MORE, _SCALED, _AND_MORE, _PART_OF, _BOUND))
    if percent or changed or partial or _SCALE_SIGN.match(rest):
        raise Unreadable(f"only part of the answer can be read: {text[:60]!r}")
    return equation
