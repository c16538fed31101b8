"""An answer of the teacher with all that is known of where it comes from."""

from dataclasses import dataclass

from distilwhy.core.parsing.completion import Outcome


@dataclass(frozen=True)
class Vote:
    """The share of a row's readable answers that a label has."""

    label: str
    share: float


@dataclass(frozen=True)
class ExportedAnswer:
    """One answer to one row.

    Attributes:
        id: The row.
        split: Where the row stands: ``train``, ``validation`` or ``test``.
        sample: Which of the row's answers it is, from 0.
        input: The row's text.
        options: The row's own options; empty where it has none.
        gold: The label known to be right.
        outcome: How reading the answer ended.
        problem: What kept it from being read; "" where nothing did.
        label: What it answers; None where that cannot be read.
        rationale: Its reasons; "" where it gives none.
        votes: The labels of the row, the winner first, where there are several answers.
        explanation: The reasons for gold, where the teacher was asked for them afterwards.
        completion: The raw reply; None where the call failed.
        thinking: What a reasoning model thought before, where it says so apart.
        finish_reason: Why the reply ended, in the teacher's words.
        model: The model as the endpoint named it, or else as the experiment does.
        prompt: The SHA-256 of its messages, as a JSON array of ``[role, content]``.
        answered_at: When it was kept, in ISO 8601, UTC.
        seconds: How long the call took; None where nobody timed it.
        input_tokens: As the teacher counted them, if it did.
        output_tokens: As the teacher counted them, if it did.
        cached_tokens: Those of the input that were read from a cache.
        cost: At the prices of the experiment; None without prices or counts.
        currency: Of the cost; None without prices.
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
