"""The time of training steps, against the original's algorithm, and where it goes.

python benchmarks/train_speed.py [--device auto] [--only SHAPE ...] [--rows N] [--profile]
    [--ways WAY ...]
python benchmarks/train_speed.py --only t5 --experiment FILE --tokenizer FOLDER

The original's algorithm (Hsieh et al. 2023) runs the whole model once for the labels and once for
the rationales of a batch, in fp32 with eager attention, and computes logits at every position. Its
batches are rows in random order; ours have rows of similar length together. It also runs in bf16
with sdpa attention. On a GPU, our steps of a decoder also run with layers that are not compiled.
Rows are of random tokens, or those that an experiment trains ``step-by-step`` on. All take whole
steps, the optimizer's included; they run in turns, and medians are shown. Tokens are those of
inputs and targets without padding, each input counted once. The FLOPs are those of matrix products
with weights, forward and backward, without what is computed twice; the share of the peak is for
bf16.
``--profile`` also shows which operations a step spends its time on.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from typing import Any

import machine
import torch
from shapes import FAMILIES, Lengths, count_tokens, draw, make_network, make_rows
from torch.autograd import DeviceType
from torch.nn.utils.rnn import pad_sequence
from torch.profiler import ProfilerActivity, profile
from transformers import AutoTokenizer

from distilwhy.config import TrainingConfig
from distilwhy.core.student_id import StudentId
from distilwhy.hardware import keeping_heap
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.train.jobs import TrainingJobs
from distilwhy.store.run_folder import RunFolder
from distilwhy.students.batch import to_device
from distilwhy.students.encoding import DrawnRow, EncodedRow, EncodedTarget
from distilwhy.students.network import Network
from distilwhy.students.training.compiled_layers import FROM_STEPS
from distilwhy.students.training.loop import TrainingLoop
from distilwhy.students.training.sampler import WINDOW

LENGTHS = {
    "demo": Lengths(32, 3, 32),
    "t5": Lengths(64, 3, 64),
    "smollm2": Lengths(128, 4, 96),
    "minilm": Lengths(128, 3, 96),
}
PLAIN, ALONE = "bf16, not compiled", "bf16, labels alone"
ORIGINAL = {"original, fp32": ("fp32", "eager"), "original in bf16 with sdpa": ("bf16", "sdpa")}
WAYS = (*ORIGINAL, "fp32", "bf16", ALONE, PLAIN)
ROWS = {"cpu": 16, "cuda": 64}
STEPS = {"cpu": 3, "cuda": 5}
# Operations by what they are for; the first that fits counts.
KINDS = {
    "matrix products": ("mm", "linear"),
    "attention": ("attention", "fmha", "flash"),
    "softmax and losses": ("softmax", "logsumexp", "nll_loss", "gather", "scatter"),
    "optimizer": ("adam", "foreach_norm", "clip_grad"),
    "copies and casts": ("copy", "_to_copy", "cat"),
    "fills": ("fill", "zero"),
    "embeddings": ("embedding", "index"),
    "other operations": ("",),
}


@dataclass(frozen=True)
class Steps:
    """Training steps of one kind.

    Attributes:
        run: Takes a step on each of the batches.
    """

    run: Callable[[], object]
    batches: list[list[DrawnRow]]
    network: Network


def our_steps(
    kind: str,
    rows: list[EncodedRow],
    lengths: Lengths,
    batch: int,
    precision: str,
    count: int,
    compiles: bool = True,
) -> Steps:
    """Steps of distilwhy's training loop."""
    network = make_network(kind, lengths)
    steps = 10**6 if compiles else FROM_STEPS - 1
    config = TrainingConfig(steps=steps, batch_size=batch, precision=precision)  # type: ignore[arg-type]
    loop = TrainingLoop(network, rows, [], config, 0, Path(mkdtemp()), print)

    def run() -> None:
        loop.state.step = 0
        with keeping_heap():
            for _ in range(count):
                loop.step()

    return Steps(run, [loop.order.draw(step) for step in range(count)], network)


def original_steps(
    kind: str,
    rows: list[EncodedRow],
    lengths: Lengths,
    batch: int,
    precision: str,
    attention: str,
    count: int,
    device: torch.device,
) -> Steps:
    """Steps of the original's algorithm with plain transformers."""
    network = make_network(kind, lengths).to(device).train()
    model: Any = network.model
    model.set_attn_implementation(attention)
    is_bf16 = precision == "bf16"
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    chosen = draw(Random(0).sample(rows, batch * count))
    batches = [chosen[i : i + batch] for i in range(0, len(chosen), batch)]

    def run() -> None:
        for drawn in batches:
            with torch.autocast(device.type, torch.bfloat16, enabled=is_bf16):
                losses = [
                    model(**_plain_inputs(kind, drawn, number, device), use_cache=False).loss
                    for number in range(2)
                ]
            (0.5 * losses[0] + 0.5 * losses[1]).backward()
            optimizer.step()
            optimizer.zero_grad()

    return Steps(run, batches, network)


def read_rows(file: Path, tokenizer: Path) -> list[EncodedRow]:
    """The rows that an experiment trains ``step-by-step`` on, tokenized by another tokenizer."""
    opened = open_experiment(file)
    experiment = replace(opened, folder=RunFolder(Path(mkdtemp())))
    annotate(experiment)
    jobs = TrainingJobs(experiment, read_annotations(experiment))
    encode = AutoTokenizer.from_pretrained(tokenizer)

    def ids(text: str) -> list[int]:
        return list(encode(text).input_ids)

    rows = []
    for row in jobs.of(StudentId("step-by-step", 0)).rows:
        targets = [EncodedTarget(t.task, [0], ids(t.text)) for t in row.targets]
        rows.append(EncodedRow((ids(row.source),), (tuple(targets),)))
    return rows


def labels_alone(rows: list[EncodedRow]) -> list[EncodedRow]:
    return [replace(row, variants=tuple(v[:1] for v in row.variants)) for row in rows]


def _plain_inputs(
    kind: str, drawn: list[DrawnRow], number: int, device: torch.device
) -> dict[str, torch.Tensor]:
    """The inputs of ``model`` for one target of each row."""
    read, written = [], []
    for row in drawn:
        source, target = row.row.sources[0], row.targets[number]
        if kind in ("demo", "t5"):
            read.append(torch.tensor(source))
            written.append(torch.tensor(target.ids))
        else:
            given = [*source, *target.opening]
            read.append(torch.tensor([*given, *target.ids]))
            written.append(torch.tensor([-100] * len(given) + target.ids))
    mask = pad_sequence([torch.ones_like(ids) for ids in read], batch_first=True)
    return {
        "input_ids": pad_sequence(read, batch_first=True).to(device),
        "attention_mask": mask.to(device),
        "labels": pad_sequence(written, batch_first=True, padding_value=-100).to(device),
    }


def step_flops(network: Network, drawn: list[DrawnRow], device: torch.device) -> float:
    """The FLOPs of matrix products with weights in one step: 2 forward and 4 backward each."""
    found, handles = [0.0], []
    head = network.model.get_output_embeddings()

    def note(layer: Any, inputs: Any, output: torch.Tensor) -> None:
        if layer is not head:
            found[0] += 2 * layer.weight.numel() * output.numel() / output.shape[-1]

    for module in network.modules():
        if isinstance(module, torch.nn.Linear):
            handles.append(module.register_forward_hook(note))
    with torch.no_grad():
        network(to_device(network.collate(drawn), device))
    for handle in handles:
        handle.remove()
    written = sum(len(t.ids) for row in drawn for t in row.targets if head or t.task != "label")
    words = network.model.get_input_embeddings().weight
    return 3 * (found[0] + 2 * written * words.numel())


def show_profile(steps: Steps, device: torch.device) -> None:
    """Print the share of each kind of operation in a step."""
    count = len(steps.batches)
    activities = [ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as found:
        taken = machine.seconds(steps.run, device, rounds=1)
    kinds = dict.fromkeys(KINDS, 0.0)
    for event in found.key_averages():
        on_gpu = device.type == "cuda"
        own = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        is_python = event.key.startswith(("autograd::", "ProfilerStep", "cuda", "Optimizer"))
        # Kernels of a GPU are counted with the operations that launched them.
        if own and not is_python and event.device_type == DeviceType.CPU:
            kind = next(k for k, words in KINDS.items() if any(w in event.key for w in words))
            kinds[kind] += own / 1e6 / 2
    busy = sum(kinds.values())
    kinds["Python and waiting"] = max(0.0, taken - busy)
    rows = [[name, f"{1e3 * own / count:.1f}", f"{own / taken:.0%}"] for name, own in kinds.items()]
    print(machine.table(["of a step", "ms", "share"], rows))


def is_possible(way: str, kind: str, device: torch.device) -> bool:
    """Whether steps can be taken so: the original has no encoder, and a GPU compiles decoders."""
    if way == PLAIN:
        return device.type == "cuda" and kind == "smollm2"
    return way not in ORIGINAL or kind != "minilm"


def make_steps(
    way: str,
    kind: str,
    rows: list[EncodedRow],
    lengths: Lengths,
    batch: int,
    count: int,
    device: torch.device,
) -> Steps:
    """Steps in one of ``WAYS``."""
    if way in ORIGINAL:
        return original_steps(kind, rows, lengths, batch, *ORIGINAL[way], count, device)
    own = labels_alone(rows) if way == ALONE else rows
    return our_steps(kind, own, lengths, batch, way[:4], count, compiles=way != PLAIN)


def measure(
    kind: str, given: argparse.Namespace, rows: list[EncodedRow], device: torch.device, peak: float
) -> None:
    name, lengths = FAMILIES[kind][0], LENGTHS[kind]
    batch, count = given.rows or ROWS[device.type], STEPS[device.type]
    rows = rows or make_rows(batch * WINDOW, lengths)
    wanted = given.ways or WAYS
    possible = [way for way in WAYS if way in wanted and is_possible(way, kind, device)]
    ways = {way: make_steps(way, kind, rows, lengths, batch, count, device) for way in possible}
    if not ways:
        return
    found = machine.seconds_in_turns({way: steps.run for way, steps in ways.items()}, device)
    first, lines, tokens = next(iter(found.values())), [], {}
    for way, taken in found.items():
        steps = ways[way]
        tokens[way] = sum(map(count_tokens, steps.batches))
        work = sum(step_flops(steps.network, drawn, device) for drawn in steps.batches)
        lines.append(
            [
                way,
                f"{1e3 * taken / count:.0f}",
                f"{tokens[way] / taken:,.0f}",
                "" if "original" in way else f"{work / count / 1e12:.2f}",
                f"{work / taken / peak:.1%}" if way.startswith("bf16") else "",
                "" if "alone" in way else f"{first / taken:.2f}",
            ]
        )
    print(f"\n{name}, batch {batch}, rows of up to {longest(rows)} tokens")
    print(machine.table(["step", "ms", "tokens/s", "TFLOP", "of peak", "times as fast"], lines))
    if "bf16" in found and ALONE in found:
        ratio, more = found["bf16"] / found[ALONE], tokens["bf16"] / tokens[ALONE]
        print(
            f"both tasks: {ratio:.2f} times a step of labels alone, at {more:.2f} times the tokens"
        )
    if device.type == "cuda":
        print(f"peak memory {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB, for all in turns")
    if given.profile and "bf16" in ways:
        show_profile(ways["bf16"], device)


def longest(rows: list[EncodedRow]) -> str:
    """The tokens of the longest input, label and rationale."""
    written = [[len(t.ids) for t in row.variants[0]] for row in rows]
    return " + ".join(
        map(str, [max(row.length for row in rows), *map(max, zip(*written, strict=True))])
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--only", nargs="+", default=list(FAMILIES), choices=list(FAMILIES))
    parser.add_argument("--rows", type=int)
    parser.add_argument("--experiment", type=Path)
    parser.add_argument("--tokenizer", type=Path)
    parser.add_argument("--ways", nargs="+", choices=WAYS, help="default: all")
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    device = machine.use_device(given.device)
    # Several students take turns here, each with compiled layers of its own.
    torch._dynamo.config.recompile_limit = 64
    peak = machine.peak(device)
    print(f"{machine.name_machine(device)}; bf16 peak {peak / 1e12:,.2f} TFLOP/s")
    rows = read_rows(given.experiment, given.tokenizer) if given.experiment else []
    for kind in given.only:
        torch.manual_seed(0)
        measure(kind, given, rows, device, peak)


if __name__ == "__main__":
    main()
