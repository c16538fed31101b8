"""The state of a batch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from distilwhy.teachers.wires.wire import read_count

_ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
_TOO_MUCH_WAITING = "token_limit_exceeded"


@dataclass(frozen=True)
class BatchState:
    """The state of a batch, as the endpoint reports it.

    Attributes:
        status: ``validating``, ``in_progress``, ``finalizing``, ``cancelling``, or how it ended:
            ``completed``, ``failed``, ``expired``, ``cancelled``.
        output: The file with the replies; None if there is none yet.
        errors: The file with the requests that have no reply.
        problem: Why the whole batch was rejected; "" if it was not.
        over_limit: Whether it was rejected because too much is waiting already.
    """

    id: str
    status: str
    answered: int = 0
    output: str | None = None
    errors: str | None = None
    problem: str = ""
    over_limit: bool = False

    @property
    def ended(self) -> bool:
        return self.status in _ENDED


def read_state(batch: Mapping[str, Any]) -> BatchState:
    """The state in a decoded batch object."""
    counts = batch.get("request_counts")
    problems = _problems(batch.get("errors"))
    return BatchState(
        id=str(batch.get("id")),
        status=str(batch.get("status")).lower(),
        answered=read_count(counts.get("completed")) or 0 if isinstance(counts, dict) else 0,
        output=batch.get("output_file_id") or None,
        errors=batch.get("error_file_id") or None,
        problem=_describe(problems[0])[:300] if problems else "",
        over_limit=any(problem.get("code") == _TOO_MUCH_WAITING for problem in problems),
    )


def _problems(errors: object) -> list[Mapping[str, Any]]:
    """The objects under ``errors``: usually an object with a list in ``data``."""
    listed = errors.get("data") if isinstance(errors, dict) else errors
    found = listed if isinstance(listed, list) else [listed] if listed else []
    return [e if isinstance(e, dict) else {"message": str(e)} for e in found]


def _describe(problem: Mapping[str, Any]) -> str:
    where = f"line {problem['line']}: " if problem.get("line") else ""
    return f"{where}{problem.get('message') or problem.get('code') or 'no reason given'}"
