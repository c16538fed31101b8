"""A teacher served by several servers of the same model."""

import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Self

from distilwhy.config import HttpTeacherConfig
from distilwhy.core.prompt import Prompt
from distilwhy.teachers.call_result import CallResult
from distilwhy.teachers.http import HttpTeacher

UNREACHABLE_PAUSE_S = 30.0
PROBLEM_PAUSE_S = 1.0


def open_http_teacher(config: HttpTeacherConfig, tokenizer: str | None = None) -> HttpTeacher:
    """The teacher at all the addresses that an experiment file names.

    Args:
        tokenizer: A local folder, or a name on the hub, of the tokenizer that counts its prompts.
    """
    return Replicas(config, tokenizer) if config.replicas else HttpTeacher(config, tokenizer)


@dataclass
class _Server:
    """One server: its calls under way, all it was sent, and until when it is avoided."""

    teacher: HttpTeacher
    under_way: int = 0
    asked: int = 0
    avoid_until: float = 0.0


class Replicas(HttpTeacher):
    """Asks whichever server has the fewest calls under way.

    A server that cannot be reached is avoided for half a minute, and one with another problem for
    a second or as long as it asks, if there is another server. So the next try of a call goes
    elsewhere, and a server that fails at once does not attract all calls. A call has the same key
    whichever server answers it. Batches go to the first.
    """

    def __init__(self, config: HttpTeacherConfig, tokenizer: str | None = None) -> None:
        super().__init__(config, tokenizer)
        self.name = f"{config.base_url} (and {len(config.replicas)} more)"
        addresses = [config.base_url, *config.replicas]
        configs = [config.model_copy(update={"base_url": url}) for url in addresses]
        self._servers = [_Server(HttpTeacher(each)) for each in configs]
        self._entered = AsyncExitStack()

    async def ask(self, prompt: Prompt, sample: int = 0) -> CallResult:
        now = time.monotonic()
        server = min(self._servers, key=lambda s: (s.avoid_until > now, s.under_way, s.asked))
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
