"""Removes thinking, chat tokens and markup from a teacher's reply.

Each pattern takes linear time on any text: none scans a run of characters again from each
position in the run.
"""

import re
from functools import cache

from distilwhy.core.parsing.cues import phrases

_CHANNEL = r"<\|channel\|>\s*(?:{})[^<\n]{{0,40}}(?:<\|message\|>|\n)"
_THINKS = rf"(?P<opens>@|{_CHANNEL.format('analysis|commentary|thought')})"
_THOUGHT = rf"@|{_CHANNEL.format('final')}"
_TURN = r"@|#{1,4} ?(?:response|assistant|reply)\b\W{0,4}\n"
_TURN += r"|(?:<\|im_start\|>|<\|start\|>|<start_of_turn>)(?:assistant|model|chatbot|bot)\s*"
_END = re.compile(
    r"<\|[\w ]+\|>|<｜[^｜\n]+｜>|(?P<s></s>)|<eos>|<(?:end|start)_of_turn>|\[/?INST\]"
)
_TAGS = r"b|strong|i|em|u|br|p|reason(?:ing|s)?|rationale|explanation|response|reply|solution"
_MARKUP = (
    (re.compile(r"^>[ \t]*(?![\d=][\d.,% ]*$|[> \t])", re.M), ""),  # not "> 90"
    # Blanks before anything but a fence are consumed and put back, so that each is scanned once.
    (re.compile(r"^\s*+```\w*\s*$|^(\s++)", re.M), r"\1"),
    (re.compile(rf"</?(?:{_TAGS})\s*/?>|<\?xml[^>\n]{{0,80}}>", re.I), ""),
    (re.compile(r"~~[^~\n]{1,300}~~"), ""),
    (re.compile(r"^\|[-:| ]+$\n?", re.M), ""),
    (re.compile(r"^\| *([^|\n]{1,60}?) *\| *([^|\n]{1,300}?) *\| *$", re.M), r"\1: \2"),
    (re.compile(r"(?<![\w)])(\*\*|__)(?=\S)(.{1,500}?)(?<=\S)\1(?!\d)"), r"\2"),
    (re.compile(r"(?<![\w)*])\*(?=[^\s*])([^*\n]{1,300}?)(?<=\S)\*(?![\w*])"), r"\1"),
    (re.compile(r"(?<!\w)_(?=\S)([^_\n]{1,300}?)(?<=\S)_(?!\w)"), r"\1"),
    (re.compile(r"`([^`\n]{1,300})`"), r"\1"),
)
_LONGEST_PART = 6000
_BLANKS = re.compile(r"\s{3,}")
_MARK = re.compile(r"[`<>~*_|]")
_TAGGED = re.compile(r"[<\[◁#]")
# Arrows, check marks and crosses say something; these do not.
_PICTURE = re.compile(
    r"[\U0001f300-\U0001faff\u2600-\u2704\u2706-\u2712\u2728\u2b50\ufe0f\u200d]"
    r"|(?<=[.!?] )[\u2705\u274c\u2713-\u2718](?=\s{0,9}\Z)"
)
_LONG_RUN = re.compile(" {20,}")
_WIDE = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
_WIDE |= dict(zip(map(ord, "。、\u3000\xa0「」【】〜“”„‘’«»"), '.,  ""[]~"""\'\'""', strict=True))

_LATEX_TEXT = re.compile(r"\\(?:text\w*|math\w\w|operatorname|f?box\w*)\s*\{([^{}]*)\}")
_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_LATEX = (
    (_LATEX_TEXT, r"\1"),
    (re.compile(r"(?<=\d)\s*\\[dt]?frac\s*\{(\d+)\}\s*\{(\d+)\}"), r" \1/\2"),
    (_FRACTION, r"((\1)/(\2))"),
    (_FRACTION, r"((\1)/(\2))"),
    (re.compile(r"\\(?:left|right|displaystyle|[!()\[\]])|\$\$"), ""),
    (re.compile(r"\\[,;: ]"), " "),
    (re.compile(r"\^\s*(?:\\circ|\{\s*\\circ\s*\})(?![a-z])"), "°"),
    (re.compile(r"\\(?:times|cdot)(?![a-z])"), "*"),
    (re.compile(r"\\div(?![a-z])"), "/"),
    (re.compile(r"\\([%$&#_{}])"), r"\1"),
    (re.compile(r"\{,\}"), ","),
    (_LATEX_TEXT, r"\1"),
)


def widen(text: str) -> str:
    """Full-width letters, digits and punctuation in their usual width, each where it was."""
    return text if text.isascii() else text.translate(_WIDE)


def without_pictures(text: str) -> str:
    """A text with blanks where it has emojis."""
    if text.isascii():
        return text
    shown = _PICTURE.sub(" ", text)
    shown = shown if "\u274c" in shown else shown.replace("\u2705", " ")
    # Patterns that skip blanks would scan a long run again from each of its characters.
    return _LONG_RUN.sub(lambda run: "." * len(run[0]), shown)


def without_pictures_at_ends(text: str) -> str:
    """A text without blanks and emojis at its ends."""
    plain = without_pictures(text)
    start = len(plain) - len(plain.lstrip())
    return text[start : len(plain.rstrip())]


def lowered(text: str) -> str:
    """A text in lower case, with every character where it was."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(c.lower()[0] for c in text)


def visible(text: str) -> str:
    """The visible reply: no thinking, no emphasis, nothing after an end-of-text token."""
    return without_markup(bare(text))


def without_markup(shown: str) -> str:
    """A text without emphasis, fences and tags; of a very long one, its first and last part."""
    if len(shown) > 2 * _LONGEST_PART:
        shown = f"{shown[:_LONGEST_PART]}\n\n{shown[-_LONGEST_PART:]}"
    shown = _BLANKS.sub(_fewer_blanks, shown)
    if _MARK.search(shown):  # most replies have no markup
        for pattern, plain in _MARKUP:
            shown = pattern.sub(plain, shown)
        shown = _BLANKS.sub(_fewer_blanks, shown)
    return shown.strip()


def _fewer_blanks(run: re.Match[str]) -> str:
    lines = run[0].count("\n")
    return "\n\n" if lines > 1 else "\n" if lines else " "


def bare(text: str) -> str:
    """A text without thinking, chat headers, and what follows an end-of-text token."""
    shown = text.replace("\r\n", "\n").replace("\xa0", " ").strip()
    if not _TAGGED.search(shown):  # most replies have no tags
        return shown
    shown = _without_thinking(shown).strip()
    while turn := phrases("turns", _TURN).match(shown):
        shown = shown[turn.end() :].lstrip()
    opened = shown.find("<s>") % (len(shown) + 1)
    for end in _END.finditer(shown, 1):
        if not (end["s"] and opened < end.start()):  # unlike "<s>old</s>"
            return shown[: end.start()].strip()
    return shown


def _without_thinking(text: str) -> str:
    """Text outside of thinking marks; an opening or a closing mark alone counts as well."""
    shown, at, thinking = "", 0, False
    for mark in _thinking().finditer(text):
        opens = mark["opens"] is not None
        if not thinking:
            shown = shown + text[at : mark.start()] if opens else ""
        at, thinking = mark.end(), opens
    return shown + ("" if thinking else text[at:])


@cache
def _thinking() -> re.Pattern[str]:
    opens, closes = phrases("thinks", _THINKS), phrases("thought", _THOUGHT)
    return re.compile(f"{opens.pattern}|{closes.pattern}", re.I)


def without_latex(text: str) -> str:
    """Arithmetic in LaTeX as plain text: ``\\frac{1}{2}`` is ``((1)/(2))``."""
    if "\\" in text or "$$" in text or "{,}" in text:
        for pattern, plain in _LATEX:
            text = pattern.sub(plain, text)
    return text
