"""The free text that a statement gives as its answer."""

import re

from distilwhy.core.parsing.answer import Answer, Unnamed, Unreadable
from distilwhy.core.parsing.clean import without_latex
from distilwhy.core.parsing.cues import APART, has, phrases, split, words

_LONGEST = 300
_EITHER = re.compile(
    r"(?:[Ee]ither .+|[A-Z][^.,]*) (?:or|oder|ou|o) [A-Z].*|.+ (?:또는|或者?|または) ?.+", re.S
)
_ASKS = re.compile(  # or says that it is not stated
    r"(?:까요?|でしょうか?|ですか|什么|哪里|哪儿|谁|吗|呢|않음|없음|않습니다|없습니다)[。.?？]?$"
)
_GLOSS = re.compile(rf"(?<=[{APART}])\([^()]*\)\Z")  # of "富士山(3776m)"
_PLACEHOLDER = re.compile(
    r"[\[<{(][^\])}>]*[\])}>]\.?|[_.…?-]+|[Nn]ot (?:[A-Z]|(?:in|on|at|the|an?)\b).*"
)


def read_text(answer: Answer, text: str) -> str:
    """``Paris`` of ``Paris.``, ``"Paris"`` or ``$\\text{Paris}$``.

    Raises:
        Unreadable: if it is empty, or only announces, refuses or leaves open what it is.
    """
    plain = re.sub(r"^\s*\$([^$]+)\$(?=\W*$)", r"\1", without_latex(text))
    if not plain.isascii():
        plain = phrases("polite", r"\s*@(?!\w)").split(plain.rstrip(" ."), maxsplit=1)[0] or plain
        plain = _GLOSS.sub("", plain)
    label = answer.canonical(plain.rstrip(".").strip("\"'“”").rstrip(".")) or ""
    said = split(label[:_LONGEST].replace("’", "'"))
    if not label:
        raise Unnamed("the answer is empty")
    denies = len(said) < 12 and has(said, "not")
    refuses = denies and has(said, "withholds")
    either = len(label) < _LONGEST and _EITHER.fullmatch(label)
    breaks_off = len(said) > 2 and has(said[-1:], "is") and not said[-1].isascii()
    missing = (
        label.endswith(":")
        or _ASKS.search(label)
        or breaks_off
        or (label.lower() in words("missing") and label != "Na")  # sodium
    )
    if missing or refuses or either or _PLACEHOLDER.fullmatch(label):
        raise Unreadable(f"the answer is only announced, refused or left open: {label[:60]!r}")
    return label
