"""The answer that a teacher's sentence states, read without guessing.

The sentence is what follows "the answer is": ``(b) park.``, ``$1,234.50``, ``x = 84 / 2``.
"""

import re

from distilwhy.core.parsing.answer import CURRENCY, Answer, Unreadable
from distilwhy.core.parsing.choice import read_choice, whole_choice
from distilwhy.core.parsing.expression import render_equation
from distilwhy.core.parsing.number import read_equation, read_number

_LONGEST = 1000

_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_LATEX_TEXT = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|operatorname)\s*\{([^{}]*)\}")
_LATEX = (
    (_LATEX_TEXT, r"\1"),
    (_FRACTION, r"((\1)/(\2))"),
    (_FRACTION, r"((\1)/(\2))"),
    (re.compile(r"\\(?:left|right|displaystyle|[!()\[\]])|\$\$"), ""),
    (re.compile(r"\\[,;: ]"), " "),
    (re.compile(r"\^\s*(?:\\circ|\{\s*\\circ\s*\})(?![a-z])"), "°"),
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
_FEW_WORDS = 10
_REMARK = re.compile(
    r",\s+(?:because|since|I (?:think|believe|guess))\b|(?<!\s)\s++because\b(?! of\b)"
    # After "Paris." a sentence may end, after "Mr.", "Prof." and "J." only where a next one opens.
    r"|(?<=\w{4})(?<!\b(?:Prof|Capt|Pres|Dept|Univ|Corp|Bros))[.!][\"'”’)]*\s+(?=[\"'“‘(]?[A-Z])"
    r"|[.!][\"'”’)]*\s+(?=(?:Its?|He|She|They|This|That|These|Those|The|We|I|You|There|His|Her"
    r"|Their)\s)"
)
_DECLINES = re.compile(
    r"^\W*(?:(?:i['’]?m (?:so |very )?sorry|i am sorry|sorry|unfortunately|but)\W+)*(?:as an ai\b"
    r"|i(?: can(?:no|['’])t|(?:['’]m| am) (?:unable|not able) to| could(?: not|n['’]t)| won['’]t"
    r"| will not)\s+(?:help|assist|answer|provide|comply|say|tell|determine|do|discuss|give)\b)",
    re.I,
)


def read_statement(
    answer: Answer, options: tuple[str, ...], text: str, *, alone: bool = False
) -> str:
    """The label, in canonical form, that one sentence states.

    Args:
        alone: Whether the text has a place of its own, where no remark belongs.

    Raises:
        Unreadable: if it states none, or may be read in two ways.
    """
    if answer.kind == "text":
        return _read_text(answer, text if alone else _without_remark(text.strip()))
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
    plain = _LATEX_TEXT.sub(r"\1", text.strip())
    label = answer.canonical(plain.rstrip(".").strip("\"'“”").rstrip("."))
    if label is None:
        raise Unreadable("the answer is empty")
    if label.endswith(":") or label.lower() in ("as follows", "the following"):
        raise Unreadable(f"the answer is only announced: {label[:60]!r}")
    if _DECLINES.match(label):
        raise Unreadable(f"the answer is a refusal: {label[:60]!r}")
    return label


def _without_remark(text: str) -> str:
    """``Paris`` of ``Paris. It is the capital.`` and of ``Paris, because it is the capital.``

    Where more than a few words stand before, all of it is the answer, such as a summary; so it
    is where it is all in quotes.
    """
    quoted = re.fullmatch(r"[\"“].*[\"”]\.?", text, re.S)
    remark = None if quoted else _REMARK.search(text, 1)
    first = text[: remark.start()] if remark else text
    return first if len(first.split()) <= _FEW_WORDS else text


def _without_latex(text: str) -> str:
    if "\\" in text or "$$" in text or "{,}" in text:
        for pattern, plain in _LATEX:
            text = pattern.sub(plain, text)
    return text
