"""From a model's logits to the losses of its targets."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from distilwhy.core.method import TargetTask
from distilwhy.students.linear_cross_entropy import is_large, linear_cross_entropy

IGNORED = -100


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
        positions: An index into ``[sequences, length]``: a mask, or rows and columns.
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
    found: list[torch.Tensor] = []

    def take(layer: Any, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        found.append(inputs[0][positions])
        return (inputs[0][:1, :0],)

    handle = model.get_output_embeddings().register_forward_pre_hook(take)
    try:
        yield found
    finally:
        handle.remove()


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
    logits: torch.Tensor, labels: torch.Tensor, temperatures: torch.Tensor | None = None
) -> torch.Tensor:
    """``[targets]``: the cross-entropy of each target, averaged over its tokens.

    Args:
        logits: ``[positions, vocabulary]``: one row for every position with a label, target
            after target.
        labels: ``[targets, length]``; -100 is ignored.
        temperatures: ``[targets]``: divide the logits; None for 1.
    """
    real, logits = labels != IGNORED, logits.float()
    if temperatures is not None:
        logits = logits / _at_positions(temperatures, real)[:, None]
    return _mean_tokens(functional.cross_entropy(logits, labels[real], reduction="none"), real)


def linear_losses(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    labels: torch.Tensor,
    temperatures: torch.Tensor | None,
) -> torch.Tensor:
    """``[targets]``: as ``target_losses`` of the logits ``hidden · weightᵀ + bias``.

    Where these are many, they are never held all at once.

    Args:
        hidden: ``[positions, width]``: one row for every position with a label.
    """
    real = labels != IGNORED
    if not is_large(len(hidden), len(weight)):
        logits = functional.linear(hidden, weight, bias)
        return target_losses(logits, labels, temperatures)
    divisors = None if temperatures is None else _at_positions(temperatures, real)
    return _mean_tokens(linear_cross_entropy(hidden, weight, bias, labels[real], divisors), real)


def pooled_logits(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """``[targets, vocabulary]``: logits averaged over the positions of each target.

    Args:
        logits: ``[positions, vocabulary]``, as for ``target_losses``, or
            ``[targets, length, vocabulary]``.
        labels: ``[targets, length]``; -100 is ignored.
    """
    real = labels != IGNORED
    flat = (logits[real] if logits.dim() == 3 else logits).float()
    targets = torch.arange(len(labels), device=labels.device)[:, None].expand_as(labels)[real]
    sums = torch.zeros(len(labels), flat.shape[1], device=flat.device)
    return sums.index_add(0, targets, flat) / real.sum(dim=1, keepdim=True).clamp(min=1)


def _at_positions(values: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """``[positions]``: the value of each position's target."""
    return values[:, None].expand_as(real)[real]


def _mean_tokens(tokens: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """``[targets]``: the mean loss of each target's tokens."""
    spread = torch.zeros(real.shape, dtype=tokens.dtype, device=tokens.device)
    return spread.masked_scatter(real, tokens).sum(dim=1) / real.sum(dim=1).clamp(min=1)
