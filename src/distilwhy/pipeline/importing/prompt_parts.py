"""Separates what the prompts of a log have in common from what varies, which is the row.

The instruction and the few-shot examples are the same in all prompts: the turns that all of them
begin with, and the text that the turn with the row always begins and ends with.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from distilwhy.core.prompt import Message
from distilwhy.core.wording import one_line
from distilwhy.errors import ConfigError

# Asks the user to choose; None without a terminal.
Choose = Callable[[str, Sequence[str]], int] | None
Turns = tuple[Message, ...]

# At least this share of the prompts must begin alike; the others are left out.
_MOST = 0.8
# A beginning that only most prompts share must be this long to count.
_LONG = 20
# What a row's text follows, and what follows it.
_BEFORE = re.compile(r"\n|[:>=\].?!]\s+|[\"'“`>]+")
_AFTER = re.compile(r"\n|[\"'”`]+(?=\W|$)|<|\s*[-=]+>|(?:^|(?<=[.?!]))\s+(?=[A-Z])")
_TITLE = re.compile(r"(?:^|\n)(?:\w+:|<\w+>)\W*$")
_QUOTES = "\"'“”`"
_CLOSING = re.compile(r"^(?:</\w+>|\W)+")
_PLAIN_NAME = re.compile(r"[^\W\d]\w*")
_FIELD = re.compile(r"\{([A-Za-z_]\w*)\}")
_SHOWN = 60


@dataclass(frozen=True)
class PromptParts:
    """What the prompts of a log consist of.

    Attributes:
        instruction: What all of them have in common.
        rows: The fields of each row; None for a prompt of another form.
        found: How the row was found, in words.
    """

    instruction: str
    rows: list[dict[str, str] | None]
    found: str


def split_prompts(
    requests: Sequence[Turns], row: str | None = None, choose: Choose = None
) -> PromptParts:
    """Separate the instruction of some prompts from their rows.

    Args:
        row: Where the row stands in the last turn: a template such as ``Message: {message}``, or
            a regular expression with a group; or ``last`` for the whole last turn, or ``all``
            for all turns that vary. None to find it.
        choose: Asked if more than one turn varies.

    Raises:
        ConfigError: if ``row`` matches no prompt, or it is needed and nobody can be asked.
    """
    lead, is_usual = _find_lead(requests)
    tails = [turns[len(lead) :] for turns in requests]
    if row is None:
        are_short = [len(tail) == 1 for tail in tails]
        if sum(are_short) < _MOST * sum(is_usual):
            row = _choose_turns(tails, choose)
        else:
            is_usual = [a and b for a, b in zip(is_usual, are_short, strict=True)]
    instruction = _render(lead)
    if row == "all":
        pairs = zip(tails, is_usual, strict=True)
        rows = [{"text": _render(tail)} if usual else None for tail, usual in pairs]
        return PromptParts(instruction, rows, "the row is all turns that vary")
    texts = [turns[-1].content for turns in requests]
    if row == "last":
        whole: list[dict[str, str] | None] = [{"text": text.strip()} for text in texts]
        return PromptParts(instruction, whole, "the row is the whole last turn")
    if row is not None:
        return _match(row, texts, instruction)
    return _strip(texts, is_usual, instruction)


def _find_lead(requests: Sequence[Turns]) -> tuple[Turns, list[bool]]:
    """The turns that all prompts begin with, or else most; and which prompts do."""
    shared = _common(requests)
    if shared or all(len(turns) == 1 for turns in requests):
        return shared, [True] * len(requests)
    beginnings = Counter(turns[:count] for turns in requests for count in range(1, len(turns)))
    usual = [turns for turns, count in beginnings.items() if count >= _MOST * len(requests)]
    lead = max(usual, key=len, default=())
    return lead, [turns[: len(lead)] == lead and len(turns) > len(lead) for turns in requests]


def _common(requests: Sequence[Turns]) -> Turns:
    first = min(requests, key=len)
    count = 0
    while count < len(first) - 1 and all(turns[count] == first[count] for turns in requests):
        count += 1
    return first[:count]


def _choose_turns(tails: Sequence[Turns], choose: Choose) -> str:
    example = max(tails, key=len)
    choices = [
        f"the last turn alone: {shorten(example[-1].content)!r}",
        f"all turns that vary: {shorten(_render(example))!r}",
    ]
    if choose is None:
        raise ConfigError(
            f"more than one turn of the prompts varies, as in {shorten(_render(example))!r}, so it "
            "is not clear what a row is; give --row last or --row all, or a template or regular "
            "expression that the last turn matches"
        )
    return ("last", "all")[choose("More than one turn of the prompts varies. A row is", choices)]


def _match(row: str, texts: Sequence[str], instruction: str) -> PromptParts:
    pattern = _compile(row)
    found = [_find_last(pattern, text) for text in texts]
    rows = [{n: (v or "").strip() for n, v in _fields(m).items()} if m else None for m in found]
    if not any(rows):
        raise ConfigError(
            f"--row {row!r}: matches no prompt, such as {shorten(texts[0])!r}; correct it"
        )
    before = Counter(
        text[: match.start()].strip() for text, match in zip(texts, found, strict=True) if match
    )
    [(usual, _)] = before.most_common(1)
    return PromptParts(_join(instruction, usual), rows, f"the row is what {row!r} matches")


def _find_last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """The last match: few-shot examples stand before the row and may look like it."""
    found = following = pattern.search(text)
    while following:
        found, following = following, pattern.search(text, following.start() + 1)
    return found


def _compile(row: str) -> re.Pattern[str]:
    """A regular expression, or a template's: ``Message: {message}`` up to the next text of it."""
    if not _FIELD.search(row):
        try:
            pattern = re.compile(row, re.S)
        except re.error as error:
            raise ConfigError(
                f"--row {row!r}: is not a valid regular expression ({error})"
            ) from None
        if not pattern.groups:
            raise ConfigError(
                f"--row {row!r}: has no group; write the row as {{text}} or in brackets"
            )
        return pattern
    parts = _FIELD.split(row.strip())
    names = set[str]()
    written = ""
    for place, part in enumerate(parts):
        if place % 2 and part in names:
            raise ConfigError(f"--row {row!r}: has {{{part}}} twice; name each once")
        names |= {part} if place % 2 else set()
        written += f"(?P<{part}>.*?)" if place % 2 else r"\s+".join(map(re.escape, part.split(" ")))
    return re.compile(written + (r"\s*$" if len(parts) > 1 and not parts[-1] else ""), re.S)


def _fields(match: re.Match[str]) -> dict[str, str]:
    return match.groupdict() or {"text": next(group for group in match.groups() if group)}


def _strip(texts: Sequence[str], is_usual: Sequence[bool], instruction: str) -> PromptParts:
    """Take away what the turns that vary begin and end with."""
    some = [text for text, usual in zip(texts, is_usual, strict=True) if usual]
    if fields := _read_objects(some):
        objects = iter(fields)
        found = f"the row is what varies in JSON: {', '.join(fields[0])}"
        return PromptParts(instruction, [next(objects) if u else None for u in is_usual], found)
    before = _shared_start(some)
    after = _shared_end([text[len(before) :] for text in some if text.startswith(before)])
    if before[-1:] in _QUOTES and after[:1] not in _QUOTES:  # a quotation within the row
        before = _cut(before.rstrip(_QUOTES))
    rows: list[dict[str, str] | None] = []
    for text, usual in zip(texts, is_usual, strict=True):
        fits = usual and text.startswith(before) and text.endswith(after)
        inner = text[len(before) : len(text) - len(after)].strip() if fits else ""
        rows.append({"text": inner} if inner else None)
    around = [
        f"follows {_shorten_start(before)!r}" if before.strip() else "",
        f"precedes {shorten(after)!r}" if after.strip() else "",
    ]
    where = " and ".join(filter(None, around))
    found = f"the row is what {where}" if where else "the row is the whole last turn"
    return PromptParts(_join(_join(instruction, before), _CLOSING.sub("", after)), rows, found)


def _read_objects(texts: Sequence[str]) -> list[dict[str, str]]:
    """The fields that vary, if all texts are JSON objects with the same ones; else none."""
    try:
        objects = [json.loads(text) for text in texts if text.lstrip().startswith("{")]
    except ValueError:
        return []
    names = list(objects[0]) if len(objects) == len(texts) else []
    if not names or any(list(found) != names for found in objects):
        return []
    rows = [{name: _to_text(found[name]) for name in names} for found in objects]
    varying = [n for n in names if n != "id" and len({row[n] for row in rows}) > 1]
    if not varying or any(n == "label" or not _PLAIN_NAME.fullmatch(n) for n in varying):
        return [{"text": text.strip()} for text in texts]
    return [{name: row[name] for name in varying} for row in rows]


def _to_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _join(instruction: str, more: str) -> str:
    """An instruction with what stands before or after the row, but for the row's title."""
    return f"{instruction}\n\n{_TITLE.sub('', more).strip()}".strip()


def _shared_start(texts: Sequence[str]) -> str:
    """What all texts begin with, or most if they begin alike for long, up to a row's text."""
    if len(set(texts)) < 2:
        return ""
    shared = _cut(_common_start(min(texts), max(texts)))
    if shared:
        return shared
    ordered, most = sorted(texts), max(2, round(_MOST * len(texts)))
    pairs = zip(ordered, ordered[most - 1 :], strict=False)
    shared = _cut(max((_common_start(*pair) for pair in pairs), key=len))
    return shared if len(shared) >= _LONG else ""


def _common_start(one: str, other: str) -> str:
    """What two texts begin with; of the first and last in order, what all between them do."""
    differ = (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return one[: next(differ, min(len(one), len(other)))]


def _cut(start: str) -> str:
    """A common beginning without the words that all rows happen to begin with."""
    ends = [found.end() for found in _BEFORE.finditer(start)]
    return start[: ends[-1]] if ends else ""


def _shared_end(texts: Sequence[str]) -> str:
    if len(set(texts)) < 2:
        return ""
    turned = [text[::-1] for text in texts]
    shared = _common_start(min(turned), max(turned))[::-1]
    first = _AFTER.search(shared)
    return shared[first.start() :] if first else ""


def _render(turns: Turns) -> str:
    """Turns as one text; those of a system without their role."""
    return "\n\n".join(
        turn.content.strip()
        if turn.role == "system" or len(turns) == 1
        else f"{turn.role.capitalize()}: {turn.content.strip()}"
        for turn in turns
    )


def shorten(text: str) -> str:
    """The beginning of a text, on one line."""
    return one_line(text, _SHOWN)


def _shorten_start(text: str) -> str:
    """The end of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"… {line[-_SHOWN:].lstrip()}"
