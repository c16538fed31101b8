"""Takes away what is not the reply: thinking, chat tokens and markup.

Each pattern takes linear time on any text: none scans a run of characters again from each
position in the run.
"""

import re
from functools import cache

from distilwhy.core.parsing.cues import has, phrases, split

_CHANNEL = r"@|<\|channel\|>\s*(?:{})[^<\n]{{0,40}}(?:<\|message\|>|\n)"
_THINKS, _THOUGHT = _CHANNEL.format("analysis|commentary|thought"), _CHANNEL.format("final")
_TURN = r"#{1,4} ?\**(?:response|assistant|reply)\b(?:[*:]+|\s*\n)"
_TURN += r"|(?:<\|im_start\|>|<\|start\|>|<start_of_turn>)(?:assistant|model|chatbot|bot)"
_END = re.compile(
    r"<\|[\w ]+\|>|<｜[^｜\n]+｜>|</s>(?! [a-z])|<eos>|<(?:end|start)_of_turn>|\[/?INST\]"
)
_TAGS = r"b|strong|i|em|u|br|p|reason(?:ing|s)?|rationale|explanation|response|reply|solution"
_CELL = r" *([^|\n]{1,300}?) *"
_MARKUP = (
    (r"(?m)^>[ \t]*(?![\d=][\d.,% ]*$|[> \t])", ""),  # not "> 90"
    (r"\n{3,}", "\n\n"),
    (r"\n#{2,6}\s*+\Z", ""),
    (r"(?m)^>{2,}[ \t]*([^<>\n]{1,80})<{2,}$", r"\1"),
    # Blanks before anything but a fence are consumed and put back, so that each is scanned once.
    (r"(?m)^\s*+```\w*\s*$|^(\s++)", r"\1"),
    (rf"(?i)</?(?:{_TAGS})\s*/?>|<\?xml[^>\n]{{0,80}}>", ""),
    (r"~~[^~\n]{1,300}~~", ""),
    # A table of one row: its name, or if that is long the name of its column, heads its value.
    (
        rf"(?m)^\|{_CELL}\|{_CELL}\|[ \t]*\n\|[-:| ]+\n\|{_CELL}\|{_CELL}\|\s*$(?!\n *\|)",
        lambda row: _in_one_line(row),
    ),
    (r"(?m)^\|[-:| ]+$\n?", ""),
    (r"(?m)^\| *([^|\n]{1,60}?) *\| *([^|\n]{1,300}?) *\| *$", r"\1: \2"),
    (r"(?<![\w)])(\*\*|__)(?=\S)((?:(?!\1).){1,500}+)(?<=\S)\1(?!\d)", r"\2"),
    (r"(?<![\w)*])([*_])(?=\S)((?:(?!\1).){1,300}+)(?<=\S)\1(?![\w*])", r"\2"),
    (r"`([^`\n]{1,300})`", r"\1"),
)
_LONGEST_PART = 6000
# Arrows, check marks and crosses say something; these do not.
_PICTURE = re.compile(
    r"[\u220e\U0001f300-\U0001faff\u2600-\u2604\u2607-\u2704\u2706-\u2712\u2728\u2b50\ufe0f\u200d]"
    r"|(?<=[.!?] )[\u2705\u274c\u2713-\u2718](?=\s{0,9}\Z)"
)
_WIDE = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
_WIDE |= dict(zip(map(ord, "。、\u3000\xa0「」【】〜“”„‘’«»"), '.,  ""[]~"""\'\'""', strict=True))
_LATEX = (
    (r"\\(?:text\w*|math\w\w|operatorname|f?box\w*)\s*\{([^{}]*)\}", r"\1"),
    (r"(?<=\d)\s*\\[dt]?frac\s*\{(\d+)\}\s*\{(\d+)\}", r" \1/\2"),
    (r"\\[dt]?frac\s*\{(\d+)\}\s*\{(\d+)\}", r"(\1/\2)"),
    (r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", r"((\1)/(\2))"),
    (r"\\(?:left|right|displaystyle|q?quad|underline|degree|checkmark|l?dots)(?![a-z])", ""),
    (r"\\(?:implies|[rR]ightarrow)(?![a-z])", ", so"),
    (r"\\therefore(?![a-z])|\\[!()\[\]]|\$\$", ""),
    (r"\\[,;: ]", " "),
    (r"\^\s*\{?\s*\\circ\s*\}?", "°"),
    (r"\\(?:times|cdot)(?![a-z])", "*"),
    (r"\\div(?![a-z])", "/"),
    (r"\\([%$&#_{}])", r"\1"),
    (r"\{,\}", ","),
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
    return re.sub(" {20,}", lambda run: "." * len(run[0]), shown)


def without_pictures_at_ends(text: str) -> str:
    """A text without blanks and emojis at its ends."""
    plain = without_pictures(text)
    return text[len(plain) - len(plain.lstrip()) : len(plain.rstrip())]


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
    shown = re.sub(r"\s{3,}", lambda run: "\n" * min(run[0].count("\n"), 2) or " ", shown)
    for pattern, plain in _MARKUP if re.search(r"[`<>~*_|#]", shown) else ():
        shown = compiled(pattern).sub(plain, shown)
    return shown.strip()


def bare(text: str) -> str:
    """A text without thinking, chat headers, and what follows an end-of-text token."""
    shown = text.replace("\r\n", "\n").replace("\xa0", " ").strip()
    if not re.search(r"[<\[◁#]", shown):  # most replies have no tags
        return shown
    opens, closes = phrases("thinks", _THINKS).pattern, phrases("thought", _THOUGHT).pattern
    shown = compiled(f"(?is)(?:{opens}).*?(?:{closes}|\\Z)").sub("", shown)
    shown = compiled(f"(?i){closes}").split(shown)[-1].strip()
    # A prompt that the reply repeats.
    shown = re.sub(r"(?s)\A\[INST\].*?\[/INST\]", "", shown)
    shown = phrases("turns", rf"\A(?:(?:@|{_TURN})\s*)+").sub("", shown)
    end = _END.search(shown, 1)
    return shown[: end.start()].strip() if end else shown


# The re module keeps only 512 patterns, and those made for single rows push others out.
compiled = cache(re.compile)


def _in_one_line(table: re.Match[str]) -> str:
    first, column, name, value = table.groups()
    if has(split(first), "noun", "head", "explains"):  # it has no heading
        return f"{first}: {column}\n{name}: {value}"
    return f"{name if name.count(' ') < 3 else column}: {value}"


def without_latex(text: str) -> str:
    """Arithmetic in LaTeX as plain text: ``\\frac{1}{2}`` is ``((1)/(2))``."""
    if "\\" in text or "$$" in text or "{,}" in text:
        for pattern, plain in _LATEX * 2:  # one may stand within another
            text = compiled(pattern).sub(plain, text)
    return text
