"""``kill -9`` at random moments, then ``run``: the same final state, and nothing paid twice."""

import hashlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from distilwhy.demo.scripted import ScriptedTeacher
from routing import write_routing

KILLS = 10
ROWS = {"train": 160, "validation": 30, "test": 30}
CONCURRENCY = 4


def write_experiment(folder: Path, base_url: str) -> Path:
    return write_routing(
        folder,
        ROWS,
        {"base_url": base_url, "concurrency": CONCURRENCY},
        student={"scratch": {"width": 32, "layers": 1, "feedforward": 64, "vocabulary": 800}},
        training={"steps": 60, "batch_size": 8, "lr": 3e-3, "evaluate_every": 5},
    )


@contextmanager
def command(*arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """The command line in a process of its own, single-threaded so that sums do not depend on
    how many cores are idle."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from distilwhy.cli import main; main()", *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def finish(*arguments: object) -> None:
    with command(*arguments) as process:
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said.decode()


def kill_after(moment: float, *arguments: object, not_before: Callable[[], bool]) -> None:
    """Kill a command that many seconds after it first said how it gets on, and something is so."""
    with command(*arguments) as process:
        assert process.stdout is not None
        process.stdout.readline()
        while process.poll() is None and not not_before():
            time.sleep(0.02)
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)


def checkpoints_of(folder: Path) -> set[int]:
    """The checkpoints of unfinished trainings, by when each was written."""
    return {path.stat().st_mtime_ns for path in folder.glob("run/students/.*/state.pt")}


def ledger_of(folder: Path) -> dict[str, tuple[object, ...]]:
    """Every answer but for when it came."""
    if not (folder / "run/ledger.sqlite").exists():
        return {}
    with sqlite3.connect(folder / "run" / "ledger.sqlite") as connection:
        query = "SELECT key, text, finish_reason, input_tokens, output_tokens, error"
        found = {key: tuple(rest) for key, *rest in connection.execute(f"{query} FROM completions")}
    connection.close()
    return found


def state_of(folder: Path) -> dict[str, object]:
    """All that a run leaves, but for clocks."""
    run, state = folder / "run", dict[str, object]()
    for path in sorted(run.rglob("*")):
        name = str(path.relative_to(run))
        if path.is_dir() or name == ".lock" or name.startswith("ledger.sqlite"):
            continue
        if path.name == "training.json":
            summary = json.loads(path.read_text())
            state[name] = {**summary, "seconds": None}
        else:
            state[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return state


def test_killed_ten_times_ends_like_undisturbed(tmp_path: Path):
    random_moment = random.Random(20)
    log = tmp_path / "calls.jsonl"
    with ScriptedTeacher(latency_s=0.2, log=log) as teacher:
        file = write_experiment(tmp_path / "killed", teacher.base_url)
        known = 0
        for _ in range(KILLS):
            moment = random_moment.uniform(0.0, 1.2)
            kill_after(moment, "annotate", file, not_before=lambda: True)
            found = len(ledger_of(file.parent))
            assert found >= known, "an answer that was kept is gone"
            known = found
        finish("annotate", file)
        paid = Counter(
            call["question_sha"]
            for call in map(json.loads, log.read_text().splitlines())
            if call["status"] == 200
        )
        annotated = ledger_of(file.parent)
        checkpoints: set[int] = set()
        for round_ in range(KILLS):

            def is_time(known: set[int] = checkpoints, at_once: bool = round_ % 2 == 0) -> bool:
                return at_once or bool(checkpoints_of(file.parent) - known)

            kill_after(random_moment.uniform(0.0, 1.0), "train", file, not_before=is_time)
            checkpoints = checkpoints | checkpoints_of(file.parent)
        finish("run", file)
        calls_after = len(log.read_text().splitlines())
        finish("run", file)
        assert len(log.read_text().splitlines()) == calls_after, "a finished run asked again"
    with ScriptedTeacher() as teacher:
        undisturbed = write_experiment(tmp_path / "undisturbed", teacher.base_url)
        finish("run", undisturbed)

    assert len(paid) == sum(ROWS.values())
    assert sum(paid.values()) <= len(paid) + KILLS * CONCURRENCY
    assert 0 < known < len(paid), "no kill fell into the middle of annotating"
    assert len(checkpoints) > 1, "no kill fell into the middle of training"
    assert annotated == ledger_of(file.parent) == ledger_of(undisturbed.parent)
    killed, expected = state_of(file.parent), state_of(undisturbed.parent)
    killed.pop("experiment.yaml"), expected.pop("experiment.yaml")
    assert killed == expected


def test_ctrl_c_ends_in_good_order_and_keeps_what_was_answered(tmp_path: Path):
    with ScriptedTeacher(latency_s=0.1) as teacher:
        file = write_experiment(tmp_path, teacher.base_url)
        with command("annotate", file) as process:
            assert process.stdout is not None
            process.stdout.readline()
            while not ledger_of(tmp_path):
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=60)
        assert process.returncode == 130, said.decode()
        assert said.decode().endswith("stopped; run the same command again to go on\n")
        kept = ledger_of(tmp_path)
        assert 0 < len(kept) < sum(ROWS.values())
        finish("annotate", file)
    assert len(ledger_of(tmp_path)) == sum(ROWS.values())


def test_a_second_process_is_refused_while_the_first_works(tmp_path: Path):
    with ScriptedTeacher(latency_s=0.5) as teacher:
        file = write_experiment(tmp_path, teacher.base_url)
        with command("annotate", file) as first:
            assert first.stdout is not None
            first.stdout.readline()
            with command("annotate", file) as second:
                said, _ = second.communicate(timeout=60)
            assert first.poll() is None
    assert second.returncode == 1
    assert "another distilwhy process is working in this run folder" in said.decode()
