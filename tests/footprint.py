"""Rows of many lengths, and students to be taught them."""

from pathlib import Path
from tempfile import TemporaryDirectory

from distilwhy.config import ScratchConfig, StudentConfig, TrainingConfig
from distilwhy.core.method import METHODS, Target, TrainingRow
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.task import Example, RowFormat, Task
from distilwhy.students.load import build_network
from distilwhy.students.spec import StudentSpec
from distilwhy.students.student import Student
from distilwhy.students.training.loop import train

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


def make_examples(rows: list[TrainingRow], count: int = 3) -> list[Example]:
    """The first of the rows, to be asked about."""
    return [Example(str(i), r.source, (), LABELS[i % 3]) for i, r in enumerate(rows[:count])]


def learn(student: Student, rows: list[TrainingRow], config: TrainingConfig) -> None:
    with TemporaryDirectory() as folder:
        train(student, rows, make_examples(rows), config, 0, Path(folder))
