"""Compares the predicted memory and step time of training with the measured ones.

python benchmarks/preflight.py

Each family trains in its own process, because only the peak memory of a whole process is known.
"""

import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from distilwhy.config import ScratchConfig, StudentConfig, TrainingConfig
from distilwhy.core.method import METHODS, Target, TrainingRow
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.task import Example, RowFormat, Task
from distilwhy.students.load import build_network
from distilwhy.students.spec import StudentSpec
from distilwhy.students.student import Student
from distilwhy.students.training.duration import estimate_seconds
from distilwhy.students.training.loop import train
from distilwhy.students.training.memory import check_fit

LABELS = ("red", "green", "blue")
TASK = Task("", RowFormat("{{ x }}"), Answer("choice", LABELS))
TEXT = "the door of a house by the sea was painted again and again over the years"
TEXTS = [TEXT, *LABELS]


def make_rows(count: int, words: int) -> list[TrainingRow]:
    """Rows whose texts are of many lengths, up to so many words."""
    known, rows = TEXT.split(), []
    for index in range(count):
        text = " ".join(known[i % len(known)] for i in range(index % words + 1))
        targets = (Target("label", LABELS[index % 3]), Target("rationale", text[: len(text) // 2]))
        rows.append(TrainingRow(text, targets))
    return rows


def make_student(family: str, shape: ScratchConfig, seed: int = 0) -> Student:
    limits = StudentConfig(family=family, scratch=shape)  # type: ignore[arg-type]
    spec = StudentSpec(TASK, METHODS["step-by-step"], limits)
    return Student(build_network(spec, TEXTS, seed))


def make_examples(rows: list[TrainingRow]) -> list[Example]:
    return [Example(str(i), row.source, (), LABELS[i % 3]) for i, row in enumerate(rows[:3])]


def learn(student: Student, rows: list[TrainingRow], config: TrainingConfig) -> None:
    with TemporaryDirectory() as folder:
        train(student, rows, make_examples(rows), config, 0, Path(folder))


def measure(family: str) -> None:
    """Print what was foretold over what was taken, for one family."""
    small = ScratchConfig(width=16, layers=1, heads=2, feedforward=16, vocabulary=300)
    # Once for all that is loaded on the way.
    learn(make_student(family, small), make_rows(8, 8), TrainingConfig(steps=2, batch_size=4))
    before = psutil.Process().memory_info().rss
    shape = ScratchConfig(width=256, layers=4, heads=4, feedforward=512, vocabulary=300)
    rows, config = make_rows(96, 24), TrainingConfig(steps=6, batch_size=32, precision="fp32")
    student = make_student(family, shape)
    foretold = check_fit(student.network, rows, config)
    wanted = estimate_seconds(student, rows, make_examples(rows), config)
    started = time.perf_counter()
    learn(student, rows, config)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    print(
        f"{family}: memory {foretold.memory / peak:.2f} times what was taken, time "
        f"{wanted / seconds:.2f} times"
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1])
    else:
        for name in ("seq2seq", "causal", "encoder"):
            subprocess.run([sys.executable, __file__, name], check=True)
