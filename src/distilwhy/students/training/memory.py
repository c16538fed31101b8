"""What a training will take, told before it begins: parameters and memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import psutil
import torch
from accelerate.utils import parse_flag_from_env

from distilwhy.config import LoraConfig, TrainingConfig
from distilwhy.core.method import Target, TrainingRow
from distilwhy.errors import StudentError
from distilwhy.students.load import family_of
from distilwhy.students.network import DrawnRow, EncodedRow, EncodedTarget, Lengths, Network
from distilwhy.students.training.distributed import count_processes, join_processes
from distilwhy.students.training.dry_run import on_trial

GIB = 2**30
# Bytes taken for every byte that is kept. On a CPU the heap keeps most of the blocks that are
# freed: benchmarks/preflight.py measures it.
HOLES, HOLES_CPU = 1.2, 1.75


@dataclass(frozen=True)
class Preflight:
    """What a training will take.

    Attributes:
        parameters: All of the network's.
        trainable: Those that are trained.
        memory: About so many bytes at the peak, for weights, gradients, optimizer, activations.
        available: Bytes of the machine, or of the GPU.
    """

    parameters: int
    trainable: int
    memory: int
    available: int


@dataclass(frozen=True)
class Memory:
    """Bytes that a training takes at its peak.

    Attributes:
        fixed: For weights, gradients and the optimizer.
        once: For activations that any number of rows share.
        row: For the activations of each row that is learnt from at once.
    """

    fixed: int
    once: int
    row: int

    def peak(self, rows: int) -> int:
        """With so many rows at once."""
        return self.fixed + self.once + rows * self.row


def check_fit(network: Network, rows: Sequence[TrainingRow], config: TrainingConfig) -> Preflight:
    """Estimate a training.

    Raises:
        StudentError: if it needs more memory than there is, naming the setting to change.
    """
    available, fixed = read_available(), fixed_bytes(network)
    if fixed > available:
        raise _too_large(network, fixed, available, _shrink(network, available))
    memory = estimate_memory(network, rows, config)
    peak = memory.peak(rows_at_once(rows, config))
    if peak > available:
        remedy = _spread(network, rows, config, memory, available)
        raise _too_large(network, peak, available, remedy)
    return Preflight(
        parameters=sum(p.numel() for p in network.parameters()),
        trainable=_count_trainable(network),
        memory=peak,
        available=available,
    )


def estimate_memory(
    network: Network, rows: Sequence[TrainingRow], config: TrainingConfig
) -> Memory:
    """The memory for training on these rows, from what a trial of the longest of them keeps.

    Like lengths are trained on together, so that some step pads all its rows to the longest.
    With gradient checkpointing (Chen et al. 2016, *Training Deep Nets with Sublinear Memory
    Cost*), what a layer keeps is there for one layer at a time; on a CPU that fills the holes,
    and saves no more than them.
    """
    longest = _longest_rows(network, rows)
    plain = config.model_copy(update={"gradient_checkpointing": False})
    with on_trial(network, plain) as trial:
        on_cpu = network.device.type == "cpu"
        kept = full = trial.keep(longest)
    layer = 0
    if config.gradient_checkpointing:
        with on_trial(network, config) as trial:
            kept = trial.keep(longest)
        layer = (full.row - kept.row) // network.shape.layers
    holes = HOLES_CPU if on_cpu else HOLES
    row = int(holes * (kept.row + layer + _logit_bytes(network, longest)))
    if on_cpu:
        row = max(row, full.row)
    return Memory(fixed_bytes(network), int(holes * kept.once), row)


def fixed_bytes(network: Network) -> int:
    """4 bytes a weight (fewer where they are quantized), and 12 more for each that is trained:
    its gradient and the two moments of AdamW (Loshchilov & Hutter 2019)."""
    weights = _count_bytes(network)
    state = 12 * _count_trainable(network)
    if parse_flag_from_env("ACCELERATE_USE_FSDP"):
        # A sharded network has a twin that stays whole.
        return weights + (weights + state) // count_processes()
    return weights + state


def read_available() -> int:
    """The bytes that are free: of the GPU, or else of the machine."""
    device = join_processes().device
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def rows_at_once(rows: Sequence[TrainingRow], config: TrainingConfig) -> int:
    """How many rows of a batch a process learns from at once."""
    return -(-min(config.batch_size, len(rows)) // (config.accumulate * count_processes()))


def _too_large(network: Network, wanted: int, available: int, remedy: str) -> StudentError:
    fixed, trainable = fixed_bytes(network) / GIB, _count_trainable(network)
    return StudentError(
        f"training takes about {wanted / GIB:.2f} GiB ({fixed:.2f} for {trainable:,} trained "
        f"weights with their optimizer), and there are {available / GIB:.2f} GiB; {remedy}"
    )


def _spread(
    network: Network,
    rows: Sequence[TrainingRow],
    config: TrainingConfig,
    memory: Memory,
    available: int,
) -> str:
    """What makes activations fit, where the weights do."""
    ways = []
    if accumulate := _least_accumulate(rows, config, memory, available):
        ways.append(f"set training.accumulate to {accumulate}")
    if not config.gradient_checkpointing:
        thrifty = config.model_copy(update={"gradient_checkpointing": True})
        less = estimate_memory(network, rows, thrifty)
        if less.peak(rows_at_once(rows, config)) <= available:
            ways.append("set training.gradient_checkpointing to true")
        elif not ways and (accumulate := _least_accumulate(rows, config, less, available)):
            ways.append(
                f"set training.accumulate to {accumulate} and training.gradient_checkpointing "
                "to true"
            )
    smaller = "lower student.max_input_tokens, or take a smaller model"
    return " or ".join(ways) or smaller


def _least_accumulate(
    rows: Sequence[TrainingRow], config: TrainingConfig, memory: Memory, available: int
) -> int | None:
    """The fewest parts of a batch with which it fits, if any."""
    most = min(config.batch_size, len(rows)) // count_processes()
    for accumulate in range(config.accumulate, most + 1):
        parted = config.model_copy(update={"accumulate": accumulate})
        if memory.peak(rows_at_once(rows, parted)) <= available:
            return accumulate
    return None


def _shrink(network: Network, available: int) -> str:
    """What makes the weights fit."""
    limits, weights = network.brief.limits, _count_bytes(network)
    if limits.model == "scratch":
        return "make student.scratch smaller"
    ways = ["take a smaller student.model"]
    may_adapt = family_of(network) == "causal" and limits.lora is None
    if may_adapt and weights + _adapter_bytes(network) < available:
        ways.append("set student.lora")
    gpus = torch.cuda.device_count()
    if gpus > 1 and weights + fixed_bytes(network) / gpus < available:
        ways.append(f"shard it over the {gpus} GPUs here with accelerate's FSDP")
    return " or ".join(ways)


def _adapter_bytes(network: Network) -> int:
    """Adapters of the usual rank on every matrix, with their gradients and moments."""
    sides = sum(sum(p.shape) for p in network.parameters() if p.dim() == 2)
    return 16 * LoraConfig().rank * sides


def _longest_rows(network: Network, rows: Sequence[TrainingRow]) -> list[DrawnRow]:
    """The row that reads most, and the row that writes most."""
    reads = max(rows, key=lambda row: len(row.source) + sum(map(len, row.options)))
    writes = max(rows, key=lambda row: max(map(_characters, (row.targets, *row.others))))
    return [
        DrawnRow(row, max(row.variants, key=_count_written))
        for row in _encode(network, [reads, writes])
    ]


def _characters(targets: Sequence[Target]) -> int:
    return sum(len(t.text) + len(t.before or "") + len(t.after or "") for t in targets)


def _logit_bytes(network: Network, rows: Sequence[DrawnRow]) -> int:
    """Of a row, the gradient of the logits, which comes beside all that is kept."""
    written = sum(_count_written(row.targets) for row in rows)
    return 4 * network.shape.vocabulary * written // len(rows)


def _count_written(targets: Sequence[EncodedTarget]) -> int:
    return sum(len(target.ids) for target in targets)


def _count_trainable(network: Network) -> int:
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def _count_bytes(network: Network) -> int:
    return sum(p.numel() * p.element_size() for p in network.parameters())


def _encode(network: Network, rows: Sequence[TrainingRow]) -> list[EncodedRow]:
    lengths = Lengths(network.brief.limits)
    return [network.encode(row, lengths) for row in rows]
