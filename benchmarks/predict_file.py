"""The memory and speed of ``predict --file`` on up to a million rows, killed in the middle.

python benchmarks/predict_file.py [--rows 10000 100000 1000000] [--kills 2] [--format jsonl]
                                  [--student FOLDER --data FILE]

Each number of rows is labelled by a command of its own. The last one is killed with SIGKILL, as
often as ``--kills`` says, and run again each time. Its time and memory are those of all its
commands, each of which reads the file once before it goes on. Its output must have every row once,
in order, and the same label for the same text. Without ``--student``, a tiny encoder with random
weights labels rows of about five words; with it, ``--data`` names rows that it can read, repeated
as needed.
"""

import argparse
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import machine
import torch
from shapes import Lengths, make_network, make_texts

from distilwhy.store.rows import read_rows
from distilwhy.students.student import Student

TINY = {"layers": 1, "width": 32, "vocabulary": 300}
TEXTS, WORDS = 997, 6


@dataclass
class Command:
    """``predict --file``, which can be killed and run again."""

    student: Path
    rows: Path
    output: Path
    seconds: float = 0.0
    cpu: float = 0.0
    peak: float = 0.0

    def run(self, kill_at: int | None = None) -> None:
        """Run it to its end, or until so many rows are saved."""
        started = time.perf_counter()
        program = [sys.executable, "-m", "distilwhy", "predict", str(self.student)]
        process = subprocess.Popen(
            [*program, "--file", str(self.rows), "-o", str(self.output)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while kill_at is not None and self.saved < kill_at:
            time.sleep(0.02)
        if kill_at is not None:
            os.kill(process.pid, signal.SIGKILL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode and kill_at is None:
            raise SystemExit(f"predict failed with {process.returncode}")
        self.seconds += time.perf_counter() - started
        self.cpu += used.ru_utime + used.ru_stime
        self.peak = max(self.peak, used.ru_maxrss / 1024)

    @property
    def saved(self) -> int:
        """The rows that are saved."""
        progress = self.output.with_name(f"{self.output.name}.part") / "_progress.json"
        return json.loads(progress.read_text())["rows"] if progress.exists() else 0


def make_student(folder: Path) -> Path:
    Student(make_network("minilm", Lengths(128, 4, 16), "finetune", **TINY)).save(folder)
    return folder


def write_rows(path: Path, count: int, data: Path | None) -> Path:
    """JSONL of so many rows, with their number as ``place``."""
    if data:
        some = [dict(row) for row, _ in read_rows(data)]
    else:
        some = [{"x": row.source} for row in make_texts(TEXTS, WORDS)]
    with path.open("w") as file:
        for place, row in enumerate(itertools.islice(itertools.cycle(some), count)):
            line = {**row, "id": f"r{place}", "place": place, "text": place % len(some)}
            file.write(json.dumps(line) + "\n")
    return path


def check(output: Path, count: int) -> None:
    """Check that all rows are there once and in order, and that texts have one label each."""
    labels: dict[int, object] = {}
    places = 0
    for row, _ in read_rows(output):
        if int(str(row["place"])) != places:
            raise SystemExit(f"row {places:,} is {row['place']}: rows are lost or there twice")
        if labels.setdefault(int(str(row["text"])), row["label"]) != row["label"]:
            raise SystemExit(f"row {places:,} has another label than its text had before")
        places += 1
    if places != count:
        raise SystemExit(f"{places:,} of {count:,} rows")
    print(f"{places:,} rows, each once, in order and with the label of its text")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--student", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--format", default="jsonl", choices=["jsonl", "csv", "parquet"])
    given = parser.parse_args()
    print(machine.name_machine(torch.device("cuda" if torch.cuda.is_available() else "cpu")))
    print(
        machine.table(["rows", "kills", "s", "rows/s", "rows/s of CPU", "peak MiB"], []), flush=True
    )
    with TemporaryDirectory() as place:
        folder = Path(place)
        student = given.student or make_student(folder / "student")
        for count in given.rows:
            kills = given.kills if count == given.rows[-1] else 0
            rows = write_rows(folder / "rows.jsonl", count, given.data)
            command = Command(student, rows, folder / f"out.{given.format}")
            for kill in range(1, kills + 1):
                command.run(kill_at=count * kill // (kills + 1))
            command.run()
            rates = [f"{count / seconds:,.0f}" for seconds in (command.seconds, command.cpu)]
            cells = [f"{count:,}", str(kills), f"{command.seconds:.1f}", *rates]
            print(f"| {' | '.join(cells)} | {command.peak:.0f} |", flush=True)
            check(command.output, count)


if __name__ == "__main__":
    main()
