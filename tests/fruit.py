"""A tiny task about fruit, and a student for it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from distilwhy.config import ScratchConfig, StudentConfig, TrainingConfig
from distilwhy.core.method import METHODS, Target, TrainingRow
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.task import Example, RowFormat, Task
from distilwhy.core.training_summary import TrainingSummary
from distilwhy.students.load import build_network
from distilwhy.students.spec import StudentSpec
from distilwhy.students.student import Student
from distilwhy.students.training.loop import train
from distilwhy.students.training.tracking import UNTRACKED, TrackedRun

COLOURS = {"apple": "red", "lemon": "yellow", "lime": "green", "plum": "blue"}
TASK = Task("", RowFormat("{{ x }}"), Answer("choice", tuple(COLOURS.values())))
LIMITS = StudentConfig(
    scratch=ScratchConfig(width=32, layers=1, heads=2, feedforward=32, vocabulary=300),
    max_label_tokens=8,
    max_rationale_tokens=16,
)
TRAINING = TrainingConfig(steps=40, batch_size=8, lr=5e-3, evaluate_every=10)


def fruit_rows(rationales: bool = True, weight: float = 1.0) -> list[TrainingRow]:
    rows = []
    for count in range(10):
        for fruit, colour in COLOURS.items():
            targets = [Target("label", colour)]
            if rationales:
                targets.append(Target("rationale", f"{fruit} means {colour}", weight))
            rows.append(TrainingRow(f"{count} of {fruit}", tuple(targets)))
    return rows


def fruit_examples() -> list[Example]:
    return [Example(f, f"{n} of {f}", (), c) for n, (f, c) in enumerate(COLOURS.items())]


def new_student(
    seed: int = 0, *, two_passes: bool = False, limits: StudentConfig = LIMITS
) -> Student:
    texts = [text for row in fruit_rows() for text in (row.source, row.targets[1].text)]
    spec = StudentSpec(TASK, METHODS["step-by-step"], limits, two_passes)
    return Student(build_network(spec, texts, seed))


class Killed(Exception):
    """Stands for a kill in the middle of a training."""


def train_fruit(
    folder: Path,
    student: Student | None = None,
    tracked: TrackedRun = UNTRACKED,
    on_step: Callable[[int, int], None] = lambda step, steps: None,
    rows: Sequence[TrainingRow] = (),
    say: Callable[[str], None] = lambda line: None,
    **training: object,
) -> TrainingSummary:
    """Train a student on the fruit rows; ``training`` changes TRAINING."""
    return train(
        student or new_student(),
        rows or fruit_rows(),
        fruit_examples(),
        TRAINING.model_copy(update=training),
        0,
        folder,
        tracked=tracked,
        on_step=on_step,
        say=say,
    )


def train_with_kills(
    folder: Path,
    kills: Sequence[int],
    student: Student | None = None,
    tracked: TrackedRun = UNTRACKED,
    **training: object,
) -> TrainingSummary:
    """Train a student that is killed after each of these steps, and then resumed to the end."""
    for kill in kills:

        def die(step: int, steps: int, kill: int = kill) -> None:
            if step == kill:
                raise Killed

        with pytest.raises(Killed):
            train_fruit(folder, None, tracked, die, **training)
    return train_fruit(folder, student, tracked, **training)


def weights_of(student: Student) -> dict[str, torch.Tensor]:
    return {name: weight.clone() for name, weight in student.network.state_dict().items()}


def are_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)
