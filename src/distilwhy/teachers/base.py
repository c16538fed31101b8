"""The interface of a teacher."""

from collections.abc import Mapping, Sequence
from typing import Protocol, Self

from distilwhy.config import HttpTeacherConfig
from distilwhy.core.prompt import Prompt
from distilwhy.teachers.batch import BatchEndpoint
from distilwhy.teachers.call_result import CallResult


class Teacher(Protocol):
    """Turns prompts into completions. Enter it before asking it.

    A teacher that does not say otherwise needs no second try, counts no tokens, and is asked call
    by call from this process.

    Attributes:
        name: What messages call it.
        concurrency: How many prompts may be under way at once.
        retries: How often a request without an answer is made again.
        failure_limit: After how many failed calls in a row to stop; None: never.
        remote_config: What another machine needs to ask the same teacher; None if only this
            process can.
    """

    name: str
    concurrency: int
    retries: int = 0
    failure_limit: int | None = None
    remote_config: HttpTeacherConfig | None = None

    def request(self, prompt: Prompt) -> Mapping[str, object]:
        """All that decides the answer, and nothing else: the ledger's key is made of it."""
        ...

    def longest(self, prompt: Prompt) -> tuple[int, int]:
        """The most tokens that one request can read and write.

        Raises:
            ConfigError: if there is no limit to what it can write.
        """
        ...

    def count(self, prompts: Sequence[Prompt]) -> list[int] | None:
        """The number of tokens in each prompt; None if the teacher has no tokenizer.

        Raises:
            ConfigError: if the tokenizer cannot be loaded.
        """
        return None

    def batches(self) -> BatchEndpoint | None:
        """The batch interface; None if the teacher has none."""
        return None

    async def ask(self, prompt: Prompt, sample: int = 0) -> CallResult:
        """Make one request.

        Args:
            sample: Which of several answers to the same prompt is wanted.

        Raises:
            TeacherError: if no other prompt can be answered either.
        """
        ...

    def close(self) -> None:
        """Free what is kept between one ``async with`` and the next, such as a model."""
        return

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        return
