"""Prompts as the tokens of a model of transformers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jinja2

from distilwhy.core.prompt import Message, Prompt
from distilwhy.errors import ConfigError, TeacherError

Turns = Callable[[Prompt], Sequence[Message]]

_QUESTION = "distilwhy"


@dataclass(frozen=True)
class _Frame:
    """What stands around every question after one prefix.

    Attributes:
        before: What stands before the question on its line; on the line before, if nothing does.
        after: All that follows the question.
        tokens: Those of all the rest.
    """

    before: str
    after: str
    tokens: int


class PromptTokenizer:
    """A tokenizer that is given prompts: as chats where it has a chat template, else as one text.

    Args:
        tokenizer: One of transformers.
        chats: Whether to use its chat template, if it has one.
        turns: The turns of the chat; None: those of the prompt.
    """

    def __init__(self, tokenizer: Any, *, chats: bool = True, turns: Turns | None = None) -> None:
        self._tokenizer = tokenizer
        self._chats = chats and bool(tokenizer.chat_template)
        self._turns = turns or (lambda prompt: prompt.messages)
        self._frames: dict[str, _Frame] = {}

    def encode(self, prompt: Prompt) -> list[int]:
        """The ids that a model reads.

        Raises:
            TeacherError: if the chat template refuses the prompt.
        """
        return self._ids(_whole(self._render(prompt)))

    def count(self, prompts: Sequence[Prompt]) -> list[int]:
        """How many tokens each prompt has. What prompts have in common is counted once."""
        frames = [self._frame(prompt) for prompt in prompts]
        both = list(zip(frames, prompts, strict=True))
        lines = [_whole(frame.before + prompt.question + frame.after) for frame, prompt in both]
        return [f.tokens + n for f, n in zip(frames, self._lengths(lines), strict=True)]

    def _ids(self, text: str) -> list[int]:
        # A chat template writes the special tokens itself.
        found = self._tokenizer(text, add_special_tokens=not self._chats, verbose=False)
        return list(found.input_ids)

    def _lengths(self, texts: list[str]) -> list[int]:
        found = self._tokenizer(texts, add_special_tokens=False, verbose=False) if texts else None
        return [len(ids) for ids in found.input_ids] if found else []

    def _frame(self, prompt: Prompt) -> _Frame:
        """What stands around the questions of this prompt's prefix.

        No token of a question depends on more than the line that it stands on, or follows.
        """
        key = prompt.prefix.digest
        if key not in self._frames:
            text = _whole(self._render(replace(prompt, question=_QUESTION)))
            before, _, after = text.rpartition(_QUESTION)
            line = before[before.rstrip().rfind("\n") + 1 :]
            [within] = self._lengths([line + _QUESTION + after])
            self._frames[key] = _Frame(line, after, len(self._ids(text)) - within)
        return self._frames[key]

    def _render(self, prompt: Prompt) -> str:
        if not self._chats:
            return prompt.as_text()
        turns = self._turns(prompt)
        refusal = None
        for said in (turns, _without_system(turns)):
            try:
                return self._chat(said)
            except jinja2.TemplateError as error:
                refusal = error
        raise TeacherError(
            f"the model's chat template refuses the prompt ({refusal}); take another model"
        )

    def _chat(self, turns: Sequence[Message]) -> str:
        chat = [{"role": turn.role, "content": turn.content} for turn in turns]
        return str(
            self._tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        )


def _whole(text: str) -> str:
    """Text with ``?`` for half a character, which no tokenizer takes."""
    return text.encode(errors="replace").decode()


def _without_system(turns: Sequence[Message]) -> Sequence[Message]:
    """The same turns for models that know no system turn, such as Gemma 2."""
    first = turns[0]
    if first.role != "system":
        return turns
    return [replace(turns[1], content=f"{first.content}\n\n{turns[1].content}"), *turns[2:]]


def open_tokenizer(name: str, key: str) -> Any:
    """The tokenizer in a local folder, or of a model on the hub.

    Args:
        key: The setting that names it, for messages.

    Raises:
        ConfigError: if it cannot be loaded.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(name)
    # Whatever is wrong with a file that others wrote.
    except Exception as error:
        what = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(
            f"{key}: {name!r} has no tokenizer that can be loaded ({what}); name a local folder "
            "that holds one, or a model on the hub that can be reached"
        ) from error
