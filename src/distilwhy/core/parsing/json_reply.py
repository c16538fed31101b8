"""Finds the JSON objects with an answer in a reply."""

import json
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from distilwhy.core.parsing.answer import Unreadable
from distilwhy.core.parsing.cues import listed

_OBJECT = re.compile(r'\{\s*"')
_OPENING = re.compile(r"(?:[^\n{}`]{0,100}:\s*)?(?:```\w*\s*)?(?=\{\s*\")")
_SINGLE = re.compile(r"\{\s*'")
_FENCE = re.compile(r"```\w*\s*$")
_MOST = 8  # objects looked at
_DEEPEST = 4
_JSON = json.JSONDecoder(strict=False, parse_int=str, parse_float=str, parse_constant=str)


class JsonReply(NamedTuple):
    """The answers of an object, its rationale (None if it has no field for it), and its place."""

    answers: tuple[str, ...]
    rationale: str | None
    start: int
    end: int


def find_objects(text: str, is_answer: Callable[[str], bool]) -> list[JsonReply]:
    """The objects with an answer in a reply; empty if it has none.

    Args:
        is_answer: Tells an answer by itself, where no field has the name of one.

    Raises:
        Unreadable: if the reply is an object that is broken, or one whose answer is no single
            value.
    """
    found: list[JsonReply] = []
    if '"' not in text and _SINGLE.search(text):
        text = text.replace("'", '"')
    opening, at = _OPENING.match(text), 0
    for _ in range(_MOST):
        brace = _OBJECT.search(text, at)
        if brace is None:
            break
        start, is_reply = brace.start(), opening is not None and opening.end() == brace.start()
        try:
            fields, at = _JSON.raw_decode(text, start)
        except (ValueError, RecursionError):
            if is_reply:
                raise Unreadable("the reply is a broken JSON object") from None
            at = brace.end()
            continue
        rest = text[at:].strip("`\n ")
        answers, rationale = _read(_flat(fields), is_answer, all_of_reply=is_reply and not rest)
        if answers:
            fence = _FENCE.search(text, max(0, start - 20), start)
            found.append(JsonReply(answers, rationale, fence.start() if fence else start, at))
        elif is_reply and not rest:
            raise Unreadable("the JSON object has no 'answer'")
    return found


def _read(
    fields: dict[str, object], is_answer: Callable[[str], bool], *, all_of_reply: bool
) -> tuple[tuple[str, ...], str | None]:
    """The answers of an object and its rationale; a field that stands alone is an answer."""
    reasons = [key for key in listed("rationales") if key in fields]
    keys = list_answer_keys(fields)
    others = [key for key in fields if key not in reasons]
    if not keys:
        keys = [
            key for key in others if isinstance(fields[key], str) and is_answer(str(fields[key]))
        ]
        keys = keys if len(keys) == 1 else []
        rest = [key for key in others if key not in keys and isinstance(fields[key], str)]
        reasons = reasons or (rest if keys and len(rest) == 1 else [])
    if not keys and all_of_reply and len(others) == 1 and len(str(fields[others[0]]).split()) < 5:
        keys = others
    answers = tuple(_text(fields[key], key) for key in keys)
    texts = [_text(fields[key], key, joined=True) for key in reasons] if answers else []
    return answers, " ".join(texts) if texts else None


def list_answer_keys(names: Iterable[str]) -> list[str]:
    """Those of an object's names that hold an answer, the one that counts most first."""
    own = {_plain(name): name for name in names}
    return [own[key] for key in listed("answers") if key in own]


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name.strip().lower())


def _flat(fields: object, depth: int = 0) -> dict[str, object]:
    """The fields of an object by their names in one form, those of objects in it included."""
    while isinstance(fields, list):
        fields = fields[0] if len(fields) == 1 else {}
    if not isinstance(fields, dict) or depth > _DEEPEST:
        return {}
    flat: dict[str, object] = {}
    for value in fields.values():
        flat |= _flat(value, depth + 1)
    own = {_plain(name): value for name, value in fields.items()}
    return flat | {name: value for name, value in own.items() if not _flat(value, depth + 1)}


def _text(value: object, key: str, *, joined: bool = False) -> str:
    """A text, number or truth value as text; the items of a rationale that is a list, joined."""
    if isinstance(value, list) and (joined or len(value) == 1):
        return " ".join(_text(item, key, joined=joined) for item in value)
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | None):
        raise Unreadable(f"the {key!r} of the JSON object is not text")
    return value or ""
