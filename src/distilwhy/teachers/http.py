"""A teacher behind an HTTP endpoint."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property, partial
from hashlib import sha256
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from distilwhy.config import HttpTeacherConfig
from distilwhy.core.annotation import Completion
from distilwhy.core.prompt import Head, Prompt
from distilwhy.errors import ConfigError, TeacherError
from distilwhy.teachers.anthropic import ANTHROPIC
from distilwhy.teachers.base import Reply, Trouble
from distilwhy.teachers.gemini import GEMINI
from distilwhy.teachers.openai import CHAT, COMPLETION
from distilwhy.teachers.tokens import PromptTokenizer, open_tokenizer
from distilwhy.teachers.wire import Wire, turns

LONGEST_RETRY_AFTER_S = 300.0
PATIENCE = 5
LONG_KEY = 16
WIRES: Mapping[str, Wire] = {
    "chat": CHAT,
    "completion": COMPLETION,
    "anthropic": ANTHROPIC,
    "gemini": GEMINI,
}
_MISREAD = (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError)
_LIMITED = frozenset({429, 503, 529})
_TRANSIENT = frozenset({408, 409, 425}) | _LIMITED
# What a status does not tell: Gemini calls a wrong key a bad request, and the end of a day's quota
# a limit that passes in seconds; Anthropic calls an empty account a bad request.
_WRONG_KEY = b'"API_KEY_INVALID"'
_A_DAY = b"PerDay"
_UNPAID = (b'"insufficient_quota"', b"credit balance is too low")


class HttpTeacher:
    """Asks one endpoint.

    A lost connection, a time-out, a broken body, 408, 409, 425, 429 and 5xx are troubles that may
    pass. A row whose request is refused fails alone. A key that is refused, a model that is not
    there, and an endpoint that wants to be left alone for long end everything at the first try.

    Entering it reads the key from the environment.

    Args:
        tokenizer: Where ``teacher.tokenizer`` is: a local folder, or a name on the hub.

    Raises:
        ConfigError: on entering, if the environment variable named for the key is not set.
    """

    def __init__(self, config: HttpTeacherConfig, tokenizer: str | None = None) -> None:
        self._config = config
        self._tokenizer = tokenizer
        self._wire = WIRES[config.kind]
        self._key: str | None = None
        self._proxy: str | None = None
        self._session: aiohttp.ClientSession | None = None
        self._identity = _identity(config, self._wire)

    @property
    def name(self) -> str:
        return self._config.base_url

    @property
    def patience(self) -> int:
        return PATIENCE

    @property
    def concurrency(self) -> int:
        return self._config.concurrency

    @property
    def retries(self) -> int:
        return self._config.retries

    def request(self, prompt: Prompt) -> Mapping[str, object]:
        decides = {"by": self._identity, "head": prompt.head.digest, "question": prompt.question}
        if self._config.structured:
            return {**decides, "labels": prompt.head.labels}
        return decides

    def longest(self, prompt: Prompt) -> tuple[int, int]:
        """A token is a byte of what is sent at the least, so it cannot be more tokens than bytes.

        Raises:
            ConfigError: if there is no telling how much it may write.
        """
        if self._config.max_tokens is None:
            raise ConfigError(
                "teacher.max_tokens: is not set, so there is no telling what a call may cost; "
                "set it to keep within a budget"
            )
        return len(_encode(self._wire.body(self._config, prompt))), self._config.max_tokens

    def count(self, prompts: Sequence[Prompt]) -> list[int] | None:
        return self._prompts.count(prompts) if self._prompts else None

    async def __aenter__(self) -> Self:
        self._key = read_key(self._config.api_key_env)
        self._proxy = _proxy(self._config.base_url)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self.concurrency),
            timeout=aiohttp.ClientTimeout(total=self._config.timeout),
            headers={"Content-Type": "application/json", **self._wire.headers(self._key)},
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

    async def ask(self, prompt: Prompt, sample: int = 0) -> Reply:
        # Each sample is the same request, made again: the endpoint draws another answer.
        assert self._session is not None, "enter the teacher before asking it"
        url = self._config.base_url + self._wire.path(self._config.model)
        body = _encode(self._wire.body(self._config, prompt))
        try:
            async with self._session.post(url, data=body, proxy=self._proxy) as response:
                content = await response.read()
        except TimeoutError:
            return Reply(Trouble(f"no answer within {self._config.timeout:g} s", lost=True))
        except aiohttp.ClientError as error:
            nobody = isinstance(error, aiohttp.ClientConnectorError)
            what = self._redact(str(error) or type(error).__name__)
            return Reply(Trouble(what, nobody=nobody, lost=not nobody))
        said = self._read(response.status, response.headers, content)
        return Reply(said, self._wire.rest(response.headers))

    @cached_property
    def _prompts(self) -> PromptTokenizer | None:
        if self._tokenizer is None:
            return None
        return PromptTokenizer(
            open_tokenizer(self._tokenizer, "teacher.tokenizer"),
            chats=self._config.kind != "completion",
            turns=partial(turns, self._config),
        )

    def _read(
        self, status: int, headers: Mapping[str, str], content: bytes
    ) -> Completion | Trouble:
        if status == 200:
            completion = self._completion(content)
            if completion is None:
                what = f"the reply cannot be read: {self._excerpt(content)}"
                return Trouble(what, lost=True)
            return self._without_key(completion)
        what = f"HTTP {status}: {self._excerpt(content)}"
        self._end_if_hopeless(status, what, content)
        if status in _TRANSIENT or status >= 500:
            wait = self._retry_after(headers, content)
            return Trouble(what, wait, limited=status in _LIMITED)
        return Completion("", error=what)

    def _completion(self, content: bytes) -> Completion | None:
        try:
            return self._wire.read(json.loads(content))
        except _MISREAD:
            return None

    def _end_if_hopeless(self, status: int, what: str, content: bytes) -> None:
        where = self._config.base_url
        if status in (401, 403) or _WRONG_KEY in content:
            name = self._config.api_key_env
            advice = f"check the key in ${name}" if name else "name its key in teacher.api_key_env"
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

    def _retry_after(self, headers: Mapping[str, str], content: bytes) -> float:
        seconds = max(_seconds(headers.get("Retry-After", "")), self._pause(content))
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
        if self._key is None or len(self._key) < LONG_KEY or self._key not in repr(completion):
            return completion  # "none" and "EMPTY" are keys, and words
        return replace(
            completion,
            text=self._redact(completion.text),
            thinking=self._redact(completion.thinking),
            model=self._redact(completion.model),
        )

    def _redact(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


def _identity(config: HttpTeacherConfig, wire: Wire) -> str:
    """The SHA-256 of the kind of endpoint, the model and the sampling parameters."""
    nothing = Prompt("", Head(()), "")
    # Not every body says the model.
    body = {"model": config.model, **wire.body(config, nothing)}
    decides = {"kind": config.kind, "body": body}
    return sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def _encode(body: Mapping[str, object]) -> bytes:
    return json.dumps(body).encode()


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
