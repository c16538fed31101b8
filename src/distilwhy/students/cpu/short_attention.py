"""Attention for answers in 16 bits on a CPU, where torch's own is slow."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from torch.nn import functional
from torch.overrides import TorchFunctionMode

from distilwhy.students.cpu.operations import attention

_NAME = "distilwhy_short"
# The weights of a layer are held at once if they are no more than this.
_MOST = 2**27


def use_short_attention(model: Any) -> None:
    """Have a model on a CPU compute attention by ``operations.attention``.

    Nothing changes for models that do not compute it by torch's ``scaled_dot_product_attention``.
    """
    # Importing them takes over a second, and whoever has a model has them already.
    from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel

    is_plain = isinstance(model, PreTrainedModel) and model.config._attn_implementation == "sdpa"
    if is_plain and model.device.type == "cpu" and model._can_set_attn_implementation():
        AttentionInterface.register(_NAME, partial(_attend, AttentionInterface()["sdpa"]))
        AttentionMaskInterface.register(_NAME, AttentionMaskInterface()["sdpa"])
        model.set_attn_implementation(_NAME)


def _attend(forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with _Replacing():
        return forward(*args, **kwargs)


class _Replacing(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is functional.scaled_dot_product_attention:
            query, key = args[:2]
            if query.shape[:-1].numel() * key.shape[-2] <= _MOST:
                func = attention
        return func(*args, **(kwargs or {}))
