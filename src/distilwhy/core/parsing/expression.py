"""Arithmetic a teacher or a student wrote, read without ever running it.

The text becomes a small tree over exact fractions. Three limits keep hostile or broken
text cheap: its length without spaces, the depth of its brackets, and the size of any value in
it. What is accepted is accepted again as ``render_equation`` writes it.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from operator import add, mul, sub, truediv

MAX_LENGTH = 300
MAX_DEPTH = 30
MAX_MAGNITUDE = 10**18

# A comma stands between thousands and nowhere else: "1,50" is half the world's one and a half.
NUMERAL = r"(?:\d{1,3}(?:,\d{2,3})*,\d{3}(?!\d)|\d+)(?:\.\d*)?|\.\d+"

_TOKEN = re.compile(rf"\s*({NUMERAL}|[-+*/()])")
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
    parser = _Parser(text)
    equation = parser.leading()
    if rest := parser.rest().strip():
        raise parser.problem or EquationError(f"{rest[:40]!r} is no equation")
    return equation


def parse_leading_equation(text: str) -> tuple[Equation, str]:
    """Read the longest equation that ``text`` starts with; give it and what follows it.

    Raises:
        EquationError: if ``text`` starts with no equation.
    """
    parser = _Parser(text)
    return parser.leading(), parser.rest()


def render_equation(equation: Equation) -> str:
    """The one way an equation is written: ``( 84 / 2 )`` is ``84 / 2``, spaces throughout."""
    if isinstance(equation, Number):
        return render_number(equation.value)
    left = _render_side(equation.left, equation.sign, right=False)
    right = _render_side(equation.right, equation.sign, right=True)
    return f"{left} {equation.sign} {right}"


def render_number(value: Fraction) -> str:
    """A fraction as a decimal where that is exact (``0.25``), else as ``1/3``."""
    if value.denominator == 1:
        return str(value.numerator)
    for digits in range(1, 61):  # 10**18 has at most 60 factors of two
        scaled = value * 10**digits
        if scaled.denominator == 1:
            figures = f"{abs(scaled.numerator):0{digits + 1}d}"
            return f"{'-' if value < 0 else ''}{figures[:-digits]}.{figures[-digits:]}"
    return f"{value.numerator}/{value.denominator}"


def _render_side(side: Equation, sign: str, *, right: bool) -> str:
    if isinstance(side, Number):
        return render_number(side.value)
    weaker = side.sign in "+-" and sign in "*/"
    regrouped = right and (sign in "-/" or (sign == "*" and side.sign == "/"))
    return f"( {render_equation(side)} )" if weaker or regrouped else render_equation(side)


class _Parser:
    """Climbs precedence: ``* /`` bind closer than ``+ -``, and signs and brackets closest.

    Attributes:
        problem: Why an operator outside of brackets ends the equation.
    """

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.tokens: list[re.Match[str]] = []
        self.problem: EquationError | None = None
        plain, length, end = text.translate(_SIGNS), 0, 0
        while token := _TOKEN.match(plain, end):
            self.tokens.append(token)
            end, length = token.end(), length + len(token[1])
            if length > MAX_LENGTH:
                raise EquationError(f"it is longer than {MAX_LENGTH} characters")

    def rest(self) -> str:
        return self.text[self.tokens[self.at - 1].end() if self.at else 0 :]

    def leading(self) -> Equation:
        equation = self.climb(1, 0)
        if len(render_equation(equation).replace(" ", "")) > MAX_LENGTH:
            raise EquationError(f"it is longer than {MAX_LENGTH} characters")
        return equation

    def climb(self, least: int, depth: int) -> Equation:
        left = self.atom(depth)
        while _BINDS.get(sign := self.next(), 0) >= least:
            start = self.at
            self.at += 1
            try:
                left = _operation(sign, left, self.climb(_BINDS[sign] + 1, depth))
            except EquationError as error:
                if depth:
                    raise
                self.at, self.problem = start, error
                break
        return left

    def atom(self, depth: int) -> Equation:
        if depth > MAX_DEPTH:
            raise EquationError(f"brackets or signs nest deeper than {MAX_DEPTH}")
        token = self.next()
        self.at += 1
        if token == "-":
            inner = self.atom(depth + 1)
            if isinstance(inner, Number):
                return Number(-inner.value)
            return _operation("-", Number(Fraction(0)), inner)
        if token == "(":
            inner = self.climb(1, depth + 1)
            if self.next() != ")":
                raise EquationError("a bracket is never closed")
            self.at += 1
            return inner
        if not token[-1:].isdigit() and token[-1:] != ".":
            raise EquationError(f"{token or self.text[:40]!r} is out of place")
        return Number(_bounded(Fraction(token.replace(",", "").rstrip(".") or "0")))

    def next(self) -> str:
        """The token to read; "" at the end."""
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""


def _operation(sign: str, left: Equation, right: Equation) -> Operation:
    if sign == "/" and right.value == 0:
        raise EquationError("it divides by zero")
    return Operation(sign, left, right, _bounded(_WORK[sign](left.value, right.value)))


def _bounded(value: Fraction) -> Fraction:
    if max(abs(value.numerator), value.denominator) > MAX_MAGNITUDE:
        raise EquationError("a value is too large")
    return value
