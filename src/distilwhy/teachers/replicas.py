"""A teacher that several servers of one and the same model answer for."""

import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from distilwhy.config import HttpTeacherConfig
from distilwhy.core.prompt import Prompt
from distilwhy.teachers.base import Reply, Teacher, Trouble
from distilwhy.teachers.http import HttpTeacher

LEFT_ALONE_S = 30.0
LEFT_IN_TROUBLE_S = 1.0


def reach(config: HttpTeacherConfig, tokenizer: str | None = None) -> Teacher:
    """The teacher at all the addresses that a file names.

    Args:
        tokenizer: Where the tokenizer is that its prompts are counted by.
    """
    addresses = [config.base_url, *config.replicas]
    at = [HttpTeacher(config.model_copy(update={"base_url": url}), tokenizer) for url in addresses]
    return Replicas(at) if config.replicas else at[0]


@dataclass
class _Server:
    """One of them: what it has to do, what it has done, and until when it is left alone."""

    teacher: HttpTeacher
    under_way: int = 0
    asked: int = 0
    down_until: float = 0.0

    def rank(self, now: float) -> tuple[bool, int, int]:
        """The least is asked next."""
        return self.down_until > now, self.under_way, self.asked


class Replicas:
    """Asks whichever has least to do.

    One where nobody listens is left alone for half a minute, and one in other trouble for a second
    or as long as it asks, as long as there is another: so the next try of a call goes elsewhere,
    and one that fails at once does not have least to do. Answers have the same key whichever gave
    them.
    """

    def __init__(self, teachers: list[HttpTeacher]) -> None:
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
    def patience(self) -> int:
        return self._first.patience

    def request(self, prompt: Prompt) -> Mapping[str, object]:
        return self._first.request(prompt)

    def longest(self, prompt: Prompt) -> tuple[int, int]:
        return self._first.longest(prompt)

    def count(self, prompts: Sequence[Prompt]) -> list[int] | None:
        return self._first.count(prompts)

    async def ask(self, prompt: Prompt, sample: int = 0) -> Reply:
        now = time.monotonic()
        server = min(self._servers, key=lambda server: server.rank(now))
        server.under_way += 1
        server.asked += 1
        try:
            reply = await server.teacher.ask(prompt, sample)
        finally:
            server.under_way -= 1
        if isinstance(said := reply.said, Trouble):
            pause = LEFT_ALONE_S if said.nobody else max(LEFT_IN_TROUBLE_S, said.retry_after_s)
            server.down_until = time.monotonic() + pause
        return reply

    async def __aenter__(self) -> Self:
        for server in self._servers:
            await self._entered.enter_async_context(server.teacher)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._entered.aclose()
