"""The number or the expression that a text states, read without guessing.

Numbers and operators are first written in the plain way. Beside the number that is then read only a
unit or a remark may stand: what else stands there would make it another number.
"""

import re
from unicodedata import normalize

from distilwhy.core.parsing.answer import CURRENCY, Unnamed, Unreadable
from distilwhy.core.parsing.clean import compiled
from distilwhy.core.parsing.cues import APART, has, phrases, split, words
from distilwhy.core.parsing.numbers.expression import (
    NUMERAL,
    Equation,
    EquationError,
    parse_leading_equation,
    render_number,
)

_OPERATORS = {"minus": "-", "plus": "+", "times": "*", "divided by": "/", "multiplied by": "*"}


_PLAIN = (
    (rf"\b[A-Z]{{1,3}}(?=[{CURRENCY}]\s*[\d.])", ""),  # US$5
    (rf"([{CURRENCY}]\s*[\d.,]+)\s*(?:[kmbtKMBT]|MM)\b(?!\s*\$)", r"\1 million"),  # $5 m
    (r"(?<![\d.,(])(\d+),(\d\d?)(?![\d,]|\.\d)", r"\1.\2"),  # 2,5
    (r"(?<=\d)[ \u202f](?=\d{3}(?!\d))(?!\d+ ?/)", ""),  # 2 500
    (r"(?<=[\d)])(?<!(?<![\d.,])0)\s*[xX]\s*(?=[\d(.])", " * "),  # not 0x1F
    (r"(?i)((?:\b(?:[a-z]{2,}|m)|/s) ?)(?:[²³]|\^\{?[23]\}?)", r"\1"),  # cm²
    (r"[≈≅]|\\approx", "="),
    (f"[{CURRENCY}]", ""),
    (r"(?<=[^\s*+/-]) ?[(（]=[^()（）]*[)）]", ""),  # 2200 m (= 2.2 km)
    (r"(?i)\bone\b(?! (?:of|that)\b)", "1"),  # it may be any thing, as in "one of them"
    (rf"(?i)(?<=\d) ({'|'.join(_OPERATORS)}) (?=[\d(])",
     lambda word: f" {_OPERATORS[word[1].lower()]} "),
    (r"(?i)(?<![\w-])(?:minus|negative)\s+(?=[\d.])", "-"),
    (r"(?<![-\d])(-?\d+) \(\1\)", r"\1"),  # seven (7)
    (r"(?i)^(?:a |one )?(?:half|quarter|third)\b[^\d()]{0,40} \((-?\d[\d.,]*)[^()=]*\)\W*$",
     r"\1"),  # half an ampere (0.5 A)
    (r"(?<=\d) [a-zA-Z]{1,3}[·⋅][a-zA-Z]{1,3}(?:/[a-zA-Z]+[²2]?)?(?!\w)", ""),  # 4.8 kg·m/s
    (r"\s*([¼-¾⅐-⅞])", lambda found: " " + normalize("NFKC", found[1])),
    (r"(?<![\w./,*+-])(\d+)\s+(\d+)\s*[/⁄]\s*(\d+)(?![\d/]|\.\d)", r"(\1+\2/\3)"),  # 1 1/2
)  # fmt: skip
_SENTENCE = re.compile(rf"\D*\d.*?(?:[.!?](?=\s|$|[^\x00-\x7f]|(?<=[{APART}].))(?!\s*=)|;|$)")
_REASON = (  # English words of [because] need no comma
    r"(?<=.)\b(?:because|since|as|given)\b|,\s@(?!\w)"
    r"|(?<=\d)[^\d]{0,20}?,? (?:not|rather than|instead of) [-$]?\d"
)
_SEVERAL = re.compile(r"(?:^|=)[^=\d]*+\d[^=]*?(?:,(?!\d)|;|\band\b)[^=]*=", re.I)
_START = re.compile(rf"(?<![A-Za-z0-9_.,])(?:[-−–]\s?)?[(\[]*(?:[-−–]\s?)?(?:{NUMERAL})")
RANGE = re.compile(
    r"\d\s*[–—~]\s*\d|\d-\d|[a-z]\s+[-−–]\s+[(\[]*[\d.]"
    r"|(?:不到|不足|超过|[少多大小]于|至少|最多|少なくとも|최소|최대|적어도)[^\d.]{0,6}\d"
    r"|\d[^\d.]{0,3}(?:以上|以下|以内|未満|이상|이하|미만|보다)", re.I,
)  # fmt: skip
UNKNOWN = re.compile(r"(?<![A-Za-z])(?!(?<=\d )[gLlmshVWJ]|(?<=/)[hs])[b-zB-Z](?![A-Za-z])")
_NAME = re.compile(r"\s*[^\W\d_][\w ]*")
_UNIT = re.compile(
    r"(?<=\d) ?((?:[kcmd]?[mgl]|[hs]|min)(?![a-z])|(?<= )[^\W\d_]{3,})(?: [^\W\d_]{3,})?"
    r"(?=\s*(?:[-+*=]|/(?!\s?[a-z])|$))"
)
# What stands before a number and makes it another: √5, |-5|, log_2 5, f(5), 3 + some.
_FUNCTION = re.compile(
    r"[√∛∜±∓≠|^\\_]|(?:[\w)](?:\s*[*/+]|\()|\b(?:log|ln|lg|exp|sqrt|abs|sin|cos|tan)\d*)[\s({\[]*$",
    re.I,
)
# What follows a number and is more of it: an operator, a power, another number, an unknown.
_MORE = re.compile(
    r"[\d_⁰-⁹²³₀-₉^*×÷·+!√πϖ∞\\<>≤≥]|\s[-/]\s|[-/(]\s*$|^\s*[-/]\s*(?:\(|\w\b)|^\W*(?i:and an?)\b"
    r"|\bi\.e\b|^-(?:odd|something)\b|^(?!\s+[aIm]\b|\s?[gLlshVWJNACF]\b)\s*[A-Za-z]\b"
)
_BULLET = re.compile(r"(?:[-*•]|\d+[.)])\s|\d+ ?[^\W\d_]+ ?:")
_ADVERB = re.compile(r"\A\s*(?:therefore|thus|then|hence|indeed|\w+ly)[,:]?\s+", re.I)
_DIVIDED = re.compile(  # by a colon
    r"(\([^()]*[-−–+*/×·][^()]*\)) ?: ?(?=[\d(])|(?<=\d)() ?: ?(?=\(\d)|(?<=\d)() : (?=\d)"
)
_LINE = re.compile(r"(?:[^\W\d_][^\d=]{0,30}=\s*)*[=≈$€£¥₹\s]*[-−–(\[\s]*[\d.]")


def read_number(text: str) -> str:
    """The number of ``$1,234.50``, ``42 apples``, ``minus 42``, ``1 1/2`` or ``6 * 7 = 42``.

    Raises:
        Unreadable: if there is none, or several, or it is denied, only a bound, or only part of
            what is stated, as in ``√42`` or ``42 squared``.
    """
    *before, last = _sides(text)
    unsolved = any(UNKNOWN.search(s) and re.search(r"[\d+*/^²³√|-]", s) for s in before)
    start = _START.search(last)
    head = last[: start.start()] if start else last
    said = re.findall(r"(?<!-)\b[^\W\d_']+(?:'t)?\b|[<>≤≥]", "=".join([*before, head]).lower())
    indefinite = has(said, "indefinite", "not") or RANGE.search(last)
    if unsolved or (start and indefinite):
        raise Unreadable(f"the answer is no definite number: {text[:60]!r}")
    if start is None:
        raise Unnamed(f"the answer is no number: {text[:60]!r}")
    try:
        return render_number(_leading(last[start.start() :].strip(), head).value)
    except EquationError as error:
        raise Unreadable(f"the answer is no number: {error}") from None


def read_equation(text: str) -> str:
    """The equation of ``84 / 2``, ``84 / 2 = 42``, ``x = 84 / 2`` or ``84 points / 2 rounds``.

    Raises:
        Unreadable: if there is none, or only part of it can be read.
    """
    text = _DIVIDED.sub(lambda sign: f"{sign[1] or ''} / ", _ADVERB.sub("", text))
    found = [side for part in _sides(text) if (side := _side(part))]
    worked = [equation for equation in found if equation.sign]
    if not found:
        raise Unnamed(f"the answer is no equation: {text[:60]!r}")
    if len({equation.value for equation in worked}) > 1:
        raise Unreadable(f"the answer has several equations: {text[:60]!r}")
    return (worked or found)[0].text


def is_bare(line: str, kind: str) -> bool:
    """Whether a line such as ``54 - 13 = 41`` or ``41 apples`` has at most a unit beside it."""
    most = 12 if kind == "equation" else 4
    few = len(split(line.rpartition("=")[2])) <= most and len(line.split()) <= 12
    plain = not has(split(line), "is", "verb", "wrong")
    return few and plain and bool(_LINE.match(line)) and not _BULLET.match(line)


def _sides(text: str) -> list[str]:
    """What stands on each side of the equals signs of the first sentence with a digit, without
    reasons; of ``v = s / t = 180 / 2``, where a name is given a value, no formula without figures.
    """
    for pattern, plain in _PLAIN:
        text = compiled(pattern).sub(plain, text)
    sentence = _SENTENCE.match(text)
    text = sentence[0] if sentence else text
    text = phrases("because", _REASON).split(text, maxsplit=1)[0]
    if _SEVERAL.search(text):
        raise Unreadable(f"the answer has several equations: {text[:60]!r}")
    first, *others = text.strip("{} ").rstrip(".!?; ").split("=")
    defines = _NAME.fullmatch(first)
    return [first, *(side for side in others if not defines or re.search(r"\d", side))]


def _side(text: str) -> Equation | None:
    """One side of an equals sign; None where it is a name, such as ``x`` or ``total cost``."""
    changed = words("changes", "worked")
    text = _UNIT.sub(lambda unit: unit[0] if unit[1].lower() in changed else "", text)
    try:
        return _leading(text.strip())
    except EquationError:
        if re.search(r"\d|[+*]|\s[-/]\s", text):
            raise Unreadable(f"the answer is no equation: {text[:60]!r}") from None
        return None


def _leading(text: str, head: str = "") -> Equation:
    """The equation that ``text`` opens with, if only a unit or a remark stands beside it."""
    equation, rest = parse_leading_equation(text.rstrip(".; "))
    said = re.findall(r"\b(?!and\b)[^\W\d_]+", rest.lower())
    changed = words("changes").intersection(said[:1]) or words("worked").intersection(said)
    percent = equation.sign and re.match(r"\s*(?:%|per ?cent)", rest)
    more = _FUNCTION.search(head) or _MORE.search(rest) or phrases("denies").search(rest)
    if percent or changed or more:
        raise Unreadable(f"only part of the answer can be read: {text[:60]!r}")
    return equation
