"""Reads the errors of endpoints: their many JSON forms and wordings."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_UNREADABLE = (ValueError, RecursionError)
_LONGEST = 10_000
_MESSAGES = ("message", "detail", "error_description", "msg")
_CODES = ("code", "type", "status", "reason")
# By the provider, and by what a proxy before it calls the same.
_FILTERED = re.compile(
    r"content[ _-]?(?:filter|policy|management|moderation)|responsible ?ai|data_?inspection"
    r"|\bflagged\b|moderation|inappropriate content|content exists risk|safety (?:system|check)"
    r"|usage (?:policy|policies|guidelines)|prohibited[ _]content|considered high risk"
    r"|sensitive (?:content|words?)|content violates|harmful content",
    re.I,
)
_OF_ACCOUNT = re.compile(r"\b(?:account|organi[sz]ation|subscription|api[ _]key|billing)\b", re.I)
_TOO_LONG = re.compile(
    r"context[ _-]?(?:length|window|size|limit)|maximum (?:model|input|prompt|sequence) length"
    r"|(?:prompt|input|request|payload|messages?|body)(?: \w+){0,2} (?:is |are )?too (?:long|large)"
    r"|request[ _](?:entity )?too[ _]large|too many (?:input |prompt )?tokens|input token count"
    r"|exceeds? the (?:maximum|max|limit of)(?: number of)? (?:input |prompt )?tokens"
    r"|(?:tokens|length).{0,40} (?:too large for|longer than) (?:the )?(?:model|maximum|max)"
    r"|string_above_max_length|must have less than \d+ tokens|max_new_tokens. must be <="
    r"|range of input length|(?:reduce|shorten) (?:the |your )?(?:length|message|prompt|input)",
    re.I,
)
_RATE_LIMITED = re.compile(
    r"\brate[ _-]?limit|ratelimit|too many (?:requests|concurrent)|throttl|slow[ _]?down\b"
    r"|(?:requests|tokens|calls|quota)\b.{0,40}\b(?:per|a) (?:second|minute|min)\b|\b[RT]PM\b"
    r"|resource_?exhausted",
    re.I,
)
_NO_SYSTEM_ROLE = re.compile(
    r"(?:system|developer)['\"]?(?: role| messages?| prompts?| instructions?)*(?: is| are)?"
    r" ?n(?:o|')t (?:supported|allowed|enabled|permitted)"
    r"|(?:not|n't) (?:support|allow|accept)\w* (?:a |the |any )?['\"]?(?:system|developer)\b"
    r"|roles must alternate|only (?:support )?'?user'?(?:,| and) '?(?:assistant|model)'?",
    re.I,
)


@dataclass(frozen=True)
class Failure:
    """What the body of an error says.

    Attributes:
        message: The reason that it gives; "" if it gives none.
        codes: What it calls itself, such as ``content_filter``, joined by spaces.
        status: The HTTP status that it names; None if it names none.
        is_error: Whether it says that it is an error, whatever its HTTP status.
        is_counted: Whether it counts tokens all the same.
    """

    message: str = ""
    codes: str = ""
    status: int | None = None
    is_error: bool = False
    is_counted: bool = False

    @property
    def is_filtered(self) -> bool:
        """Whether this request is refused for its content."""
        text = f"{self.codes} {self.message}"
        return bool(_FILTERED.search(text)) and not _OF_ACCOUNT.search(self.message)

    @property
    def is_too_long(self) -> bool:
        """Whether this request is longer than the model or the endpoint takes."""
        return bool(_TOO_LONG.search(f"{self.codes} {self.message}"))

    @property
    def is_rate_limited(self) -> bool:
        """Whether it names a limit of the rate of calls, whatever its HTTP status."""
        return bool(_RATE_LIMITED.search(f"{self.codes} {self.message}"))

    @property
    def lacks_system_role(self) -> bool:
        """Whether the model takes no system message."""
        return bool(_NO_SYSTEM_ROLE.search(self.message))


def read_failure(content: bytes) -> Failure:
    """Read the body of an error; anything but a JSON object gives an empty Failure."""
    try:
        body = json.loads(content)
    except _UNREADABLE:
        return Failure()
    body = body[0] if isinstance(body, list) and body else body
    if not isinstance(body, dict):
        return Failure()
    error = body.get("error")
    is_error = bool(error) or body.get("object") == "error" or body.get("type") == "error"
    found = error if isinstance(error, dict) else body
    codes = " ".join(_codes(found))
    return Failure(
        message=(error if isinstance(error, str) else _message(found))[:_LONGEST],
        codes=codes[:_LONGEST],
        status=_status(found, codes),
        is_error=is_error,
        is_counted=bool(body.get("usage")),
    )


def _message(found: dict[str, Any]) -> str:
    for name in _MESSAGES:
        value = found.get(name)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = value[0].get("msg")  # FastAPI
        if value and isinstance(value, str | int | float):
            return str(value)
    return ""


def _codes(found: dict[str, Any]) -> Iterator[str]:
    inner = found.get("innererror")
    for each in (found, inner if isinstance(inner, dict) else {}):
        yield from (str(each[name]) for name in _CODES if isinstance(each.get(name), str | int))


def _status(found: dict[str, Any], codes: str) -> int | None:
    numbers = (found.get(name) for name in ("code", "status"))
    status = next((n for n in numbers if isinstance(n, int) and 400 <= n < 600), None)
    return status or (429 if "rate_limit" in codes else None)
