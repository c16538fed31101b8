"""A teacher behind an HTTP endpoint."""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Self

import aiohttp

from distilwhy.config import HttpTeacherConfig
from distilwhy.core.parsing.completion import Completion
from distilwhy.core.prompt import Prompt, PromptPrefix
from distilwhy.errors import ConfigError
from distilwhy.teachers.base import Teacher
from distilwhy.teachers.batch import BatchEndpoint
from distilwhy.teachers.call_result import CallResult
from distilwhy.teachers.connection import Connection, join_url
from distilwhy.teachers.dialect import Dialect
from distilwhy.teachers.tokens import PromptTokenizer, open_tokenizer
from distilwhy.teachers.wires.kinds import WIRES
from distilwhy.teachers.wires.reply import NO_SCHEMA, ReplyReader, refuses_schema
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
        self.name = join_url(config.base_url, WIRES[config.kind].path(config.model))
        self.concurrency = config.concurrency
        self.retries = config.retries
        self.remote_config = config
        self._config = config
        self._tokenizer = tokenizer
        self._wire = WIRES[config.kind]
        self._path = self._wire.path(config.model)
        self._reader = ReplyReader(config, self._wire)
        timeout = aiohttp.ClientTimeout(total=config.timeout)
        self._connection = Connection(config, self._wire, timeout, config.concurrency)
        self._dialect = Dialect()
        self._identities = {form: _identity(config, self._wire, form) for form in (False, True)}

    def request(self, prompt: Prompt) -> Mapping[str, object]:
        prefix = prompt.prefix
        by = self._identities[prefix.structured]
        request = {"by": by, "head": prefix.digest, "question": prompt.question}
        return {**request, "labels": prefix.labels} if prefix.structured else request

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
        return BatchEndpoint(self._config, self._dialect)

    async def __aenter__(self) -> Self:
        await self._connection.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._connection.__aexit__(*exception)

    async def ask(self, prompt: Prompt, sample: int = 0) -> CallResult:
        # Every sample is the same request; the endpoint draws another answer.
        adapted = self._dialect.adapt(prompt)
        body = _encode(self._wire.body(self._config, adapted))
        try:
            reply = await self._connection.request("POST", self._path, data=body)
        except aiohttp.ClientConnectorError as error:
            return CallResult(problem=self._connection.describe(error), unreachable=True)
        except (TimeoutError, aiohttp.ClientError) as error:
            return CallResult(problem=self._connection.describe(error), maybe_billed=True)
        if self._dialect.learn(adapted, reply):
            return await self.ask(prompt, sample)
        if prompt.prefix.structured and (problem := refuses_schema(reply)):
            return CallResult(Completion("", NO_SCHEMA, error=problem))
        return self._reader.read(reply)

    @cached_property
    def _prompts(self) -> PromptTokenizer | None:
        if self._tokenizer is None:
            return None
        return PromptTokenizer(
            open_tokenizer(self._tokenizer, "teacher.tokenizer"),
            chats=self._config.kind != "completion",
            messages=chat_messages,
        )


def _identity(config: HttpTeacherConfig, wire: Wire, structured: bool) -> str:
    """The SHA-256 of the kind of endpoint, the model, the sampling parameters and the form of
    replies."""
    prompt = Prompt("", PromptPrefix((), structured=structured), "")
    # Not every body names the model.
    body = {"model": config.model, **wire.body(config, prompt)}
    parameters = {"kind": config.kind, "body": body}
    return sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()


def _encode(body: Mapping[str, object]) -> bytes:
    return json.dumps(body).encode()
