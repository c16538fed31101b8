"""A tiny task about fruit, and a student for it."""

from distilwhy.config import ScratchConfig, StudentConfig, TrainingConfig
from distilwhy.core.method import METHODS, Target, TrainingRow
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.task import Example, Task, Wording
from distilwhy.students.load import build_network
from distilwhy.students.spec import StudentSpec
from distilwhy.students.student import Student

COLOURS = {"apple": "red", "lemon": "yellow", "lime": "green", "plum": "blue"}


TASK = Task("", Wording("{{ x }}"), Answer("choice", tuple(COLOURS.values())))


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


def new_student(seed: int = 0, *, two_passes: bool = False) -> Student:
    texts = [text for row in fruit_rows() for text in (row.source, row.targets[1].text)]
    spec = StudentSpec(TASK, METHODS["step-by-step"], LIMITS, two_passes)
    return Student(build_network(spec, texts, seed))


class Killed(Exception):
    """Stands for a kill in the middle of a training."""
