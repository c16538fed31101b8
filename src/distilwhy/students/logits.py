"""From a model's logits to the losses of its targets."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from distilwhy.core.method import TargetTask
from distilwhy.students.forwards import using_forwards
from distilwhy.students.linear_cross_entropy import is_large, linear_cross_entropy


@dataclass(frozen=True)
class Labels:
    """The tokens that are predicted of some targets, target after target.

    All of it is known before a batch goes to a GPU, which need not be waited for then.

    Attributes:
        ids: ``[positions]``: the token to predict at each position.
        targets: ``[positions]``: the target that each belongs to.
        columns: ``[positions]``: where in its sequence each is predicted.
        places: ``[positions]``: its place among the tokens of its target.
        counts: ``[targets]``: how many tokens each target has, and ``longest`` the most of them.
    """

    ids: torch.Tensor
    targets: torch.Tensor
    columns: torch.Tensor
    places: torch.Tensor
    counts: torch.Tensor
    longest: int

    @classmethod
    def of(cls, written: Sequence[Sequence[int]], starts: Sequence[int]) -> "Labels":
        """Those of targets with these tokens, each predicted from its start on."""
        counts = torch.tensor([len(ids) for ids in written])
        targets = torch.arange(len(written)).repeat_interleave(counts)
        places = torch.arange(len(targets)) - (counts.cumsum(0) - counts)[targets]
        return cls(
            torch.from_numpy(np.array([*chain.from_iterable(written)], dtype=np.int64)),
            targets,
            torch.tensor(starts)[targets] + places,
            places,
            counts,
            max(map(len, written)),
        )

    @property
    def positions(self) -> tuple[torch.Tensor, torch.Tensor]:
        """An index into ``[targets, length]``, where each target has a sequence of its own."""
        return self.targets, self.columns

    def mean(self, losses: torch.Tensor) -> torch.Tensor:
        """``[targets]``: the mean loss of each target's tokens; 0 for one without any."""
        spread = losses.new_zeros(len(self.counts), self.longest)
        sums = spread.index_put((self.targets, self.places), losses).sum(dim=1)
        return sums / self.counts.clamp(min=1)


@dataclass(frozen=True)
class TaskOutput:
    """A network's output for the targets of one task in a batch.

    Attributes:
        rows: ``[targets]``: the row of the batch that each target belongs to.
        losses: ``[targets]``: the cross-entropy of each, averaged over its tokens.
        weights: ``[targets]``: the weight of each in its row's loss.
        pooled: ``[targets, classes]``: the logits of the label as this task sees it, averaged
            over the target's positions or given by a head. None unless ``Network.pools``.
    """

    task: TargetTask
    rows: torch.Tensor
    losses: torch.Tensor
    weights: torch.Tensor
    pooled: torch.Tensor | None


@contextmanager
def logits_at(model: Any, *positions: torch.Tensor) -> Iterator[None]:
    """Within the context, a model computes logits only at these positions, as one sequence.

    Logits over a whole vocabulary are most of a small model's work, and padding needs none. A
    hook keeps whatever a model does to its logits afterwards: T5 scales them, BART adds a bias,
    Gemma 2 caps them.

    Args:
        positions: An index into ``[sequences, length]``: rows and columns.
    """
    handle = model.get_output_embeddings().register_forward_pre_hook(
        lambda layer, inputs: (inputs[0][positions][None],)
    )
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def hidden_at(model: Any, *positions: torch.Tensor) -> Iterator[list[torch.Tensor]]:
    """Within the context, a model computes no logits.

    The list gets what its output layer would have read at these positions, for each time that the
    model is run: ``[positions, width]``.
    """
    head, found = model.get_output_embeddings(), list[torch.Tensor]()

    def take(hidden: torch.Tensor) -> torch.Tensor:
        found.append(hidden[positions])
        return hidden[:1, :0]

    with using_forwards({head: take}):
        yield found


@contextmanager
def watch_hidden(model: Any, *positions: torch.Tensor) -> Iterator[list[torch.Tensor]]:
    """Within the context, the list gets what a model's output layer could read at these positions.

    It changes nothing. ``logits_at`` or ``hidden_at`` may be entered within.
    """
    found: list[torch.Tensor] = []
    handle = model.get_output_embeddings().register_forward_pre_hook(
        lambda layer, inputs: found.append(inputs[0][positions])
    )
    try:
        yield found
    finally:
        handle.remove()


@torch.no_grad()
def returns_head(model: Any, **inputs: torch.Tensor) -> bool:
    """Whether a model returns what its output layer computes, unchanged.

    Some scale these logits, or cap them. Found by running the model on the inputs.
    """
    head, was_training, made = model.get_output_embeddings(), model.training, list[torch.Tensor]()
    handle = head.register_forward_hook(lambda layer, given, found: made.append(found))
    try:
        logits = model.eval()(**inputs, use_cache=False).logits
    finally:
        handle.remove()
        model.train(was_training)
    return type(head) is torch.nn.Linear and torch.equal(logits.float(), made[0].float())


def target_losses(
    logits: torch.Tensor, labels: Labels, temperatures: torch.Tensor | None = None
) -> torch.Tensor:
    """``[targets]``: the cross-entropy of each target, averaged over its tokens.

    Args:
        logits: ``[positions, vocabulary]``: a row for each label.
        temperatures: ``[targets]``: divide the logits; None for 1.
    """
    logits = logits.float()
    if temperatures is not None:
        logits = logits / temperatures[labels.targets][:, None]
    return labels.mean(functional.cross_entropy(logits, labels.ids, reduction="none"))


def linear_losses(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    batches: Sequence[tuple[Labels, torch.Tensor | None]],
) -> list[torch.Tensor]:
    """``[targets]`` for each batch: ``target_losses`` of the logits ``hidden · weightᵀ + bias``.

    Where these are many, they are never held all at once.

    Args:
        hidden: ``[positions, width]``: a row for each label, those of the first batch first.
        batches: Labels and temperatures, as in ``target_losses``.
    """
    sizes = [len(labels.ids) for labels, _ in batches]
    if not is_large(len(hidden), len(weight)):
        parts = torch.split(functional.linear(hidden, weight, bias), sizes)
        return [target_losses(part, *batch) for part, batch in zip(parts, batches, strict=True)]
    ids = torch.cat([labels.ids for labels, _ in batches])
    divisors = None
    if any(temperatures is not None for _, temperatures in batches):
        divisors = torch.cat(
            [
                hidden.new_ones(size, dtype=torch.float32) if each is None else each[labels.targets]
                for size, (labels, each) in zip(sizes, batches, strict=True)
            ]
        )
    parts = torch.split(linear_cross_entropy(hidden, weight, bias, ids, divisors), sizes)
    return [labels.mean(part) for part, (labels, _) in zip(parts, batches, strict=True)]


def pooled_logits(logits: torch.Tensor, labels: Labels) -> torch.Tensor:
    """``[targets, vocabulary]``: logits averaged over the positions of each target.

    Args:
        logits: ``[positions, vocabulary]``: a row for each label.
    """
    sums = torch.zeros(len(labels.counts), logits.shape[1], device=logits.device)
    sums = sums.index_add(0, labels.targets, logits.float())
    return sums / labels.counts.clamp(min=1)[:, None]
