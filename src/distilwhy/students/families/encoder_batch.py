"""What an encoder student is trained on in one step: sources, and the targets read off them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from distilwhy.students.families.target_batch import TargetBatch, gather_targets
from distilwhy.students.network import DrawnRow, pad

Source = tuple[list[int], tuple[list[int], ...]]
"""A text and its options, as ids."""


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
    found, targets = gather_targets(rows, filler)
    sources = [(drawn.row.sources[which], drawn.row.options) for drawn, which in found]
    return Batch(*lay_out(sources, filler), targets)


def lay_out(sources: Sequence[Source], filler: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Texts with their options as the ``source`` and ``parts`` of a batch."""
    laid = [(text, *options) for text, options in sources]
    ids = [[token for part in parts for token in part] for parts in laid]
    numbers = [[n for n, part in enumerate(parts) for _ in part] for parts in laid]
    return pad(ids, filler), pad(numbers, -1)
