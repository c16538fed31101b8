"""A teacher behind any OpenAI-compatible endpoint, by chat or by plain completion."""

import asyncio
import json
import os
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from distilwhy.config import HttpTeacherConfig
from distilwhy.core.annotation import Completion
from distilwhy.core.prompt import Prompt
from distilwhy.errors import ConfigError, TeacherError

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
LONGEST_RETRY_AFTER_S = 300.0
PATIENCE = 5
LONG_KEY = 16
_TRANSIENT = frozenset({408, 409, 425, 429})


@dataclass(frozen=True)
class _Trouble:
    """A try that failed and may be tried again; ``nobody`` where no server was reached."""

    what: str
    retry_after_s: float = 0.0
    nobody: bool = False


class HttpTeacher:
    """Asks one endpoint.

    Transient trouble (a lost connection, a time-out, a broken body, 408, 409, 425, 429, 5xx) is
    tried again after a growing pause, never sooner than Retry-After allows. A row that uses up
    its tries, or whose request is refused, fails alone. An address where nobody answers ends
    everything; so does, at the first try, a key that is refused or a model that is not there.

    Entering it reads the key from the environment.

    Raises:
        ConfigError: on entering, if the environment variable named for the key is not set.
    """

    def __init__(self, config: HttpTeacherConfig) -> None:
        self._config = config
        self._key: str | None = None
        self._proxy: str | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def patience(self) -> int:
        return PATIENCE

    @property
    def concurrency(self) -> int:
        return self._config.concurrency

    def request(self, prompt: Prompt) -> Mapping[str, object]:
        return {"kind": self._config.kind, "body": self._body(prompt)}

    async def __aenter__(self) -> Self:
        self._key = read_key(self._config.api_key_env)
        self._proxy = _proxy(self._config.base_url)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self.concurrency),
            timeout=aiohttp.ClientTimeout(total=self._config.timeout),
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(self, prompt: Prompt, sample: int = 0) -> Completion:
        # Each sample is the same request, made again: the endpoint draws another answer.
        body, trouble = self._body(prompt), _Trouble("")
        for attempt in range(self._config.retries + 1):
            if attempt:
                await asyncio.sleep(max(_pause(attempt), trouble.retry_after_s))
            result = await self._try(body)
            if isinstance(result, Completion):
                return result
            trouble = result
        if trouble.nobody:
            raise TeacherError(
                f"{self._config.base_url} is not answering: {trouble.what}, after "
                f"{self._config.retries + 1} tries; see that it is up, then run again to go on"
            )
        return Completion("", error=trouble.what)

    def _body(self, prompt: Prompt) -> dict[str, object]:
        config = self._config
        body: dict[str, object] = {"model": config.model}
        if config.kind == "chat":
            body["messages"] = [{"role": m.role, "content": m.content} for m in prompt.messages]
        else:
            body["prompt"] = prompt.as_text()
        if config.temperature is not None:
            body["temperature"] = config.temperature
        if config.max_tokens is not None:
            body["max_tokens"] = config.max_tokens
        if config.stop:
            body["stop"] = config.stop
        return {**body, **config.extra}

    async def _try(self, body: dict[str, object]) -> Completion | _Trouble:
        assert self._session is not None, "enter the teacher before asking it"
        path = "/chat/completions" if self._config.kind == "chat" else "/completions"
        url = self._config.base_url + path
        try:
            async with self._session.post(url, json=body, proxy=self._proxy) as response:
                return self._read(response.status, response.headers, await response.read())
        except TimeoutError:
            return _Trouble(f"no answer within {self._config.timeout:g} s")
        except aiohttp.ClientError as error:
            nobody = isinstance(error, aiohttp.ClientConnectorError)
            return _Trouble(self._redact(str(error) or type(error).__name__), nobody=nobody)

    def _read(
        self, status: int, headers: Mapping[str, str], content: bytes
    ) -> Completion | _Trouble:
        if status == 200:
            completion = _completion(content)
            if completion is None:
                return _Trouble(f"the reply cannot be read: {self._excerpt(content)}")
            return self._without_key(completion)
        what = f"HTTP {status}: {self._excerpt(content)}"
        if status in _TRANSIENT or status >= 500:
            return _Trouble(what, self._retry_after(headers))
        self._end_if_hopeless(status, what)
        return Completion("", error=what)

    def _end_if_hopeless(self, status: int, what: str) -> None:
        where = self._config.base_url
        if status in (401, 403):
            name = self._config.api_key_env
            advice = f"check the key in ${name}" if name else "name its key in teacher.api_key_env"
            raise TeacherError(f"{where} refuses the key ({what}); {advice}")
        if status == 404:
            raise TeacherError(
                f"{where} has no such model or path ({what}); check teacher.model "
                f"({self._config.model!r}) and teacher.base_url"
            )

    def _retry_after(self, headers: Mapping[str, str]) -> float:
        seconds = _seconds(headers.get("Retry-After", ""))
        if seconds > LONGEST_RETRY_AFTER_S:
            raise TeacherError(
                f"{self._config.base_url} asks to be left alone for {seconds:.0f} s; "
                "run again after that to go on"
            )
        return seconds

    def _excerpt(self, content: bytes) -> str:
        text = content.decode(errors="replace")
        try:
            value = json.loads(text)
            text = str(value["error"]["message"])
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        return self._redact(" ".join(text.split()))[:200] or "no reason given"

    def _without_key(self, completion: Completion) -> Completion:
        """Not even a server that says the key back gets it written down."""
        if self._key is None or len(self._key) < LONG_KEY:
            return completion  # "none" and "EMPTY" are keys, and words
        return replace(completion, text=self._redact(completion.text))

    def _redact(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


def read_key(name: str | None) -> str | None:
    """The key in the environment variable of that name; None where none is named.

    Raises:
        ConfigError: if the variable is not set, or holds what no key can be.
    """
    if name is None:
        return None
    key = os.environ.get(name, "").strip()
    if not key:
        raise ConfigError(
            f"teacher.api_key_env: ${name} is not set; export your key under that name"
        )
    if not key.isprintable() or " " in key:
        raise ConfigError(
            f"teacher.api_key_env: ${name} holds more than a key; export your key alone"
        )
    return key


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for an address, if any; none for this machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    bypassed = host in ("localhost", "127.0.0.1", "::1") or proxy_bypass(host)
    return None if bypassed else getproxies().get(parts.scheme)


def _completion(content: bytes) -> Completion | None:
    """The first choice of a reply, or None if it is no reply."""
    try:
        reply = json.loads(content)
        choice = reply["choices"][0]
        message = choice.get("message") or {}
        text = _joined(message["content"] if "message" in choice else choice["text"])
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return None
    refused = isinstance(message.get("refusal"), str) and not text
    if text is not None and not isinstance(text, str):
        return None
    counted = reply.get("usage")
    usage: dict[str, Any] = counted if isinstance(counted, dict) else {}
    return Completion(
        text=message["refusal"] if refused else text or "",
        finish_reason="refusal" if refused else str(choice.get("finish_reason") or ""),
        input_tokens=_count(usage.get("prompt_tokens")),
        output_tokens=_count(usage.get("completion_tokens")),
    )


def _joined(content: object) -> object:
    """The text of a content given as a list of parts; other content as it is."""
    if not isinstance(content, list):
        return content
    return "".join(part["text"] for part in content if part.get("type") == "text")


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and 0 <= value < 2**63 else None


def _pause(attempt: int) -> float:
    """Seconds before the given try: doubling, with jitter, so that callers do not march in step."""
    longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** (attempt - 1))
    return longest * random.uniform(0.5, 1.0)


def _seconds(retry_after: str) -> float:
    """A Retry-After header in seconds, be it a number or a date; 0 if it says nothing."""
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    aware = until if until.tzinfo else until.replace(tzinfo=UTC)
    wait: float = (aware - datetime.now(UTC)).total_seconds()
    return float(max(0.0, wait))
