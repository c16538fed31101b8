"""A teacher whose completions exist already, by row id."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from distilwhy.core.parsing.completion import Completion
from distilwhy.core.prompt import Prompt
from distilwhy.teachers.base import Teacher
from distilwhy.teachers.call_result import CallResult


@dataclass(frozen=True)
class Recording:
    """Recorded completions.

    Attributes:
        content: A digest of all of them.
        completions: The completions of each id, in the order of its samples.
        edited: How many exported answers among them were edited since.
    """

    content: str
    completions: Mapping[str, list[Completion]] = field(default_factory=dict)
    edited: int = 0


class RecordedTeacher(Teacher):
    """Answers from a recording: the k-th completion of an id is the k-th sample of that row."""

    name = "the recorded completions"
    # Calls under way together are saved in one transaction.
    concurrency = 256

    def __init__(self, answers: Recording, explanations: Recording) -> None:
        self._answers = answers
        self._explanations = explanations

    @property
    def edited(self) -> int:
        """How many answers were edited since they were exported."""
        return self._answers.edited + self._explanations.edited

    @property
    def ids(self) -> list[str]:
        """All ids that have a completion or an explanation, as they come in the files."""
        return list({**self._answers.completions, **self._explanations.completions})

    def has_answer(self, example_id: str, *, shows_gold: bool) -> bool:
        """Whether a row has a completion; with ``shows_gold``, an explanation."""
        found = self._explanations if shows_gold else self._answers
        return example_id in found.completions

    def request(self, prompt: Prompt) -> Mapping[str, object]:
        name = "explanations" if prompt.prefix.shows_gold else "content"
        content = self._recording(prompt).content
        return {"kind": "recorded", name: content, "id": prompt.example_id}

    def longest(self, prompt: Prompt) -> tuple[int, int]:
        return 0, 0

    async def ask(self, prompt: Prompt, sample: int = 0) -> CallResult:
        completions = self._recording(prompt).completions.get(prompt.example_id, [])
        if sample < len(completions):
            return CallResult(completions[sample])
        what = "explanations" if prompt.prefix.shows_gold else "completions"
        count = f"only {len(completions)}" if completions else "none"
        return CallResult(Completion("", error=f"the recorded {what} have {count} for this id"))

    def _recording(self, prompt: Prompt) -> Recording:
        return self._explanations if prompt.prefix.shows_gold else self._answers
