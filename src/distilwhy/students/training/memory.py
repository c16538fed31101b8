"""Estimating, before it begins, how much memory a training takes."""

from collections.abc import Sequence
from dataclasses import dataclass

import psutil
import torch
from accelerate.utils import parse_flag_from_env

from distilwhy.config import LoraConfig, TrainingConfig
from distilwhy.core.method import Target, TrainingRow
from distilwhy.errors import StudentError
from distilwhy.students.encoding import DrawnRow, EncodedTarget, Truncator
from distilwhy.students.linear_cross_entropy import CHUNK, chunks_of
from distilwhy.students.lora import adapted_weights, is_adapted
from distilwhy.students.network import Network
from distilwhy.students.training.distributed import count_processes, join_processes
from distilwhy.students.training.dry_run import dry_run

GIB = 2**30
# Bytes allocated for every byte of activations. On a CPU the heap keeps most of the blocks that
# are freed, which are fewer with fused layers; benchmarks/memory.py measures it.
OVERHEAD, OVERHEAD_CPU, OVERHEAD_FUSED = 1.2, 1.9, 1.55


@dataclass(frozen=True)
class Preflight:
    """What a training takes.

    Attributes:
        memory: Bytes at the peak, for weights, gradients, optimizer and activations.
        available: Free bytes of the GPU, or else of the machine.
        checkpoints: Whether activations must be checkpointed to fit.
    """

    parameters: int
    trainable: int
    memory: int
    available: int
    checkpoints: bool = False


@dataclass(frozen=True)
class StudentSize:
    """The size of a student before anything is known of the texts that it trains on.

    Attributes:
        memory: The bytes of weights, gradients and optimizer; activations come on top.
    """

    parameters: int
    trainable: int
    memory: int


@dataclass(frozen=True)
class MemoryEstimate:
    """The bytes that a training takes at its peak.

    Attributes:
        fixed: For weights, gradients and the optimizer.
        shared, row: For activations that all rows of a pass share, and for those of each row.
    """

    fixed: int
    shared: int
    row: int

    def peak(self, rows: int) -> int:
        """The peak with this many rows in a pass."""
        return self.fixed + self.shared + rows * self.row


def check_fit(network: Network, rows: Sequence[TrainingRow], config: TrainingConfig) -> Preflight:
    """Check that a training fits into memory, with checkpoints of activations if need be.

    Raises:
        StudentError: if it does not, naming the settings to change.
    """
    available = check_weights(network)
    plain = memory = estimate_memory(network, rows, config)
    checkpoints = config.gradient_checkpointing
    count = rows_per_pass(rows, config)
    if plain.peak(count) > available and network.model.supports_gradient_checkpointing:
        checkpoints, memory = True, estimate_memory(network, rows, _checkpointing(config))
    if memory.peak(count) > available:
        remedy = _activation_remedy(rows, config, plain, memory, available)
        raise _too_large(network, memory.peak(count), available, remedy)
    return Preflight(
        parameters=sum(p.numel() for p in network.parameters()),
        trainable=_count_trainable(network),
        memory=memory.peak(count),
        available=available,
        checkpoints=checkpoints,
    )


def check_weights(network: Network) -> int:
    """Check that weights, gradients and optimizer fit into memory; return the free bytes of it.

    A network without weights is checked as if it had them.

    Raises:
        StudentError: if they do not.
    """
    available, fixed = read_available(), fixed_bytes(network)
    if fixed > available:
        raise _too_large(network, fixed, available, _weight_remedy(network, available))
    return available


def measure_size(network: Network) -> StudentSize:
    """The size of a network, which needs no weights."""
    parameters = sum(p.numel() for p in network.parameters())
    return StudentSize(parameters, _count_trainable(network), fixed_bytes(network))


def estimate_memory(
    network: Network, rows: Sequence[TrainingRow], config: TrainingConfig
) -> MemoryEstimate:
    """The memory for training on these rows, from a dry run of the longest.

    Rows of similar length share a batch, so some step pads all its rows to the longest. With
    gradient checkpointing (Chen et al. 2016, *Training Deep Nets with Sublinear Memory Cost*),
    only one layer's activations are held at a time. On a CPU they go into blocks that are free
    anyway, which saves no more than the overhead. Logits are held by chunks in the dry run if they
    will be in a whole pass.
    """
    longest = _longest_rows(network, rows)
    chunk = max(1, CHUNK // rows_per_pass(rows, config))
    with chunks_of(len(longest) * chunk):
        return _estimate(network, longest, config, 4 * chunk)


def _estimate(
    network: Network, longest: Sequence[DrawnRow], config: TrainingConfig, most_logits: int
) -> MemoryEstimate:
    """The memory for training on rows that are all as long as these.

    Args:
        most_logits: The most bytes of a row's logits that are held at a time.
    """
    plain = config.model_copy(update={"gradient_checkpointing": False})
    with dry_run(network, plain) as run:
        on_cpu, is_fused = network.device.type == "cpu", run.is_fused
        saved = full = run.activations(longest)
    layer = 0
    if config.gradient_checkpointing:
        with dry_run(network, config) as run:
            saved = run.activations(longest)
        layer = (full.row - saved.row) // network.shape.layers
    overhead = OVERHEAD_FUSED if is_fused else OVERHEAD_CPU if on_cpu else OVERHEAD
    logits = min(most_logits, _logit_bytes(network, longest))
    row = int(overhead * (saved.row + layer + logits))
    if on_cpu:
        row = max(row, full.row)
    return MemoryEstimate(fixed_bytes(network), int(overhead * saved.shared), row)


def fixed_bytes(network: Network) -> int:
    """The bytes of weights, gradients and optimizer.

    4 bytes a weight, fewer for quantized ones, and 12 more for each trained weight: its gradient
    and AdamW's two moments (Loshchilov & Hutter 2019).
    """
    weights = _count_bytes(network)
    state = 12 * _count_trainable(network)
    if parse_flag_from_env("ACCELERATE_USE_FSDP"):
        # A whole copy stays beside the shards.
        return weights + (weights + state) // count_processes()
    return weights + state


def read_available() -> int:
    """The free bytes of the GPU, or else of the machine."""
    device = join_processes().device
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def rows_per_pass(rows: Sequence[TrainingRow], config: TrainingConfig) -> int:
    """How many rows of a batch a process trains on in one pass."""
    return -(-min(config.batch_size, len(rows)) // (config.accumulate * count_processes()))


def least_accumulate(
    rows: Sequence[TrainingRow], config: TrainingConfig, memory: MemoryEstimate, available: int
) -> int | None:
    """The smallest ``training.accumulate`` that fits, if any; no part is less than a row."""
    most = min(config.batch_size, len(rows)) // count_processes()
    for accumulate in range(config.accumulate, most + 1):
        split = config.model_copy(update={"accumulate": accumulate})
        if memory.peak(rows_per_pass(rows, split)) <= available:
            return accumulate
    return None


def _too_large(network: Network, wanted: int, available: int, remedy: str) -> StudentError:
    fixed, trainable = fixed_bytes(network) / GIB, _count_trainable(network)
    return StudentError(
        f"training takes about {wanted / GIB:.2f} GiB ({fixed:.2f} for {trainable:,} trained "
        f"weights with their optimizer), and {available / GIB:.2f} GiB are free; {remedy}"
    )


def _activation_remedy(
    rows: Sequence[TrainingRow],
    config: TrainingConfig,
    plain: MemoryEstimate,
    thrifty: MemoryEstimate,
    available: int,
) -> str:
    """What to change where the weights fit and the activations do not, not even checkpointed."""
    if accumulate := least_accumulate(rows, config, plain, available):
        return f"set training.accumulate to {accumulate}"
    if accumulate := least_accumulate(rows, config, thrifty, available):
        return (
            f"set training.accumulate to {accumulate} and training.gradient_checkpointing to true"
        )
    return "lower student.max_input_tokens, or use a smaller model"


def _checkpointing(config: TrainingConfig) -> TrainingConfig:
    return config.model_copy(update={"gradient_checkpointing": True})


def _weight_remedy(network: Network, available: int) -> str:
    """What to change where the weights do not fit."""
    config, weights = network.spec.config, _count_bytes(network)
    if config.model == "scratch":
        return "make student.scratch smaller"
    ways = ["use a smaller student.model"]
    if network.family == "causal" and config.lora is None:
        # Adapters of the default rank on every matrix, trained.
        sides = sum(sum(p.shape) for p in network.parameters() if p.dim() == 2)
        if weights + 16 * LoraConfig().rank * sides < available:
            ways.append("set student.lora")
    gpus = torch.cuda.device_count()
    if gpus > 1 and weights + fixed_bytes(network) / gpus < available:
        ways.append(f"shard it over the {gpus} GPUs here with accelerate's FSDP")
    return " or ".join(ways)


def _longest_rows(network: Network, rows: Sequence[TrainingRow]) -> list[DrawnRow]:
    """The row with the longest input, and the row with the longest targets."""
    source = max(rows, key=lambda row: len(row.source) + sum(map(len, row.options)))
    target = max(rows, key=lambda row: max(map(_characters, (row.targets, *row.others))))
    truncator = Truncator(network.spec.config)
    encoded = [network.encode(row, truncator) for row in (source, target)]
    return [DrawnRow(row, max(row.variants, key=_count_written)) for row in encoded]


def _characters(targets: Sequence[Target]) -> int:
    return sum(len(t.text) + len(t.before or "") + len(t.after or "") for t in targets)


def _logit_bytes(network: Network, rows: Sequence[DrawnRow]) -> int:
    """The bytes of the gradient of a row's logits, which autograd does not save."""
    written = sum(_count_written(row.targets) for row in rows)
    return 4 * network.shape.vocabulary * written // len(rows)


def _count_written(targets: Sequence[EncodedTarget]) -> int:
    return sum(len(target.ids) for target in targets)


def _count_trainable(network: Network) -> int:
    if lora := _missing_adapters(network):
        sides = (side for weight in adapted_weights(network.model) for side in weight.shape)
        return int(lora.rank * sum(sides))
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def _count_bytes(network: Network) -> int:
    lora = _missing_adapters(network)
    if lora is None:
        return sum(p.numel() * p.element_size() for p in network.parameters())
    adapters, count = _count_trainable(network), sum(p.numel() for p in network.parameters())
    if lora.quantize == "none":
        return 4 * (count + adapters)
    narrow = int(sum(weight.numel() for weight in adapted_weights(network.model)))
    return 4 * adapters + narrow // 2 + 2 * (count - narrow)


def _missing_adapters(network: Network) -> LoraConfig | None:
    """The adapters that a network without weights does not have yet."""
    return None if is_adapted(network.model) else network.spec.config.lora
