"""Arithmetic a teacher or a student wrote, read without ever running it.

The text becomes a small tree over exact fractions. Three limits keep hostile or broken text cheap:
its length without spaces, the depth of its brackets, and the size of any value in it. What is
accepted is accepted again as ``render_equation`` writes it.
"""

import re
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
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
class Number:
    """A literal, kept exact."""

    value: Fraction


@dataclass(frozen=True)
class Operation:
    """One of ``+ - * /`` on two equations."""

    sign: str
    left: "Equation"
    right: "Equation"
    value: Fraction


Equation = Number | Operation


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
    parser = _Parser(text, whole)
    equation = parser.climb(1, 0)
    if len(render_equation(equation).replace(" ", "")) > MAX_LENGTH:
        raise EquationError(f"it is longer than {MAX_LENGTH} characters")
    return equation, text[parser.ends[parser.at - 1] :]


def render_equation(equation: Equation, outer: str = "+", *, right: bool = False) -> str:
    """The one way an equation is written: ``( 84 / 2 )`` is ``84 / 2``, spaces throughout.

    Args:
        outer: The sign of the operation of which it is the left or the right side.
    """
    if isinstance(equation, Number):
        return render_number(equation.value)
    sign, left = equation.sign, render_equation(equation.left, equation.sign)
    text = f"{left} {sign} {render_equation(equation.right, sign, right=True)}"
    weaker = sign in "+-" and outer in "*/"
    regrouped = right and (outer in "-/" or (outer == "*" and sign == "/"))
    return f"( {text} )" if weaker or regrouped else text


def render_number(value: Fraction) -> str:
    """A fraction as a decimal where that is exact (``0.25``), else as ``1/3``."""
    with localcontext(prec=100):  # 10**18 has at most 60 factors of two
        decimal = f"{Decimal(value.numerator) / value.denominator:f}"
    return decimal if Fraction(decimal) == value else str(value)


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
                left = _operation(self.take(), left, self.climb(_BINDS[sign] + 1, depth))
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
            inner, zero = self.atom(depth + 1), Number(Fraction(0))
            negated = isinstance(inner, Number)
            return Number(-inner.value) if negated else _operation("-", zero, inner)
        if token == "(":
            inner = self.climb(1, depth + 1)
            if self.take() != ")":
                raise EquationError("a bracket is never closed")
            return inner
        if token in ("", ")", *_BINDS):
            raise EquationError(f"{token!r} is out of place")
        return Number(_bounded(Fraction(token.replace(",", "").rstrip("."))))


def _operation(sign: str, left: Equation, right: Equation) -> Operation:
    if sign == "/" and right.value == 0:
        raise EquationError("it divides by zero")
    return Operation(sign, left, right, _bounded(_WORK[sign](left.value, right.value)))


def _bounded(value: Fraction) -> Fraction:
    if max(abs(value.numerator), value.denominator) > MAX_MAGNITUDE:
        raise EquationError("a value is too large")
    return value
