"""Chain-of-thought prompts: few-shot in the manner of the paper, or zero-shot.

Wei et al. 2022, *Chain-of-Thought Prompting*; Hsieh et al. 2023, section 3.1: an instruction,
exemplars as input → rationale → answer, then the row. Kojima et al. 2022, *Large Language Models
are Zero-Shot Reasoners*: no exemplars, but the instruction to think step by step.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from typing import Literal

from distilwhy.core.parsing.answer import Answer, letter
from distilwhy.core.task import CUE, Example, Exemplar, Task

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Message:
    """One turn of a chat."""

    role: Role
    content: str


@dataclass(frozen=True)
class PromptPrefix:
    """Everything before the question: the same for all rows that share their exemplars.

    With ``shows_gold``, questions state the gold label and ask only for the reasons. With
    ``structured``, the reply must be a JSON object that follows a schema; ``messages`` are not yet
    in that form.
    """

    messages: tuple[Message, ...]
    shows_gold: bool = False
    labels: tuple[str, ...] = ()
    cue: str = CUE
    structured: bool = False

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the messages, computed once for all rows."""
        turns = [[message.role, message.content] for message in self.messages]
        return sha256(json.dumps(turns).encode(errors="surrogatepass")).hexdigest()

    @cached_property
    def size(self) -> int:
        """The bytes of all its messages."""
        return sum(len(message.content.encode(errors="replace")) for message in self.messages)


@dataclass(frozen=True)
class Prompt:
    """What is sent to the teacher for one example: as a chat, or as one text to continue."""

    example_id: str
    prefix: PromptPrefix
    question: str

    @property
    def messages(self) -> tuple[Message, ...]:
        """The turns of a chat."""
        return (*self.prefix.messages, Message("user", self.question))

    @property
    def size(self) -> int:
        """The bytes of all its messages."""
        return self.prefix.size + len(self.question.encode(errors="replace"))

    def without_system(self) -> "Prompt":
        """The same prompt for models without a system role, such as Gemma 2."""
        *before, last = fold_system(self.messages)
        prefix = replace(self.prefix, messages=tuple(before))
        return Prompt(self.example_id, prefix, last.content)

    def as_text(self) -> str:
        """The same prompt for a plain completion endpoint: ``Q:`` and ``A:`` turns."""
        system = [m.content for m in self.messages if m.role == "system" and m.content]
        names = {"user": "Q", "assistant": "A"}
        turns = [f"{names[m.role]}: {m.content}" for m in self.messages if m.role in names]
        pairs = ["\n".join(turns[i : i + 2]) for i in range(0, len(turns), 2)]
        return "\n\n".join([*system, *pairs]) + "\nA:"


def fold_system(messages: Sequence[Message]) -> Sequence[Message]:
    """A chat whose system message, if it has one, opens the first turn of the user instead."""
    system, *rest = messages
    if system.role != "system":
        return messages
    return [replace(rest[0], content=f"{system.content}\n\n{rest[0].content}"), *rest[1:]]


def take_question(text: str, instruction: str) -> str:
    """The question of the last turn of a prompt, also if that turn holds the whole prompt.

    That is the reverse of ``Prompt.as_text``, and of ``fold_system``.

    Args:
        instruction: The task's, which the turn may begin with.
    """
    text = text.strip()
    if text.endswith("\nA:"):
        before = "\n\n" + text.removesuffix("A:").rstrip()
        return before.rpartition("\n\nQ: ")[2].strip()
    if instruction:
        text = text.removeprefix(instruction.strip()).strip()
    return text


def render_prefix(task: Task, *, show_gold: bool = False, structured: bool = False) -> PromptPrefix:
    """The instruction and exemplars that every prompt of a task starts with.

    Args:
        show_gold: Show the teacher the gold labels and ask why they are right. The exemplars
            still answer in full, so that the label in a reply shows whether it kept to gold.
        structured: Ask for a JSON object that follows a schema.
    """
    messages = [Message("system", task.instruction)] if task.instruction else []
    for exemplar in task.exemplars:
        question = _question(exemplar.example, task.cue, show_gold)
        messages.append(Message("user", question))
        messages.append(Message("assistant", render_reply(exemplar, task.cue)))
    return PromptPrefix(tuple(messages), show_gold, task.answer.labels, task.cue, structured)


def render_prompt(prefix: PromptPrefix, example: Example) -> Prompt:
    """The prompt that asks the teacher for a rationale and a label for ``example``."""
    return Prompt(example.id, prefix, _question(example, prefix.cue, prefix.shows_gold))


def _question(example: Example, cue: str, show_gold: bool) -> str:
    if not show_gold:
        return example.text
    label = _render_label(example)
    said = f"The right answer is {label}. Why?" if cue == CUE else _fill(cue, label)
    return f"{example.text}\n{said}"


def _fill(cue: str, label: str) -> str:
    return cue.replace("{answer}", label)


def ask_for_steps(task: Task, *, structured: bool = False) -> Task:
    """The same task without exemplars; its instruction says how to reply instead.

    Kojima et al. extract the answer with a second prompt. Here the reply must end with the
    sentence that ends every exemplar. A task with a cue of its own may be in any language: nothing
    but the form of a reply is added to its instruction.

    Args:
        structured: The reply must be a JSON object with a ``rationale`` and an ``answer``.
    """
    form = _describe_answer(task.answer)
    if task.cue != CUE:
        how = _show_form(task, structured)
    elif structured:
        how = f'Think step by step in "rationale". Then give in "answer" {form}.'
    else:
        how = f'Think step by step. Then end with "{_fill(CUE, "X")}", where X is {form}.'
    return replace(task, instruction=f"{task.instruction}\n\n{how}".strip(), exemplars=())


def _show_form(task: Task, structured: bool) -> str:
    """How a reply looks, without a word of English but the keys of JSON."""
    form = " | ".join(task.answer.labels) or "…"
    if structured:
        return json.dumps({"rationale": "…", "answer": form}, ensure_ascii=False)
    return f"… {_fill(task.cue, f'[{form}]' if task.answer.labels else form)}"


def _describe_answer(answer: Answer) -> str:
    if answer.labels:
        return "one of these: " + ", ".join(f'"{label}"' for label in answer.labels)
    return {
        "choice": "the letter of the right option in brackets, and its text",
        "number": "a number in digits",
        "equation": "an arithmetic expression of numbers, + - * / and brackets",
        "text": "the answer in a few words",
    }[answer.kind]


def render_reply(exemplar: Exemplar, cue: str = CUE) -> str:
    """An exemplar's reply: the rationale, then the cue with the label."""
    return f"{exemplar.rationale} {_fill(cue, _render_label(exemplar.example))}"


def structure_reply(reply: str, cue: str = CUE) -> str:
    """The same reply as a JSON object with a ``rationale`` and an ``answer``."""
    before, _, after = cue.partition("{answer}")
    rationale, _, answer = reply.rpartition(f" {before}")
    fields = {"rationale": rationale, "answer": answer.removesuffix(after)}
    return json.dumps(fields, ensure_ascii=False)


def _render_label(example: Example) -> str:
    label = example.gold or ""
    if label in example.options:
        return f"({letter(example.options.index(label))}) {label}"
    return label
