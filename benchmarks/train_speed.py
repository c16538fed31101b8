"""The time of training steps, against the original's algorithm, and where it goes.

python benchmarks/train_speed.py [--device auto] [--only SHAPE ...] [--rows N] [--profile]

The original's algorithm (Hsieh et al. 2023) runs the whole model once for the labels and once for
the rationales of a batch, in fp32 with eager attention, and computes logits at every position.
Both sides see the same random rows and take whole steps, the optimizer's included; they run in
turns, and medians are shown. Tokens are those of inputs and targets without padding, each input
counted once. The FLOPs are those of matrix products with weights, forward and backward, without
what is computed twice; the share of the peak is for bf16. ``--profile`` also shows which operations
a step spends its time on.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import machine
import torch
from shapes import FAMILIES, Lengths, count_tokens, draw, make_network, make_rows
from torch.autograd import DeviceType
from torch.nn.utils.rnn import pad_sequence
from torch.profiler import ProfilerActivity, profile

from distilwhy.config import TrainingConfig
from distilwhy.students.batch import to_device
from distilwhy.students.encoding import DrawnRow
from distilwhy.students.network import Network
from distilwhy.students.training.loop import TrainingLoop

LENGTHS = {
    "demo": Lengths(32, 3, 32),
    "t5": Lengths(64, 3, 64),
    "smollm2": Lengths(128, 4, 96),
    "minilm": Lengths(128, 3, 96),
}
ROWS = {"cpu": 16, "cuda": 64}
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


def our_step(
    kind: str, rows: int, lengths: Lengths, precision: str
) -> tuple[Callable[[], object], Network]:
    """A step of distilwhy's training loop."""
    network = make_network(kind, lengths)
    config = TrainingConfig(steps=10**6, batch_size=rows, precision=precision)  # type: ignore[arg-type]
    encoded = make_rows(rows, lengths)
    loop = TrainingLoop(network, encoded, [], config, 0, Path(mkdtemp()))
    return loop.step, network


def original_step(
    kind: str, rows: int, lengths: Lengths, device: torch.device
) -> Callable[[], object]:
    """A step of the original's algorithm with plain transformers."""
    network = make_network(kind, lengths).to(device).train()
    model: Any = network.model
    model.set_attn_implementation("eager")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    drawn = draw(make_rows(rows, lengths))

    def step() -> None:
        losses = [
            model(**_plain_inputs(kind, drawn, number, device), use_cache=False).loss
            for number in range(2)
        ]
        (0.5 * losses[0] + 0.5 * losses[1]).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


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


def show_profile(step: Callable[[], object], device: torch.device) -> None:
    """Print the share of each kind of operation in a step."""
    activities = [ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    step()
    with profile(activities=activities) as found:
        taken = machine.seconds(step, device, rounds=1)
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
    rows = [[name, f"{1e3 * own:.1f}", f"{own / taken:.0%}"] for name, own in kinds.items()]
    print(machine.table(["of a step", "ms", "share"], rows))


def measure(kind: str, rows: int, device: torch.device, peak: float, profiled: bool) -> None:
    name, lengths = FAMILIES[kind][0], LENGTHS[kind]
    label_only = Lengths(lengths.source, lengths.label, 0)
    fp32, _ = our_step(kind, rows, lengths, "fp32")
    bf16, network = our_step(kind, rows, lengths, "bf16")
    label, label_network = our_step(kind, rows, label_only, "bf16")
    runs = {"fp32": fp32, "bf16": bf16, "bf16, labels alone": label}
    if kind != "minilm":
        runs = {"original, fp32": original_step(kind, rows, lengths, device)} | runs
    found = machine.seconds_in_turns(runs, device)
    drawn, drawn_label = draw(make_rows(rows, lengths)), draw(make_rows(rows, label_only))
    flops = step_flops(network, drawn, device)
    first = next(iter(found.values()))
    lines = []
    for way, taken in found.items():
        is_label = "alone" in way
        tokens = count_tokens(drawn_label if is_label else drawn)
        work = step_flops(label_network, drawn_label, device) if is_label else flops
        share = f"{work / taken / peak:.1%}" if "bf16" in way else ""
        ratio = "" if is_label else f"{first / taken:.2f}"
        lines.append(
            [
                way,
                f"{1e3 * taken:.0f}",
                f"{tokens / taken:,.0f}",
                f"{work / 1e12:.2f}",
                share,
                ratio,
            ]
        )
    print(f"\n{name}, batch {rows}, up to {lengths.source} + {lengths.label} + {lengths.rationale}")
    print(machine.table(["step", "ms", "tokens/s", "TFLOP", "of peak", "times as fast"], lines))
    ratio = found["bf16"] / found["bf16, labels alone"]
    more = count_tokens(drawn) / count_tokens(drawn_label)
    print(f"both tasks: {ratio:.2f} times a step of labels alone, at {more:.2f} times the tokens")
    if device.type == "cuda":
        print(f"peak memory {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB, for all in turns")
    if profiled:
        show_profile(bf16, device)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--only", nargs="+", default=list(FAMILIES), choices=list(FAMILIES))
    parser.add_argument("--rows", type=int)
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    device = machine.use_device(given.device)
    peak = machine.peak(device)
    print(f"{machine.name_machine(device)}; bf16 peak {peak / 1e12:,.2f} TFLOP/s")
    for kind in given.only:
        torch.manual_seed(0)
        measure(kind, given.rows or ROWS[device.type], device, peak, given.profile)


if __name__ == "__main__":
    main()
