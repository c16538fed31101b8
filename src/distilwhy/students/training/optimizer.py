"""What the optimizer trains, and at which learning rates."""

from typing import Any

import torch

from distilwhy.config import TrainingConfig
from distilwhy.students.training.loss import WeightedLoss


def make_optimizer(loss: WeightedLoss, config: TrainingConfig) -> torch.optim.AdamW:
    """AdamW over all trainable parameters (Loshchilov & Hutter 2019).

    Fresh weights beside pretrained ones have further to go, at a rate that would destroy the
    pretrained ones, so theirs is ``training.fresh_lr_factor`` times as high. Liu & Lapata (2019,
    *Text Summarization with Pretrained Encoders*) also give a pretrained encoder and its new
    decoder rates of their own.
    """
    fresh = {f"network.{name}" for name in loss.network.fresh}
    factors: dict[float, list[torch.nn.Parameter]] = {}
    for name, parameter in loss.named_parameters():
        if parameter.requires_grad:
            factor = config.fresh_lr_factor if name in fresh else 1.0
            factors.setdefault(factor, []).append(parameter)
    return torch.optim.AdamW(
        [{"params": found, "factor": factor} for factor, found in factors.items()],
        lr=config.rates[0],
        weight_decay=config.weight_decay,
        fused=True,
    )


def set_learning_rate(optimizer: Any, config: TrainingConfig, step: int) -> None:
    """Set the learning rates of a step, counted from 0."""
    for group in optimizer.param_groups:
        group["lr"] = group["factor"] * learning_rate(config, step)


def learning_rate(config: TrainingConfig, step: int) -> float:
    """Linear warm-up, then linear decay to almost 0 at the last step, counted from 0."""
    warm = max(1, round(config.warmup * config.steps))
    rising = (step + 1) / warm
    falling = (config.steps - step) / max(1, config.steps - warm)
    return config.rates[0] * min(1.0, rising, falling)
