"""The interface of a teacher, and what becomes of one request to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from distilwhy.config import HttpTeacherConfig
from distilwhy.core.parsing.completion import Completion
from distilwhy.core.prompt import Prompt

if TYPE_CHECKING:
    from distilwhy.teachers.batch import BatchEndpoint


@dataclass(frozen=True)
class CallResult:
    """What became of one request to a teacher.

    Attributes:
        completion: What the teacher returned; one with an error if it refuses this request for
            good. None if there is no answer, and the request may be made again.
        problem: Why there is no completion.
        unreachable: Whether no server was reached.
        rate_limited: Whether the endpoint has too much to do.
        maybe_billed: Whether the endpoint may have answered, and billed, all the same.
        retry_after_s: How long the endpoint asks to wait before the next try.
        rest_s: For how long the endpoint takes no requests at all, by its headers.
        seconds: How long the request took; for a prompt in a batch, its share of the time. None if
            the teacher did not time it.
    """

    completion: Completion | None = None
    problem: str = ""
    unreachable: bool = False
    rate_limited: bool = False
    maybe_billed: bool = False
    retry_after_s: float = 0.0
    rest_s: float = 0.0
    seconds: float | None = None


class Teacher(Protocol):
    """Turns prompts into completions. Enter it before asking it.

    A teacher that does not say otherwise needs no second try, counts no tokens, and is asked call
    by call from this process.
    """

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    @property
    def concurrency(self) -> int:
        """How many prompts may be under way at once."""
        ...

    @property
    def retries(self) -> int:
        """How often a request without an answer is made again."""
        return 0

    @property
    def failure_limit(self) -> int | None:
        """After how many failed calls in a row to stop; None: never."""
        return None

    @property
    def remote_config(self) -> HttpTeacherConfig | None:
        """What another machine needs to ask the same teacher; None if only this process can."""
        return None

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

    def batches(self) -> "BatchEndpoint | None":
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
