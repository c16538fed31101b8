"""Heads that choose a label from hidden states."""

import copy
from collections.abc import Sequence
from math import inf
from typing import Any

import torch
from torch.nn import functional
from transformers.modeling_outputs import BaseModelOutputWithPooling

from distilwhy.core.task import Task
from distilwhy.errors import StudentError
from distilwhy.students.network import Generated


class OptionHead(torch.nn.Module):
    """Scores a row's own options against its text.

    With x the mean of the text's last hidden states, o that of an option's, x̂ and ô both scaled
    to mean 0 and variance 1, and W ``[width, width]`` and v ``[width]`` learnt:

        score(x, o) = x̂ᵀ W ô + vᵀ ô

    W starts as the identity over √width and v as 0. So a score starts as √width times the cosine
    of x̂ and ô, and a pretrained sentence encoder starts by choosing the nearest option.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bilinear = torch.nn.Parameter(torch.eye(width) / width**0.5)
        self.linear = torch.nn.Parameter(torch.zeros(width))

    def forward(
        self, text: torch.Tensor, options: torch.Tensor, is_open: torch.Tensor
    ) -> torch.Tensor:
        """``[rows, options]``: each option's score; −∞ where a row has fewer than another.

        Args:
            text: ``[rows, width]``.
            options: ``[rows, options, width]``.
            is_open: ``[rows, options]``: whether the row has this option.
        """
        size = text.shape[-1:]
        query = functional.layer_norm(text, size) @ self.bilinear + self.linear
        keys = functional.layer_norm(options, size)
        scores = (keys @ query[..., None])[..., 0]
        return scores.masked_fill(~is_open, float("-inf"))


class StateHead(torch.nn.Module):
    """Scores choices from one hidden state, scaled to mean 0 and variance 1.

    Its weights start as 0. So all choices start alike, and the first step does not disturb the
    model; the head takes the same learning rate as pretrained weights.

    Args:
        choices: The number of fixed labels; 1 to score a state of each of a row's own options.
    """

    def __init__(self, width: int, choices: int) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(choices, width))
        self.bias = torch.nn.Parameter(torch.zeros(choices))

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """``[states, choices]``: scores, from states ``[states, width]``."""
        scaled = functional.layer_norm(states.float(), states.shape[-1:])
        return functional.linear(scaled, self.weight, self.bias)


def find_choice(task: Task, label: str, options: tuple[str, ...]) -> int:
    """The index of a label among a row's choices.

    Args:
        options: The row's own; none where the labels are fixed.

    Raises:
        StudentError: if it is none of them.
    """
    choices = task.answer.choices(options)
    if label not in choices:
        raise StudentError(
            f"the label {label!r} is none of the row's choices, {', '.join(choices)}; correct "
            "the row, or add the label to task.answer.labels"
        )
    return choices.index(label)


def choose(logits: torch.Tensor, choices: Sequence[Sequence[str]]) -> list[Generated]:
    """The choice of each row with the highest logit; its probability is the confidence.

    Args:
        logits: ``[rows, choices]``; −∞ where a row has fewer choices than another.
    """
    sure, best = (found.tolist() for found in logits.double().softmax(dim=-1).max(dim=-1))
    margins = _margins(logits)
    return [
        Generated(some[best[i]], confidence=sure[i], margin=margins[i])
        for i, some in enumerate(choices)
    ]


def _margins(logits: torch.Tensor) -> list[float]:
    """How far the best logit of each row is from the next; infinite for a single choice."""
    if logits.shape[1] == 1:
        return [inf] * len(logits)
    best, other = logits.float().topk(2, dim=-1).values.unbind(dim=-1)
    found: list[float] = (best - other).tolist()
    return found


def label_losses(
    logits: torch.Tensor, choices: torch.Tensor, temperatures: torch.Tensor | None
) -> torch.Tensor:
    """``[targets]``: the cross-entropy of each label.

    Args:
        logits: ``[targets, choices]``.
        choices: ``[targets]``: the index of each label.
        temperatures: ``[targets]``: divide the logits; None for 1.
    """
    scaled = logits.float() if temperatures is None else logits.float() / temperatures[:, None]
    return functional.cross_entropy(scaled, choices, reduction="none")


def mark_parts(parts: torch.Tensor) -> torch.Tensor:
    """``[sources, parts, length]``: whether each token belongs to each part of its source.

    Args:
        parts: ``[sources, length]``: the part that each token belongs to; -1 for padding.
    """
    numbers = torch.arange(int(parts.max()) + 1, device=parts.device)
    return parts[:, None] == numbers[:, None]


def mean_parts(states: torch.Tensor, belongs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean state of each part of a source, and whether the source has that part.

    Args:
        states: ``[sources, length, width]``.
        belongs: As ``mark_parts`` gives it.

    Returns:
        ``[sources, parts, width]`` and ``[sources, parts]``; zeros for a missing part.
    """
    counts = belongs.sum(dim=-1, keepdim=True)
    return belongs.to(states.dtype) @ states / counts.clamp(min=1), counts[..., 0] > 0


def classify_vectors(model: Any, vectors: torch.Tensor) -> torch.Tensor:
    """``[targets, labels]``: a classifier's logits for vectors ``[targets, width]``.

    Each vector is taken as the last hidden state of a source of one token.

    Every architecture has a head of its own, and some keep a part of it in the encoder. The
    model's own ``forward`` knows its head, so it runs on a copy of the model whose encoder is
    replaced by one that returns the vectors.
    """
    states = vectors[:, None]
    bare = copy.copy(model)
    pooled = _pool(model.base_model, states)
    outputs = BaseModelOutputWithPooling(last_hidden_state=states, pooler_output=pooled)
    bare._modules = {**model._modules, model.base_model_prefix: _ConstantEncoder(outputs)}
    # One token for each vector; no head looks at its id.
    tokens = torch.ones(states.shape[:2], dtype=torch.long, device=states.device)
    logits: torch.Tensor = bare(input_ids=tokens, attention_mask=tokens).logits
    return logits


class _ConstantEncoder(torch.nn.Module):
    """Replaces an encoder and returns the same outputs for any input."""

    def __init__(self, outputs: Any) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, *_: Any, **__: Any) -> Any:
        return self.outputs


def _pool(encoder: Any, states: torch.Tensor) -> torch.Tensor | None:
    """The output of an encoder's own pooler, where it has one: ``[targets, width]``."""
    pooler = getattr(encoder, "pooler", None)
    if pooler is None:
        return None
    pooled: torch.Tensor = pooler(states)
    if isinstance(pooler, torch.nn.Linear):  # ALBERT applies the activation itself.
        pooled = encoder.pooler_activation(pooled[:, 0])
    return pooled
