"""Cross-entropy over a large vocabulary, without the logits of all positions at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional

# Logits are computed for so many positions at a time that these many values come out.
CHUNK = 2**24
# A CPU multiplies a tall matrix by a wide one up to twice as fast by parts of so many rows.
_ROWS = 512


@contextmanager
def chunks_of(values: int) -> Iterator[None]:
    """Within the context, chunks are of another size: that which a smaller batch stands for."""
    global CHUNK
    before, CHUNK = CHUNK, values
    try:
        yield
    finally:
        CHUNK = before


def is_large(positions: int, vocabulary: int) -> bool:
    """Whether the logits of these positions take more than one chunk."""
    return positions * vocabulary > CHUNK


def linear_cross_entropy(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    labels: torch.Tensor,
    temperatures: torch.Tensor | None = None,
) -> torch.Tensor:
    """``[positions]``: the cross-entropy of ``(hidden · weightᵀ + bias) / temperatures``.

    Equals ``cross_entropy`` of the logits, which are computed chunk by chunk. Softmax and sums over
    chunks are in fp32; all logits at once are held in 16 bits only.

    Args:
        hidden: ``[positions, width]``.
        weight: ``[vocabulary, width]``, and ``bias`` ``[vocabulary]``.
        labels: ``[positions]``: the token to predict at each.
        temperatures: ``[positions]``; None for 1.
    """
    device = hidden.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
    apply: Any = _LinearCrossEntropy.apply
    losses: torch.Tensor = apply(hidden, weight, bias, labels, temperatures, dtype)
    return losses


class _LinearCrossEntropy(torch.autograd.Function):
    """With p the softmax, T the temperature and g the loss's gradient, that of the logits before
    T is g / T · (p − 1_label). Where it is computed in 16 bits, p − 1_label is kept in 16 bits for
    the backward pass, which is then two matrix products; in fp32 it is computed again by chunks.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Any, weight: Any, bias: Any, *rest: Any) -> torch.Tensor:
        labels, temperatures, dtype = rest
        layer = _Layer(hidden.to(dtype), weight.to(dtype), bias, temperatures)
        kept, losses, sums = None, [], []
        if dtype.itemsize == 2 and any(ctx.needs_input_grad[:3]):
            kept = layer.hidden.new_empty(len(hidden), len(weight))
        for part in layer.chunks():
            logits = layer.logits(part)
            softmax = layer.softmax(logits)
            # The highest probability is exp(highest logit) over the sum of all.
            highest, most = logits.amax(dim=-1), softmax.amax(dim=-1)
            sums.append(highest - most.log())
            losses.append(sums[-1] - logits.gather(1, labels[part, None])[:, 0])
            if kept is not None:
                kept[part] = _without_label(softmax, labels[part])
        ctx.save_for_backward(hidden, layer.weight, bias, labels, temperatures, kept)
        return torch.cat(losses)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        hidden, weight, bias, labels, temperatures, kept = ctx.saved_tensors
        layer = _Layer(hidden.to(weight.dtype), weight, bias, temperatures)
        scales = (grads[0] if temperatures is None else grads[0] / temperatures)[:, None]
        to_hidden = torch.empty_like(hidden)
        to_weight: torch.Tensor | None = None
        to_bias = torch.zeros_like(bias) if ctx.needs_input_grad[2] else None
        for part in layer.chunks() if kept is None else [slice(None)]:
            if kept is None:
                factors = _without_label(layer.softmax(layer.logits(part)), labels[part])
            else:
                factors = kept
            products = [rows @ weight for rows in torch.split(factors, _ROWS)]
            to_hidden[part] = torch.cat(products) * scales[part]
            if ctx.needs_input_grad[1]:
                added = factors.T @ (hidden[part] * scales[part]).to(weight.dtype)
                to_weight = added.float() if to_weight is None else to_weight.add_(added)
            if to_bias is not None:
                to_bias += (factors.T @ scales[part].to(weight.dtype))[:, 0]
        return to_hidden, to_weight, to_bias, None, None, None


def _without_label(softmax: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """p − 1_label, in place."""
    places = labels[:, None]
    return softmax.scatter_add_(1, places, -torch.ones_like(places, dtype=softmax.dtype))


class _Layer:
    """An output layer at one precision, whose logits are fp32."""

    def __init__(
        self,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        temperatures: torch.Tensor | None,
    ) -> None:
        self.hidden, self.weight = hidden, weight
        self._bias = None if bias is None else bias.to(weight.dtype)
        self._temperatures = temperatures
        self._buffers: dict[int, torch.Tensor] = {}

    def chunks(self) -> Iterator[slice]:
        """The positions of each chunk, all about as long."""
        positions, vocabulary = len(self.hidden), len(self.weight)
        count = -(-positions * vocabulary // CHUNK)
        size = max(1, -(-positions // count))
        return (slice(start, start + size) for start in range(0, positions, size))

    def logits(self, part: slice) -> torch.Tensor:
        """``[positions, vocabulary]``, until the next call."""
        with torch.autocast(self.hidden.device.type, enabled=False):
            found = functional.linear(self.hidden[part], self.weight, self._bias)
        found = self._buffer(0, found).copy_(found)
        return found if self._temperatures is None else found.div_(self._temperatures[part, None])

    def softmax(self, logits: torch.Tensor) -> torch.Tensor:
        """Of the logits, until the next call."""
        return torch.softmax(logits, dim=-1, out=self._buffer(1, logits))

    def _buffer(self, number: int, like: torch.Tensor) -> torch.Tensor:
        """A buffer in fp32. New ones for every chunk would cost as much time as the arithmetic."""
        if number not in self._buffers:
            self._buffers[number] = torch.empty_like(like, dtype=torch.float32)
        return self._buffers[number][: len(like)]
