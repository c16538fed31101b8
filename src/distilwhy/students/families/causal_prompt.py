"""The prompts of decoder-only students, and the words that open each task."""

from typing import Any

from distilwhy.core.method import TargetTask
from distilwhy.literal_text import TextEncoder
from distilwhy.students.families.codec import TargetCodec

LABEL_WORDS, RATIONALE_WORDS = "\nAnswer:", "\nRationale:"

_SOME_TEXT = "distilwhy"


def word_codec(tokenizer: Any) -> TargetCodec:
    """The codec of a decoder: words announce each part, and no token is added.

    Parts are tokenized apart and their ids joined, so the space between them is the tokenizer's
    own where it puts one before every text.
    """
    spaces = (
        space
        for space in (" ", "")
        if plain_ids(tokenizer, "a:") + plain_ids(tokenizer, f"{space}yes")
        == plain_ids(tokenizer, "a: yes")
    )
    return TargetCodec(
        tokenizer,
        [],
        next(spaces, " "),
        _ids_after(tokenizer, "a", LABEL_WORDS),
        _ids_after(tokenizer, "a", RATIONALE_WORDS),
    )


def prompt_ids(encoder: TextEncoder, text: str) -> list[int]:
    """A source as the user's turn, or as it is where there is no chat template."""
    if not encoder.tokenizer.chat_template:
        return encoder.ids(text, add_special_tokens=True)
    return encoder.chat_ids([{"role": "user", "content": text}])


def task_openings(tokenizer: Any, codec: TargetCodec) -> dict[TargetTask, list[int]]:
    """The tokens that open each task behind a prompt.

    Where the chat template ends with a new line, the words do not start with another.
    """
    if not (template_end(tokenizer) or "").endswith("\n"):
        return {"label": codec.label_marker, "rationale": codec.rationale_marker}
    return {
        "label": _ids_after(tokenizer, "\n", LABEL_WORDS.lstrip()),
        "rationale": _ids_after(tokenizer, "\n", RATIONALE_WORDS.lstrip()),
    }


def template_end(tokenizer: Any) -> str | None:
    """What the chat template writes after a text; None without one."""
    if not tokenizer.chat_template:
        return None
    return _rendered(tokenizer, _SOME_TEXT).rpartition(_SOME_TEXT)[2]


def template_lengths(tokenizer: Any) -> tuple[int, int]:
    """How many tokens the chat template puts before a text, and after it."""
    if not tokenizer.chat_template:
        return 0, 0
    before, _, after = _rendered(tokenizer, _SOME_TEXT).rpartition(_SOME_TEXT)
    return len(plain_ids(tokenizer, before)), len(plain_ids(tokenizer, after))


def plain_ids(tokenizer: Any, text: str) -> list[int]:
    """A text as ids, without special tokens."""
    return list(tokenizer(text, add_special_tokens=False, verbose=False).input_ids)


def _ids_after(tokenizer: Any, before: str, text: str) -> list[int]:
    """The ids of a text where it follows another."""
    return plain_ids(tokenizer, before + text)[len(plain_ids(tokenizer, before)) :]


def _rendered(tokenizer: Any, text: str) -> str:
    turns = [{"role": "user", "content": text}]
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
