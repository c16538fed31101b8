"""Tiny students over a choice or a text, from scratch or pretrained."""

from pathlib import Path

from distilwhy.config import ScratchConfig, StudentConfig
from distilwhy.core.method import METHODS
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.task import RowFormat, Task
from distilwhy.students.load import build_network
from distilwhy.students.spec import StudentSpec
from distilwhy.students.student import Student
from pretrained import TEXTS

TINY = ScratchConfig(width=16, layers=1, heads=2, feedforward=32, vocabulary=400)
CONFIG = StudentConfig(
    scratch=TINY, max_input_tokens=64, max_label_tokens=12, max_rationale_tokens=16
)
CHOICE = Task("", RowFormat("{{ x }}"), Answer("choice", ("Line Desk", "Line Desks", "Accounts")))
OPTIONS = Task("", RowFormat("{{ x }}", options="among"), Answer("choice"))
TEXT = Task("", RowFormat("{{ x }}"), Answer("text"))


def scratch(
    task: Task = CHOICE, method: str = "step-by-step", seed: int = 0, **student: object
) -> Student:
    spec = StudentSpec(task, METHODS[method], CONFIG.model_copy(update=student))
    return Student(build_network(spec, TEXTS, seed).eval())


def pretrained(
    folder: Path | str, task: Task = TEXT, method: str = "step-by-step", **student: object
) -> Student:
    return scratch(task, method, model=str(folder), **student)
