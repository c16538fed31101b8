"""A teacher behind an HTTP endpoint."""

import json
import os
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from hashlib import sha256
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from distilwhy.config import HttpTeacherConfig
from distilwhy.core.prompt import Prompt, PromptPrefix
from distilwhy.errors import ConfigError
from distilwhy.teachers.base import Reply, Trouble
from distilwhy.teachers.tokens import PromptTokenizer, open_tokenizer
from distilwhy.teachers.wires.anthropic import ANTHROPIC
from distilwhy.teachers.wires.gemini import GEMINI
from distilwhy.teachers.wires.openai import CHAT, COMPLETION
from distilwhy.teachers.wires.reply import ReplyReader
from distilwhy.teachers.wires.wire import Wire, turns

PATIENCE = 5
WIRES: Mapping[str, Wire] = {
    "chat": CHAT,
    "completion": COMPLETION,
    "anthropic": ANTHROPIC,
    "gemini": GEMINI,
}


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
        self._reader = ReplyReader(config, self._wire, None)
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
        decides = {"by": self._identity, "head": prompt.prefix.digest, "question": prompt.question}
        if self._config.structured:
            return {**decides, "labels": prompt.prefix.labels}
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
        key = read_key(self._config.api_key_env)
        self._reader = ReplyReader(self._config, self._wire, key)
        self._proxy = find_proxy(self._config.base_url)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self.concurrency),
            timeout=aiohttp.ClientTimeout(total=self._config.timeout),
            headers={"Content-Type": "application/json", **self._wire.headers(key)},
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
            what = self._reader.redact(str(error) or type(error).__name__)
            return Reply(Trouble(what, nobody=nobody, lost=not nobody))
        said = self._reader.read(response.status, response.headers, content)
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


def _identity(config: HttpTeacherConfig, wire: Wire) -> str:
    """The SHA-256 of the kind of endpoint, the model and the sampling parameters."""
    nothing = Prompt("", PromptPrefix(()), "")
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


def find_proxy(url: str) -> str | None:
    """The proxy that the environment names for an address, if any; none for this machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    bypassed = host in ("localhost", "127.0.0.1", "::1") or proxy_bypass(host)
    return None if bypassed else getproxies().get(parts.scheme)
