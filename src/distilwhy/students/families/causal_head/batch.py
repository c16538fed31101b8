"""Batches of prompts whose label a head reads from hidden states."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch

from distilwhy.students.batch import pad
from distilwhy.students.encoding import DrawnRow, EncodedTarget, temperatures
from distilwhy.students.families.prefix_sharing import (
    PackedBatch,
    PackedTargets,
    SharedPrompt,
    pack,
)

Split = Callable[[list[SharedPrompt]], list[SharedPrompt]]


@dataclass(frozen=True)
class HeadPrompt:
    """A prompt with what follows it.

    Attributes:
        row: The row of the batch.
        options: The row's own options; none where the labels are fixed.
        labels: The labels to learn: several, if they are soft.
        rationales: The rationales to learn.
        is_read: Whether the head chooses a label. Not for a prompt of the rationale alone.
    """

    row: int
    ids: list[int]
    options: tuple[list[int], ...]
    labels: tuple[EncodedTarget, ...] = ()
    rationales: tuple[EncodedTarget, ...] = ()
    is_read: bool = True

    @property
    def reads(self) -> list[EncodedTarget]:
        """A target without tokens of its own for every state that the head reads.

        That is the state at the end of each option, or at the end of the prompt. What such a
        target has to predict is never looked at.
        """
        openings = (self.options or ([],)) if self.is_read else ()
        return [EncodedTarget("label", opening, [0]) for opening in openings]


@dataclass(frozen=True)
class HeadTargets:
    """The labels to learn in a batch.

    Attributes:
        rows: ``[labels]``: the row of the batch that each belongs to.
        prompts: ``[labels]``: its prompt, of those that are read.
        choices: ``[labels]``: its index among the choices.
        weights: ``[labels]``: its weight in its row's loss.
        temperatures: ``[labels]``: divide the logits; None for 1.
    """

    rows: torch.Tensor
    prompts: torch.Tensor
    choices: torch.Tensor
    weights: torch.Tensor
    temperatures: torch.Tensor | None


@dataclass(frozen=True)
class HeadBatch:
    """The prompts of one step.

    Attributes:
        packed: The prompts with their options and rationales behind them.
        read_at: ``[reads]`` twice: the sequence and the column of each state that the head reads.
        reads: ``[prompts, options]``: the index of the state of each option of a prompt, -1 where
            it has fewer than another; one state for each prompt where the labels are fixed.
        labels: The labels to learn; None for prompts that are only answered.
    """

    packed: PackedBatch
    read_at: tuple[torch.Tensor, torch.Tensor]
    reads: torch.Tensor
    labels: HeadTargets | None

    @property
    def rationales(self) -> PackedTargets | None:
        """The rationales to learn."""
        found = (part for part in self.packed.targets if part.task == "rationale")
        return next(found, None)


def head_prompts(rows: Sequence[DrawnRow]) -> list[HeadPrompt]:
    """A prompt for each source of each row that has targets."""
    prompts = []
    for row, drawn in enumerate(rows):
        for source, ids in enumerate(drawn.row.sources):
            own = [target for target in drawn.targets if target.source == source]
            labels = tuple(target for target in own if target.task == "label")
            rationales = tuple(target for target in own if target.task == "rationale")
            prompt = HeadPrompt(row, ids, drawn.row.options, labels, rationales, bool(labels))
            prompts += [prompt] if own else []
    return prompts


def pack_heads(prompts: Sequence[HeadPrompt], filler: int, split: Split) -> HeadBatch:
    """Prompts as padded tensors.

    Args:
        filler: The padding token.
        split: Gives targets that cannot share a prompt a prompt each.
    """
    shared = [SharedPrompt(p.row, p.ids, (*p.reads, *p.rationales)) for p in prompts]
    packed = pack(split(shared), filler)
    read = [prompt for prompt in prompts if prompt.is_read]
    counts = [len(prompt.reads) for prompt in read]
    starts = accumulate(counts, initial=0)
    numbers = [range(start, start + n) for start, n in zip(starts, counts, strict=False)]
    none = torch.zeros(0, dtype=torch.long)
    return HeadBatch(
        packed,
        packed.targets[0].predicted_at if read else (none, none),
        pad(numbers, -1) if read else none[:, None],
        _targets(read),
    )


def _targets(read: Sequence[HeadPrompt]) -> HeadTargets | None:
    found = [(number, p.row, label) for number, p in enumerate(read) for label in p.labels]
    if not found:
        return None
    numbers, rows, labels = zip(*found, strict=True)
    return HeadTargets(
        torch.tensor(rows),
        torch.tensor(numbers),
        torch.tensor([label.choice for label in labels]),
        torch.tensor([label.weight for label in labels]),
        temperatures(labels),
    )
