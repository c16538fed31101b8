"""Reads what an endpoint replied to a request."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from email.utils import parsedate_to_datetime

from distilwhy.config import HttpTeacherConfig
from distilwhy.core.parsing.completion import TOO_LONG, Completion
from distilwhy.errors import TeacherError
from distilwhy.teachers.call_result import CallResult
from distilwhy.teachers.connection import MOST_BYTES, HttpReply, join_url
from distilwhy.teachers.wires.failure import Failure, read_failure
from distilwhy.teachers.wires.wire import Wire, seconds_until

LONGEST_RETRY_AFTER_S = 300.0
_LONGEST_PAUSE_S = 366 * 24 * 3600.0
_SHOWN = 10_000
UNREADABLE = (
    *(ValueError, KeyError, IndexError, TypeError),
    *(AttributeError, OverflowError, RecursionError),
)
TOO_MANY = 429
# Why a completion ends that is asked for by a schema, if the endpoint does not take one.
NO_SCHEMA = "no_schema"
_RATE_LIMITED = frozenset({TOO_MANY, 503, 529})
_PERHAPS_LIMITS = frozenset({400, 403, 420, 498, 500, 503, 529})
_PAYLOAD_TOO_LARGE = 413
_TRANSIENT = frozenset({408, 409, 425}) | _RATE_LIMITED
# What a status does not say: Gemini calls a wrong key a bad request, and a daily quota a limit that
# passes in seconds; Anthropic calls an empty account a bad request.
_WRONG_KEY = b'"API_KEY_INVALID"'
_DAILY_QUOTA = b"PerDay"
_NOT_PAID = (b'"insufficient_quota"', b"credit balance is too low")
# What endpoints that do not take a JSON schema name in their error.
_SCHEMA = re.compile(
    rb"response[_ ]?(?:format|mime[_ ]?type|(?:json[_ ]?)?schema)|json[_ ]?schema|json[_ ]mode"
    rb"|output_(?:config|format)|structured[_ ]?outputs?|guided[_ ](?:decoding|json)|grammar",
    re.I,
)
_REFUSING = frozenset({400, 404, 405, 415, 422, 500, 501})


class ReplyReader:
    """Reads the replies of one endpoint."""

    def __init__(self, config: HttpTeacherConfig, wire: Wire) -> None:
        self._config = config
        self._wire = wire
        self._url = join_url(config.base_url, wire.path(config.model))

    def read(self, reply: HttpReply) -> CallResult:
        """What became of the request.

        Raises:
            TeacherError: if no other request can be answered either.
        """
        return replace(self._read(reply), rest_s=_plausible(self._wire.rest(reply.headers)))

    def _read(self, reply: HttpReply) -> CallResult:
        status, content = reply.status, reply.content
        if status == 200 and not reply.is_whole:
            return CallResult(
                Completion(f"the reply is longer than {MOST_BYTES:,} bytes", TOO_LONG)
            )
        if status == 200 and (completion := self._read_completion(content)):
            return CallResult(completion)
        failure = read_failure(content)
        if status == 200 and not failure.is_error:
            problem = f"the reply cannot be read: {excerpt(content)}"
            return CallResult(problem=problem, maybe_billed=True)
        problem = describe(reply)
        if status == 200:  # Some proxies send errors with this status.
            status = failure.status or 500
        self.raise_if_fatal(self._url, status, problem, content)
        if finish_reason := _outcome(status, failure):
            # The endpoint counts nothing, and bills nothing.
            return CallResult(Completion(problem, finish_reason, 0, 0))
        if is_over_limit(status, failure):
            status = TOO_MANY
        if not is_transient(status):
            return CallResult(Completion("", error=problem))
        return CallResult(
            problem=problem,
            rate_limited=status in _RATE_LIMITED,
            over_limit=status == TOO_MANY,
            maybe_billed=failure.is_counted,
            retry_after_s=self._read_retry_after(reply),
        )

    def raise_if_fatal(self, where: str, status: int, problem: str, content: bytes) -> None:
        """Raise TeacherError if no other request to an address can be answered either."""
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

    def _read_completion(self, content: bytes) -> Completion | None:
        try:
            found = self._wire.read(json.loads(content))
        except UNREADABLE:
            return None
        if found and found.cached_tokens > (found.input_tokens or 0):
            return replace(found, cached_tokens=found.input_tokens or 0)
        return found

    def _read_retry_after(self, reply: HttpReply) -> float:
        seconds = read_retry_after(reply.headers)
        with suppress(*UNREADABLE):
            seconds = max(seconds, _plausible(self._wire.pause(json.loads(reply.content))))
        if seconds > LONGEST_RETRY_AFTER_S:
            raise TeacherError(
                f"{self._url} asks to be left alone for {seconds:.0f} s; "
                "run again after that to go on"
            )
        return seconds


def describe(reply: HttpReply) -> str:
    """What an endpoint says instead of an answer, in a line."""
    if host := reply.redirects_to:
        return (
            f"HTTP {reply.status}: redirects to {host}, which is sent neither the key nor the "
            "prompt; if that is the right host, name it in teacher.base_url"
        )
    return f"HTTP {reply.status}: {excerpt(reply.content)}"


def excerpt(content: bytes) -> str:
    """The reason that an error gives, or the beginning of its text."""
    text = read_failure(content).message or content[:_SHOWN].decode(errors="replace")
    return " ".join(text[:_SHOWN].split())[:200] or "no reason given"


def refuses_schema(reply: HttpReply) -> str:
    """Why an endpoint refuses a request for its JSON schema; "" if it does not."""
    failure = read_failure(reply.content)
    status = reply.status
    if status == 200 and failure.is_error:
        status = failure.status or 500
    if status not in _REFUSING or _outcome(status, failure):
        return ""
    return describe(reply) if _SCHEMA.search(reply.content[:_SHOWN]) else ""


def _outcome(status: int, failure: Failure) -> str:
    """The finish reason of a request that failed because of its own content or length; "" if other
    requests might fail for the same reason."""
    if status == _PAYLOAD_TOO_LARGE or failure.is_too_long:
        return TOO_LONG
    return "content_filter" if status != TOO_MANY and failure.is_filtered else ""


def is_over_limit(status: int, failure: Failure) -> bool:
    """Whether an error is a limit of so much a minute, which some endpoints call a bad request or
    a lack of permission."""
    return status == TOO_MANY or (status in _PERHAPS_LIMITS and failure.is_rate_limited)


def is_transient(status: int) -> bool:
    """Whether the same request may be answered later."""
    return status in _TRANSIENT or status >= 500


def read_retry_after(headers: Mapping[str, str]) -> float:
    """The seconds of a Retry-After header, which holds a number or a date; 0 if there is none."""
    value = headers.get("Retry-After", "")
    with suppress(ValueError):
        return _plausible(float(value))
    try:
        return _plausible(seconds_until(parsedate_to_datetime(value)))
    except (ValueError, OverflowError):
        return 0.0


def _plausible(seconds: float) -> float:
    """A pause in seconds; 0 if it is not plausible."""
    return seconds if 0 <= seconds <= _LONGEST_PAUSE_S else 0.0
