"""What an encoder student is trained on in one step: sources, and the targets read off them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from distilwhy.core.method import TargetTask
from distilwhy.students.network import IGNORED, DrawnRow, EncodedTarget, pad, temperatures

TASKS: tuple[TargetTask, ...] = ("label", "rationale")

Source = tuple[list[int], tuple[list[int], ...]]
"""A text and its options, as ids."""


@dataclass(frozen=True)
class TargetBatch:
    """The targets of one task in a batch.

    Attributes:
        task: Whose targets they are.
        rows: ``[targets]``: the row of the batch that each belongs to.
        sources: ``[targets]``: the source that each is read off.
        choices: ``[targets]``: the index of each label; -100 for a rationale alone.
        inputs: ``[targets, length]``: what the decoder reads; no columns for labels alone.
        labels: ``[targets, length]``: what it is to write; -100 where there is nothing.
        weights: ``[targets]``: the share of each in the loss.
        temperatures: ``[targets]``: what its logits are divided by; None: by 1.
    """

    task: TargetTask
    rows: torch.Tensor
    sources: torch.Tensor
    choices: torch.Tensor
    inputs: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    temperatures: torch.Tensor | None


@dataclass(frozen=True)
class Batch:
    """The sources of one step and their targets.

    Attributes:
        source: ``[sources, length]``: what the encoder reads.
        parts: ``[sources, length]``: 0 where a token is the text's, 1 where it is the first
            option's, and so on; -1 for padding.
        targets: A batch of targets for each task.
    """

    source: torch.Tensor
    parts: torch.Tensor
    targets: tuple[TargetBatch, ...]


def build_batch(rows: Sequence[DrawnRow], filler: int) -> Batch:
    """The batch of some rows; each source is read once, however many targets it has."""
    sources: list[Source] = []
    found: dict[TargetTask, list[tuple[int, int, EncodedTarget]]] = {task: [] for task in TASKS}
    for index, drawn in enumerate(rows):
        places: dict[int, int] = {}
        for target in drawn.targets:
            if target.source not in places:
                places[target.source] = len(sources)
                sources.append((drawn.row.sources[target.source], drawn.row.options))
            found[target.task].append((index, places[target.source], target))
    batches = (_target_batch(task, many, filler) for task, many in found.items() if many)
    return Batch(*lay_out(sources, filler), tuple(batches))


def lay_out(sources: Sequence[Source], filler: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Texts with their options as the ``source`` and ``parts`` of a batch."""
    laid = [(text, *options) for text, options in sources]
    ids = [[token for part in parts for token in part] for parts in laid]
    numbers = [[n for n, part in enumerate(parts) for _ in part] for parts in laid]
    return pad(ids, filler), pad(numbers, -1)


def _target_batch(
    task: TargetTask, found: Sequence[tuple[int, int, EncodedTarget]], filler: int
) -> TargetBatch:
    targets = [target for _, _, target in found]
    choices = [IGNORED if target.choice is None else target.choice for target in targets]
    return TargetBatch(
        task,
        torch.tensor([row for row, _, _ in found]),
        torch.tensor([source for _, source, _ in found]),
        torch.tensor(choices),
        pad([[*t.opening, *t.ids[:-1]] if t.ids else [] for t in targets], filler),
        pad([[IGNORED] * (len(t.opening) - 1) + t.ids if t.ids else [] for t in targets], IGNORED),
        torch.tensor([target.weight for target in targets]),
        temperatures(targets),
    )
