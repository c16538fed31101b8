"""The time and memory of a training step as a batch, its rows and the model grow.

python benchmarks/scaling.py [--device auto] [--kind t5] [--rows N] [--only NAME ...]

From one shape, each quantity is doubled twice, and a line shows the time of a step by row, and the
bytes by row that autograd keeps for the backward pass. What all rows share is not counted.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

import machine
import torch
from shapes import FAMILIES, Lengths, draw, make_network, make_rows

from distilwhy.config import TrainingConfig
from distilwhy.students.training.dry_run import dry_run
from distilwhy.students.training.loop import TrainingLoop

BASE = Lengths(64, 4, 32)
SIZE = {"layers": 4, "width": 384, "vocabulary": 8192}
GROWTH = (1, 2, 4)
QUANTITIES = ("rows", "source", "rationale", "label", "width", "layers", "vocabulary")


def measure(
    kind: str, rows: int, lengths: Lengths, size: dict[str, int], device: torch.device
) -> tuple[float, float]:
    """Seconds and bytes by row."""
    network = make_network(kind, lengths, **size)
    encoded = make_rows(rows, lengths, spread=0.0)
    config = TrainingConfig(steps=10**6, batch_size=rows)
    loop = TrainingLoop(network, encoded, [], config, 0, Path(mkdtemp()))
    taken = machine.seconds(loop.step, device)
    with dry_run(network, config) as run:
        kept = run.activations(draw(encoded[:2]))
    return taken / rows, kept.row


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--kind", default="t5", choices=list(FAMILIES))
    parser.add_argument("--rows", type=int)
    parser.add_argument("--only", nargs="+", default=list(QUANTITIES), choices=list(QUANTITIES))
    given = parser.parse_args()
    device = machine.use_device(given.device)
    rows = given.rows or (64 if device.type == "cuda" else 8)
    print(machine.name_machine(device))
    print(f"from {rows} rows of {BASE.source} + {BASE.label} + {BASE.rationale} tokens, {SIZE}\n")
    print(machine.table(["grows", "to", "ms a row", "MB a row"], []), flush=True)
    for quantity in given.only:
        for factor in GROWTH:
            own_rows, lengths, size = rows, BASE, dict(SIZE)
            if quantity == "rows":
                value = own_rows = rows * factor
            elif quantity in SIZE:
                value = size[quantity] = SIZE[quantity] * factor
            else:
                value = getattr(BASE, quantity) * factor
                lengths = replace(BASE, **{quantity: value})
            taken, kept = measure(given.kind, own_rows, lengths, size, device)
            print(f"| {quantity} | {value:,} | {1e3 * taken:.1f} | {kept / 1e6:.1f} |", flush=True)


if __name__ == "__main__":
    main()
