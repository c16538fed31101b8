"""``kill -9`` at random moments, then again: the same final state, and nothing paid twice."""

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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from distilwhy.demo.scripted import ScriptedTeacher
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import open_experiment
from routing import write_routing

KILLS = 5  # Of each of two commands.
ROWS = {"train": 160, "validation": 30, "test": 30}
CONCURRENCY = 4
SIZES = (0.5, 1.0)
ELSEWHERE = (".lock", "ledger.sqlite", "calls.npz", "measured.json", "form.json", "report/")
STOPPED = "Stopped. Run the same command again to go on.\n"


def write_experiment(
    folder: Path,
    base_url: str,
    family: str = "seq2seq",
    sizes: Sequence[float] = (1.0,),
    **training: object,
) -> Path:
    scratch = {"width": 32, "layers": 1, "feedforward": 64, "vocabulary": 800}
    return write_routing(
        folder,
        ROWS,
        {"base_url": base_url, "concurrency": CONCURRENCY},
        student={"family": family, "scratch": scratch, "decoder_layers": 1},
        training={"steps": 60, "batch_size": 8, "lr": 3e-3, "evaluate_every": 5, **training},
        study={"train_rows": list(sizes)},
    )


def write_annotated(folder: Path, family: str = "seq2seq", **training: object) -> Path:
    """An experiment whose training takes a while, and needs no teacher any more."""
    with ScriptedTeacher() as teacher:
        file = write_experiment(folder, teacher.base_url, family, **{"steps": 100, **training})
        annotate(open_experiment(file))
    return file


@contextmanager
def command(*arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """The command line in a process group of its own, as in a terminal, single-threaded so that
    sums do not depend on how many cores are idle."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from distilwhy.cli.app import main; main()", *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        # All that it started holds its standard output, and is to end with it.
        process.communicate(timeout=60)


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
    found = set()
    for path in folder.glob("run/students/.*/checkpoint-*/state"):
        # It may be on its way out of place.
        with suppress(FileNotFoundError):
            found.add(path.stat().st_mtime_ns)
    return found


def wait_for_checkpoint(process: subprocess.Popen[bytes], folder: Path, known: set[int]) -> None:
    while not checkpoints_of(folder) - known:
        assert process.poll() is None, "it ended before it wrote another checkpoint"
        time.sleep(0.02)


def workers_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The processes in which students are trained."""
    children = psutil.Process(process.pid).children()
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


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
    """All that a run leaves, but for what a clock measured and for what is drawn from it."""
    run, state = folder / "run", dict[str, object]()
    for path in sorted(run.rglob("*")):
        name = str(path.relative_to(run))
        if path.is_dir() or name.startswith(ELSEWHERE):
            continue
        if path.name == "training.json" or path.parent.name == "predictions":
            state[name] = {**json.loads(path.read_text()), "seconds": None}
        else:
            state[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return state


def test_killed_ten_times_ends_like_undisturbed(tmp_path: Path):
    random_moment = random.Random(20)
    log = tmp_path / "calls.jsonl"
    with ScriptedTeacher(latency_s=0.2, log=log) as teacher:
        file = write_experiment(tmp_path / "killed", teacher.base_url, sizes=SIZES, steps=100)
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

            # Soon after a checkpoint was written the student is not yet trained, on any machine.
            moment = random_moment.uniform(0.0, 1.0 if round_ % 2 == 0 else 0.2)
            kill_after(moment, "compare", file, not_before=is_time)
            checkpoints = checkpoints | checkpoints_of(file.parent)
        finish("compare", file)
        calls_after = len(log.read_text().splitlines())
        finish("compare", file)
        assert len(log.read_text().splitlines()) == calls_after, "a finished run asked again"
    with ScriptedTeacher() as teacher:
        undisturbed = write_experiment(
            tmp_path / "undisturbed", teacher.base_url, sizes=SIZES, steps=100
        )
        finish("compare", undisturbed)

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
            said, _ = process.communicate(timeout=180)
        assert process.returncode == 130, said.decode()
        assert said.decode().endswith(STOPPED)
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


@pytest.mark.parametrize("family", ["causal", "encoder"])
def test_training_killed_three_times_gives_the_same_weights(tmp_path: Path, family: str):
    """The family seq2seq, with students side by side, is killed ten times above."""
    random_moment, known = random.Random(family), set[int]()
    options = ("--workers", 1, "--method", "step-by-step")
    killed = write_annotated(tmp_path / "killed", family)
    for _ in range(3):
        with command("train", *options, killed) as process:
            wait_for_checkpoint(process, killed.parent, known)
            time.sleep(random_moment.uniform(0.0, 0.3))
            known |= checkpoints_of(killed.parent)
            assert process.poll() is None, "no kill fell into the middle of training"
            process.send_signal(signal.SIGKILL)
    finish("train", *options, killed)
    undisturbed = write_annotated(tmp_path / "undisturbed", family)
    finish("train", *options, undisturbed)
    weights, expected = (
        {path.parent.name: path.read_bytes() for path in file.parent.rglob("model.safetensors")}
        for file in (killed, undisturbed)
    )
    assert len(expected) == 1
    assert weights == expected


@pytest.mark.skipif(os.cpu_count() == 1, reason="on one core one student is trained at a time")
def test_training_that_is_broken_off_ends_in_good_order_and_goes_on(tmp_path: Path):
    """By Ctrl-C, which a terminal sends to all processes, those that are being started among
    them; and by the death of one of the processes in which students are trained."""
    file = write_annotated(tmp_path)
    for moment in ("start", "middle"):
        with command("train", "--workers", 2, file) as process:
            if moment == "middle":
                wait_for_checkpoint(process, tmp_path, set())
            while len(workers := workers_of(process)) < 2:
                assert process.poll() is None, "it ended before it trained"
                time.sleep(0.01)
            os.killpg(process.pid, signal.SIGINT)
            said, _ = process.communicate(timeout=180)
        assert process.returncode == 130, said.decode()
        assert said.decode().endswith(STOPPED)
        assert "Traceback" not in said.decode()
        assert not any(worker.is_running() for worker in workers)
    with command("train", "--workers", 2, file) as process:
        wait_for_checkpoint(process, tmp_path, checkpoints_of(tmp_path))
        first, second = workers_of(process)
        first.kill()
        said, _ = process.communicate(timeout=180)
    assert process.returncode == 1
    assert said.decode().splitlines()[-1].startswith("error: one of 2 worker processes died")
    assert "Traceback" not in said.decode()
    assert not second.is_running()
    finish("train", "--workers", 2, file)


def test_a_loss_that_is_no_number_is_told_in_one_line(tmp_path: Path):
    file = write_annotated(tmp_path, rationale_weight=1e60)
    with command("train", "--method", "step-by-step", "--workers", 2, file) as process:
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 1, said.decode()
    assert said.decode().splitlines()[-1].startswith("error: the loss is inf at step 1; lower")
    assert "Traceback" not in said.decode()
