"""Training rows as token ids, and the batches of every step.

Which rows a step trains on is a pure function of the seed and the step, so that a training that
was killed goes on exactly where it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import torch

from distilwhy.config import StudentConfig
from distilwhy.core.method import TargetTask, TrainingRow
from distilwhy.students.seq2seq import Backbone

IGNORED = -100
WINDOW = 16


@dataclass(frozen=True)
class EncodedTarget:
    """One target as token ids, its end token among them."""

    task: TargetTask
    ids: list[int]
    weight: float


@dataclass(frozen=True)
class EncodedRow:
    """One training row as token ids."""

    source: list[int]
    targets: tuple[EncodedTarget, ...]


@dataclass(frozen=True)
class Truncation:
    """How many texts were longer than the student sees, of how many; the longest, in tokens."""

    cut: int
    texts: int
    longest: int
    limit: int


@dataclass(frozen=True)
class TargetBatch:
    """The targets of one task in a batch.

    Attributes:
        task: Whose targets they are.
        rows: ``[targets]``: the row of the batch that each belongs to.
        inputs: ``[targets, length]``: what the decoder reads.
        labels: ``[targets, length]``: what it is to write; -100 where there is nothing.
        weights: ``[targets]``: the share of each in the loss.
    """

    task: TargetTask
    rows: torch.Tensor
    inputs: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor


@dataclass(frozen=True)
class Batch:
    """The rows of one step: ``source`` and ``mask`` are ``[rows, length]``."""

    source: torch.Tensor
    mask: torch.Tensor
    targets: tuple[TargetBatch, ...]

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device."""
        targets = tuple(
            TargetBatch(
                t.task,
                t.rows.to(device),
                t.inputs.to(device),
                t.labels.to(device),
                t.weights.to(device),
            )
            for t in self.targets
        )
        return Batch(self.source.to(device), self.mask.to(device), targets)


def encode_rows(
    rows: Sequence[TrainingRow], backbone: Backbone, limits: StudentConfig
) -> tuple[list[EncodedRow], dict[str, Truncation]]:
    """Every row as token ids, cut to the student's lengths, and what that cut off."""
    caps = {
        "input": limits.max_input_tokens,
        "label": limits.max_label_tokens,
        "rationale": limits.max_rationale_tokens,
    }
    lengths: dict[str, list[int]] = {part: [] for part in caps}
    encoded = []
    for row in rows:
        source = backbone.tokenizer(row.source, verbose=False).input_ids
        lengths["input"].append(len(source))
        targets = []
        for target in row.targets:
            ids = backbone.tokenizer(text_target=target.text, verbose=False).input_ids
            lengths[target.task].append(len(ids))
            kept = cut_ids(ids, caps[target.task])
            targets.append(EncodedTarget(target.task, kept, target.weight))
        encoded.append(EncodedRow(cut_ids(source, caps["input"]), tuple(targets)))
    found = {
        part: Truncation(sum(n > caps[part] for n in many), len(many), max(many), caps[part])
        for part, many in lengths.items()
        if many
    }
    return encoded, found


def cut_ids(ids: list[int], limit: int) -> list[int]:
    """The first ``limit`` ids, the last of them still the end token."""
    return ids if len(ids) <= limit else [*ids[: limit - 1], ids[-1]]


class BatchOrder:
    """Which rows each step trains on, like lengths together.

    Every epoch is a fresh shuffle; the rows that do not fill a batch sit that epoch out.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self._lengths = lengths
        self._size = min(batch_size, len(lengths))
        self._seed = seed
        self._epoch = -1
        self._batches: list[list[int]] = []

    def at(self, step: int) -> list[int]:
        """The indices of the rows of a step, counted from 0."""
        epoch, place = divmod(step, len(self._lengths) // self._size)
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, self._shuffled(epoch)
        return self._batches[place]

    def _shuffled(self, epoch: int) -> list[list[int]]:
        random = Random(f"{self._seed}:{epoch}")
        order = list(range(len(self._lengths)))
        random.shuffle(order)
        order = order[: len(order) // self._size * self._size]
        window = WINDOW * self._size
        batches = []
        for start in range(0, len(order), window):
            alike = sorted(order[start : start + window], key=lambda i: self._lengths[i])
            batches += [alike[i : i + self._size] for i in range(0, len(alike), self._size)]
        random.shuffle(batches)
        return batches


def build_batch(rows: Sequence[EncodedRow], backbone: Backbone) -> Batch:
    """Rows as padded tensors."""
    pad = int(backbone.tokenizer.pad_token_id)
    source = _padded([row.source for row in rows], pad)
    mask = _padded([[1] * len(row.source) for row in rows], 0)
    tasks: tuple[TargetTask, ...] = ("label", "rationale")
    batches = (_target_batch(task, rows, backbone.opens(task), pad) for task in tasks)
    return Batch(source, mask, tuple(batch for batch in batches if batch is not None))


def _target_batch(
    task: TargetTask, rows: Sequence[EncodedRow], opening: int, pad: int
) -> TargetBatch | None:
    found = [(i, t) for i, row in enumerate(rows) for t in row.targets if t.task == task]
    if not found:
        return None
    return TargetBatch(
        task,
        torch.tensor([index for index, _ in found]),
        _padded([[opening, *target.ids[:-1]] for _, target in found], pad),
        _padded([target.ids for _, target in found], IGNORED),
        torch.tensor([target.weight for _, target in found]),
    )


def _padded(rows: list[list[int]], filler: int) -> torch.Tensor:
    longest = max(len(row) for row in rows)
    return torch.tensor([row + [filler] * (longest - len(row)) for row in rows])
