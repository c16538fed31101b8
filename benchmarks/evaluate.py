"""Time and memory of ``distilwhy status`` and ``distilwhy evaluate`` on a run with many rows.

python benchmarks/evaluate.py [--rows N] [--runs R] [--against CHECKOUT] [--work FOLDER]

A run is prepared with N annotated train rows, made up here, and two tiny students trained on all of
them; the teacher is ``recorded``. Then each command is run R times as a process of its own, after
one run that is not counted, and the medians are shown. With ``--against`` the same is done with the
code of another checkout, in turns. The run is prepared by that checkout, which should be the older
one, and each gets a copy. ``--work`` keeps the prepared run in a folder for the next time.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

HERE = Path(__file__).resolve().parent.parent
COMMANDS = ("status", "evaluate")
FILE = "experiment.yaml"
VALIDATION, TEST = 100, 500
LABELS = ("damage", "question", "praise", "request")
TEXT = (
    "the swing by the old gate was painted again last week and now a board of it is loose so that "
    "children who play there in the morning may fall from it unless someone comes to mend it soon"
)
EXPERIMENT = f"""
task:
  instruction: Sort the message.
  input: "{{{{ message }}}}"
  gold: kind
  answer: {{kind: choice, labels: [{", ".join(LABELS)}]}}
data: {{train: train.jsonl, validation: validation.jsonl, test: test.jsonl}}
teacher: {{kind: recorded, completions: [completions.jsonl]}}
student:
  scratch: {{width: 8, layers: 1, heads: 2, feedforward: 8, vocabulary: 300}}
  max_input_tokens: 32
  max_rationale_tokens: 32
training: {{steps: 2, batch_size: 8, evaluate_every: 2}}
methods: [finetune, step-by-step]
out: run
"""


@dataclass(frozen=True)
class Use:
    """What a process used: seconds until it ended, seconds of CPU, and bytes at its peak."""

    wall: float
    cpu: float
    memory: float


def write(folder: Path, rows: int) -> None:
    """Write the rows, the completions and the experiment file."""
    rng = Random(0)
    folder.mkdir(parents=True)
    with (folder / "completions.jsonl").open("w") as completions:
        for split, count in (("train", rows), ("validation", VALIDATION), ("test", TEST)):
            with (folder / f"{split}.jsonl").open("w") as lines:
                for number in range(count):
                    row, answer = make_up(f"{split}-{number}", rng)
                    lines.write(json.dumps(row) + "\n")
                    completions.write(json.dumps(answer) + "\n")
    (folder / FILE).write_text(EXPERIMENT)


def make_up(name: str, rng: Random) -> tuple[dict[str, str], dict[str, str]]:
    """A row and the answer to it, right four times out of five."""
    words, gold = TEXT.split(), rng.choice(LABELS)
    said = gold if rng.random() < 0.75 else rng.choice(LABELS)
    message = f"{' '.join(rng.sample(words, 14))}, as {name} says."
    why = f"The writer speaks of {' '.join(rng.sample(words, 8))}."
    row = {"id": name, "message": message, "kind": gold}
    return row, {"id": name, "completion": f"{why} So the answer is {said}."}


def prepare(folder: Path, rows: int, checkout: Path) -> None:
    """Write an experiment, annotate it, train its students and score them."""
    aside = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    write(aside, rows)
    for command in ("annotate", "train", "evaluate"):
        used = call(checkout, command, aside)
        print(f"prepared by {command}: {used.wall:.0f} s", flush=True)
    aside.rename(folder)


def call(checkout: Path, command: str, folder: Path) -> Use:
    """Run a command with the code of a checkout."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "distilwhy", command, FILE],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(checkout / "src")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"'distilwhy {command}' failed in {folder} with {checkout}"
    # Linux counts the memory in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return Use(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * unit)


def measure(folders: dict[Path, Path], runs: int) -> dict[tuple[str, Path], Use]:
    """The median of some runs of each command, for each checkout in its folder."""
    found: dict[tuple[str, Path], list[Use]] = {}
    for run in range(runs + 1):
        for command in COMMANDS:
            for checkout, folder in folders.items():
                used = call(checkout, command, folder)
                if run:
                    found.setdefault((command, checkout), []).append(used)
    return {
        which: Use(*(statistics.median(getattr(u, n) for u in used) for n in vars(used[0])))
        for which, used in found.items()
    }


def show(found: dict[tuple[str, Path], Use], other: Path | None) -> None:
    print("command    code       wall, s   CPU, s   memory, MB")
    for command in COMMANDS:
        ours = found[command, HERE]
        show_line(command, "here", ours.wall, ours.cpu, ours.memory / 2**20)
        if other:
            theirs = found[command, other]
            show_line(command, "other", theirs.wall, theirs.cpu, theirs.memory / 2**20)
            print(
                f"{command:8}   {'ratio':7}   {ours.wall / theirs.wall:8.2f}"
                f"   {ours.cpu / theirs.cpu:6.2f}   {ours.memory / theirs.memory:10.2f}"
            )


def show_line(command: str, code: str, wall: float, cpu: float, memory: float) -> None:
    print(f"{command:8}   {code:7}   {wall:8.1f}   {cpu:6.1f}   {memory:10.0f}")


@contextmanager
def open_work(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept.resolve()
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--against", type=Path, help="another checkout")
    parser.add_argument("--work", type=Path, help="where to keep the prepared run")
    told = parser.parse_args()
    other = told.against.resolve() if told.against else None
    checkouts = [HERE, other] if other else [HERE]
    for checkout in checkouts:
        assert (checkout / "src/distilwhy").is_dir(), f"{checkout} is no checkout of distilwhy"
    with open_work(told.work) as work, tempfile.TemporaryDirectory(dir=work) as copies:
        made = work / f"rows-{told.rows}"
        if not made.is_dir():
            prepare(made, told.rows, checkouts[-1])
        folders = {
            checkout: Path(shutil.copytree(made, Path(copies) / str(number)))
            for number, checkout in enumerate(checkouts)
        }
        show(measure(folders, told.runs), other)


if __name__ == "__main__":
    main()
