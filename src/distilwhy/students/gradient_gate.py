"""What a rationale decoder's gradient may do to a pretrained encoder."""

from functools import partial
from typing import Any

import torch

# The share of the steps in which the decoder warms up.
WARM_UP = 0.2
# The norm of the rationale's gradient, as a share of the label's, if λ = 1.
SHARE = 0.3


class GradientGate:
    """Stands between a pretrained encoder and a decoder that begins at random.

    For the first fifth of the steps it is closed: the decoder learns to read the encoder, which
    does not learn from it. Then, with S the encoder's states of one pass ``[tokens, width]`` and G
    the gradient of a loss on them, the encoder is given

        G_label + share · ‖Sᵀ G_label‖ / ‖Sᵀ G_rationale‖ · G_rationale

    Sᵀ G is the gradient that a last linear layer would get. Its norm, unlike that of G, leaves out
    what cancels over tokens and rows. GradNorm (Chen et al. 2018) also compares tasks by their
    gradients on the last layer that they share.

    Attributes:
        share: The norm of the rationale's gradient, so measured, as a share of the label's; 0
            while closed.
    """

    def __init__(self) -> None:
        self.share = SHARE

    def set(self, step: int, steps: int, weight: float) -> None:
        """Set the share for a step, counted from 0; ``weight`` is λ."""
        self.share = SHARE * weight if step >= opens_at(steps) else 0.0

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        """The encoder's states as the decoder reads them.

        The label's gradient must reach ``states`` itself.
        """
        if not states.requires_grad:
            return states
        if not self.share:
            return states.detach()
        held: list[torch.Tensor] = []
        inner = states.detach()
        hook = partial(self._balance, held=held, states=inner)
        states.register_hook(hook)  # type: ignore[no-untyped-call]
        aside: torch.Tensor = _Aside.apply(states, held)  # type: ignore[no-untyped-call]
        return aside

    def _balance(
        self, label: torch.Tensor, held: list[torch.Tensor], states: torch.Tensor
    ) -> torch.Tensor:
        if not held:
            return label
        rationale = torch.stack(held).sum(dim=0)
        held.clear()
        norms = [linear_norm(states, gradient) for gradient in (label, rationale)]
        scale = self.share * norms[0] / norms[1].clamp(min=torch.finfo(torch.float32).tiny)
        return label + scale.to(label.dtype) * rationale


def linear_norm(states: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """‖Sᵀ G‖, with both ``[sources, length, width]``."""
    layer = states.float().flatten(0, 1).T @ gradient.float().flatten(0, 1)
    found: torch.Tensor = torch.linalg.vector_norm(layer)
    return found


def opens_at(steps: int) -> int:
    """The first step, of so many and counted from 0, in which a gate is open."""
    return round(WARM_UP * steps)


class _Aside(torch.autograd.Function):
    """The same states; their gradient is put aside, and zeros go on."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> torch.Tensor:
        states, ctx.held = inputs
        same: torch.Tensor = states.view_as(states)
        return same

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        ctx.held.append(grads[0])
        return torch.zeros_like(grads[0]), None
