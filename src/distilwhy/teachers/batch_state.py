"""How a batch is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
_CROWDED = "token_limit_exceeded"


@dataclass(frozen=True)
class BatchState:
    """How a batch is, by the endpoint's word.

    Attributes:
        id: What the endpoint calls it.
        status: ``validating``, ``in_progress``, ``finalizing``, ``cancelling``, or how it ended:
            ``completed``, ``failed``, ``expired``, ``cancelled``.
        answered: The requests that have a reply.
        output: The file with the replies; None where there is none yet.
        errors: The file with the requests that have no reply.
        problem: Why the whole batch was turned down; "" where it was not.
        crowded: Whether that was because too much is waiting already.
    """

    id: str
    status: str
    answered: int = 0
    output: str | None = None
    errors: str | None = None
    problem: str = ""
    crowded: bool = False

    @property
    def ended(self) -> bool:
        return self.status in _ENDED


def read_state(found: Mapping[str, Any], redact: Callable[[str], str]) -> BatchState:
    """The state in a batch object, understood as JSON.

    Args:
        redact: Takes the key out of a text.
    """
    counts = found.get("request_counts")
    problems = _problems(found.get("errors"))
    return BatchState(
        id=str(found.get("id")),
        status=str(found.get("status")).lower(),
        answered=int(counts.get("completed") or 0) if isinstance(counts, dict) else 0,
        output=found.get("output_file_id") or None,
        errors=found.get("error_file_id") or None,
        problem=redact(_in_words(problems[0]))[:300] if problems else "",
        crowded=any(problem.get("code") == _CROWDED for problem in problems),
    )


def _problems(errors: object) -> list[Mapping[str, Any]]:
    """What stands under ``errors``: mostly an object with a list in ``data``."""
    listed = errors.get("data") if isinstance(errors, dict) else errors
    found = listed if isinstance(listed, list) else [listed] if listed else []
    return [e if isinstance(e, dict) else {"message": str(e)} for e in found]


def _in_words(problem: Mapping[str, Any]) -> str:
    where = f"line {problem['line']}: " if problem.get("line") else ""
    return f"{where}{problem.get('message') or problem.get('code') or 'no reason given'}"
