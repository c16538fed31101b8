"""What an endpoint's reply means."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from distilwhy.config import HttpTeacherConfig
from distilwhy.core.parsing.completion import Completion
from distilwhy.errors import TeacherError
from distilwhy.teachers.base import Trouble
from distilwhy.teachers.wires.wire import Wire

LONGEST_RETRY_AFTER_S = 300.0
LONG_KEY = 16
_MISREAD = (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError)
_LIMITED = frozenset({429, 503, 529})
_TRANSIENT = frozenset({408, 409, 425}) | _LIMITED
# What a status does not tell: Gemini calls a wrong key a bad request, and the end of a day's quota
# a limit that passes in seconds; Anthropic calls an empty account a bad request.
_WRONG_KEY = b'"API_KEY_INVALID"'
_A_DAY = b"PerDay"
_UNPAID = (b'"insufficient_quota"', b"credit balance is too low")


class ReplyReader:
    """Reads the replies of one endpoint.

    Args:
        key: Taken out of all that is read.
    """

    def __init__(self, config: HttpTeacherConfig, wire: Wire, key: str | None) -> None:
        self._config = config
        self._wire = wire
        self._key = key

    def read(self, status: int, headers: Mapping[str, str], content: bytes) -> Completion | Trouble:
        """The completion; one with an error where the request is refused for good.

        Raises:
            TeacherError: if no other request can be answered either.
        """
        if status == 200:
            completion = self._completion(content)
            if completion is None:
                what = f"the reply cannot be read: {self.excerpt(content)}"
                return Trouble(what, lost=True)
            return self._without_key(completion)
        what = f"HTTP {status}: {self.excerpt(content)}"
        self.end_if_hopeless(status, what, content)
        if is_transient(status):
            wait = self._retry_after(headers, content)
            return Trouble(what, wait, limited=status in _LIMITED)
        return Completion("", error=what)

    def end_if_hopeless(self, status: int, what: str, content: bytes) -> None:
        """Go on where another request may have better luck.

        Raises:
            TeacherError: if none can have.
        """
        where = self._config.base_url
        # Not where it is 403: some say so of what one row holds.
        if status == 401 or _WRONG_KEY in content:
            name = self._config.api_key_env
            unnamed = "put it in an environment variable, and name that in teacher.api_key_env"
            advice = f"check the key in ${name}" if name else unnamed
            raise TeacherError(f"{where} refuses the key ({what}); {advice}")
        if status == 402 or any(mark in content for mark in _UNPAID):
            raise TeacherError(f"{where} wants to be paid ({what}); top the account up")
        if status == 429 and _A_DAY in content:
            raise TeacherError(f"{where} has no more for today ({what}); run again tomorrow")
        if status == 404:
            raise TeacherError(
                f"{where} has no such model or path ({what}); check teacher.model "
                f"({self._config.model!r}) and teacher.base_url"
            )

    def excerpt(self, content: bytes) -> str:
        """The reason that an error gives, or its beginning."""
        text = content.decode(errors="replace")
        try:
            value = json.loads(text)
            text = str(value["error"]["message"])
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        return self.redact(" ".join(text.split()))[:200] or "no reason given"

    def redact(self, text: str) -> str:
        """A text without the key."""
        return text.replace(self._key, "***") if self._key else text

    def _completion(self, content: bytes) -> Completion | None:
        try:
            found = self._wire.read(json.loads(content))
        except _MISREAD:
            return None
        if found and found.cached_tokens > (found.input_tokens or 0):
            return replace(found, cached_tokens=found.input_tokens or 0)
        return found

    def _retry_after(self, headers: Mapping[str, str], content: bytes) -> float:
        seconds = max(retry_after(headers), self._pause(content))
        if seconds > LONGEST_RETRY_AFTER_S:
            raise TeacherError(
                f"{self._config.base_url} asks to be left alone for {seconds:.0f} s; "
                "run again after that to go on"
            )
        return seconds

    def _pause(self, content: bytes) -> float:
        try:
            return self._wire.pause(json.loads(content))
        except _MISREAD:
            return 0.0

    def _without_key(self, completion: Completion) -> Completion:
        """Not even a server that says the key back gets it written down."""
        if self._key is None or len(self._key) < LONG_KEY or self._key not in repr(completion):
            return completion  # "none" and "EMPTY" are keys, and words
        return replace(
            completion,
            text=self.redact(completion.text),
            thinking=self.redact(completion.thinking),
            model=self.redact(completion.model),
        )


def is_transient(status: int) -> bool:
    """Whether the same request may be answered later."""
    return status in _TRANSIENT or status >= 500


def retry_after(headers: Mapping[str, str]) -> float:
    """A Retry-After header in seconds, be it a number or a date; 0 if it says nothing."""
    said = headers.get("Retry-After", "")
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(said)
    except ValueError:
        return 0.0
    aware = until if until.tzinfo else until.replace(tzinfo=UTC)
    wait: float = (aware - datetime.now(UTC)).total_seconds()
    return float(max(0.0, wait))
