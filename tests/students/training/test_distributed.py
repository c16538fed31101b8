"""Several processes that train each student together: the same students as from one.

What ``torchrun`` starts here are real processes that talk over gloo. Each start takes seconds, so
one start trains many students.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random

import psutil
import pytest
import yaml

from distilwhy.core.student_id import StudentId
from distilwhy.core.training_summary import TrainingSummary
from distilwhy.errors import RunError
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.evaluate.run import evaluate
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.run import run
from distilwhy.pipeline.train.run import train_students
from distilwhy.store.files import publish_jsonl
from distilwhy.students.student import Student

TOGETHER = Path(__file__).parents[2] / "distributed_train.py"
FSDP = (
    "accelerate.commands.launch --use_fsdp --fsdp_version 2 --num_processes 2 --num_machines 1 "
    "--mixed_precision no --dynamo_backend no --fsdp_auto_wrap_policy TRANSFORMER_BASED_WRAP"
)
CELL = StudentId("step-by-step", 0)
KINDS = {"damage": ("broke", "tore"), "question": ("when", "who"), "praise": ("love", "great")}
THINGS = ("swing", "lamp", "chair", "fence", "gate", "slide")


# Batches of 8 rows, of which few have a rationale: some parts of a batch have none.
EXPERIMENT: dict[str, object] = {
    "task": {
        "instruction": "Sort the message.",
        "input": "{{ message }}",
        "gold": "kind",
        "answer": {"kind": "choice", "labels": list(KINDS)},
        "exemplars": [
            {"message": "The swing broke.", "kind": "damage", "rationale": "Something is broken."}
        ],
    },
    "data": {"train": "../train.jsonl", "validation": "../validation.jsonl",
             "test": "../test.jsonl"},
    "teacher": {"kind": "recorded", "completions": ["../completions.jsonl"]},
    "methods": ["step-by-step"],
    "out": "run",
}  # fmt: skip
SCRATCH = {"width": 32, "layers": 1, "heads": 2, "feedforward": 32, "vocabulary": 300, "dropout": 0}
TRAINING = {"steps": 50, "batch_size": 8, "lr": 1e-2, "evaluate_every": 5}
VARIANTS: dict[str, tuple[str, dict[str, object]]] = {
    "seq2seq": ("seq2seq", {}),
    "causal": ("causal", {"agreement": 0.1}),
    "encoder": ("encoder", {}),
    "accumulated": ("encoder", {"accumulate": 2}),
    "uncertain": ("seq2seq", {"weighting": "uncertainty"}),
}


def write_rows(folder: Path) -> None:
    """Rows whose label one word decides; every fourth has a rationale."""
    random, completions = Random(7), list[dict[str, object]]()
    for split, count in {"train": 60, "validation": 24, "test": 24}.items():
        rows = []
        for index in range(count):
            kind = list(KINDS)[index % 3]
            word, thing = random.choice(KINDS[kind]), random.choice(THINGS)
            message = f"{thing} {index} of {split} {word} {random.choice(THINGS)}"
            rows.append({"id": f"{split}{index}", "message": message, "kind": kind})
            reason = f"It says {word}. " if index % 4 == 0 else ""
            said = f"{reason}So the answer is {kind}."
            completions.append({"id": f"{split}{index}", "completion": said})
        publish_jsonl(folder / f"{split}.jsonl", rows)
    publish_jsonl(folder / "completions.jsonl", completions)


def write_experiment(folder: Path, family: str, training: Mapping[str, object]) -> Path:
    """An annotated experiment."""
    student = {"family": family, "scratch": SCRATCH, "decoder_layers": 1, "max_input_tokens": 64}
    settings = {"student": student, "training": {**TRAINING, **training}}
    folder.mkdir(parents=True)
    file = folder / "experiment.yaml"
    file.write_text(yaml.safe_dump({**EXPERIMENT, **settings}))
    annotate(open_experiment(file))
    return file


def write_all(folder: Path) -> dict[str, Path]:
    """An annotated experiment for every variant."""
    write_rows(folder)
    return {name: write_experiment(folder / name, *told) for name, told in VARIANTS.items()}


@contextmanager
def started(*command: object) -> Iterator[subprocess.Popen[str]]:
    """Processes of one thread each; they are killed if still alive at the end."""
    arguments = [sys.executable, "-m", *map(str, command)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        arguments, env=environment, stdout=pipe, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                for one in psutil.Process(process.pid).children(recursive=True):
                    one.kill()
                process.kill()


def torchrun(*command: object) -> tuple[object, ...]:
    return ("torch.distributed.run", "--nproc-per-node", 2, *command)


def finish(*command: object) -> str:
    """Run a command to its end; its standard output and error."""
    with started(*command) as process:
        said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said


def log_of(file: Path) -> list[dict[str, object]]:
    folder = open_experiment(file).folder.student(CELL)
    return [json.loads(line) for line in (folder / "training.jsonl").read_text().splitlines()]


def trained_of(file: Path) -> TrainingSummary:
    return open_experiment(file).folder.trained(CELL).summary


def answers_of(file: Path) -> list[str]:
    experiment = open_experiment(file)
    student = Student.load(experiment.folder.student(CELL))
    return [found.label for found in student.predict(experiment.splits.test)]


def weights_of(file: Path) -> bytes:
    return (open_experiment(file).folder.student(CELL) / "model.safetensors").read_bytes()


def assert_same_training(one: Path, other: Path) -> None:
    """The same log, the same best step, the same answers."""
    expected, found = log_of(one), log_of(other)
    assert [report["step"] for report in found] == list(range(5, 51, 5))
    for before, after in zip(expected, found, strict=True):
        assert after["losses"].keys() == {"label", "rationale"}
        assert after["losses"] == pytest.approx(before["losses"], rel=5e-4, abs=1e-4)
        assert after["validation_accuracy"] == before["validation_accuracy"]
    assert trained_of(other).best_step == trained_of(one).best_step
    assert answers_of(other) == answers_of(one)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every variant, trained by one process."""
    files = write_all(tmp_path_factory.mktemp("alone"))
    for file in files.values():
        train_students(open_experiment(file), workers=1)
    return files


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every variant, trained by one start of two processes, which find the first one trained."""
    files = write_all(tmp_path_factory.mktemp("together"))
    assert "Already trained" in finish(*torchrun(TOGETHER, *files.values(), files["seq2seq"]))
    return files


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every variant, killed and resumed by two processes with sharded weights."""
    files = write_all(tmp_path_factory.mktemp("sharded"))
    finish(*FSDP.split(), TOGETHER, "--sharded", *files.values())
    return files


@pytest.mark.parametrize("name", VARIANTS)
def test_two_processes_train_the_student_that_one_trains(
    alone: dict[str, Path], together: dict[str, Path], name: str
):
    assert trained_of(alone[name]).processes == 1
    assert trained_of(together[name]).processes == 2
    assert trained_of(alone[name]).validation_accuracy > 0.6, "it learnt nothing"
    assert_same_training(alone[name], together[name])


@pytest.mark.parametrize("name", VARIANTS)
def test_sharded_weights_end_as_whole_ones_do(
    alone: dict[str, Path], sharded: dict[str, Path], name: str
):
    assert trained_of(sharded[name]).processes == 2
    assert_same_training(alone[name], sharded[name])


def wait_for_checkpoint(process: subprocess.Popen[str], file: Path) -> None:
    unfinished = open_experiment(file).folder.unfinished(CELL)
    while not list(unfinished.glob("checkpoint-*/state")):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)


def test_one_process_writes_and_prints_and_a_kill_loses_nothing(
    together: dict[str, Path], tmp_path: Path
):
    write_rows(tmp_path)
    file = write_experiment(tmp_path / "encoder", *VARIANTS["encoder"])
    folder, command = open_experiment(file).folder, torchrun("-m", "distilwhy", "train", file)
    with started(*command) as process:
        wait_for_checkpoint(process, file)
        with pytest.raises(RunError, match="another distilwhy process is working"), folder.lock():
            raise AssertionError("two processes train, and the folder is not locked")
        ranks = {one.environ()["RANK"]: one for one in psutil.Process(process.pid).children()}
        ranks["1"].kill()
        process.communicate(timeout=120)
    assert process.returncode == 1
    assert folder.training(CELL) is None, "the kill came after training"
    said = finish(*command).splitlines()
    assert sum("to train" in line for line in said) == 1
    assert sum("step 50/50" in line for line in said) == 1
    assert not any(line.startswith("error") for line in said)
    assert weights_of(file) == weights_of(together["encoder"])
    assert sorted(path.name for path in folder.student(CELL).parent.iterdir()) == [CELL.name]


@pytest.mark.parametrize("rank", [0, 1])
def test_other_commands_refuse_several_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rank: int
):
    write_rows(tmp_path)
    file = write_experiment(tmp_path / "seq2seq", *VARIANTS["seq2seq"])
    monkeypatch.setenv("RANK", str(rank))
    monkeypatch.setenv("WORLD_SIZE", "2")
    for verb in (annotate, evaluate, run):
        with pytest.raises(RunError, match="this is one of 2 processes, and only 'train' can be"):
            verb(open_experiment(file))
