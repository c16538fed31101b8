"""A few rows put through a network before it is trained, to see what they take."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from distilwhy.config import TrainingConfig
from distilwhy.hardware import choose_precision
from distilwhy.students.network import DrawnRow, Network, move
from distilwhy.students.training.distributed import join_processes
from distilwhy.students.training.loss import Losses, Objective


@dataclass(frozen=True)
class Kept:
    """Bytes that a forward pass keeps for the backward pass: so many for any number of rows, and
    so many for each row."""

    once: int
    row: int


class Trial:
    """A network that is tried as it will be trained: on its device, at its precision, in training
    mode. See ``on_trial``."""

    def __init__(self, network: Network, config: TrainingConfig) -> None:
        self._network = network
        self._objective = Objective(network, config).train()
        self._dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(
            choose_precision(config.precision, network.device, network.width)
        )

    def keep(self, rows: Sequence[DrawnRow]) -> Kept:
        """What a pass keeps of rows that are all as long as the longest of these.

        Autograd tells of every tensor that it keeps. Weights are not counted, nor is a tensor
        twice. Rows are counted singly and doubled, since some is kept but once: position biases,
        and weights narrowed to 16 bits.
        """
        one, two = self._kept_bytes(rows), self._kept_bytes([*rows, *rows])
        return Kept(2 * one - two, (two - one) // len(rows))

    def seconds(self, rows: Sequence[DrawnRow]) -> float:
        """How long a forward and a backward pass take. The gradient is thrown away."""
        started = time.perf_counter()
        losses = self._forward(rows)
        torch.autograd.backward(losses.total)
        losses.total.item()  # A GPU is waited for.
        taken = time.perf_counter() - started
        self._network.zero_grad(set_to_none=True)
        return taken

    def _kept_bytes(self, rows: Sequence[DrawnRow]) -> int:
        own = {_place(p) for p in [*self._network.parameters(), *self._network.buffers()]}
        found: dict[int, int] = {}

        def note(tensor: torch.Tensor) -> torch.Tensor:
            found[_place(tensor)] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            losses = self._forward(rows)
        del losses
        return sum(size for place, size in found.items() if place not in own)

    def _forward(self, rows: Sequence[DrawnRow]) -> Losses:
        device = self._network.device
        batch = move(self._network.collate(rows), device)
        with torch.autocast(device.type, self._dtype, enabled=self._dtype is not None):
            losses: Losses = self._objective(batch, 1.0, len(rows), 1.0)
        return losses


@contextmanager
def on_trial(network: Network, config: TrainingConfig) -> Iterator[Trial]:
    """Within it a network is tried; after it, it is as it was."""
    home, mode = network.device, network.training
    network.to(join_processes().device)
    if config.gradient_checkpointing:
        network.model.activation_checkpointing_enable()
    try:
        yield Trial(network, config)
    finally:
        if config.gradient_checkpointing:
            network.model.activation_checkpointing_disable()
        network.train(mode).to(home)


def _place(tensor: torch.Tensor) -> int:
    """What tensors that share their numbers have in common."""
    return tensor.untyped_storage().data_ptr()
