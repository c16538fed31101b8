"""One answer of the teacher, as it is exported."""

from dataclasses import dataclass

from distilwhy.core.parsing.completion import Outcome


@dataclass(frozen=True)
class Vote:
    """A label, with its share of a row's readable answers."""

    label: str
    share: float


@dataclass(frozen=True)
class ExportedAnswer:
    """One answer to one row.

    Attributes:
        sample: The index of the answer among the row's answers, from 0.
        label: None if it was not parsed; ``problem`` says why.
        votes: The labels of the row, the winner first, if there are several answers.
        explanation: The reasons for the gold label, if the teacher was asked for them.
        model: The model as the endpoint named it, or else as the experiment does.
        prompt: The SHA-256 of the messages, as a JSON array of ``[role, content]``.
        answered_at: When it was saved, in ISO 8601, UTC.
        seconds: How long the call took; None if it was not timed.
        input_tokens: As the teacher counted; None if it did not. So ``output_tokens``.
        cost: At the experiment's prices; None without prices or token counts.
    """

    id: str
    split: str
    sample: int
    input: str
    options: tuple[str, ...]
    gold: str | None
    outcome: Outcome
    problem: str
    label: str | None
    rationale: str
    votes: tuple[Vote, ...]
    explanation: str
    completion: str | None
    thinking: str
    finish_reason: str
    model: str | None
    prompt: str
    answered_at: str
    seconds: float | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int
    cost: float | None
    currency: str | None
