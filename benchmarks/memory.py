"""The memory of training as foretold and as measured, and the time as foretold and as measured.

python benchmarks/memory.py [--only t5 smollm2 minilm] [--rows N] [--steps N] [--checkpointing]

Each student trains ``step-by-step`` in its own process, because only the peak memory of a whole
process is known; what the process has loaded before is taken off. Texts are of many lengths, cut to
128 tokens, rationales to 96. Small shapes of the three families come first, then the given ones.
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import machine
import psutil
import torch
from shapes import FAMILIES, Lengths, make_network, make_texts

from distilwhy.config import TrainingConfig
from distilwhy.core.method import TrainingRow
from distilwhy.core.task import Example
from distilwhy.students.student import Student
from distilwhy.students.training.duration import estimate_time
from distilwhy.students.training.loop import train
from distilwhy.students.training.memory import estimate_memory, rows_per_pass

LENGTHS = Lengths(128, 4, 96)
SMALL = {"layers": 4, "width": 256, "vocabulary": 300}
TINY = {"layers": 1, "width": 64, "vocabulary": 300}


def learn(student: Student, rows: list[TrainingRow], config: TrainingConfig) -> None:
    with TemporaryDirectory() as folder:
        train(student, rows, make_examples(rows), config, 0, Path(folder))


def make_examples(rows: list[TrainingRow]) -> list[Example]:
    return [Example(str(i), row.source, (), row.targets[0].text) for i, row in enumerate(rows[:3])]


def measure(kind: str, size: dict[str, int], config: TrainingConfig) -> None:
    """Print a line of the table."""
    rows = make_texts(config.batch_size * 16, 70)
    # Once for all that is loaded on the way.
    once = config.model_copy(update={"steps": 2, "batch_size": 4})
    learn(Student(make_network(kind, LENGTHS, **TINY)), rows[:8], once)
    before = psutil.Process().memory_info().rss
    student = Student(make_network(kind, LENGTHS, **size))
    foretold = estimate_memory(student.network, rows, config).peak(rows_per_pass(rows, config))
    wanted = estimate_time(student, rows, make_examples(rows), config).seconds
    started = time.perf_counter()
    learn(student, rows, config)
    taken = time.perf_counter() - started
    if torch.cuda.is_available():
        peak = torch.cuda.max_memory_allocated()
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    name = "of its kind, small" if size else FAMILIES[kind][0]
    cells = [
        f"{kind}, {name}",
        str(config.batch_size),
        f"{foretold / 2**30:.2f}",
        f"{peak / 2**30:.2f}",
        f"{foretold / peak:.2f}",
        f"{wanted / taken:.2f}",
    ]
    print("| " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=["t5", "minilm"], choices=list(FAMILIES))
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--alone", choices=list(FAMILIES), help=argparse.SUPPRESS)
    parser.add_argument("--small", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    config = TrainingConfig(
        steps=given.steps,
        batch_size=given.rows,
        evaluate_every=given.steps,
        gradient_checkpointing=given.checkpointing,
    )
    if given.alone:
        measure(given.alone, SMALL if given.small else {}, config)
        return
    print(machine.name_machine(machine.use_device("auto")))
    head = ["student", "rows", "foretold, GiB", "taken, GiB", "ratio", "time: foretold/taken"]
    print(machine.table(head, []), flush=True)
    small = [[kind, "--small"] for kind in FAMILIES if kind != "demo"]
    for which in [*small, *([kind] for kind in given.only)]:
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--alone", *which], check=True)


if __name__ == "__main__":
    main()
