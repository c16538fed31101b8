"""Takes away what is not the reply: thinking, chat tokens, markup, and an invented next row.

A row opens with a head: the words that the task's template writes before its first field, or one
in general use, such as ``Q:`` or ``### Problem 2``. Once the reply has stated an answer any head
ends it. Before that a head may also repeat the row itself, which ends nothing.

Each pattern takes linear time on any text: none scans a run of characters again from each
position in the run.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from itertools import islice

from distilwhy.core.parsing.cues import phrases, split, words

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
    r"[\U0001f300-\U0001faff\u2600-\u2704\u2706-\u2712\u2728\u2b50\ufe0f\u200d]"
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
    (r"\\(?:therefore|implies|[rR]ightarrow)(?![a-z])|\\[!()\[\]]|\$\$", ""),
    (r"\\[,;: ]", " "),
    (r"\^\s*\{?\s*\\circ\s*\}?", "°"),
    (r"\\(?:times|cdot)(?![a-z])", "*"),
    (r"\\div(?![a-z])", "/"),
    (r"\\([%$&#_{}])", r"\1"),
    (r"\{,\}", ","),
)

_LONGEST_QUESTION = 5000
_MOST = 200  # heads looked at
_HEAD = re.compile(
    r"(?:\n|\A)\s*+[#>*_ \t\[(-]*(?:\d+[.)\]:] ?)?(?P<name>[^\W\d_]\S*?(?: [\w'’-]+){,2}?)"
    r" ?(?P<no>\d*)[*_ ]*[:.)\]]|(?<=[.!?)\]\"'])[ \t]++\**(?P<inline>[^\W\d_]+)[ \t]*\d*\**:"
)
# After an answer: a title, or a question alone.
_PARAGRAPH = re.compile(r"\n\s*+#+ (\w[^\n:]{0,40})\n|\n[ \t]*\n[^\n?]{10,400}\?[ \t]*\n")
_OWN_HEAD = re.compile(r"\A\s*([^\W\d_][\w ]{0,30}[:：])\s")
_OPENS_ROW = re.compile(r"^\s*([^\W\d_].{0,38}[:：])\s*$", re.M)
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
    for pattern, plain in _MARKUP if re.search(r"[`<>~*_|]", shown) else ():
        shown = re.sub(pattern, plain, shown)
    return shown.strip()


def bare(text: str) -> str:
    """A text without thinking, chat headers, and what follows an end-of-text token."""
    shown = text.replace("\r\n", "\n").replace("\xa0", " ").strip()
    if not re.search(r"[<\[◁#]", shown):  # most replies have no tags
        return shown
    opens, closes = phrases("thinks", _THINKS).pattern, phrases("thought", _THOUGHT).pattern
    shown = re.sub(f"(?is)(?:{opens}).*?(?:{closes}|\\Z)", "", shown)
    shown = re.split(f"(?i){closes}", shown)[-1].strip()
    shown = phrases("turns", rf"\A(?:(?:@|{_TURN})\s*)+").sub("", shown)
    end = _END.search(shown, 1)
    return shown[: end.start()].strip() if end else shown


def _in_one_line(table: re.Match[str]) -> str:
    first, column, name, value = table.groups()
    if not words("noun", "head", "explains").isdisjoint(split(first)):  # it has no heading
        return f"{first}: {column}\n{name}: {value}"
    return f"{name if name.count(' ') < 3 else column}: {value}"


def without_latex(text: str) -> str:
    """Arithmetic in LaTeX as plain text: ``\\frac{1}{2}`` is ``((1)/(2))``."""
    if "\\" in text or "$$" in text or "{,}" in text:
        for pattern, plain in _LATEX * 2:  # one may stand within another
            text = re.sub(pattern, plain, text)
    return text


@lru_cache(maxsize=64)
def row_heads(template: str) -> list[str]:
    """The words that open a row by its template: ``Premise:`` of ``Premise: {{ premise }}``.

    They stand on lines before the first field, and end in a colon.
    """
    return _OPENS_ROW.findall(re.split(r"\{[{%#]", template, maxsplit=1)[0])


@lru_cache(maxsize=64)
def answer_head(template: str) -> str:
    """What a template writes behind its last field to ask for the answer, such as ``Stars:``."""
    head = re.split(r"[}%#]\}", template)[-1].strip().rpartition("\n")[2].strip()
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
    if "\n" not in text and not _HEAD.search(text):
        return len(text)
    heads = [*row_heads(template), *_OWN_HEAD.findall(own)]
    rows = {lowered(head[:-1]).strip() for head in heads}
    first, end, known = answered(), len(text), set(_WORD.findall(own.lower()))
    for head in islice(_HEAD.finditer(text), _MOST):
        at, name = head.start(), lowered(head["name"] or head["inline"])
        row = name in rows or f"{name} {head['no']}" in rows
        asks = not words("asks").isdisjoint(split(name))
        if first is not None and at >= first - 1:
            if row or asks or (head["name"] and _is_another(text, head, first)):
                end = at
                break
        elif head["name"] and asks and words("next").intersection(split(head["name"])):
            return at
        elif row or (head["name"] and (asks or (head["no"] and name in words("shows")))):
            tells = at == 0 and first and "\n" not in text[head.end() : first].strip()
            if not tells and not _asks_again(text, head.end(), at, known):
                return at
    for form in _PARAGRAPH.finditer(text, max(0, (first or 0) - 1)):
        unanswered = first is None and (form[1] or not _asks_more(text, form, known))
        if not unanswered and not (form[1] and _is_ours(form[1])):
            return min(end, form.start())
    return end


def _asks_more(text: str, question: re.Match[str], known: set[str]) -> bool:
    """Whether a question has a number that neither the row nor the reply before it has."""
    before = known.union(_WORD.findall(text[: question.start()]))
    return any(word[0].isdigit() and word not in before for word in _WORD.findall(question[0]))


def _is_another(text: str, head: re.Match[str], first: int) -> bool:
    """Whether a headed line after the answer is another row: it shows one, or it is a paragraph
    whose head neither stood before the answer nor goes on with a reply."""
    opens = re.match(r"\n[ \t]*\n", head[0]) and head[0][-1] == ":"
    again = f"{head['name']}:" in text[: first + 1] or _is_ours(head["name"])
    return lowered(head["name"]) in words("shows") or bool(opens and not again)


def _is_ours(name: str) -> bool:
    ours = words("ours", "explains", "noun", "head", "revised")
    return not ours.isdisjoint(split(name)) or phrases("retracts").match(name) is not None


def _asks_again(text: str, end: int, start: int, known: set[str]) -> bool:
    """Whether a head is followed by a question of these words: all its numbers, nearly all words.

    Where nothing stands before it, half of the words are enough.
    """
    line = text[end : end + _LONGEST_QUESTION].lstrip().split("\n", 1)[0]
    said = _WORD.findall(line.lower())
    foreign = [word for word in said if word not in known]
    if any(word[0].isdigit() for word in foreign):
        return False
    if not text[:start].strip():
        return len(foreign) <= len(said) / 2
    return len(foreign) < len(said) / 5
