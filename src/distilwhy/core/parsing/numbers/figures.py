"""Numbers of every language as English writes them: ``1200.5`` for ``1.200,5``."""

import re

from distilwhy.core.parsing.answer import Unreadable
from distilwhy.core.parsing.clean import without_latex
from distilwhy.core.parsing.cues import has, language_of, phrases, split
from distilwhy.core.parsing.numbers.numerals import with_figures

_LONGEST = 1000
_COMMAS = {"de", "es", "pt", "it", "nl"}  # languages that write 1.200,50
_DOTTED = re.compile(
    r"(?<![\d.,])(?:[1-9]\d?\d?(?:\.\d{3})+|\d+)(?:,(?:\d\d?|\d{4,}))?(?![\d,]|\.\d)"
)
_ASIDE = re.compile(
    r"(?:(?<=[^\s\d(（]) ?[(（](?=\D*\d)|(?<=\S)\s*[(（](?=[^\W\d_]{2}[^()（）]*=))"
    r"[^()（）]*[^\W\d_]{2}[^()（）]*[)）]\W*$"
)
_KELVIN = re.compile(r"(?<=\d) K(?!\w)")
_SCALE = r"\b[01] ?(?:@|[-–~至到]|から|에서|부터) ?(\d+)"
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:\.\d{3})+,\d\d?(?!\d|[.,]\d)")
_POINT_OR_COMMA = re.compile(r"(?<![\d.,])[1-9]\d{0,2}\.\d\d0(?!\d|[.,]\d)")  # 1.250
_COMMA_OR_POINT = re.compile(r"(?<![\d.,])[1-9]\d{0,2},\d{3}(?!\d|[.,]\d)")  # 1,250


def with_points(text: str, asked: str) -> str:
    """A statement with figures for number words and points for decimal commas, without the scale
    of a rating (``4/5``) and a remark in brackets at its end.

    Args:
        asked: The row, whose language tells how its numbers are written.

    Raises:
        Unreadable: if a number may be two, as ``1,250`` is in German.
    """
    plain = with_figures(without_latex(text[:_LONGEST]), asked).strip(" *`")
    for scale in phrases("range", _SCALE).findall(asked[-_LONGEST:]):
        plain = re.sub(rf"^([\d.,]+) ?/ ?{scale}(?![\d.,]*\d)", r"\1", plain)
    if _KELVIN.search(asked):  # else "5 K" may be 5000
        plain = _KELVIN.sub("", plain)
    dotted = language_of(asked) in _COMMAS
    aside = _ASIDE.search(plain)
    if aside and not has(split(aside[0]), "open", "or"):
        plain = plain[: aside.start()]
    if dotted or _THOUSANDS.search(plain):
        plain = _DOTTED.sub(lambda n: n[0].replace(".", "").replace(",", "."), plain)
    if (_COMMA_OR_POINT if dotted else _POINT_OR_COMMA).search(plain):
        raise Unreadable(f"the answer may be two numbers: {text[:60]!r}")
    return plain
