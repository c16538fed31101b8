"""Reads what an endpoint replied to a request."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from email.utils import parsedate_to_datetime

from distilwhy.config import HttpTeacherConfig
from distilwhy.core.parsing.completion import TOO_LONG, Completion
from distilwhy.errors import TeacherError
from distilwhy.teachers.call_result import CallResult
from distilwhy.teachers.wires.failure import Failure, read_failure
from distilwhy.teachers.wires.wire import Wire, seconds_until

LONGEST_RETRY_AFTER_S = 300.0
LONG_KEY = 16
_UNREADABLE = (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError)
_TOO_MANY = 429
_RATE_LIMITED = frozenset({_TOO_MANY, 503, 529})
_PAYLOAD_TOO_LARGE = 413
_TRANSIENT = frozenset({408, 409, 425}) | _RATE_LIMITED
# What a status does not say: Gemini calls a wrong key a bad request, and a daily quota a limit that
# passes in seconds; Anthropic calls an empty account a bad request.
_WRONG_KEY = b'"API_KEY_INVALID"'
_DAILY_QUOTA = b"PerDay"
_NOT_PAID = (b'"insufficient_quota"', b"credit balance is too low")


class ReplyReader:
    """Reads the replies of one endpoint.

    Args:
        key: Removed from everything that is read.
    """

    def __init__(self, config: HttpTeacherConfig, wire: Wire, key: str | None) -> None:
        self._config = config
        self._wire = wire
        self._key = key

    def read(self, status: int, headers: Mapping[str, str], content: bytes) -> CallResult:
        """What became of the request.

        Raises:
            TeacherError: if no other request can be answered either.
        """
        return replace(self._read(status, headers, content), rest_s=self._wire.rest(headers))

    def _read(self, status: int, headers: Mapping[str, str], content: bytes) -> CallResult:
        if status == 200 and (completion := self._read_completion(content)):
            return CallResult(self._without_key(completion))
        failure = read_failure(content)
        if status == 200 and not failure.is_error:
            problem = f"the reply cannot be read: {self.excerpt(content)}"
            return CallResult(problem=problem, maybe_billed=True)
        problem = f"HTTP {status}: {self.excerpt(content)}"
        if status == 200:  # Some proxies say so of errors, too.
            status = failure.status or 500
        self.raise_if_fatal(status, problem, content)
        if finish_reason := _outcome(status, failure):
            # The endpoint counts nothing, and bills nothing.
            return CallResult(Completion(problem, finish_reason, 0, 0))
        if not is_transient(status):
            return CallResult(Completion("", error=problem))
        return CallResult(
            problem=problem,
            rate_limited=status in _RATE_LIMITED,
            over_limit=status == _TOO_MANY,
            maybe_billed=failure.is_counted,
            retry_after_s=self._read_retry_after(headers, content),
        )

    def raise_if_fatal(self, status: int, problem: str, content: bytes) -> None:
        """Raise TeacherError if no other request can be answered either."""
        where = self._config.base_url
        # A 403 is not fatal: some endpoints refuse the content of one row with it.
        if status == 401 or _WRONG_KEY in content:
            name = self._config.api_key_env
            unnamed = "put it in an environment variable, and name that in teacher.api_key_env"
            advice = f"check the key in ${name}" if name else unnamed
            raise TeacherError(f"{where} refuses the key ({problem}); {advice}")
        if status == 402 or any(mark in content for mark in _NOT_PAID):
            raise TeacherError(f"{where} wants to be paid ({problem}); top the account up")
        if status == 429 and _DAILY_QUOTA in content:
            raise TeacherError(f"{where} has no more for today ({problem}); run again tomorrow")
        if status == 404:
            raise TeacherError(
                f"{where} has no such model or path ({problem}); check teacher.model "
                f"({self._config.model!r}) and teacher.base_url"
            )

    def excerpt(self, content: bytes) -> str:
        """The reason that an error gives, or the beginning of its text."""
        text = read_failure(content).message or content.decode(errors="replace")
        return self.redact(" ".join(text.split()))[:200] or "no reason given"

    def redact(self, text: str) -> str:
        """A text without the key."""
        return text.replace(self._key, "***") if self._key else text

    def _read_completion(self, content: bytes) -> Completion | None:
        try:
            found = self._wire.read(json.loads(content))
        except _UNREADABLE:
            return None
        if found and found.cached_tokens > (found.input_tokens or 0):
            return replace(found, cached_tokens=found.input_tokens or 0)
        return found

    def _read_retry_after(self, headers: Mapping[str, str], content: bytes) -> float:
        seconds = read_retry_after(headers)
        with suppress(*_UNREADABLE):
            seconds = max(seconds, self._wire.pause(json.loads(content)))
        if seconds > LONGEST_RETRY_AFTER_S:
            raise TeacherError(
                f"{self._config.base_url} asks to be left alone for {seconds:.0f} s; "
                "run again after that to go on"
            )
        return seconds

    def _without_key(self, completion: Completion) -> Completion:
        """The completion, in case the server repeats the key in it."""
        if self._key is None or len(self._key) < LONG_KEY or self._key not in repr(completion):
            return completion  # Short keys, such as "none" and "EMPTY", are also words.
        return replace(
            completion,
            text=self.redact(completion.text),
            thinking=self.redact(completion.thinking),
            model=self.redact(completion.model),
        )


def _outcome(status: int, failure: Failure) -> str:
    """Why a request that fails for its own sake has no answer, as a reason to finish; "" if other
    requests might fail for the same reason."""
    if status == _PAYLOAD_TOO_LARGE or failure.is_too_long:
        return TOO_LONG
    return "content_filter" if status != _TOO_MANY and failure.is_filtered else ""


def is_transient(status: int) -> bool:
    """Whether the same request may be answered later."""
    return status in _TRANSIENT or status >= 500


def read_retry_after(headers: Mapping[str, str]) -> float:
    """The seconds of a Retry-After header, which holds a number or a date; 0 if there is none."""
    value = headers.get("Retry-After", "")
    with suppress(ValueError):
        return max(0.0, float(value))
    try:
        return seconds_until(parsedate_to_datetime(value))
    except ValueError:
        return 0.0
