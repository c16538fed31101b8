"""A teacher's reply as a reader is shown it, without thinking and markdown."""

import re

_TAG = re.compile(r"<(/?)think(?:ing)?>", re.I)
_MARKUP = (
    # Blanks before anything but a fence are consumed and put back, so that each is scanned once.
    (re.compile(r"^\s*+```\w*\s*$|^(\s++)", re.M), r"\1"),
    (re.compile(r"</?(?:b|strong|i|em|u)>", re.I), ""),
    (re.compile(r"~~[^~\n]{1,300}~~"), ""),
    (re.compile(r"(?<![\w)])(\*\*|__)(?=\S)(.{1,500}?)(?<=\S)\1(?!\d)"), r"\2"),
    (re.compile(r"(?<![\w)*])\*(?=[^\s*])([^*\n]{1,300}?)(?<=\S)\*(?![\w*])"), r"\1"),
    (re.compile(r"(?<!\w)_(?=\S)([^_\n]{1,300}?)(?<=\S)_(?!\w)"), r"\1"),
    (re.compile(r"`([^`\n]{1,300})`"), r"\1"),
)
_MARK = re.compile(r"[`<~*_]")
_WIDE = str.maketrans("：（），．；！？＝。", ":(),.;!?=.")
_END = re.compile(r"<\|[\w ]+\|>|<｜[^｜\n]+｜>|</s>|<eos>|<end_of_turn>|\[/?INST\]")


def visible(text: str) -> str:
    """What a reader is shown: no thinking, no emphasis, nothing past an end-of-text token."""
    shown = bare(text).translate(_WIDE)
    if _MARK.search(shown):  # most replies have no markup
        for pattern, plain in _MARKUP:
            shown = pattern.sub(plain, shown)
    return shown.strip()


def bare(text: str) -> str:
    """A text without thinking and without what follows an end-of-text token."""
    shown = _without_thinking(text).strip()
    end = _END.search(shown, 1)
    return shown[: end.start()] if end else shown


def _without_thinking(text: str) -> str:
    """Text outside ``<think>`` tags; an opening or a closing tag alone counts as well."""
    shown: list[str] = []
    at, thinking = 0, False
    for tag in _TAG.finditer(text):
        if tag[1] and not thinking:
            shown = []
        elif not thinking:
            shown.append(text[at : tag.start()])
        at, thinking = tag.end(), not tag[1]
    return "".join(shown) + ("" if thinking else text[at:])
