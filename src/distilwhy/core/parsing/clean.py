"""Removes thinking, chat tokens and markup from a teacher's reply.

Each pattern takes linear time on any text: none scans a run of characters again from each
position in the run.
"""

import re

# How models mark their thinking, and how they mark the reply proper after it.
_THINKS = (
    r"<think(?:ing)?>|<thoughts?>|\[THINK\]|<\|begin_of_thought\|>|<\|START_THINKING\|>|◁think▷"
    r"|<\|channel\|>\s*(?:analysis|commentary|thought)[^<\n]{0,40}(?:<\|message\|>|\n)"
)
_THOUGHT = (
    r"</think(?:ing)?>|</thoughts?>|\[/THINK\]|<\|end_of_thought\|>|<\|END_THINKING\|>|◁/think▷"
    r"|<\|channel\|>\s*final[^<\n]{0,40}(?:<\|message\|>|\n)"
)
_THINKING = re.compile(rf"(?P<opens>{_THINKS})|(?:{_THOUGHT})", re.I)
_NAMES = r"(?:assistant|model|chatbot|bot)"
_TURN = re.compile(
    r"\s*(?:<s>|<bos>|\[/INST\]|<\|(?:begin_of_text|startoftext|begin_of_solution|START_RESPONSE|CHATBOT_TOKEN"
    rf"|START_OF_TURN_TOKEN)\|>|<\|{_NAMES}\|>|<[|｜]Assistant[|｜]>|(?:<\|im_start\|>|<\|start\|>"
    rf"|<start_of_turn>){_NAMES}\s*|<\|start_header_id\|>{_NAMES}<\|end_header_id\|>)\s*",
    re.I,
)
_END = re.compile(
    r"<\|[\w ]+\|>|<｜[^｜\n]+｜>|(?P<s></s>)|<eos>|<(?:end|start)_of_turn>|\[/?INST\]"
)

_TAGS = r"b|strong|i|em|u|br|p|reason(?:ing|s)?|rationale|explanation|response|reply|solution"
_MARKUP = (
    # Blanks before anything but a fence are consumed and put back, so that each is scanned once.
    (re.compile(r"^\s*+```\w*\s*$|^(\s++)", re.M), r"\1"),
    (re.compile(rf"</?(?:{_TAGS})\s*/?>|<\?xml[^>\n]{{0,80}}>", re.I), ""),
    (re.compile(r"~~[^~\n]{1,300}~~"), ""),
    (re.compile(r"(?<![\w)])(\*\*|__)(?=\S)(.{1,500}?)(?<=\S)\1(?!\d)"), r"\2"),
    (re.compile(r"(?<![\w)*])\*(?=[^\s*])([^*\n]{1,300}?)(?<=\S)\*(?![\w*])"), r"\1"),
    (re.compile(r"(?<!\w)_(?=\S)([^_\n]{1,300}?)(?<=\S)_(?!\w)"), r"\1"),
    (re.compile(r"`([^`\n]{1,300})`"), r"\1"),
)
_BLANKS = re.compile(r"\s{3,}")
_MARK = re.compile(r"[`<~*_]")
_WIDE = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
_WIDE |= {ord("。"): ".", ord("、"): ",", 0x3000: " ", 0xA0: " "}
_WIDE |= {ord("「"): '"', ord("」"): '"', ord("【"): "[", ord("】"): "]", ord("〜"): "~"}

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


def lowered(text: str) -> str:
    """A text in lower case, with every character where it was."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(c.lower()[0] for c in text)


def visible(text: str) -> str:
    """The visible reply: no thinking, no emphasis, nothing after an end-of-text token."""
    return without_markup(bare(text))


def without_markup(shown: str) -> str:
    """A text without emphasis, fences and tags."""
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
    shown = _without_thinking(text).strip()
    while turn := _TURN.match(shown):
        shown = shown[turn.end() :]
    opened = shown.find("<s>") % (len(shown) + 1)
    for end in _END.finditer(shown, 1):
        if not (end["s"] and opened < end.start()):  # unlike "<s>old</s>"
            return shown[: end.start()].strip()
    return shown


def without_latex(text: str) -> str:
    """Arithmetic in LaTeX as plain text: ``\\frac{1}{2}`` is ``((1)/(2))``."""
    if "\\" in text or "$$" in text or "{,}" in text:
        for pattern, plain in _LATEX:
            text = pattern.sub(plain, text)
    return text


def _without_thinking(text: str) -> str:
    """Text outside of thinking marks; an opening or a closing mark alone counts as well."""
    shown: list[str] = []
    at, thinking = 0, False
    for mark in _THINKING.finditer(text):
        opens = mark["opens"] is not None
        if not opens and not thinking:
            shown = []
        elif not thinking:
            shown.append(text[at : mark.start()])
        at, thinking = mark.end(), opens
    return "".join(shown) + ("" if thinking else text[at:])
