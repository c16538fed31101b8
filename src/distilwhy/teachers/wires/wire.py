"""What a wire format is: what goes to one kind of endpoint, and what comes back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from distilwhy.config import HttpTeacherConfig
from distilwhy.core.cost import MOST_TOKENS
from distilwhy.core.parsing.completion import Completion
from distilwhy.core.prompt import Message, Prompt, structure_reply

Body = dict[str, Any]


@dataclass(frozen=True)
class Wire:
    """A wire format. It sends nothing itself.

    Attributes:
        path: The path of a model, after the base URL.
        headers: The headers of a request, with the key if there is one.
        body: The body of a request for a prompt.
        read: Reads the completion in a decoded reply; None if there is none. It may also raise
            KeyError, IndexError, TypeError, AttributeError or ValueError.
        rest: How many seconds the endpoint takes no requests, by the headers of a reply; 0 if they
            do not say.
        pause: How many seconds a decoded error asks to wait; 0 if it does not. It may raise like
            ``read``.
    """

    path: Callable[[str], str]
    headers: Callable[[str | None], dict[str, str]]
    body: Callable[[HttpTeacherConfig, Prompt], Body]
    read: Callable[[Any], Completion | None]
    rest: Callable[[Mapping[str, str]], float] = lambda headers: 0.0
    pause: Callable[[Any], float] = lambda error: 0.0


def chat_messages(prompt: Prompt) -> list[Message]:
    """The messages of a chat. Its exemplars are answered as JSON if the teacher is to do so."""
    return [
        replace(message, content=structure_reply(message.content, prompt.prefix.cue))
        if prompt.prefix.structured and message.role == "assistant"
        else message
        for message in prompt.messages
    ]


def answer_schema(prompt: Prompt) -> Body:
    """The JSON schema of a structured answer, the rationale first so that it is written first."""
    answer: Body = {"type": "string"}
    if prompt.prefix.labels:
        answer["enum"] = list(prompt.prefix.labels)
    return {
        "type": "object",
        "properties": {"rationale": {"type": "string"}, "answer": answer},
        "required": ["rationale", "answer"],
        "additionalProperties": False,
    }


def with_extra(body: Body, extra: Mapping[str, Any]) -> Body:
    """A body with further fields; objects in both are merged."""
    merged = dict(body)
    for name, value in extra.items():
        ours = merged.get(name)
        if isinstance(ours, dict) and isinstance(value, dict):
            value = with_extra(ours, value)
        merged[name] = value
    return merged


def read_count(value: object) -> int | None:
    """A number of tokens, given as ``5`` or ``5.0``; None if it is implausible for one call."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= MOST_TOKENS else None


def seconds_until(moment: datetime) -> float:
    """Seconds until a moment, in UTC if it names no zone; 0 if it is past."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())


def read_usage(reply: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object of token counts in a reply; empty if there is none."""
    usage = reply.get(name)
    return usage if isinstance(usage, dict) else {}
