"""Takes away what is not the reply: thinking, chat tokens, markup, and an invented next row.

A row opens with a head: the words that the task's template writes before its first field, or one
in general use, such as ``Q:`` or ``### Problem 2``. Once the reply has stated an answer any head
ends it. Before that a head may also repeat the row itself, which ends nothing.

Each pattern takes linear time on any text: none scans a run of characters again from each
position in the run.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache, lru_cache

from distilwhy.core.parsing.cues import phrases, split, words

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

_LONGEST_HEAD = 40
_LONGEST_QUESTION = 5000
_MOST = 200  # heads looked at before an answer
_HEAD = re.compile(
    r"(?:\n|\A)\s*+[#>*_ \t\[(-]*(?P<mark>\d+[.)\]:] ?)?(?P<name>[^\W\d_]\S*?(?: [\w'’-]+){,2}?)"
    r" ?(?P<no>\d*)[*_ ]*[:.)\]]|(?<=[.!?)\]\"'])[ \t]++\**(?P<inline>[^\W\d_]+)[ \t]*\d*\**:"
)
_RULE = r"\n\s*+(?:#{3,}|\*{3,}|-{3,}|={3,}|_{3,})[ \t]*\n(?=\s*[\w# ]+:)"
# After an answer: a rule and a head, a title, a numbered question, an item, or a question alone.
_PARAGRAPH = re.compile(
    rf"{_RULE}|\n\s*+#+ (?P<title>\w[^\n:]{{0,40}})\n|\n\s*+\d+[.)][^\n?]*\?"
    r"|\n[ \t]*\n\s*+(?P<item>[2-9]|\d\d)[.)] |\n[ \t]*\n[^\n?]{10,400}\?[ \t]*\n"
)
_ANSWERED = re.compile(r"\n\s*(?:A|Answer)\s*:", re.I)
_FIELD_END = re.compile(r"[}%#]\}")
_FIELD = re.compile(r"\{[{%#]")
_WORD = re.compile(r"\w+")


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


@lru_cache(maxsize=64)
def row_heads(template: str) -> tuple[str, ...]:
    """The words that open a row by its template: ``Premise:`` of ``Premise: {{ premise }}``.

    That is the first line and what stands right before the first field, if they have letters and
    end in a colon; empty if the template opens with a field.
    """
    opening = _FIELD.split(template, maxsplit=1)[0]
    opens = [line.strip() for line in opening.split("\n") if line.strip()]
    heads = [line for line in (opens[:1] + opens[-1:]) if len(line) <= _LONGEST_HEAD]
    return tuple(dict.fromkeys(head for head in heads if head[-1] in ":：" and head[:1].isalpha()))


@lru_cache(maxsize=64)
def answer_head(template: str) -> str:
    """What a template writes behind its last field to ask for the answer, such as ``Stars:``."""
    head = _FIELD_END.split(template)[-1].strip().rpartition("\n")[2].strip()
    said = split(head)
    names = head[-1:] in (":", "：") and 0 < len(said) < 4
    return head[:-1] if names and words("speaks", "noun", "explains").isdisjoint(said) else ""


def break_before_heads(text: str, template: str) -> str:
    """A text in which each head of the template opens a line, as long as it was."""
    for head in row_heads(template):
        text = text.replace(f" {head}", f"\n{head}")
    return text


def cut_next_row(text: str, template: str, own: str, answered: Callable[[], int | None]) -> int:
    """Where a reply of usual width ends and an invented row begins; its length if none does.

    Args:
        own: The row's own text.
        answered: Gives the offset in ``text`` after the first answer; None if there is none.
    """
    heads = list(_heads(text, template))
    if not heads and "\n" not in text:
        return len(text)
    first = answered()
    known = set(_WORD.findall(own.lower()))
    for head, kind in heads[:_MOST]:
        at = head.start()
        if first is not None and at >= first - 1:
            break
        opens = at == 0 and kind != "row" and not _ANSWERED.search(text)
        if at == 0 and first is not None and "\n" not in text[head.end() : first].strip():
            continue  # "Topic: Sports", where the rows have topics as well
        if kind in ("row", "asks") and not opens and not _asks_again(text, head.end(), at, known):
            return at
    if first is None:
        return len(text)
    ends = [len(text)]
    for head, kind in heads:
        if head.start() >= first - 1 and (kind != "other" or _is_another(text, head, first)):
            ends.append(head.start())
            break
    for form in _PARAGRAPH.finditer(text, max(0, first - 1)):
        item, title = form["item"], form["title"]
        listed = item and re.search(rf"\n\s*{int(item) - 1}[.)] ", text[: form.start()])
        if not (listed or (title and _is_ours(title))):
            ends.append(form.start())
            break
    return min(ends)


def _heads(text: str, template: str) -> Iterator[tuple[re.Match[str], str]]:
    """Each head, and what it is: of the template, one that asks or shows a row, or another."""
    rows = {lowered(head[:-1]).strip() for head in row_heads(template)}
    for head in _HEAD.finditer(text):
        name = lowered(head["name"] or head["inline"])
        asks, shows = name in words("asks"), name in words("shows")
        if name in rows or f"{name} {head['no']}" in rows:
            yield head, "row"
        elif head["name"]:
            counted = asks or (shows and head["no"])
            yield head, "asks" if counted else "shows" if shows else "other"
        elif asks:
            yield head, "shows"


def _is_another(text: str, head: re.Match[str], first: int) -> bool:
    """Whether a headed paragraph after the answer is another row: it has a number, or a head that
    neither stood before the answer nor goes on with a reply."""
    if not re.match(r"\n[ \t]*\n", head[0]) or head[0][-1] != ":":
        return False
    again = f"{head['name']}:" in text[: first + 1]
    return bool(head["mark"]) or not (again or _is_ours(head["name"]))


def _is_ours(name: str) -> bool:
    ours = words("ours", "explains", "noun", "head", "revised")
    takes_back = phrases("retracts").match(name)
    known = not ours.isdisjoint(split(name)) or any(w in name for w in ours if not w.isascii())
    return known or takes_back is not None


def _asks_again(text: str, end: int, start: int, known: set[str]) -> bool:
    """Whether a head is followed by a question of these words: all its numbers, nearly all words.

    Where nothing stands before it, half of the words are enough.
    """
    line = text[end : end + _LONGEST_QUESTION].lstrip().split("\n", 1)[0]
    said = _WORD.findall(line.lower())
    foreign = set(said).difference(known)
    strange = sum(word in foreign for word in said)
    if not text[:start].strip():
        return strange <= len(said) / 2
    return strange < len(said) / 5 and not any(word[0].isdigit() for word in foreign)
