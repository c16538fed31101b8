"""A call of the teacher."""

from dataclasses import dataclass

from distilwhy.core.prompt import Prompt


@dataclass(frozen=True)
class Call:
    """One thing to ask the teacher.

    Attributes:
        key: The ledger's, for the answer.
        prompt: What is sent.
        sample: Which of several answers to the same prompt is wanted.
        again: Whether it asks about a row that is asked about otherwise already.
    """

    key: bytes
    prompt: Prompt
    sample: int = 0
    again: bool = False
