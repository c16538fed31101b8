"""Heads that choose a label from an encoder's hidden states."""

import copy
from typing import Any

import torch
from torch.nn import functional
from transformers.modeling_outputs import BaseModelOutputWithPooling


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


def mean_parts(states: torch.Tensor, parts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean state of each part of a source, and whether the source has that part.

    Args:
        states: ``[sources, length, width]``.
        parts: ``[sources, length]``: the part that each token belongs to; -1 for padding.

    Returns:
        ``[sources, parts, width]`` and ``[sources, parts]``; zeros for a missing part.
    """
    numbers = torch.arange(int(parts.max()) + 1, device=parts.device)
    belongs = parts[:, None] == numbers[:, None]
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
