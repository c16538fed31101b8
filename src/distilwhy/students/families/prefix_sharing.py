"""Prompts from which several targets branch off, in one sequence each.

A tree is laid out as its prompt and then one branch after the other. Each branch counts its
positions on from the end of the prompt, and sees the prompt and itself alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

import torch

from distilwhy.core.method import TargetTask
from distilwhy.students.network import IGNORED, DrawnRow, EncodedTarget, pad, temperatures

TASKS: tuple[TargetTask, ...] = ("label", "rationale")
PADDING = -1


@dataclass(frozen=True)
class TargetBatch:
    """The targets of one task in a batch.

    Attributes:
        task: Whose targets they are.
        rows: ``[targets]``: the row of the batch that each belongs to.
        trees: ``[targets]``: the sequence that each stands in.
        places: ``[targets, length]``: where in it each of its tokens is foretold.
        labels: ``[targets, length]``: what is to be written; -100 where there is nothing.
        weights: ``[targets]``: the share of each in the loss.
        temperatures: ``[targets]``: what its logits are divided by; None: by 1.
    """

    task: TargetTask
    rows: torch.Tensor
    trees: torch.Tensor
    places: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    temperatures: torch.Tensor | None

    @property
    def foretold(self) -> tuple[torch.Tensor, torch.Tensor]:
        """``[positions]`` twice: the tree and the place in it of every label."""
        real = self.labels != IGNORED
        return self.trees[:, None].expand_as(real)[real], self.places[real]


@dataclass(frozen=True)
class Batch:
    """The prompts of one step with their branches: all tensors ``[trees, length]``.

    Attributes:
        ids: Each prompt, and after it one branch after the other.
        positions: Counted from 0; every branch counts on from the end of the prompt.
        branches: 0 in the prompt, 1, 2, … in its branches, -1 in padding.
        forked: Whether any prompt has more branches than one.
        targets: What the branches are to write.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    branches: torch.Tensor
    forked: bool
    targets: tuple[TargetBatch, ...]


@dataclass(frozen=True)
class Tree:
    """A prompt with the targets that branch off it, and the row that it belongs to."""

    row: int
    prompt: list[int]
    targets: tuple[EncodedTarget, ...]

    @property
    def spans(self) -> list[range]:
        """The positions of the prompt and of each branch."""
        start = len(self.prompt)
        ends = [start + len(_given(target)) for target in self.targets]
        return [range(start), *(range(start, end) for end in ends)]

    @property
    def ids(self) -> list[int]:
        return [*self.prompt, *chain.from_iterable(map(_given, self.targets))]

    def apart(self) -> list["Tree"]:
        """The same with every target in a tree of its own."""
        return [replace(self, targets=(target,)) for target in self.targets]

    def places(self, index: int) -> range:
        """Where in the sequence the tokens of a target are foretold."""
        before = sum(len(_given(target)) for target in self.targets[:index])
        target = self.targets[index]
        first = len(self.prompt) + before + len(target.opening) - 1
        return range(first, first + len(target.ids))


def grow(rows: Sequence[DrawnRow]) -> list[Tree]:
    """A tree for each source of each row that has targets."""
    trees = []
    for row, drawn in enumerate(rows):
        for source, prompt in enumerate(drawn.row.sources):
            targets = tuple(target for target in drawn.targets if target.source == source)
            trees += [Tree(row, prompt, targets)] if targets else []
    return trees


def build_batch(trees: Sequence[Tree], filler: int) -> Batch:
    """Trees as padded tensors."""
    numbers = [[number for number, span in enumerate(tree.spans) for _ in span] for tree in trees]
    return Batch(
        pad([tree.ids for tree in trees], filler),
        pad([[*chain.from_iterable(tree.spans)] for tree in trees], 0),
        pad(numbers, PADDING),
        any(len(tree.targets) > 1 for tree in trees),
        tuple(
            _target_batch(task, trees)
            for task in TASKS
            if any(target.task == task for tree in trees for target in tree.targets)
        ),
    )


def fork_mask(branches: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A mask to be added to attention: a token sees what is before it in the prompt and in its
    own branch; padding sees padding too, so that no token sees nothing.

    Args:
        branches: ``[trees, length]``, as in ``Batch``.

    Returns:
        ``[trees, 1, length, length]``: 0 where a token, a row, sees another, a column.
    """
    seen, seeing = branches[:, None, :], branches[:, :, None]
    hidden = ~((seen == 0) | (seen == seeing)).tril()
    mask = torch.zeros(hidden.shape, dtype=dtype, device=branches.device)
    return mask.masked_fill(hidden, torch.finfo(dtype).min)[:, None]


def _target_batch(task: TargetTask, trees: Sequence[Tree]) -> TargetBatch:
    found = [
        (number, tree, index, target)
        for number, tree in enumerate(trees)
        for index, target in enumerate(tree.targets)
        if target.task == task
    ]
    return TargetBatch(
        task,
        torch.tensor([tree.row for _, tree, _, _ in found]),
        torch.tensor([number for number, _, _, _ in found]),
        pad([tree.places(index) for _, tree, index, _ in found], 0),
        pad([target.ids for _, _, _, target in found], IGNORED),
        torch.tensor([target.weight for _, _, _, target in found]),
        temperatures([target for _, _, _, target in found]),
    )


def _given(target: EncodedTarget) -> list[int]:
    """What a branch reads: each token from which the next is foretold."""
    return [*target.opening, *target.ids[:-1]]
