"""The number or the expression that a text states, read without guessing.

Numbers and operators are first written in the plain way. Beside the number that is then read only a
unit or a remark may stand: what else stands there would make it another number.
"""

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

_OPERATORS = {"minus": "-", "plus": "+", "times": "*", "divided by": "/", "multiplied by": "*"}
_VULGAR = {"¼": " 1/4", "½": " 1/2", "¾": " 3/4", "⅓": " 1/3", "⅔": " 2/3"}


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


_PLAIN = (
    (rf"\b[A-Z]{{1,3}}(?=[{CURRENCY}]\s*[\d.])", ""),  # US$5
    (rf"([{CURRENCY}]\s*[\d.,]+)\s*[kmbtKMBT]\b(?!\s*\$)", r"\1 million"),  # $5 m
    (r"(?<![\d.,(])(\d+),(\d\d?)(?![\d,]|\.\d)", r"\1.\2"),  # 2,5
    (r"(?<=\d)[ \u202f](?=\d{3}(?!\d))(?!\d+ ?/)", ""),  # 2 500
    (r"(?<=[\d)])(?!(?<=(?<![\d.,])0)[xX])\s*[xX]\s*(?=[\d(.])", " * "),  # not 0x1F
    (r"\b((?:[cmk]?m|in|ft|yd|mi|feet|\w*met\w+|units?) ?)(?:[²³]|\^\{?[23]\}?)", r"\1"),
    (r"[≈≅]|\\approx", "="),
    (f"[{CURRENCY}]", ""),
    (r"\b[A-Za-z]{3,}(?:-[A-Za-z]{3,})?\b", _figure),
    (
        rf"(?i)(?<=\d) ({'|'.join(_OPERATORS)}) (?=[\d(])",
        lambda word: f" {_OPERATORS[word[1].lower()]} ",
    ),
    (r"(?i)\b(?:negative|minus) (\d+) \(-\1\)", r"-\1"),
    (r"(?i)(?<!minus )(?<!negative )\b(\d+) \(\1\)", r"\1"),  # seven (7)
    (r"(?i)(?<![\w-])(?<!\d\s)(?:minus|negative)\s+(?=[\d.])", "-"),
    (r"\s*([¼½¾⅓⅔])", lambda found: _VULGAR[found[1]]),
    (r"(?<![\w./,*+-])(\d+)\s+(\d+)\s*/\s*(\d+)(?![\d/]|\.\d)", r"(\1+\2/\3)"),  # 1 1/2
)
_SENTENCE = re.compile(r"\D*\d.*?(?:[.!?](?=\s|$|[^\x00-\x7f])(?!\s*=)|;|$)")
_REASON = re.compile(
    r"(?<=.)\b(?:because|since|as|given)\b"
    r"|(?<=\d)[^\d]{0,20}?,? (?:not|rather than|instead of) [-$]?\d", re.I,
)  # fmt: skip
_SEVERAL = re.compile(r"(?:^|=)[^=\d]*+\d[^=]*?(?:,(?!\d)|;|\band\b)[^=]*=", re.I)
_START = re.compile(rf"(?<![A-Za-z0-9_.,])(?:^\s*[-−–]\s?|[-−–])?[(\[]*(?:[-−–]\s?)?(?:{NUMERAL})")
_RANGE = re.compile(r"\d\s*[–—~]\s*\d|\d-\d|[a-z]\s+[-−–]\s+[(\[]*[\d.]|[<>≤≥]|\bup to\b", re.I)
_UNKNOWN = re.compile(r"(?<![A-Za-z])(?!(?<=\d )[gLlmshVWJ]|(?<=/)[hs])[b-zB-Z](?![A-Za-z])")
_NAME = re.compile(r"\s*[^\W\d_][\w ]*")
_UNIT = re.compile(r"(?<=\d) ([^\W\d_]{3,})(?: [^\W\d_]{3,})?(?=\s*(?:[-+*/=]|$))")
_SQUARED_UNIT = re.compile(r"\d ([^\W\d_]+) ?\* ?[\d.]+ \1\b")
_ORNAMENT = r"(?:q?quad|underline|color|therefore|implies|[rR]ightarrow|degree|checkmark|l?dots)\b"
# What stands before a number and makes it another: √5, |-5|, log 5, f(5), the square of 5.
_FUNCTION = re.compile(
    rf"(?:[√∛∜±∓≠|^]|[\w)]\s*[*/+]|\\(?!{_ORNAMENT})[a-z][\w^{{}}]*+|\b[a-z](?=\()"
    r"|\b(?:log|ln|lg|exp|sqrt|abs|sin|cos|tan)(?:[\d_^]\w*)?)[\s({\[]*$", re.I,
)  # fmt: skip
# What follows a number and is more of it: an operator, a power, another number, a scale.
_MORE = re.compile(
    r"(?i)[\d¼-¾⅐-⅞]|\s[-+*/]\s|[-+*/(=]\s*$|^\s*[²³⁰-⁹^+*!₀-₉]|^\s*-(?:\s*\(|\s+\w)|^-\w\b|^\s*/\s*"
    rf"(?:\(|\w\b)|^\W*(?:[πϖ∞√]|and a third)|^\s*\\(?!{_ORNAMENT})[a-z]|^-(?:something|odd)\b"
)
_SCALE = re.compile(r"[abeijkmnoqruxyz]\b|\s+(?:[KMBTkxyzni]|MM)\b")
_NEXT_WORD = re.compile(r"\W*(?:and\W+(?:an?\W+)?)?([a-z]+)\b", re.I)
_PERCENT = re.compile(r"\s*(?:%|per ?cent\b)", re.I)
_BULLET = re.compile(r"(?:[-*•]|\d+[.)])\s|\d+ ?[^\W\d_]+ ?:")
_ADVERB = re.compile(r"\A\s*(?:therefore|thus|then|hence|indeed|\w+ly)[,:]?\s+", re.I)
_LINE = re.compile(r"(?:[^\W\d_][^\d=]{0,30}=\s*)*[=$€£¥₹\s]*[-−–(\[]*[\d.]")


def read_number(text: str) -> str:
    """The number of ``$1,234.50``, ``42 apples``, ``minus 42``, ``1 1/2`` or ``6 * 7 = 42``.

    Raises:
        Unreadable: if there is none, or several, or it is denied, only a bound, or only part of
            what is stated, as in ``√42`` or ``42 squared``.
    """
    *before, last = _sides(text)
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
        return render_number(_leading(last[start.start() :].strip()).value)
    except EquationError as error:
        raise Unreadable(f"the answer is no number: {error}") from None


def read_equation(text: str) -> str:
    """The equation of ``84 / 2``, ``84 / 2 = 42``, ``x = 84 / 2`` or ``84 points / 2 rounds``.

    Raises:
        Unreadable: if there is none, or only part of it can be read.
    """
    found = [side for part in _sides(_ADVERB.sub("", text)) if (side := _side(part))]
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


def _sides(text: str) -> list[str]:
    """What stands on each side of the equals signs of the first sentence with a digit, without
    reasons; of ``v = s / t = 180 / 2``, where a name is given a value, no formula without figures.
    """
    for pattern, plain in _PLAIN:
        text = re.sub(pattern, plain, text)
    sentence = _SENTENCE.match(text)
    text = sentence[0] if sentence else text
    text = _REASON.split(text, maxsplit=1)[0]
    if _SEVERAL.search(text):
        raise Unreadable(f"the answer has several equations: {text[:60]!r}")
    first, *others = text.strip("{} ").rstrip(".!?; ").split("=")
    defines = _NAME.fullmatch(first)
    return [first, *(side for side in others if not defines or re.search(r"\d", side))]


def _side(text: str) -> Equation | None:
    """One side of an equals sign; None where it is a name, such as ``x`` or ``total cost``."""
    if not _SQUARED_UNIT.search(text):
        text = _UNIT.sub(_without_unit, text)
    try:
        return _leading(text.strip())
    except EquationError:
        if re.search(r"\d|[+*]|\s[-/]\s", text):
            raise Unreadable(f"the answer is no equation: {text[:60]!r}") from None
        return None


def _without_unit(found: re.Match[str]) -> str:
    changed = words("changes", "worked")
    return found[0] if found[1].lower() in changed else ""


def _leading(text: str) -> Equation:
    """The equation that ``text`` opens with, if only a unit or a remark follows."""
    equation, rest = parse_leading_equation(text.rstrip(".; "))
    percent = _PERCENT.match(rest) and not isinstance(equation, Number)
    following = _NEXT_WORD.match(rest.lower())
    changed = following and following[1] in words("changes")
    worked = not words("worked").isdisjoint(split(rest)) or phrases("denies").search(rest)
    if percent or changed or worked or _MORE.search(rest) or _SCALE.match(rest):
        raise Unreadable(f"only part of the answer can be read: {text[:60]!r}")
    return equation
