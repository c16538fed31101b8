"""Prompts as tokens of a transformers model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import jinja2

from distilwhy.core.prompt import Message, Prompt, fold_system
from distilwhy.errors import ConfigError, TeacherError, first_line
from distilwhy.literal_text import TextEncoder
from distilwhy.model_files import ModelFilesError, find_files

Chat = Callable[[Prompt], Sequence[Message]]
Turns = Sequence[dict[str, str]]
_T = TypeVar("_T")

_QUESTION = "distilwhy"


@dataclass(frozen=True)
class _Frame:
    """The text around every question that follows one prefix, and the tokens of the rest of it.
    ``before`` is the start of the question's line; if that is empty, the line before."""

    before: str
    after: str
    tokens: int


class PromptTokenizer:
    """Tokenizes prompts: as chats if the tokenizer has a chat template, else as one text.

    Args:
        chats: Whether to use its chat template, if it has one.
        messages: The messages of a prompt's chat; None: the prompt's own.
    """

    def __init__(self, tokenizer: Any, *, chats: bool = True, messages: Chat | None = None) -> None:
        self._tokenizer = tokenizer
        self._encoder = TextEncoder(tokenizer)
        self._chats = chats and bool(tokenizer.chat_template)
        self._messages = messages or (lambda prompt: prompt.messages)
        self._frames: dict[tuple[str, bool], _Frame] = {}

    def encode(self, prompt: Prompt) -> list[int]:
        """The ids that a model reads.

        Raises:
            TeacherError: if the chat template refuses the prompt.
        """
        if self._chats:
            return self._try_chats(prompt, self._encoder.chat_ids)
        return self._encoder.ids(_whole(prompt.as_text()), add_special_tokens=True)

    def count(self, prompts: Sequence[Prompt]) -> list[int]:
        """The number of tokens in each prompt. A common prefix is tokenized only once."""
        frames = [self._frame(prompt) for prompt in prompts]
        both = list(zip(frames, prompts, strict=True))
        lines = [_whole(frame.before + prompt.question + frame.after) for frame, prompt in both]
        found = [f.tokens + n for f, n in zip(frames, self._lengths(lines), strict=True)]
        return [
            len(self.encode(prompt)) if self._encoder.spells_control(prompt.question) else count
            for prompt, count in zip(prompts, found, strict=True)
        ]

    def _lengths(self, texts: list[str]) -> list[int]:
        found = self._tokenizer(texts, add_special_tokens=False, verbose=False) if texts else None
        return [len(ids) for ids in found.input_ids] if found else []

    def _frame(self, prompt: Prompt) -> _Frame:
        """The frame of this prompt's prefix.

        No token of a question depends on text beyond its own line or the line before.
        """
        key = prompt.prefix.digest, prompt.prefix.structured
        if key not in self._frames:
            shown = replace(prompt, question=_QUESTION)
            text = _whole(self._render(shown))
            before, _, after = text.rpartition(_QUESTION)
            line = before[before.rstrip().rfind("\n") + 1 :]
            [within] = self._lengths([line + _QUESTION + after])
            self._frames[key] = _Frame(line, after, len(self.encode(shown)) - within)
        return self._frames[key]

    def _render(self, prompt: Prompt) -> str:
        return self._try_chats(prompt, self._text) if self._chats else prompt.as_text()

    def _try_chats(self, prompt: Prompt, render: Callable[[Turns], _T]) -> _T:
        """The prompt's chat, rendered; as a chat without a system role, if it is refused with."""
        messages = self._messages(prompt)
        refusal = None
        for chat in (messages, fold_system(messages)):
            try:
                return render([{"role": m.role, "content": _whole(m.content)} for m in chat])
            except jinja2.TemplateError as error:
                refusal = error
        raise TeacherError(
            f"the model's chat template refuses the prompt ({refusal}); take another model"
        )

    def _text(self, turns: Turns) -> str:
        template = self._tokenizer.apply_chat_template
        return str(template(turns, tokenize=False, add_generation_prompt=True))


def _whole(text: str) -> str:
    """Text with ``?`` for lone surrogates, which no tokenizer accepts."""
    return text.encode(errors="replace").decode()


def open_tokenizer(name: str, key: str) -> Any:
    """Load the tokenizer in a local folder, or of a model on the hub.

    Args:
        key: The setting that names it, for messages.

    Raises:
        ConfigError: if it cannot be loaded.
    """
    try:
        return find_files(name).tokenizer()
    except ModelFilesError as error:
        raise ConfigError(f"{key}: {name!r} {error}") from error
    # A broken file can raise anything.
    except Exception as error:
        raise ConfigError(
            f"{key}: {name!r} has no tokenizer that can be loaded ({first_line(error)}); name a "
            "local folder that holds one, or a model on the hub that can be reached"
        ) from error
