"""Finds the JSON objects with an answer in a reply."""

import json
import re
from dataclasses import dataclass

from distilwhy.core.parsing.answer import Unreadable

# In the order in which they count.
_ANSWERS = (
    "answer|final_answer|label|prediction|predicted_label|verdict|classification|category|class"
    "|sentiment|result|output|choice|option|decision|final|intent|topic|value|equation|expression"
    "|relation|relationship|rating|emotion|priority|stance|감정|분류|感情|情感|分类|分類|정답|답"
    "|答案|答え|antwort|réponse|respuesta"
    "|resposta"
)
_RATIONALES = (
    "rationale|reasoning|reasons|reason|explanation|thought|thoughts|thinking|analysis"
    "|justification"
    "|chain_of_thought|steps|why|이유|理由|begründung|explication|explicación|explicação"
)
_OBJECT = re.compile(r'\{\s*"')
_OPENING = re.compile(r"(?:[^\n{}`]{0,100}:\s*)?(?:```\w*\s*)?(?=\{\s*\")")
_FENCED = re.compile(r"```\w*\s*$")
_CLOSED = re.compile(r"\s*```")
_MOST = 8  # objects looked at
_DEEPEST = 4
_JSON = json.JSONDecoder(strict=False, parse_int=str, parse_float=str, parse_constant=str)


@dataclass(frozen=True)
class JsonReply:
    """The answers and the rationale of an object, and where the object stands in the reply.

    Attributes:
        rationale: None if the object has no field for it.
    """

    answers: tuple[str, ...]
    rationale: str | None
    start: int
    end: int


def find_objects(text: str) -> list[JsonReply]:
    """The objects with an answer in a reply; empty if it has none.

    Raises:
        Unreadable: if the reply is an object that is broken, or one whose answer is no single
            value.
    """
    found: list[JsonReply] = []
    opening, at = _OPENING.match(text), 0
    for _ in range(_MOST):
        brace = _OBJECT.search(text, at)
        if brace is None:
            break
        is_reply = opening is not None and opening.end() == brace.start()
        try:
            fields, at = _JSON.raw_decode(text, brace.start())
        except (ValueError, RecursionError):
            if is_reply:
                raise Unreadable("the reply is a broken JSON object") from None
            at = brace.end()
            continue
        reply = _read(fields, text, brace.start(), at)
        if reply:
            found.append(reply)
        elif is_reply and not text[at:].strip("`\n "):
            raise Unreadable("the JSON object has no 'answer'")
    return found


def _read(fields: dict[str, object], text: str, start: int, end: int) -> JsonReply | None:
    named = _named(fields)
    keys = [key for key in _ANSWERS.split("|") if key in named]
    if not keys:
        return None
    answers = tuple(_text(named[key], key, joined=False) for key in keys)
    reasons = [
        _text(named[key], key, joined=True) for key in _RATIONALES.split("|") if key in named
    ]
    fence, closed = _FENCED.search(text[max(0, start - 20) : start]), _CLOSED.match(text, end)
    start -= len(fence[0]) if fence else 0
    end = closed.end() if closed else end
    return JsonReply(answers, " ".join(reasons) if reasons else None, start, end)


def _named(fields: object, depth: int = 0) -> dict[str, object]:
    """The fields of an object by their names in one form, those of objects in it included."""
    if isinstance(fields, list):
        fields = fields[0] if len(fields) == 1 else {}
    if not isinstance(fields, dict) or depth > _DEEPEST:
        return {}
    named: dict[str, object] = {}
    for value in fields.values():
        named |= _named(value, depth + 1)
    own = {re.sub(r"[\s-]+", "_", name.strip().lower()): value for name, value in fields.items()}
    return named | {name: value for name, value in own.items() if not _named(value, depth + 1)}


def _text(value: object, key: str, *, joined: bool) -> str:
    """A text, number or truth value as text; the items of a rationale that is a list, joined."""
    if isinstance(value, list) and (joined or len(value) == 1):
        return " ".join(_text(item, key, joined=joined) for item in value)
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | None):
        raise Unreadable(f"the {key!r} of the JSON object is not text")
    return value or ""
