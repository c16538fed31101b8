"""Layers that compute what a model's own do, with fewer operations and less kept of each.

What a layer keeps for the backward pass is most of the memory of training, and on a CPU going
through it is much of the time. Hsu et al. 2024 (*Liger Kernel: Efficient Triton Kernels for LLM
Training*, arXiv 2410.10989) fuse the same layers for GPUs.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn import functional

from distilwhy.students.forwards import Forwards


def find_fused(model: torch.nn.Module) -> Forwards:
    """A fused forward for each layer of a model that has one.

    A class is known by its name and its parts, but may compute something else, as Gemma's norm
    does. So each fused forward is tried: it is left out if it returns something else.
    """
    found = ((layer, _fused(layer)) for layer in model.modules() if "forward" not in vars(layer))
    return {layer: forward for layer, forward in found if forward is not None}


def _fused(layer: Any) -> Callable[..., Any] | None:
    name, parts = type(layer).__name__, dict(layer.named_children())
    if name == "NewGELUActivation":
        return partial(functional.gelu, approximate="tanh")
    weight = getattr(layer, "weight", None)
    if name.endswith(("T5LayerNorm", "RMSNorm")) and isinstance(weight, torch.Tensor):
        return _tried(layer, partial(_norm, layer), weight.shape[-1])
    if parts.keys() == {"gate_proj", "up_proj", "down_proj", "act_fn"}:
        width = getattr(layer.gate_proj, "in_features", 0)
        return _tried(layer, partial(_gated_mlp, layer), width)
    return None


@torch.no_grad()
def _tried(
    layer: torch.nn.Module, forward: Callable[..., Any], width: int
) -> Callable[..., Any] | None:
    values = torch.linspace(-1, 2, 2 * width).view(2, width)
    try:
        same = torch.allclose(forward(values), layer(values), rtol=1e-4, atol=1e-6)
    # Layers raise errors of all kinds at values of a precision or a width that they do not take.
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError):
        return None
    return forward if same else None


def _norm(layer: Any, values: torch.Tensor) -> Any:
    epsilon = getattr(layer, "variance_epsilon", None) or layer.eps
    device = values.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
    return _RMSNorm.apply(  # type: ignore[no-untyped-call]
        values, layer.weight, epsilon, dtype or values.dtype
    )


class _RMSNorm(torch.autograd.Function):
    """y = w · x / r with r² = mean(x²) + ε (Zhang & Sennrich 2019, *Root Mean Square Layer
    Normalization*, equation 4), in fp32.

    Its gradient is that of layer normalisation with a mean of 0 (Ba, Kiros & Hinton 2016), which
    torch computes at once, and what centring takes away there: mean(g · w) / r.
    """

    @staticmethod
    def forward(
        ctx: Any, values: torch.Tensor, weight: torch.Tensor, epsilon: float, dtype: torch.dtype
    ) -> torch.Tensor:
        wide = values.float()
        norms = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
        inverse = norms.square_().div_(wide.shape[-1]).add_(epsilon).rsqrt_()
        ctx.save_for_backward(values, weight, inverse)
        return torch.mul(wide * inverse, weight, out=torch.empty_like(wide, dtype=dtype))

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        values, weight, inverse = ctx.saved_tensors
        grad, wide = grads[0].float().contiguous(), values.float()
        to_values, to_weight, _ = torch.ops.aten.native_layer_norm_backward(
            grad,
            wide,
            weight.shape,
            torch.zeros_like(inverse),
            inverse,
            weight,
            None,
            [ctx.needs_input_grad[0], ctx.needs_input_grad[1], False],
        )
        if to_values is not None:
            means = (grad @ weight)[..., None] / len(weight)
            to_values = to_values.addcmul_(inverse, means).to(values.dtype)
        return to_values, to_weight, None, None


def _gated_mlp(layer: Any, values: torch.Tensor) -> Any:
    gates, ups = layer.gate_proj(values), layer.up_proj(values)
    opened = _Gated.apply(layer.act_fn, gates, ups)  # type: ignore[no-untyped-call]
    return layer.down_proj(opened)


class _Gated(torch.autograd.Function):
    """act(gate) · up (Shazeer 2020, *GLU Variants Improve Transformer*); act(gate) is computed
    once more in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any, act: Callable[..., Any], gates: torch.Tensor, ups: torch.Tensor
    ) -> torch.Tensor:
        ctx.act = act
        ctx.save_for_backward(gates, ups)
        found: torch.Tensor = act(gates) * ups
        return found

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        gates, ups = ctx.saved_tensors
        with torch.enable_grad():
            leaf = gates.detach().requires_grad_()
            opened = ctx.act(leaf)
        (to_gates,) = torch.autograd.grad(opened, leaf, grads[0] * ups)
        return None, to_gates, grads[0] * opened.detach()
