"""How one kind of endpoint is spoken to: what goes over the wire and what comes back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from distilwhy.config import HttpTeacherConfig
from distilwhy.core.parsing.completion import Completion
from distilwhy.core.prompt import Message, Prompt, structure_reply

Body = dict[str, Any]


@dataclass(frozen=True)
class Wire:
    """A wire format, without any sending.

    Attributes:
        path: Where a model is asked, after the base URL.
        headers: What carries the key, and what else every request needs.
        body: What is sent for a prompt.
        read: The completion in a reply that was understood as JSON; None if it is none. It may
            raise KeyError, IndexError, TypeError, AttributeError or ValueError for the same.
        rest: How long nothing is left to ask, by the headers of a reply; 0 if they do not say.
        pause: How long an error that was understood as JSON asks to be left alone; 0 if it does
            not. It may raise like ``read``.
    """

    path: Callable[[str], str]
    headers: Callable[[str | None], dict[str, str]]
    body: Callable[[HttpTeacherConfig, Prompt], Body]
    read: Callable[[Any], Completion | None]
    rest: Callable[[Mapping[str, str]], float] = lambda headers: 0.0
    pause: Callable[[Any], float] = lambda error: 0.0


def turns(config: HttpTeacherConfig, prompt: Prompt) -> list[Message]:
    """The turns of a chat, in which the teacher is shown to answer as it is asked to."""
    return [
        replace(message, content=structure_reply(message.content))
        if config.structured and message.role == "assistant"
        else message
        for message in prompt.messages
    ]


def schema(prompt: Prompt) -> Body:
    """The JSON schema of a structured answer: the reasons first, so that they come first."""
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
    """A request with further fields; where both hold an object, with those of its fields."""
    both = dict(body)
    for name, value in extra.items():
        ours = both.get(name)
        if isinstance(ours, dict) and isinstance(value, dict):
            value = with_extra(ours, value)
        both[name] = value
    return both


def count(value: object) -> int | None:
    """A count of tokens, if it can be one: ``5``, or as some write it ``5.0``."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < 2**63 else None
