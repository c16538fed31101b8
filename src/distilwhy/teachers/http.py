"""A teacher behind an HTTP endpoint."""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from hashlib import sha256
from typing import Self

import aiohttp

from distilwhy.config import HttpTeacherConfig
from distilwhy.core.prompt import Prompt, PromptPrefix
from distilwhy.errors import ConfigError
from distilwhy.teachers.base import Teacher
from distilwhy.teachers.batch import BatchEndpoint
from distilwhy.teachers.call_result import CallResult
from distilwhy.teachers.environment import find_proxy, read_key
from distilwhy.teachers.tokens import PromptTokenizer, open_tokenizer
from distilwhy.teachers.wires.kinds import WIRES
from distilwhy.teachers.wires.reply import ReplyReader
from distilwhy.teachers.wires.wire import Wire, chat_messages

FAILURE_LIMIT = 5


class HttpTeacher(Teacher):
    """Asks one endpoint.

    A lost connection, a time-out, a broken body, 408, 409, 425, 429 and 5xx may pass: the request
    can be made again. A request that is refused fails alone. A refused key, an unknown model, and
    an endpoint that asks for a long pause raise TeacherError at once.

    Args:
        tokenizer: Where ``teacher.tokenizer`` is: a local folder, or a name on the hub.

    Raises:
        ConfigError: on entering, if the environment variable named for the key is not set.
    """

    failure_limit = FAILURE_LIMIT

    def __init__(self, config: HttpTeacherConfig, tokenizer: str | None = None) -> None:
        self.name = config.base_url
        self.concurrency = config.concurrency
        self.retries = config.retries
        self.remote_config = config
        self._config = config
        self._tokenizer = tokenizer
        self._wire = WIRES[config.kind]
        self._reader = ReplyReader(config, self._wire, None)
        self._proxy: str | None = None
        self._session: aiohttp.ClientSession | None = None
        self._identity = _identity(config, self._wire)

    def request(self, prompt: Prompt) -> Mapping[str, object]:
        request = {"by": self._identity, "head": prompt.prefix.digest, "question": prompt.question}
        if self._config.structured:
            return {**request, "labels": prompt.prefix.labels}
        return request

    def longest(self, prompt: Prompt) -> tuple[int, int]:
        """The bytes sent bound the tokens read, since a token is at least one byte."""
        if self._config.max_tokens is None:
            raise ConfigError(
                "teacher.max_tokens: is not set, so there is no telling what a call may cost; "
                "set it to keep within a budget"
            )
        return len(_encode(self._wire.body(self._config, prompt))), self._config.max_tokens

    def count(self, prompts: Sequence[Prompt]) -> list[int] | None:
        return self._prompts.count(prompts) if self._prompts else None

    def batches(self) -> BatchEndpoint:
        return BatchEndpoint(self._config)

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

    async def __aexit__(self, *exception: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(self, prompt: Prompt, sample: int = 0) -> CallResult:
        # Every sample is the same request; the endpoint draws another answer.
        assert self._session is not None, "enter the teacher before asking it"
        url = self._config.base_url + self._wire.path(self._config.model)
        body = _encode(self._wire.body(self._config, prompt))
        try:
            async with self._session.post(url, data=body, proxy=self._proxy) as response:
                content = await response.read()
        except TimeoutError:
            problem = f"no answer within {self._config.timeout:g} s"
            return CallResult(problem=problem, maybe_billed=True)
        except aiohttp.ClientError as error:
            problem = self._reader.redact(str(error) or type(error).__name__)
            if isinstance(error, aiohttp.ClientConnectorError):
                return CallResult(problem=problem, unreachable=True)
            return CallResult(problem=problem, maybe_billed=True)
        return self._reader.read(response.status, response.headers, content)

    @cached_property
    def _prompts(self) -> PromptTokenizer | None:
        if self._tokenizer is None:
            return None
        return PromptTokenizer(
            open_tokenizer(self._tokenizer, "teacher.tokenizer"),
            chats=self._config.kind != "completion",
            messages=partial(chat_messages, self._config),
        )


def _identity(config: HttpTeacherConfig, wire: Wire) -> str:
    """The SHA-256 of the kind of endpoint, the model and the sampling parameters."""
    # Not every body names the model.
    body = {"model": config.model, **wire.body(config, Prompt("", PromptPrefix(()), ""))}
    parameters = {"kind": config.kind, "body": body}
    return sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()


def _encode(body: Mapping[str, object]) -> bytes:
    return json.dumps(body).encode()
