"""A teacher whose completions are already there, by row id."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from distilwhy.core.parsing.completion import Completion
from distilwhy.core.prompt import Prompt
from distilwhy.teachers.base import Reply


@dataclass(frozen=True)
class Recording:
    """What was said.

    Attributes:
        completions: Of each id, in order: its samples.
        content: A digest of all of it.
    """

    content: str
    completions: Mapping[str, list[Completion]] = field(default_factory=dict)


class RecordedTeacher:
    """Answers from a recording: the k-th completion of an id is the k-th sample of that row.

    Args:
        answers: What it said when asked for answers.
        explanations: What it said when asked to explain.
    """

    name = "the recorded completions"
    # What is under way at once is kept in one transaction.
    concurrency = 256
    retries = 0
    patience = None

    def __init__(self, answers: Recording, explanations: Recording) -> None:
        self._answers = answers
        self._explanations = explanations

    def request(self, prompt: Prompt) -> Mapping[str, object]:
        name = "explanations" if prompt.prefix.shows_gold else "content"
        content = self._recording(prompt).content
        return {"kind": "recorded", name: content, "id": prompt.example_id}

    def longest(self, prompt: Prompt) -> tuple[int, int]:
        return 0, 0

    def count(self, prompts: Sequence[Prompt]) -> None:
        return None

    async def ask(self, prompt: Prompt, sample: int = 0) -> Reply:
        said = self._recording(prompt).completions.get(prompt.example_id, [])
        if sample >= len(said):
            what = "explanations" if prompt.prefix.shows_gold else "completions"
            count = f"only {len(said)}" if said else "none"
            return Reply(Completion("", error=f"the recorded {what} have {count} for this id"))
        return Reply(said[sample])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def _recording(self, prompt: Prompt) -> Recording:
        return self._explanations if prompt.prefix.shows_gold else self._answers
