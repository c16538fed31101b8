"""How students that write token by token spell labels and rationales, and are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from distilwhy.config import StudentConfig
from distilwhy.core.method import Method, Target, TargetTask
from distilwhy.core.parsing.answer import fold
from distilwhy.errors import StudentError
from distilwhy.students.families.constrain import AllowedLabels, Choices, build_trie, find
from distilwhy.students.network import Lengths, Written


@dataclass(frozen=True)
class TargetCodec:
    """How a network that writes token by token spells labels, rationales and both in one.

    Attributes:
        tokenizer: Its tokenizer.
        lead: What stands before every text that it writes.
        space: What stands before a text that follows a marker.
        label: The ids that say: the label follows.
        rationale: The ids that say: the rationale follows.
    """

    tokenizer: Any
    lead: list[int]
    space: str
    label: list[int]
    rationale: list[int]

    @property
    def end(self) -> int:
        return int(self.tokenizer.eos_token_id)

    def ids(self, text: str) -> list[int]:
        """A text as ids, without what opens and ends a sequence."""
        found = self.tokenizer(self.space + text, add_special_tokens=False, verbose=False)
        return list(found.input_ids) if text else []

    def spell(self, target: Target, lengths: Lengths, *, is_choice: bool = False) -> list[int]:
        """All the ids that a student writes for a target.

        Args:
            is_choice: Whether its labels are choices.
        """
        is_choice = is_choice and target.task == "label"
        part = lengths.cut(target.task, self.ids(target.text), is_choice=is_choice)
        if target.before is not None:
            before = lengths.cut("rationale", self.ids(target.before))
            return [*self.lead, *before, *self.label, *part, self.end]
        if target.after is not None:
            after = lengths.cut("rationale", self.ids(target.after))
            return [*self.lead, *part, *self.rationale, *after, self.end]
        return [*self.lead, *part, self.end]

    def menu(self, method: Method, choices: Sequence[str]) -> AllowedLabels:
        """How a student of a method writes each of some choices.

        Raises:
            StudentError: if two are written alike, or one holds what ends a label.
        """
        lead = [] if method.place == "before" else self.lead
        end = self.rationale[0] if method.place == "after" else self.end
        found: dict[tuple[int, ...], str] = {}
        for choice in choices:
            ids = self.ids(choice)
            twin = found.setdefault((*lead, *ids), choice)
            if fold(twin) != fold(choice):
                raise StudentError(
                    f"the choices {twin!r} and {choice!r} cannot be told apart by this model's "
                    "tokenizer; word them otherwise, or take another student.model"
                )
            if end in ids or self.end in ids:
                raise StudentError(
                    f"the choice {choice!r} holds what ends a label for a student trained by "
                    f"{method.name!r}; word it otherwise, on one line"
                )
        return AllowedLabels(found, build_trie([[*ids, end] for ids in found]))

    def read(
        self, task: TargetTask, method: Method, ids: Sequence[int], choices: Choices | None = None
    ) -> Written:
        """What was written, taken apart.

        Args:
            choices: What the label may be; None where it may be anything.
        """
        if method.place == "before":
            begun = find(ids, self.label)
            if begun is None:
                return Written(rationale=self._text(ids))
            said = ids[: begun - len(self.label)]
            return Written(self._label(ids[begun:], choices), self._text(said))
        if method.place == "after":
            begun = find(ids, self.rationale)
            said = ids[: begun - len(self.rationale)] if begun is not None else ids
            reasons = self._text(ids[begun:]) if begun is not None else ""
            label = self._label(said, choices)
            return Written(label if choices else label.split("\n")[0], reasons)
        if task == "label":
            return Written(self._label(ids, choices))
        return Written(rationale=self._text(ids))

    def _label(self, ids: Sequence[int], choices: Choices | None) -> str:
        """A label; a choice is known by its ids, as a tokenizer may lose some of its text."""
        known = choices.get(tuple(ids)) if choices else None
        return self._text(ids) if known is None else known

    def _text(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True)).strip()


def longest_label(spelling: TargetCodec, limits: StudentConfig, choices: Sequence[str]) -> int:
    """The most ids that a label may have: a choice is written whole, or it would be none."""
    return max([limits.max_label_tokens, *(len(spelling.ids(choice)) for choice in choices)])
