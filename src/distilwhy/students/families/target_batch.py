"""The targets of one step, for students that read each source once."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from distilwhy.core.method import TargetTask
from distilwhy.students.network import IGNORED, DrawnRow, EncodedTarget, pad, temperatures

TASKS: tuple[TargetTask, ...] = ("label", "rationale")


@dataclass(frozen=True)
class TargetBatch:
    """The targets of one task in a batch.

    Attributes:
        task: Whose targets they are.
        rows: ``[targets]``: the row of the batch that each belongs to.
        sources: ``[targets]``: the source that each is written for, or read off.
        choices: ``[targets]``: the index of each label, for a head that chooses; else -100.
        inputs: ``[targets, length]``: what the decoder reads; no columns where it is not asked.
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


def gather_targets(
    rows: Sequence[DrawnRow], filler: int
) -> tuple[list[tuple[DrawnRow, int]], tuple[TargetBatch, ...]]:
    """The sources that some rows have targets for, each once, as a row and which of its sources;
    and the targets of each task."""
    sources: list[tuple[DrawnRow, int]] = []
    found: dict[TargetTask, list[tuple[int, int, EncodedTarget]]] = {task: [] for task in TASKS}
    for index, drawn in enumerate(rows):
        places: dict[int, int] = {}
        for target in drawn.targets:
            if target.source not in places:
                places[target.source] = len(sources)
                sources.append((drawn, target.source))
            found[target.task].append((index, places[target.source], target))
    batches = (_target_batch(task, many, filler) for task, many in found.items() if many)
    return sources, tuple(batches)


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
