"""Arithmetic a teacher or a student wrote, read without ever running it.

The text is worked out in exact fractions. Three limits keep hostile or broken text cheap: its
length without spaces, the depth of its brackets, and the size of any value in it. What is accepted
is accepted again as it is written here.
"""

import re
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import lru_cache
from operator import add, mul, sub, truediv

MAX_LENGTH = 300
MAX_DEPTH = 30
MAX_MAGNITUDE = 10**18

# A comma stands between thousands and nowhere else: "1,50" is half the world's one and a half.
NUMERAL = r"(?:\d{1,3}(?:,\d{2,3})*,\d{3}(?!\d)|\d+)(?:\.\d*)?|\.\d+"

_TOKEN = re.compile(rf"\s*({NUMERAL}|[-+*/()])")
_TOKENS = re.compile(f"(?:{_TOKEN.pattern})*+")
_WORK = {"+": add, "-": sub, "*": mul, "/": truediv}
_BINDS = {"+": 1, "-": 1, "*": 2, "/": 2}
_SIGNS = str.maketrans("×·⋅∗＊÷⁄∕／−–－＋[]{}（）", "*****////---+()()()")


class EquationError(ValueError):
    """The text is no equation, or is past a limit."""


@dataclass(frozen=True)
class Equation:
    """A number, or an operation on two equations.

    Attributes:
        text: The one way it is written: ``84 / 2``, spaces throughout.
        sign: The outermost of ``+ - * /``; "" for a number.
    """

    text: str
    value: Fraction
    sign: str = ""


def parse_equation(text: str) -> Equation:
    """Read the whole of ``text`` as an equation.

    Raises:
        EquationError: if it is not one, divides by zero, or is past a limit.
    """
    equation, rest = parse_leading_equation(text, whole=True)
    if rest.strip():
        raise EquationError(f"{rest[:40]!r} is no equation")
    return equation


def parse_leading_equation(text: str, *, whole: bool = False) -> tuple[Equation, str]:
    """Read the longest equation that ``text`` starts with; give it and what follows it.

    Raises:
        EquationError: if ``text`` starts with no equation, or an operator ends the equation that
            should be the ``whole`` text.
    """
    found = _leading(text, whole)
    if isinstance(found, str):
        raise EquationError(found)
    return found


@lru_cache(maxsize=512)
def _leading(text: str, whole: bool) -> tuple[Equation, str] | str:
    """That equation and what follows it, or why there is none; kept, as answers are read often."""
    try:
        parser = _Parser(text, whole)
        equation = parser.climb(1, 0)
    except EquationError as error:
        return str(error)
    if len(equation.text.replace(" ", "")) > MAX_LENGTH:
        return f"it is longer than {MAX_LENGTH} characters"
    return equation, text[parser.ends[parser.at - 1] :]


def render_number(value: Fraction) -> str:
    """A fraction as a decimal where that is exact (``0.25``), else as ``1/3``."""
    with localcontext(prec=100):  # 10**18 has at most 60 factors of two
        decimal = f"{Decimal(value.numerator) / value.denominator:f}"
    return decimal if Fraction(decimal) == value else str(value)


def number(value: Fraction | int) -> Equation:
    """A literal, kept exact."""
    if max(abs(value.numerator), value.denominator) > MAX_MAGNITUDE:
        raise EquationError("a value is too large")
    return Equation(render_number(Fraction(value)), Fraction(value))


def operate(sign: str, left: Equation, right: Equation) -> Equation:
    """One of ``+ - * /`` on two equations, with the brackets that it needs."""
    if sign == "/" and right.value == 0:
        raise EquationError("it divides by zero")
    value = number(_WORK[sign](left.value, right.value)).value
    regroups = right.sign and (sign in "-/" or sign + right.sign == "*/")
    weaker = [side.sign in ("+", "-") and sign in "*/" for side in (left, right)]
    first = f"( {left.text} )" if weaker[0] else left.text
    second = f"( {right.text} )" if weaker[1] or regroups else right.text
    return Equation(f"{first} {sign} {second}", value, sign)


class _Parser:
    """Climbs precedence: ``* /`` bind closer than ``+ -``, and signs and brackets closest."""

    def __init__(self, text: str, whole: bool) -> None:
        run = _TOKENS.match(text.translate(_SIGNS))
        found = list(_TOKEN.finditer(run[0] if run else ""))
        self.tokens, self.ends = [*(token[1] for token in found), ""], [t.end() for t in found]
        self.whole, self.at = whole, 0
        if sum(map(len, self.tokens)) > MAX_LENGTH:
            raise EquationError(f"it is longer than {MAX_LENGTH} characters")

    def take(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1]

    def climb(self, least: int, depth: int) -> Equation:
        left = self.atom(depth)
        while _BINDS.get(sign := self.tokens[self.at], 0) >= least:
            start = self.at
            try:
                left = operate(self.take(), left, self.climb(_BINDS[sign] + 1, depth))
            except EquationError:
                if depth or self.whole:
                    raise
                self.at = start
                break
        return left

    def atom(self, depth: int) -> Equation:
        if depth > MAX_DEPTH:
            raise EquationError(f"brackets or signs nest deeper than {MAX_DEPTH}")
        token = self.take()
        if token == "-":
            inner = self.atom(depth + 1)
            return operate("-", number(0), inner) if inner.sign else number(-inner.value)
        if token == "(":
            inner = self.climb(1, depth + 1)
            if self.take() != ")":
                raise EquationError("a bracket is never closed")
            return inner
        if token in ("", ")", *_BINDS):
            raise EquationError(f"{token!r} is out of place")
        return number(Fraction(token.replace(",", "").rstrip(".")))
