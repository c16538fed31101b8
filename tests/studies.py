"""Studies of tiny students, through the command line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from distilwhy.core.student_id import StudentId
from distilwhy.demo.scripted import ScriptedTeacher
from distilwhy.store.files import read_json
from routing import write_routing

ROWS = {"train": 60, "validation": 12, "test": 12}
STUDENT = {"scratch": {"width": 16, "layers": 1, "heads": 2, "feedforward": 16}}
TRAINING = {"steps": 2, "batch_size": 8}
PAIR = ["finetune", "step-by-step"]


@contextmanager
def open_study(folder: Path, **settings: object) -> Iterator[Path]:
    """The experiment file of a tiny student, while its teacher can be asked."""
    with ScriptedTeacher() as teacher:
        given = {"student": STUDENT, "training": TRAINING, **settings}
        yield write_routing(folder, ROWS, {"base_url": teacher.base_url}, **given)


def training_of(file: Path, student_id: StudentId) -> dict[str, Any]:
    return read_json(file.parent / "run/students" / student_id.name / "training.json") or {}


def list_written(file: Path) -> dict[str, int]:
    """When each file of each student was written."""
    students = file.parent / "run/students"
    return {str(path): path.stat().st_mtime_ns for path in students.rglob("*") if path.is_file()}
