"""How one kind of endpoint is spoken to: what goes over the wire and what comes back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from distilwhy.config import HttpTeacherConfig
from distilwhy.core.annotation import Completion
from distilwhy.core.prompt import Prompt

Body = dict[str, object]


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
    """

    path: Callable[[str], str]
    headers: Callable[[str | None], dict[str, str]]
    body: Callable[[HttpTeacherConfig, Prompt], Body]
    read: Callable[[Any], Completion | None]
    rest: Callable[[Mapping[str, str]], float] = lambda headers: 0.0


def count(value: object) -> int | None:
    """A count of tokens, if it can be one."""
    return value if isinstance(value, int) and 0 <= value < 2**63 else None
