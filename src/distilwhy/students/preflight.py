"""What a training will take, told before it begins: parameters, memory, time."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil
import torch

from distilwhy.config import TrainingConfig
from distilwhy.core.method import TrainingRow
from distilwhy.errors import StudentError
from distilwhy.students.network import EncodedRow, Lengths, Network

GIB = 2**30
SAMPLE = 256
_MATRIX = 512
_OVERHEAD = 0.75


@dataclass(frozen=True)
class Preflight:
    """What a training will take.

    Attributes:
        parameters: All of the network's.
        trainable: Those that are trained.
        steps: Updates to do.
        tokens: A step reads and writes about so many, padding among them.
        memory: About so many bytes at the peak, for weights, gradients, optimizer, activations.
        available: Bytes of the machine, or of the GPU.
        seconds: About so long, evaluations left out.
    """

    parameters: int
    trainable: int
    steps: int
    tokens: int
    memory: int
    available: int
    seconds: float


def check_fit(network: Network, rows: Sequence[TrainingRow], config: TrainingConfig) -> Preflight:
    """Estimate a training.

    Raises:
        StudentError: if it needs more memory than there is, naming the setting to change.
    """
    found = estimate(network, rows, config)
    if found.memory <= found.available:
        return found
    fixed = _fixed_bytes(network)
    parts = config.batch_size // config.accumulate
    remedy = "take a smaller student.model"
    if fixed + (found.memory - fixed) / max(1, parts) <= found.available:
        wanted = -(-(found.memory - fixed) // max(1, found.available - fixed))
        accumulate = min(config.batch_size, config.accumulate * int(wanted))
        remedy = f"set training.accumulate to {accumulate}"
        if not config.gradient_checkpointing:
            remedy += " or training.gradient_checkpointing to true"
    elif network.brief.limits.lora is None and fixed < 5 * found.available:
        remedy += ", set student.lora (decoder-only models), or shard it with accelerate's FSDP"
    raise StudentError(
        f"training takes about {found.memory / GIB:.1f} GiB ({fixed / GIB:.1f} for "
        f"{found.trainable:,} trained weights with their optimizer), and there are "
        f"{found.available / GIB:.1f} GiB; {remedy}"
    )


def estimate(network: Network, rows: Sequence[TrainingRow], config: TrainingConfig) -> Preflight:
    """What training on these rows will take, from the lengths of some of them.

    Memory: 4 bytes a weight, and 12 more for each that is trained (its gradient and AdamW's two
    moments); activations by Korthikanti et al. 2022, *Reducing Activation Recomputation in
    Large Transformer Models*, equation 1: 34 · tokens · width bytes a layer at two bytes a
    number, beside the attention maps; and three copies of the logits. Time: six operations a
    weight and token (Kaplan et al. 2020, *Scaling Laws for Neural Language Models*, section
    2.1), at the speed of a matrix product tried just now.
    """
    tokens, longest = _tokens(network, rows, config.batch_size)
    trainable = sum(p.numel() for p in network.parameters() if p.requires_grad)
    micro = tokens / config.accumulate / _processes()
    shape = network.shape
    layers = 1 if config.gradient_checkpointing else shape.layers
    number = 4 if config.precision in ("auto", "fp32") else 2
    activations = micro * layers * (34 * shape.width + 5 * shape.heads * longest) * number / 2
    logits = 3 * 4 * micro * shape.vocabulary / 2
    everything = sum(p.numel() for p in network.parameters())
    body = everything - network.model.get_input_embeddings().weight.numel()
    return Preflight(
        parameters=everything,
        trainable=trainable,
        steps=config.steps,
        tokens=tokens,
        memory=int(_fixed_bytes(network) + activations + logits),
        available=_available(network.device),
        seconds=config.steps * 6 * body * tokens / _processes() / _operations_per_second(),
    )


def _fixed_bytes(network: Network) -> int:
    trainable = sum(p.numel() for p in network.parameters() if p.requires_grad)
    return 12 * trainable + sum(p.numel() * p.element_size() for p in network.parameters())


def _tokens(network: Network, rows: Sequence[TrainingRow], batch: int) -> tuple[int, int]:
    """The tokens of a step, and the longest source, from a sample of the rows."""
    lengths = Lengths(network.brief.limits)
    sample = [network.encode(row, lengths) for row in rows[:: max(1, len(rows) // SAMPLE)]]
    mean = sum(map(_length, sample)) / len(sample)
    return round(mean * min(batch, len(rows))), max(row.length for row in sample)


def _length(row: EncodedRow) -> int:
    return row.length + sum(len(target.ids) for target in row.variants[0])


def _processes() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def _available(device: torch.device) -> int:
    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0])
    return int(psutil.virtual_memory().available)


def _operations_per_second() -> float:
    """The speed of a matrix product here and now."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    matrix = torch.randn(_MATRIX, _MATRIX, device=device)
    matrix @ matrix
    started, rounds = time.perf_counter(), 0
    while time.perf_counter() - started < 0.05:
        (matrix @ matrix)[0, 0].item()
        rounds += 1
    return _OVERHEAD * 2 * rounds * _MATRIX**3 / (time.perf_counter() - started)
