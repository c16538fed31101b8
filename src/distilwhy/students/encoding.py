"""Training rows as token ids."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from distilwhy.config import StudentConfig
from distilwhy.core.method import TargetTask
from distilwhy.core.training_summary import Truncation

TASKS: tuple[TargetTask, ...] = ("label", "rationale")


@dataclass(frozen=True)
class EncodedTarget:
    """One target as token ids.

    Attributes:
        opening: The tokens before the target, which are not learnt.
        ids: The tokens to learn, end of sequence included.
        temperature: Divides the logits.
        source: The index of the row's source that the target belongs to.
        choice: The index of the label among the row's choices, for a classification head.
    """

    task: TargetTask
    opening: list[int]
    ids: list[int]
    weight: float = 1.0
    temperature: float = 1.0
    source: int = 0
    choice: int | None = None


@dataclass(frozen=True)
class EncodedRow:
    """One training row as token ids.

    Attributes:
        sources: The inputs: one for all targets, or one for each task.
        variants: Sets of targets, of which each epoch draws one.
        options: The row's own options, where the network encodes them apart from the text.
    """

    sources: tuple[list[int], ...]
    variants: tuple[tuple[EncodedTarget, ...], ...]
    options: tuple[list[int], ...] = ()

    @property
    def length(self) -> int:
        """The number of input tokens."""
        return sum(map(len, self.sources)) + sum(map(len, self.options))


@dataclass(frozen=True)
class DrawnRow:
    """A row with the set of targets drawn for one step."""

    row: EncodedRow
    targets: tuple[EncodedTarget, ...]

    @property
    def tokens(self) -> int:
        """The tokens that a pass reads and writes: every source of a target, and every target."""
        sources = {target.source for target in self.targets}
        read = sum(len(self.row.sources[source]) for source in sources)
        read += len(sources) * sum(map(len, self.row.options))
        return read + sum(len(target.opening) + len(target.ids) for target in self.targets)


@dataclass
class Truncator:
    """Cuts texts at the configured lengths, and counts what it cuts.

    Texts are counted by part: ``input``, ``label``, ``rationale``.
    """

    config: StudentConfig
    lengths: dict[str, list[tuple[int, bool]]] = field(default_factory=dict)

    def cut(self, part: str, ids: list[int], end: int = 0, *, is_choice: bool = False) -> list[int]:
        """The ids, shortened to the part's limit but for the last ``end`` of them.

        A choice is never cut: part of it would not be a choice.
        """
        limit = self._limit(part)
        is_cut = len(ids) > limit and not is_choice
        self.lengths.setdefault(part, []).append((len(ids), is_cut))
        if not is_cut:
            return ids
        return ids[: limit - end] + (ids[-end:] if end else [])

    def counts(self) -> dict[str, Truncation]:
        """What was cut, for every part seen so far."""
        return {
            part: Truncation(
                sum(is_cut for _, is_cut in found),
                len(found),
                max(length for length, _ in found),
                self._limit(part),
            )
            for part, found in self.lengths.items()
        }

    def _limit(self, part: str) -> int:
        return int(getattr(self.config, f"max_{part}_tokens"))


def temperatures(targets: Sequence[EncodedTarget]) -> torch.Tensor | None:
    """``[targets]``: the temperature of each; None where all are 1."""
    found = [target.temperature for target in targets]
    return None if set(found) == {1.0} else torch.tensor(found)
