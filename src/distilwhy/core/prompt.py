"""Few-shot chain-of-thought prompts, in the manner of the paper.

Wei et al. 2022, *Chain-of-Thought Prompting*; Hsieh et al. 2023, section 3.1: an instruction,
exemplars as input → rationale → answer, then the row.
"""

from dataclasses import dataclass
from typing import Literal

from distilwhy.core.answer import letter
from distilwhy.core.task import Example, Exemplar, Task

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Message:
    """One turn of a chat."""

    role: Role
    content: str


@dataclass(frozen=True)
class Prompt:
    """What is sent to the teacher for one example: as a chat, or as one text to go on from."""

    example_id: str
    messages: tuple[Message, ...]

    def as_text(self) -> str:
        """The same prompt for a plain completion endpoint: ``Q:`` and ``A:`` turns."""
        head = [m.content for m in self.messages if m.role == "system" and m.content]
        turns = [
            f"Q: {m.content}" if m.role == "user" else f"A: {m.content}"
            for m in self.messages
            if m.role != "system"
        ]
        pairs = ["\n".join(turns[i : i + 2]) for i in range(0, len(turns), 2)]
        return "\n\n".join([*head, *pairs]) + "\nA:"


def render_prompt(task: Task, example: Example) -> Prompt:
    """The prompt that asks the teacher for a rationale and a label for ``example``."""
    messages = [Message("system", task.instruction)] if task.instruction else []
    for exemplar in task.exemplars:
        messages.append(Message("user", exemplar.example.text))
        messages.append(Message("assistant", render_reply(exemplar)))
    messages.append(Message("user", example.text))
    return Prompt(example.id, tuple(messages))


def render_reply(exemplar: Exemplar) -> str:
    """What the teacher is shown to say: the rationale, then ``So the answer is ….``"""
    return f"{exemplar.rationale} So the answer is {_render_label(exemplar.example)}."


def _render_label(example: Example) -> str:
    label = example.gold or ""
    if label in example.options:
        return f"({letter(example.options.index(label))}) {label}"
    return label
