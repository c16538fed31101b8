"""What a teacher returned, raw, and what was read in it."""

from dataclasses import dataclass
from typing import Literal

from distilwhy.core.cost import Usage

Outcome = Literal["ok", "unparsed", "refused", "truncated", "failed"]
OUTCOMES: tuple[Outcome, ...] = ("ok", "unparsed", "refused", "truncated", "failed")


@dataclass(frozen=True)
class Completion:
    """What came back from the teacher for one prompt, raw.

    Attributes:
        text: The reply, exactly as it came.
        finish_reason: ``stop``, ``length``, ``refusal``, whatever the teacher said, or "".
        input_tokens: As the teacher counted them, if it did.
        output_tokens: As the teacher counted them, if it did, thinking included.
        error: Why there is no reply, if the call failed for good.
        cached_tokens: Those of the input that were read from a cache, at another price.
        thinking: What a reasoning model thought before, where it says so in a field of its own.
        model: The model that answered, as the teacher named it.
    """

    text: str
    finish_reason: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    error: str | None = None
    cached_tokens: int = 0
    thinking: str = ""
    model: str = ""

    @property
    def usage(self) -> Usage | None:
        """The tokens that the teacher counted; None where it did not count them."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return Usage(self.input_tokens, self.output_tokens, self.cached_tokens)


@dataclass(frozen=True)
class Annotation:
    """A completion, read.

    Attributes:
        example_id: The row.
        outcome: ``ok``, or why the row trains nothing.
        rationale: The reasons; "" where the teacher gave a label alone.
        label: The answer in canonical form; None unless ``ok``.
        problem: What kept it from being read; "" when ``ok``.
        others: Further reasons for the same label, where the row was asked about several times.
        votes: Then also each label with its share of the readable answers, the largest first.
        explanation: The reasons for the gold label, where the teacher was asked for them
            because it disagreed; else "".
        saw_gold: Whether the teacher was shown the gold label before it answered, so that its label
            says nothing about how good it is.
    """

    example_id: str
    outcome: Outcome
    rationale: str = ""
    label: str | None = None
    problem: str = ""
    others: tuple[str, ...] = ()
    votes: tuple[tuple[str, float], ...] = ()
    explanation: str = ""
    saw_gold: bool = False

    @property
    def rationales(self) -> tuple[str, ...]:
        """Every rationale that the teacher gave for the label; none where it gave none."""
        return (self.rationale, *self.others) if self.rationale else ()
