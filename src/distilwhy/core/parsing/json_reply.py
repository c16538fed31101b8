"""Finds the JSON objects with an answer in a reply."""

import json
import re
from collections.abc import Callable, Iterable
from itertools import islice
from typing import NamedTuple

from distilwhy.core.parsing.answer import Unreadable
from distilwhy.core.parsing.cues import listed, names_asked

_OBJECT = re.compile(r'(?:```\w*\s*)?(\{)\s*"')
_LEAD = re.compile(r"(?:[^\n{}`]{0,100}:\s*)?")
_SINGLE_QUOTE = re.compile(r"(?<!\w)'|'(?!\w)")
_KEY = re.compile(r'"([^"\n]{1,40})"\s*:')
_VALUE = re.compile(r'\s*(?:"(.*)"|([^"{[,}\n]+)[,}\n])[\s,}`]*', re.S)
_MOST = 20  # objects looked at
_DEEPEST = 4
_JSON = json.JSONDecoder(strict=False, parse_int=str, parse_float=str, parse_constant=str)


class JsonReply(NamedTuple):
    """The answers of an object, its rationale (None if it has no field for it), and its place."""

    answers: tuple[str, ...]
    rationale: str | None
    start: int
    end: int


def find_objects(
    text: str, is_answer: Callable[[str], bool], question: str = ""
) -> list[JsonReply]:
    """The objects with an answer in a reply; empty if it has none.

    Args:
        is_answer: Tells an answer by itself, where no field has the name of one.
        question: Of the row; failing all else, the one field that it names is the answer.

    Raises:
        Unreadable: if the reply is an object without an answer, or with one that is no single
            value.
    """
    text, at = text if '"' in text else _SINGLE_QUOTE.sub('"', text), 0
    found: list[JsonReply] = []
    for brace in islice(_OBJECT.finditer(text), _MOST):
        if brace.start() < at:
            continue  # an object within the one before
        start, is_reply = brace.start(), _LEAD.fullmatch(text, 0, brace.start()) is not None
        try:
            fields, at = _JSON.raw_decode(text, brace.start(1))
        except (ValueError, RecursionError):
            fields, at = (
                (_mend(text[start : text.rfind("}") + 1 or None]), len(text))
                if is_reply
                else ({}, brace.end())
            )
        alone = is_reply and not text[at:].strip("`\n ")
        answers, rationale = _read(_flat(fields), is_answer, question, alone=alone)
        if answers:
            found.append(JsonReply(answers, rationale, start, at))
        elif alone:
            raise Unreadable("the JSON object has no 'answer', or is broken")
    return found


def _mend(text: str) -> dict[str, object]:
    """The fields of a broken object whose values are whole."""
    _, *parts = _KEY.split(text)
    values = (_VALUE.fullmatch(value) for value in parts[1::2])
    read = zip(parts[::2], values, strict=True)
    said = {key: value[1] or value[2] or "" for key, value in read if value}
    return {key: text.replace('\\"', '"').replace("\\n", "\n") for key, text in said.items()}


def _read(
    fields: dict[str, object], is_answer: Callable[[str], bool], question: str, *, alone: bool
) -> tuple[tuple[str, ...], str | None]:
    """The answers of an object and its rationale; the one field of few words is an answer."""
    reasons = [key for key in listed("rationales") if key in fields]
    keys = list_answer_keys(fields)
    if not keys and len(more := [key for key in listed("fields") if key in fields]) == 1:
        keys = more
    if not keys:  # {"spam": true}
        fields = fields | {key: key for key in fields if fields[key] is True and is_answer(key)}
    texts = {key: text for key, text in fields.items() if isinstance(text, str)}
    if not keys:
        named = [key for key, text in texts.items() if key not in reasons and is_answer(text)]
        beside = {*reasons, *listed("beside")}
        brief = [key for key, text in texts.items() if len(text.split()) < 5 and key not in beside]
        short = brief if alone and len(texts) == len(fields) and len(brief) == 1 else []
        asked = [key for key in brief if names_asked(question, key)]
        asked = [key for key in asked if texts[key].lower() not in question.lower()]
        keys = named if len(named) == 1 else short or (asked if len(asked) == 1 else [])
        rest = [key for key in texts if key not in keys]
        reasons = reasons or (rest if keys and len(rest) == 1 else [])
    values = [fields[key] for key in reasons]
    items = [item for value in values for item in (value if isinstance(value, list) else [value])]
    rationale = " ".join(item for item in items if isinstance(item, str))
    return tuple(_answer(key, fields[key]) for key in keys), rationale if reasons else None


def list_answer_keys(names: Iterable[str]) -> list[str]:
    """Those of an object's names that hold an answer, the one that counts most first."""
    own = {_plain(name): name for name in names}
    return [own[key] for key in listed("answers") if key in own]


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name.strip().lower())


def _flat(value: object, depth: int = 0) -> dict[str, object]:
    """The fields of an object by their names in one form, those of objects in it included."""
    flat: dict[str, object] = {}
    for name, inner in value.items() if isinstance(value, dict) and depth <= _DEEPEST else ():
        while isinstance(inner, list) and len(inner) == 1:
            inner = inner[0]
        flat |= _flat(inner, depth + 1) or {_plain(name): inner}
    return flat


def _answer(key: str, value: object) -> str:
    """A text, number or truth value as text."""
    if not isinstance(value, str | bool | None):
        raise Unreadable(f"the {key!r} of the JSON object is not text")
    return str(value).lower() if isinstance(value, bool) else value or ""
