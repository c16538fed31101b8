"""The answer that a teacher's sentence states, read without guessing.

The sentence is what follows "the answer is": ``(b) park.``, ``$1,234.50``, ``x = 84 / 2``.
"""

import re

from distilwhy.core.answer import CURRENCY, Answer, Unreadable
from distilwhy.core.choice import read_choice, whole_choice
from distilwhy.core.equation import render_equation
from distilwhy.core.quantity import read_equation, read_number

_LONGEST = 1000

_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_LATEX = (
    (re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|operatorname)\s*\{([^{}]*)\}"), r"\1"),
    (_FRACTION, r"((\1)/(\2))"),
    (_FRACTION, r"((\1)/(\2))"),
    (re.compile(r"\\(?:left|right|displaystyle|[!()\[\]])|\$\$"), ""),
    (re.compile(r"\\[,;: ]"), " "),
    (re.compile(r"\\(?:times|cdot)(?![a-z])"), "*"),
    (re.compile(r"\\div(?![a-z])"), "/"),
    (re.compile(r"\\([%$&#_{}])"), r"\1"),
    (re.compile(r"\{,\}"), ","),
)
_ADVERB = re.compile(
    r"\A\s*(?:therefore|thus|then|hence|simply|indeed|clearly|definitely|probably"
    r"|(?:most )?likely)[,:]?\s+",
    re.I,
)


def read_statement(answer: Answer, options: tuple[str, ...], text: str) -> str:
    """The label, in canonical form, that one sentence states.

    Raises:
        Unreadable: if it states none, or may be read in two ways.
    """
    if answer.kind == "text":
        return _read_text(answer, text)
    plain = _without_latex(text[:_LONGEST])
    if answer.kind == "choice":
        return read_choice(plain, answer.choices(options), lettered=bool(options))
    if answer.kind == "number":
        return read_number(plain)
    return render_equation(read_equation(_ADVERB.sub("", plain)))


def whole_statement(answer: Answer, options: tuple[str, ...], text: str) -> str | None:
    """The label that ``text`` is, with nothing said beside it; None if it is none."""
    plain = _without_latex(text).strip(" *`>").rstrip(". ")
    if answer.kind == "choice":
        return whole_choice(plain, answer.choices(options), lettered=bool(options))
    return None if answer.kind == "text" else answer.canonical(plain.strip(CURRENCY + " "))


def _read_text(answer: Answer, text: str) -> str:
    label = answer.canonical(text.strip().rstrip(".").strip("\"'“”"))
    if label is None:
        raise Unreadable("the answer is empty")
    return label


def _without_latex(text: str) -> str:
    for pattern, plain in _LATEX:
        text = pattern.sub(plain, text)
    return text
