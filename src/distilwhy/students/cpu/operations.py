"""Dropout and attention that are faster on a CPU than torch's own."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

# 16 random bits decide on each value.
_LEVELS = 2**16
# Attention without dropout is written out up to so many tokens.
_WRITTEN_OUT = 512


def dropout(
    values: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> torch.Tensor:
    """``torch.nn.functional.dropout``, which draws 32 bits for every value, one after the other.

    Here every 64 bits of torch's generator decide on four values, so that probabilities are
    rounded to multiples of 2⁻¹⁶.
    """
    if not training or inplace or not _is_some(p):
        return functional.dropout(values, p, training, inplace)
    return values * _draw_factors(values.shape, p, values.dtype)


def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    **more: Any,
) -> Any:
    """``torch.nn.functional.scaled_dot_product_attention``, which takes no part in autocast.

    Here autocast applies to it, and the weights are kept, up to a length that bounds their memory.
    """
    device, length = query.device.type, key.shape[-2]
    is_cast = torch.is_autocast_enabled(device)
    is_short = is_cast and length <= _WRITTEN_OUT
    if not (_is_some(dropout_p) or is_short) or more.get("enable_gqa"):
        return functional.scaled_dot_product_attention(
            query, key, value, attn_mask, dropout_p, is_causal, **more
        )
    if is_causal:
        attn_mask = torch.ones(query.shape[-2], length, dtype=torch.bool).tril()
    return _Attention.apply(  # type: ignore[no-untyped-call]
        query,
        key,
        value,
        attn_mask,
        dropout_p,
        more.get("scale") or 1 / math.sqrt(query.shape[-1]),
        torch.get_autocast_dtype(device) if is_cast else query.dtype,
    )


class _Attention(torch.autograd.Function):
    """W = softmax(s · QKᵀ + mask) and O = (W ∘ F) V, with F the factors of dropout, 0 or
    1 / (1 − p) (Vaswani et al. 2017, *Attention Is All You Need*, equation 1)."""

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None,
        p: float,
        scale: float,
        dtype: torch.dtype,
    ) -> torch.Tensor:
        scaled = torch.mul(query, scale, out=torch.empty(query.shape, dtype=dtype))
        keys, values = (
            each.to(dtype, memory_format=torch.contiguous_format) for each in (key, value)
        )
        scores = scaled @ keys.mT
        if mask is not None and mask.dtype == torch.bool:
            scores = scores.masked_fill_(~mask, torch.finfo(dtype).min)
        elif mask is not None:
            scores = scores + mask
        weights = functional.softmax(scores, dim=-1).to(dtype)
        factors = _draw_factors(weights.shape, p, dtype) if _is_some(p) else None
        ctx.save_for_backward(scaled, keys, values, weights, factors)
        ctx.scale, ctx.dtypes = scale, (query.dtype, key.dtype, value.dtype)
        ctx.mask = None if mask is None else (mask.shape, mask.dtype)
        return (weights if factors is None else weights * factors) @ values

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[Any, ...]:
        scaled, keys, values, weights, factors = ctx.saved_tensors
        grad = grads[0].to(weights.dtype)
        to_weights, dropped = grad @ values.mT, weights
        if factors is not None:
            to_weights, dropped = to_weights.mul_(factors), weights * factors
        to_scores = torch._softmax_backward_data(to_weights, weights, -1, weights.dtype)
        found = ((to_scores @ keys).mul_(ctx.scale), to_scores.mT @ scaled, dropped.mT @ grad)
        to_mask = None
        if ctx.needs_input_grad[3]:
            shape, dtype = ctx.mask
            to_mask = to_scores.to(dtype).sum_to_size(shape)
        inputs = (each.to(dtype) for each, dtype in zip(found, ctx.dtypes, strict=True))
        return *inputs, to_mask, None, None, None


def _is_some(p: float) -> bool:
    """Whether so rare a dropout drops anything, and not everything."""
    return 0 < round(p * _LEVELS) < _LEVELS


def _draw_factors(shape: Sequence[int], p: float, dtype: torch.dtype) -> torch.Tensor:
    """0 with probability p, else 1 / (1 − p)."""
    dropped, count = round(p * _LEVELS), math.prod(shape)
    drawn = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None)
    bits = drawn.view(torch.int16)[:count].view(*shape)
    # As numbers at once: to turn booleans into them would take longer than all else.
    kept = torch.ge(bits, dropped - _LEVELS // 2, out=torch.empty(*shape, dtype=dtype))
    return kept.mul_(_LEVELS / (_LEVELS - dropped))
