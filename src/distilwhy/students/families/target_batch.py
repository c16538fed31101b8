"""The targets of one step."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from distilwhy.core.method import TargetTask
from distilwhy.students.batch import pad
from distilwhy.students.encoding import TASKS, DrawnRow, EncodedTarget, temperatures
from distilwhy.students.logits import Labels, TaskOutput


@dataclass(frozen=True)
class TargetBatch:
    """The targets of one task in a batch.

    Attributes:
        rows: ``[targets]``: the row of the batch that each target belongs to.
        sources: ``[targets]``: the sequence of the batch that each target is predicted from.
        labels: The tokens to predict.
        weights: ``[targets]``: the weight of each in its row's loss.
        temperatures: ``[targets]``: divide the logits; None for 1.
    """

    task: TargetTask
    rows: torch.Tensor
    sources: torch.Tensor
    labels: Labels
    weights: torch.Tensor
    temperatures: torch.Tensor | None

    def output(self, losses: torch.Tensor, pooled: torch.Tensor | None) -> TaskOutput:
        """The output for these targets, from their losses and pooled logits."""
        return TaskOutput(self.task, self.rows, losses, self.weights, pooled)


@dataclass(frozen=True)
class DecoderTargets(TargetBatch):
    """Targets that a decoder writes while it attends to a source.

    Attributes:
        inputs: ``[targets, length]``: the decoder's input ids; no columns without a decoder.
        choices: ``[targets]``: the index of each label, for a classification head; -1 without.
    """

    inputs: torch.Tensor
    choices: torch.Tensor


def gather_targets(
    rows: Sequence[DrawnRow], filler: int
) -> tuple[list[tuple[DrawnRow, int]], tuple[DecoderTargets, ...]]:
    """The sources that have targets, each once, and a batch of targets for each task.

    A source is a row and the source's index in it; ``filler`` is the padding token.
    """
    sources: list[tuple[DrawnRow, int]] = []
    found: dict[TargetTask, list[tuple[int, int, EncodedTarget]]] = {task: [] for task in TASKS}
    for index, drawn in enumerate(rows):
        places: dict[int, int] = {}
        for target in drawn.targets:
            if target.source not in places:
                places[target.source] = len(sources)
                sources.append((drawn, target.source))
            found[target.task].append((index, places[target.source], target))
    batches = (_decoder_targets(task, some, filler) for task, some in found.items() if some)
    return sources, tuple(batches)


def _decoder_targets(
    task: TargetTask, found: Sequence[tuple[int, int, EncodedTarget]], filler: int
) -> DecoderTargets:
    targets = [target for _, _, target in found]
    choices = [-1 if target.choice is None else target.choice for target in targets]
    return DecoderTargets(
        task,
        rows=torch.tensor([row for row, _, _ in found]),
        sources=torch.tensor([source for _, source, _ in found]),
        inputs=pad([[*t.opening, *t.ids[:-1]] if t.ids else [] for t in targets], filler),
        labels=Labels.of([t.ids for t in targets], [len(t.opening) - 1 for t in targets]),
        choices=torch.tensor(choices),
        weights=torch.tensor([target.weight for target in targets]),
        temperatures=temperatures(targets),
    )
