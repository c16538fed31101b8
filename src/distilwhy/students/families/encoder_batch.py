"""The batches of encoder students."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from distilwhy.students.batch import pad
from distilwhy.students.encoding import DrawnRow
from distilwhy.students.families.target_batch import DecoderTargets, gather_targets

Source = tuple[list[int], tuple[list[int], ...]]
"""A text and its options, as ids."""


@dataclass(frozen=True)
class EncoderBatch:
    """The sources of one step and their targets.

    Attributes:
        source: ``[sources, length]``: the encoder's input ids.
        parts: ``[sources, length]``: 0 for the text, 1 for the first option, and so on; -1 for
            padding.
        targets: A batch of targets for each task.
    """

    source: torch.Tensor
    parts: torch.Tensor
    targets: tuple[DecoderTargets, ...]


def build_batch(rows: Sequence[DrawnRow], filler: int) -> EncoderBatch:
    """A batch in which each source appears once, however many targets it has.

    Args:
        filler: The padding token.
    """
    found, targets = gather_targets(rows, filler)
    sources = [(drawn.row.sources[which], drawn.row.options) for drawn, which in found]
    return EncoderBatch(*pad_sources(sources, filler), targets)


def pad_sources(sources: Sequence[Source], filler: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Texts and their options as the ``source`` and ``parts`` of a batch."""
    joined = [(text, *options) for text, options in sources]
    ids = [[token for part in parts for token in part] for parts in joined]
    numbers = [[n for n, part in enumerate(parts) for _ in part] for parts in joined]
    return pad(ids, filler), pad(numbers, -1)
