"""A teacher served by several servers of the same model."""

import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Self

from distilwhy.config import HttpTeacherConfig
from distilwhy.core.prompt import Prompt
from distilwhy.teachers.base import Teacher
from distilwhy.teachers.batch import BatchEndpoint
from distilwhy.teachers.call_result import CallResult
from distilwhy.teachers.http import HttpTeacher

UNREACHABLE_PAUSE_S = 30.0
PROBLEM_PAUSE_S = 1.0


def open_http_teacher(config: HttpTeacherConfig, tokenizer: str | None = None) -> Teacher:
    """The teacher at all the addresses that an experiment file names.

    Args:
        tokenizer: A local folder, or a name on the hub, of the tokenizer that counts its prompts.
    """
    addresses = [config.base_url, *config.replicas]
    teachers = [
        HttpTeacher(config.model_copy(update={"base_url": url}), tokenizer) for url in addresses
    ]
    return Replicas(config, teachers) if config.replicas else teachers[0]


@dataclass
class _Server:
    """One server: how many calls it has under way, how many it was sent, and until when it is
    avoided."""

    teacher: HttpTeacher
    under_way: int = 0
    asked: int = 0
    avoid_until: float = 0.0

    def rank(self, now: float) -> tuple[bool, int, int]:
        """The server with the lowest rank is asked next."""
        return self.avoid_until > now, self.under_way, self.asked


class Replicas(Teacher):
    """Asks whichever server has the fewest calls under way.

    A server that cannot be reached is avoided for half a minute, and one with another problem for
    a second or as long as it asks, if there is another server. So the next try of a call goes
    elsewhere, and a server that fails at once does not attract all calls. A call has the same key
    whichever server answers it.
    """

    def __init__(self, config: HttpTeacherConfig, teachers: list[HttpTeacher]) -> None:
        self._config = config
        self._servers = [_Server(teacher) for teacher in teachers]
        self._first = teachers[0]
        self._entered = AsyncExitStack()

    @property
    def name(self) -> str:
        return f"{self._first.name} (and {len(self._servers) - 1} more)"

    @property
    def concurrency(self) -> int:
        return self._first.concurrency

    @property
    def retries(self) -> int:
        return self._first.retries

    @property
    def failure_limit(self) -> int:
        return self._first.failure_limit

    @property
    def remote_config(self) -> HttpTeacherConfig:
        return self._config

    def request(self, prompt: Prompt) -> Mapping[str, object]:
        return self._first.request(prompt)

    def longest(self, prompt: Prompt) -> tuple[int, int]:
        return self._first.longest(prompt)

    def count(self, prompts: Sequence[Prompt]) -> list[int] | None:
        return self._first.count(prompts)

    def batches(self) -> BatchEndpoint:
        return self._first.batches()

    async def ask(self, prompt: Prompt, sample: int = 0) -> CallResult:
        now = time.monotonic()
        server = min(self._servers, key=lambda server: server.rank(now))
        server.under_way += 1
        server.asked += 1
        try:
            result = await server.teacher.ask(prompt, sample)
        finally:
            server.under_way -= 1
        if result.completion is None:
            least = UNREACHABLE_PAUSE_S if result.unreachable else PROBLEM_PAUSE_S
            server.avoid_until = time.monotonic() + max(least, result.retry_after_s)
        return result

    async def __aenter__(self) -> Self:
        for server in self._servers:
            await self._entered.enter_async_context(server.teacher)
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._entered.aclose()
