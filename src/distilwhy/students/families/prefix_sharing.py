"""Several targets behind one shared prompt, in one sequence each.

A sequence holds the prompt and then one target after the other. Each target's positions continue
from the end of the prompt, and it attends to the prompt and to itself only. The decoder of an
encoder–decoder has no prompt: its targets share what they read of the encoder.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch

from distilwhy.core.method import TargetTask
from distilwhy.students.batch import pad, to_device
from distilwhy.students.encoding import TASKS, DrawnRow, EncodedTarget, temperatures
from distilwhy.students.families.target_batch import TargetBatch
from distilwhy.students.logits import Labels, logits_at

PADDING = -1
# How far apart rounding may take logits, as a fraction of the largest.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class PackedTargets(TargetBatch):
    """Targets packed behind their prompts.

    Attributes:
        sequences: ``[positions]``: the sequence in which each label is predicted.
    """

    sequences: torch.Tensor

    @property
    def predicted_at(self) -> tuple[torch.Tensor, torch.Tensor]:
        """``[positions]`` twice: the sequence and the column at which each label is predicted."""
        return self.sequences, self.labels.columns


@dataclass(frozen=True)
class PackedBatch:
    """The prompts of one step with their targets; all tensors are ``[sequences, length]``.

    Attributes:
        ids: Each prompt with its targets behind it.
        positions: Counted from 0; those of every target continue from the end of the prompt.
        segments: 0 for the prompt, 1, 2, … for its targets, -1 for padding.
        is_shared: Whether any prompt is.
        targets: A batch of targets for each task.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    segments: torch.Tensor
    is_shared: bool
    targets: tuple[PackedTargets, ...]

    @property
    def predicted_at(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The rows and the columns at which the tokens of all targets are predicted."""
        rows, columns = zip(*(targets.predicted_at for targets in self.targets), strict=True)
        return torch.cat(rows), torch.cat(columns)


@dataclass(frozen=True)
class SharedPrompt:
    """A prompt of one row, with the targets that share it."""

    row: int
    prompt: list[int]
    targets: tuple[EncodedTarget, ...]

    @property
    def lengths(self) -> list[int]:
        """The tokens of the prompt and of each target."""
        return [len(self.prompt), *(len(_input_ids(target)) for target in self.targets)]

    @property
    def is_shared(self) -> bool:
        """Whether the tokens of more than one target follow the prompt."""
        return sum(length > 0 for length in self.lengths[1:]) > 1

    @property
    def ids(self) -> list[int]:
        return [*self.prompt, *chain.from_iterable(map(_input_ids, self.targets))]

    def columns(self, index: int) -> range:
        """Where in the sequence the tokens of a target are predicted."""
        target = self.targets[index]
        first = sum(self.lengths[: index + 1]) + len(target.opening) - 1
        return range(first, first + len(target.ids))


def share_prompts(rows: Sequence[DrawnRow]) -> list[SharedPrompt]:
    """A shared prompt for each source of each row that has targets."""
    prompts = []
    for row, drawn in enumerate(rows):
        for source, prompt in enumerate(drawn.row.sources):
            targets = tuple(target for target in drawn.targets if target.source == source)
            prompts += [SharedPrompt(row, prompt, targets)] if targets else []
    return prompts


def pack(prompts: Sequence[SharedPrompt], filler: int) -> PackedBatch:
    """Prompts as padded tensors; ``filler`` is the padding token."""
    ids = pad([prompt.ids for prompt in prompts], filler)
    columns, lengths = torch.arange(ids.shape[1]), pad([prompt.lengths for prompt in prompts], 0)
    ends = lengths.cumsum(1)
    segments = (columns >= ends[:, :, None]).sum(1)
    is_padding = segments == lengths.shape[1]
    segments[is_padding] = PADDING
    # What lies between the end of the prompt and each target, which positions do not count.
    between = (ends - lengths - lengths[:, :1]).clamp(min=0)
    positions = columns - between.gather(1, segments.clamp(min=0))
    return PackedBatch(
        ids,
        positions.masked_fill(is_padding, 0),
        segments,
        any(prompt.is_shared for prompt in prompts),
        tuple(
            _packed_targets(task, prompts)
            for task in TASKS
            if any(target.task == task for prompt in prompts for target in prompt.targets)
        ),
    )


def segment_mask(segments: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """An additive attention mask: a token attends to the prompt and to its own segment.

    Attention is causal within both. Padding attends to padding, so that no row of the mask is
    fully closed. From ``PackedBatch.segments``, ``[sequences, 1, length, length]``: 0 where a token
    (row) attends to another (column).
    """
    key, query = segments[:, None, :], segments[:, :, None]
    hidden = ~((key == 0) | (key == query)).tril()
    mask = torch.zeros(hidden.shape, dtype=dtype, device=segments.device)
    return mask.masked_fill(hidden, torch.finfo(dtype).min)[:, None]


@torch.no_grad()
def can_share(
    network: torch.nn.Module,
    model: Any,
    prompt: list[int],
    run: Callable[[PackedBatch], Any],
    tolerance: float = TOLERANCE,
) -> bool:
    """Whether targets behind one prompt get the logits that each would get alone.

    Found by running the model. They do not where positions cannot be given, nor where a state is
    passed on from token to token (Mamba).

    Args:
        network: Holds the model.
        prompt: Some ids, or none.
        run: Runs the model on a batch of one prompt.
        tolerance: How far apart logits may be, as a fraction of the largest.
    """
    label = EncodedTarget("label", [5], [6, 7, 8])
    rationale = EncodedTarget("rationale", [9], list(range(10, 22)))

    def label_logits(*targets: EncodedTarget) -> torch.Tensor:
        batch = to_device(pack([SharedPrompt(0, prompt, targets)], 0), model.device)
        with logits_at(model, *batch.targets[0].predicted_at):
            logits: torch.Tensor = run(batch).logits[0]
        return logits

    was_training = network.training
    network.eval()
    try:
        shared, alone = label_logits(rationale, label), label_logits(label)
    # Models raise errors of all kinds at a mask or positions that they do not take.
    except (RuntimeError, ValueError, TypeError, IndexError):
        return False
    finally:
        network.train(was_training)
    return bool((shared - alone).abs().max() <= tolerance * alone.abs().max())


def _packed_targets(task: TargetTask, prompts: Sequence[SharedPrompt]) -> PackedTargets:
    found = [
        (number, prompt, index, target)
        for number, prompt in enumerate(prompts)
        for index, target in enumerate(prompt.targets)
        if target.task == task
    ]
    sources = torch.tensor([number for number, _, _, _ in found])
    starts = [prompt.columns(index).start for _, prompt, index, _ in found]
    labels = Labels.of([target.ids for _, _, _, target in found], starts)
    return PackedTargets(
        task,
        rows=torch.tensor([prompt.row for _, prompt, _, _ in found]),
        sources=sources,
        sequences=sources[labels.targets],
        labels=labels,
        weights=torch.tensor([target.weight for _, _, _, target in found]),
        temperatures=temperatures([target for _, _, _, target in found]),
    )


def _input_ids(target: EncodedTarget) -> list[int]:
    """The tokens of a target that are fed to the model: all but the last."""
    return [*target.opening, *target.ids[:-1]]
