"""Operations that take less time on a CPU than torch's own, within training."""

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from distilwhy.hardware import CPU_WIDE

# 16 random bits decide on each value.
_LEVELS = 2**16


def quick_on_cpu(device: torch.device, width: int) -> AbstractContextManager[Any]:
    """Within the context, some operations of wide students on a CPU are faster.

    - Dropout: torch draws 32 bits for every value, one after the other. Here every 64 bits decide
      on four values, so that probabilities are rounded to multiples of 2⁻¹⁶. The bits come from
      torch's own generator.
    - Attention with dropout: torch computes it in fp32. Here autocast applies to it.
    - Linear layers under autocast: layers that read the same values share one copy of them in 16
      bits.

    Nothing changes on other devices, nor for students too narrow to gain much.

    Args:
        width: The model's hidden size.
    """
    is_quick = device.type == "cpu" and width >= CPU_WIDE
    return _QuickOperations() if is_quick else nullcontext()


def checkpoint_activations(model: Any, device: torch.device, width: int) -> None:
    """Have a model checkpoint its activations, for passes within ``quick_on_cpu``.

    The backward pass runs layers again where torch ignores the context, so they get their own.
    """
    contexts = partial(_checkpoint_contexts, device, width)
    model.activation_checkpointing_enable({"use_reentrant": False, "context_fn": contexts})


def _checkpoint_contexts(
    device: torch.device, width: int
) -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    """The contexts in which a layer runs, and runs again: both begin without what came before."""
    return quick_on_cpu(device, width), quick_on_cpu(device, width)


class _QuickOperations(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        # What a linear layer read last, all else that its copy in 16 bits depends on, and the copy.
        self._read: torch.Tensor | None = None
        self._state: tuple[Any, ...] = ()
        self._copy: torch.Tensor | None = None

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is functional.linear and args:
            args = (self._narrow(args[0]), *args[1:])
        elif func is functional.dropout:
            func = _dropout
        elif func is functional.scaled_dot_product_attention:
            func = _attention
        return func(*args, **(kwargs or {}))

    def _narrow(self, values: torch.Tensor) -> Any:
        """The values as autocast would cast them."""
        if values.dtype != torch.float32 or not torch.is_autocast_enabled("cpu"):
            return values
        dtype = torch.get_autocast_dtype("cpu")
        # Values may be changed in place, or be read without gradients first.
        has_gradient = values.requires_grad and torch.is_grad_enabled()
        state = (values._version, has_gradient, dtype)
        if self._read is not values or self._state != state:
            self._read, self._state, self._copy = values, state, values.to(dtype)
        return self._copy


def _dropout(
    values: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> torch.Tensor:
    dropped = round(p * _LEVELS)
    if not training or inplace or not 0 < dropped < _LEVELS:
        return functional.dropout(values, p, training, inplace)
    count = values.numel()
    drawn = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None)
    kept = drawn.view(torch.int16)[:count].view(values.shape) >= dropped - _LEVELS // 2
    return values * kept.to(values.dtype).mul_(_LEVELS / (_LEVELS - dropped))


def _attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    **more: Any,
) -> torch.Tensor:
    """Scaled dot-product attention, written out if it has dropout."""
    scale = more.get("scale") or 1 / math.sqrt(query.shape[-1])
    if dropout_p == 0 or more.get("enable_gqa"):
        return functional.scaled_dot_product_attention(
            query, key, value, attn_mask, dropout_p, is_causal, **more
        )
    scores = (query * scale) @ key.transpose(-2, -1)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, torch.finfo(scores.dtype).min)
    elif attn_mask is not None:
        scores = scores + attn_mask
    return _dropout(functional.softmax(scores, dim=-1), dropout_p) @ value
