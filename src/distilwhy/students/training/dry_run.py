"""Passes over a few rows before training, to measure the memory and the time they take."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from distilwhy.config import TrainingConfig
from distilwhy.hardware import choose_precision, keeping_heap
from distilwhy.students.batch import to_device
from distilwhy.students.cpu.quick import QuickOnCpu
from distilwhy.students.encoding import DrawnRow
from distilwhy.students.network import Network
from distilwhy.students.training.compiled_layers import CompiledLayers
from distilwhy.students.training.distributed import join_processes
from distilwhy.students.training.loss import Losses, WeightedLoss


@dataclass(frozen=True)
class ActivationBytes:
    """Bytes that a forward pass keeps for the backward pass: once, and for each row."""

    shared: int
    row: int


class DryRun:
    """A network set up for training, on its device and at its precision. See ``dry_run``."""

    def __init__(self, network: Network, config: TrainingConfig, quick: QuickOnCpu) -> None:
        self._network, self._quick = network, quick
        self._compiled = CompiledLayers(network, network.device, config)
        self._loss = WeightedLoss(network, config).train()
        self._dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(
            choose_precision(config.precision, network.device, network.width)
        )

    @property
    def is_fused(self) -> bool:
        """Whether some layers are fused."""
        return self._quick.is_fused

    def activations(self, rows: Sequence[DrawnRow]) -> ActivationBytes:
        """The activations of rows that are all as long as the longest of these.

        Counts every tensor that autograd saves, once, without the weights. The rows are run once
        and twice, since some tensors are saved once for all rows: position biases, and weights
        cast to 16 bits.
        """
        one, two = self._saved_bytes(rows), self._saved_bytes([*rows, *rows])
        return ActivationBytes(2 * one - two, (two - one) // len(rows))

    def seconds(self, rows: Sequence[DrawnRow]) -> float:
        """How long a forward and a backward pass take. The gradient is discarded."""
        started = time.perf_counter()
        if len(rows) > 1:
            self._compiled.run(lambda: self._pass(rows))
        else:
            # A single row would be compiled as a case of its own.
            self._pass(rows)
        taken = time.perf_counter() - started
        self._network.zero_grad(set_to_none=True)
        return taken

    def _pass(self, rows: Sequence[DrawnRow]) -> None:
        with self._quick():
            losses = self._forward(rows)
            torch.autograd.backward(losses.total)
        losses.total.item()  # Waits for a GPU.

    def _saved_bytes(self, rows: Sequence[DrawnRow]) -> int:
        own = {_storage(p) for p in [*self._network.parameters(), *self._network.buffers()]}
        found: dict[int, int] = {}

        def note(tensor: torch.Tensor) -> torch.Tensor:
            found[_storage(tensor)] = tensor.untyped_storage().nbytes()
            return tensor

        hooks = torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor)
        with self._quick(), hooks:
            losses = self._forward(rows)
        del losses
        return sum(size for storage, size in found.items() if storage not in own)

    def _forward(self, rows: Sequence[DrawnRow]) -> Losses:
        device = self._network.device
        batch = to_device(self._network.collate(rows), device)
        with torch.autocast(device.type, self._dtype, enabled=self._dtype is not None):
            losses: Losses = self._loss(batch, 1.0, len(rows), 1.0)
        return losses


@contextmanager
def dry_run(network: Network, config: TrainingConfig) -> Iterator[DryRun]:
    """Within the context the network is set up for training; afterwards it is as it was."""
    device, was_training = network.device, network.training
    network.to(join_processes().device)
    quick = QuickOnCpu(network.model, network.device, network.width)
    if config.gradient_checkpointing:
        quick.checkpoint_activations(network.model)
    try:
        with keeping_heap():
            yield DryRun(network, config, quick)
    finally:
        if config.gradient_checkpointing:
            network.model.activation_checkpointing_disable()
        network.train(was_training).to(device)
        if torch.cuda.is_available():
            # Other processes may train on the same GPU.
            torch.cuda.empty_cache()


def _storage(tensor: torch.Tensor) -> int:
    """The address of a tensor's storage, which views share."""
    return tensor.untyped_storage().data_ptr()
