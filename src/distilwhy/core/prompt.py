"""Few-shot chain-of-thought prompts, in the manner of the paper.

Wei et al. 2022, *Chain-of-Thought Prompting*; Hsieh et al. 2023, section 3.1: an instruction,
exemplars as input → rationale → answer, then the row.
"""

from collections.abc import Callable
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
    """What is sent to the teacher for one example: as a chat, or as one text to go on from.

    Attributes:
        example_id: The row.
        messages: The turns; the last is the teacher's to answer.
        explains: Whether it gives the answer away and asks for the reasons alone.
    """

    example_id: str
    messages: tuple[Message, ...]
    explains: bool = False

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
    return Prompt(example.id, _render_turns(task, example, lambda asked: asked.text))


def render_explanation_prompt(task: Task, example: Example) -> Prompt:
    """The prompt that tells the teacher the gold label of ``example`` and asks why it is right.

    Its exemplars answer as ever, so that a reply shows by its label whether it kept to gold.
    """
    return Prompt(example.id, _render_turns(task, example, _render_why), explains=True)


def _render_turns(
    task: Task, example: Example, question: Callable[[Example], str]
) -> tuple[Message, ...]:
    messages = [Message("system", task.instruction)] if task.instruction else []
    for exemplar in task.exemplars:
        messages.append(Message("user", question(exemplar.example)))
        messages.append(Message("assistant", render_reply(exemplar)))
    return (*messages, Message("user", question(example)))


def _render_why(example: Example) -> str:
    return f"{example.text}\nThe right answer is {_render_label(example)}. Why?"


def render_reply(exemplar: Exemplar) -> str:
    """What the teacher is shown to say: the rationale, then ``So the answer is ….``"""
    return f"{exemplar.rationale} So the answer is {_render_label(exemplar.example)}."


def _render_label(example: Example) -> str:
    label = example.gold or ""
    if label in example.options:
        return f"({letter(example.options.index(label))}) {label}"
    return label
