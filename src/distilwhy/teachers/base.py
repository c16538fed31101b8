"""What a teacher is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from distilwhy.core.parsing.completion import Completion
from distilwhy.core.prompt import Prompt


@dataclass(frozen=True)
class Trouble:
    """A try that brought no completion, and may be made again.

    Attributes:
        what: What happened, in words.
        retry_after_s: How long the endpoint asks to be left alone.
        nobody: Whether no server was reached.
        limited: Whether the endpoint has too much to do.
        lost: Whether the endpoint may have answered, and billed, all the same.
    """

    what: str
    retry_after_s: float = 0.0
    nobody: bool = False
    limited: bool = False
    lost: bool = False


@dataclass(frozen=True)
class Reply:
    """What one try brought.

    Attributes:
        said: The completion; one with an error where the request is refused for good.
        rest_s: How long the endpoint has nothing left to give to anyone, by its own word.
        seconds: A row's share of the time of a batch; None: all the time that it took is its own.
    """

    said: Completion | Trouble
    rest_s: float = 0.0
    seconds: float | None = None


class Teacher(Protocol):
    """Anything that turns prompts into completions; enter it before asking."""

    @property
    def name(self) -> str:
        """What to call it in messages."""
        ...

    @property
    def concurrency(self) -> int:
        """How many prompts may be under way at once."""
        ...

    @property
    def retries(self) -> int:
        """How often a prompt is tried again after trouble."""
        ...

    @property
    def patience(self) -> int | None:
        """How many new calls may fail in a row before it is idle to go on; None: any number."""
        ...

    def request(self, prompt: Prompt) -> Mapping[str, object]:
        """All that decides the answer, and nothing else: what the ledger's key is made of."""
        ...

    def longest(self, prompt: Prompt) -> tuple[int, int]:
        """The most tokens that a try can read and write."""
        ...

    def count(self, prompts: Sequence[Prompt]) -> list[int] | None:
        """How many tokens it reads in each prompt; None where it has no tokenizer to tell.

        Raises:
            ConfigError: if the tokenizer cannot be loaded.
        """
        ...

    async def ask(self, prompt: Prompt, sample: int = 0) -> Reply:
        """One try.

        Args:
            sample: Which of several answers to the same prompt is wanted.

        Raises:
            TeacherError: if no other prompt can be answered either.
        """
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
