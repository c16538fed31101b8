"""Encoding targets for, and decoding the output of, students that generate tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from unicodedata import normalize

from distilwhy.config import StudentConfig
from distilwhy.core.method import Method, Target, TargetTask
from distilwhy.core.parsing.answer import fold
from distilwhy.errors import StudentError
from distilwhy.literal_text import TextEncoder
from distilwhy.students.encoding import Truncator
from distilwhy.students.families.constrain import AllowedLabels, Choices, build_trie, find_after
from distilwhy.students.network import Generated, same_tokens


@dataclass(frozen=True)
class TargetCodec:
    """How a network writes labels, rationales, and both in one sequence.

    Attributes:
        prefix: Tokens before everything that it writes.
        space: A string put before every text that follows a marker.
        label_marker, rationale_marker: The tokens that announce the label and the rationale.
    """

    tokenizer: Any
    prefix: list[int]
    space: str
    label_marker: list[int]
    rationale_marker: list[int]

    @property
    def end(self) -> int:
        """The end-of-sequence token."""
        return int(self.tokenizer.eos_token_id)

    def ids(self, text: str) -> list[int]:
        """A text as ids, without special tokens."""
        return self._encoder.ids(self.space + text) if text else []

    def encode(self, target: Target, truncator: Truncator, *, is_choice: bool = False) -> list[int]:
        """A target as the ids that the student learns to write; a label that is a choice, uncut."""
        is_choice = is_choice and target.task == "label"
        part = truncator.cut(target.task, self.ids(target.text), is_choice=is_choice)
        if target.before is not None:
            before = truncator.cut("rationale", self._ids_before_label(target.before))
            return [*self.prefix, *before, *self.label_marker, *part, self.end]
        if target.after is not None:
            after = truncator.cut("rationale", self.ids(target.after))
            return [*self.prefix, *part, *self.rationale_marker, *after, self.end]
        return [*self.prefix, *part, self.end]

    def allowed_labels(self, method: Method, choices: Sequence[str]) -> AllowedLabels:
        """The choices, as a student of a method writes them.

        Raises:
            StudentError: if two have the same tokens, or one has the token that ends a label.
        """
        prefix = [] if method.place == "before" else self.prefix
        end = self.rationale_marker[0] if method.place == "after" else self.end
        found: dict[tuple[int, ...], str] = {}
        for choice in choices:
            ids = self.ids(choice)
            twin = found.setdefault((*prefix, *ids), choice)
            if fold(normalize("NFC", twin)) != fold(normalize("NFC", choice)):
                raise same_tokens(twin, choice)
            if end in ids or self.end in ids:
                raise StudentError(
                    f"the choice {choice!r} contains what ends a label for a student trained by "
                    f"{method.name!r}; reword it, on one line"
                )
        return AllowedLabels(found, build_trie([[*ids, end] for ids in found]))

    def decode(
        self, task: TargetTask, method: Method, ids: Sequence[int], choices: Choices | None = None
    ) -> Generated:
        """Generated ids, split into label and rationale; ``choices`` is None for any label."""
        if method.place == "before":
            start = find_after(ids, self.label_marker)
            if start is None:
                return Generated(rationale=self._text(ids))
            rationale = ids[: start - len(self.label_marker)]
            return Generated(self.choice(ids[start:], choices), self._text(rationale))
        if method.place == "after":
            start = find_after(ids, self.rationale_marker)
            label_ids = ids[: start - len(self.rationale_marker)] if start is not None else ids
            text = self._text(ids[start:]) if start is not None else ""
            label = self.choice(label_ids, choices)
            return Generated(label if choices else label.split("\n")[0], text)
        if task == "label":
            return Generated(self.choice(ids, choices))
        return Generated(rationale=self._text(ids))

    @cached_property
    def _encoder(self) -> TextEncoder:
        return TextEncoder(self.tokenizer)

    def _ids_before_label(self, text: str) -> list[int]:
        """A rationale as ids, on one line if a line of it opens as the label would."""
        found = self.ids(text)
        return found if find_after(found, self.label_marker) is None else self.ids(_one_line(text))

    def choice(self, ids: Sequence[int], choices: Choices | None) -> str:
        """A label. A choice is looked up by its ids, since decoding may not restore its text."""
        known = choices.get(tuple(ids)) if choices else None
        return self._text(ids) if known is None else known

    def _text(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True)).strip()


def _one_line(text: str) -> str:
    return " ".join(text.split())


def max_label_tokens(codec: TargetCodec, config: StudentConfig, choices: Sequence[str]) -> int:
    """The longest that a label may be, in tokens; choices are never cut."""
    return max([config.max_label_tokens, *(len(codec.ids(choice)) for choice in choices)])
