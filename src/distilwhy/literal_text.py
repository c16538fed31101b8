"""Encodes text so that special tokens in it, such as ``</s>``, stay plain text."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class TextEncoder:
    """Encodes text from rows, labels and teachers with a transformers tokenizer.

    A control token in a text is encoded as its characters. Control tokens are the special tokens
    and other added tokens that the chat template writes. All other text gets the ids that calling
    the tokenizer gives.
    """

    tokenizer: Any

    def ids(self, text: str, *, add_special_tokens: bool = False) -> list[int]:
        """A text as ids; ``add_special_tokens`` adds those that mark its start and end."""
        found = self._encode(text, add_special_tokens, split=self.spells_control(text))
        before, after = self._around if add_special_tokens else (0, 0)
        end = len(found) - after
        own = found[before:end]
        # A vocabulary of whole pieces, such as T5's, finds even a split token.
        if not self._steering.isdisjoint(own):
            own = [part for token in own for part in self._spelt(token)]
        return [*found[:before], *own, *found[end:]]

    def chat_ids(self, turns: Sequence[Mapping[str, str]]) -> list[int]:
        """A chat as ids, up to where the model's turn begins.

        Args:
            turns: The ``role`` and ``content`` of each.
        """
        template = self.tokenizer.apply_chat_template
        if not any(self.spells_control(turn["content"]) for turn in turns):
            text = template(turns, tokenize=False, add_generation_prompt=True)
            return self._encode(str(text), special=False)
        turns = [{**turn, "content": self._break_pieces(turn["content"])} for turn in turns]
        found = template(
            turns, add_generation_prompt=True, sanitize_control_tokens=True, return_dict=False
        )
        return list(found)

    def spells_control(self, text: str) -> bool:
        """Whether a text spells a control token."""
        return self._spelling.search(text) is not None

    def _encode(self, text: str, special: bool, *, split: bool = False) -> list[int]:
        found = self.tokenizer(
            text, add_special_tokens=special, split_special_tokens=split, verbose=False
        )
        return list(found.input_ids)

    @cached_property
    def _control(self) -> dict[int, str]:
        """The control tokens by id."""
        tokenizer, template = self.tokenizer, str(self.tokenizer.chat_template or "")
        special = dict(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True))
        return special | {
            number: token.content
            for number, token in tokenizer.added_tokens_decoder.items()
            if token.special or (token.content in template and not token.content.isspace())
        }

    @cached_property
    def _steering(self) -> frozenset[int]:
        """The control tokens other than the unknown token."""
        tokenizer = self.tokenizer
        others = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.sep_token_id)
        unknown = {tokenizer.unk_token_id} - {*others, tokenizer.cls_token_id}
        return frozenset(self._control.keys() - unknown)

    @cached_property
    def _spelling(self) -> re.Pattern[str]:
        longest_first = sorted(filter(None, self._control.values()), key=len, reverse=True)
        return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")

    @cached_property
    def _around(self) -> tuple[int, int]:
        """How many special tokens stand before a text, and after it."""
        bare, whole = self._encode("a", special=False), self._encode("a", special=True)
        before = whole.index(bare[0])
        return before, len(whole) - before - len(bare)

    def _spelt(self, token: int) -> list[int]:
        """A control token as the ids of its characters; another token as it is."""
        if token not in self._steering:
            return [token]
        text = self._control[token]
        parts = [self._encode(part, special=False, split=True) for part in (text[:1], text[1:])]
        return [one for part in parts for one in part if one not in self._steering]

    def _break_pieces(self, text: str) -> str:
        """The text, with a space within each control token that the vocabulary has as a piece."""
        for number, content in self._control.items():
            if content in text and number in self._encode(content, special=False, split=True):
                text = text.replace(content, f"{content[:1]} {content[1:]}")
        return text
