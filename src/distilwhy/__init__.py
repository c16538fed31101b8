"""distilwhy: distil an LLM's answers and its reasons into a small model you own.

Public names are loaded when they are first used: importing the package loads no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distilwhy.config import (
        HttpTeacherConfig,
        LocalTeacherConfig,
        RecordedTeacherConfig,
        ScratchConfig,
        Settings,
        StudentConfig,
        TrainingConfig,
    )
    from distilwhy.core.annotation import Annotation, Completion, parse_completion
    from distilwhy.core.answer import Answer
    from distilwhy.core.findings import Findings, MethodScore, StudentScore
    from distilwhy.core.method import METHODS, Method, Teaching, render_training_rows
    from distilwhy.core.metrics import Comparison, Score, compare, score
    from distilwhy.core.prompt import Head, Message, Prompt, render_head, render_prompt
    from distilwhy.core.results import Prediction
    from distilwhy.core.splits import Splits, set_aside
    from distilwhy.core.task import Example, Exemplar, Task
    from distilwhy.errors import (
        BudgetError,
        ConfigError,
        DataError,
        DistilwhyError,
        RunError,
        StudentError,
        TeacherError,
    )
    from distilwhy.flows.annotate import annotate
    from distilwhy.flows.evaluate import evaluate
    from distilwhy.flows.experiment import Experiment, open_experiment
    from distilwhy.flows.run import run
    from distilwhy.flows.task import read_task
    from distilwhy.flows.train import train_students
    from distilwhy.store.records import HubSplit, read_examples
    from distilwhy.store.run import RunFolder
    from distilwhy.students.student import Student

__version__ = "0.1.0"

_HOMES = {
    "core.annotation": ("Annotation", "Completion", "parse_completion"),
    "core.answer": ("Answer",),
    "core.findings": ("Findings", "MethodScore", "StudentScore"),
    "core.method": ("METHODS", "Method", "Teaching", "render_training_rows"),
    "core.metrics": ("Comparison", "Score", "compare", "score"),
    "core.prompt": ("Head", "Message", "Prompt", "render_head", "render_prompt"),
    "core.results": ("Prediction",),
    "core.splits": ("Splits", "set_aside"),
    "core.task": ("Example", "Exemplar", "Task"),
    "config": (
        "HttpTeacherConfig",
        "LocalTeacherConfig",
        "RecordedTeacherConfig",
        "ScratchConfig",
        "Settings",
        "StudentConfig",
        "TrainingConfig",
    ),
    "errors": (
        "BudgetError",
        "ConfigError",
        "DataError",
        "DistilwhyError",
        "RunError",
        "StudentError",
        "TeacherError",
    ),
    "flows.annotate": ("annotate",),
    "flows.evaluate": ("evaluate",),
    "flows.experiment": ("Experiment", "open_experiment"),
    "flows.run": ("run",),
    "flows.task": ("read_task",),
    "flows.train": ("train_students",),
    "store.records": ("HubSplit", "read_examples"),
    "store.run": ("RunFolder",),
    "students.student": ("Student",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "METHODS",
    "Annotation",
    "Answer",
    "BudgetError",
    "Comparison",
    "Completion",
    "ConfigError",
    "DataError",
    "DistilwhyError",
    "Example",
    "Exemplar",
    "Experiment",
    "Findings",
    "Head",
    "HttpTeacherConfig",
    "HubSplit",
    "LocalTeacherConfig",
    "Message",
    "Method",
    "MethodScore",
    "Prediction",
    "Prompt",
    "RecordedTeacherConfig",
    "RunError",
    "RunFolder",
    "Score",
    "ScratchConfig",
    "Settings",
    "Splits",
    "Student",
    "StudentConfig",
    "StudentError",
    "StudentScore",
    "Task",
    "TeacherError",
    "Teaching",
    "TrainingConfig",
    "annotate",
    "compare",
    "evaluate",
    "open_experiment",
    "parse_completion",
    "read_examples",
    "read_task",
    "render_head",
    "render_prompt",
    "render_training_rows",
    "run",
    "score",
    "set_aside",
    "train_students",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'distilwhy' has no attribute {name!r}")
    value = getattr(import_module(f"distilwhy.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME_OF])
