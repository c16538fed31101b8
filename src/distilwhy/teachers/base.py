"""What a teacher is."""

from collections.abc import Mapping
from types import TracebackType
from typing import Protocol, Self

from distilwhy.core.annotation import Completion
from distilwhy.core.prompt import Prompt


class Teacher(Protocol):
    """Anything that turns prompts into completions; enter it before asking."""

    @property
    def concurrency(self) -> int:
        """How many prompts may be under way at once."""
        ...

    @property
    def patience(self) -> int | None:
        """How many new calls may fail in a row before it is idle to go on; None: any number."""
        ...

    def request(self, prompt: Prompt) -> Mapping[str, object]:
        """All that decides the answer, and nothing else: what the ledger's key is made of."""
        ...

    async def ask(self, prompt: Prompt, sample: int = 0) -> Completion:
        """The answer to one prompt; a call that failed for good is a completion with an error.

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
