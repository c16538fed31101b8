"""What a teacher returned, raw and parsed."""

from dataclasses import dataclass
from typing import Literal

from distilwhy.core.cost import Usage

Outcome = Literal["ok", "unparsed", "refused", "truncated", "failed"]
# How the problem of a reply with two different answers begins.
TWO_ANSWERS = "two answers"
# Why a completion ends whose prompt, or whose reply, is longer than is taken.
TOO_LONG = "too_long"
OUTCOMES: tuple[Outcome, ...] = ("ok", "unparsed", "refused", "truncated", "failed")


@dataclass(frozen=True)
class Completion:
    """A teacher's raw reply to one prompt.

    Attributes:
        finish_reason: As the teacher gives it, such as ``stop``, ``length`` or ``refusal``; or "".
            ``TOO_LONG`` if there is no reply because of a length; ``text`` says which.
        input_tokens: As counted by the teacher; None if it did not count.
        output_tokens: The same for the reply, thinking included.
        error: Why there is no reply, if the call failed permanently.
        thinking: A reasoning model's thinking, if it is returned in a separate field.
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
    """A parsed completion.

    Attributes:
        outcome: ``ok``, or why the row trains nothing.
        rationale: "" if the teacher gave a label alone.
        label: In canonical form; None unless ``ok``.
        others: Further rationales for the same label, from several samples.
        votes: With several samples, each label and its share of the ``ok`` ones, largest first.
        explanation: The reasons for the gold label, if the teacher answered otherwise and was
            asked for them; else "".
        saw_gold: Whether the teacher was shown the gold label before it answered.
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
        """All rationales for the label; empty if there are none."""
        return (self.rationale, *self.others) if self.rationale else ()
