"""The folder of one experiment, and how things come to stand in it.

    experiment.yaml         the resolved experiment
    ledger.sqlite           every answer of the teacher
    shards/ID.parquet       those that a cluster brought, once more
    calls.npz               which calls the rows need, so that they are not all read to find out
    students/CELL/          a student, with training.json and training.jsonl beside its weights;
                            CELL is METHOD-seedN, or METHOD-nROWS-seedN on fewer train rows;
                            before it stands STUDENT- if the study names the student
    logs/CELL/              what TensorBoard shows of its training, if it is asked to
    predictions/CELL.json   what it answered to the test rows
    predictions/CELL.explained.json  its reasons for rows on which methods differ
    results.json            what was found
    measured.json           where, how fast and at what price, which no two runs share
    cases.jsonl             every test row with all that was said about it
    report/report.html      the report, with its figures and a summary beside it

Everything but the ledger is written aside and moved into place whole, so what stands here is
complete, whenever a command was killed.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from filelock import FileLock, Timeout
from pydantic import TypeAdapter

from distilwhy.core.results import Case, Results
from distilwhy.core.student_id import StudentId
from distilwhy.core.training_summary import TrainingRecord
from distilwhy.errors import RunError

_MEASURED = ("seconds", "rows_per_second", "size")
_SIGNATURE = "signature"
SUMMARY = "training.json"
# The array of the index of calls that says which train rows are set aside for validation.
ASIDE = "aside"
LOG = "training.jsonl"


class RunFolder:
    """Where one experiment keeps what it has done. The folder is made when first locked."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    @property
    def ledger(self) -> Path:
        return self.path / "ledger.sqlite"

    @property
    def shards(self) -> Path:
        return self.path / "shards"

    @property
    def call_index(self) -> Path:
        return self.path / "calls.npz"

    @property
    def results(self) -> Path:
        return self.path / "results.json"

    @property
    def measured(self) -> Path:
        return self.path / "measured.json"

    @property
    def cases(self) -> Path:
        return self.path / "cases.jsonl"

    @property
    def report(self) -> Path:
        return self.path / "report"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def page(self) -> Path:
        return self.report / "report.html"

    def student(self, cell: StudentId) -> Path:
        """Where a student stands, once it is trained."""
        return self.path / "students" / cell.name

    def unfinished(self, cell: StudentId) -> Path:
        """Where a training keeps its checkpoint until it is done."""
        return self.path / "students" / f".{cell.name}.unfinished"

    def predictions(self, cell: StudentId) -> Path:
        """Where a student's answers to the test rows stand."""
        return self.path / "predictions" / f"{cell.name}.json"

    def explanations(self, cell: StudentId) -> Path:
        """Where a student's reasons for some of the test rows stand."""
        return self.path / "predictions" / f"{cell.name}.explained.json"

    def training(self, cell: StudentId) -> TrainingRecord | None:
        """How a student was trained; None where it is not trained.

        Raises:
            RunError: if what is kept of its training cannot be read.
        """
        place = self.student(cell)
        if (value := read_json(place / SUMMARY)) is None:
            return None
        try:
            return TrainingRecord.from_json(cell, value, read_jsonl(place / LOG))
        except (KeyError, TypeError) as error:
            raise RunError(
                f"{place}: its training cannot be read ({error!r}); delete it and train again"
            ) from error

    def trained(self, cell: StudentId) -> TrainingRecord:
        """How a student was trained.

        Raises:
            RunError: if it is not trained, or what is kept of its training cannot be read.
        """
        if (record := self.training(cell)) is None:
            raise RunError(f"{self.path}: {cell.label} is not trained; run 'train' first")
        return record

    @contextmanager
    def lock_cell(self, cell: StudentId) -> Iterator[None]:
        """Wait until no process trains this student; one whose parent was killed ends soon."""
        place = self.path / "students" / f".{cell.name}.lock"
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(place):
            yield
        place.unlink(missing_ok=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from working in this folder; a killed one lets go by itself.

        Raises:
            RunError: if another process works in it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / ".lock", timeout=0)
            lock.acquire()
        except Timeout:
            raise RunError(
                f"{self.path}: another distilwhy process is working in this run folder; "
                "wait for it to end, or give this experiment another 'out'"
            ) from None
        except OSError as error:
            raise RunError(
                f"{self.path}: cannot be made or written ({error.strerror}); "
                "give this experiment another 'out'"
            ) from None
        try:
            yield
        finally:
            lock.release()


def publish_bytes(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    aside.write_bytes(content)
    aside.replace(path)


def publish_text(path: Path, text: str) -> None:
    """``publish_bytes`` of a text in UTF-8."""
    publish_bytes(path, text.encode())


def publish_json(path: Path, value: object) -> None:
    """``publish_text`` of a value as indented JSON."""
    publish_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def publish_jsonl(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """``publish_text`` of rows, one JSON object a line."""
    publish_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def publish_arrays(path: Path, signature: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays, signed, so that they are there whole or not at all."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    with aside.open("wb") as file:
        np.savez(file, allow_pickle=False, **{_SIGNATURE: np.array(signature)}, **arrays)
    aside.replace(path)


def read_arrays(path: Path, signature: str) -> dict[str, np.ndarray] | None:
    """The arrays at ``path``; None if there are none, or they are signed otherwise."""
    try:
        with np.load(path) as kept:
            if str(kept[_SIGNATURE]) != signature:
                return None
            return {name: kept[name] for name in kept.files if name != _SIGNATURE}
    except (OSError, ValueError, KeyError, BadZipFile, EOFError):
        return None


def publish_results(folder: RunFolder, found: Results) -> None:
    """Write what was found: what the same rows, settings and cores bring again to
    ``results.json``, and what no two runs share to ``measured.json``."""
    results = found.as_json()
    measured = {name: results.pop(name) for name in ("name", "bill", "how")}
    measured["students"] = [
        [{name: student.pop(name) for name in _MEASURED} for student in method["students"]]
        for method in results["methods"]
    ]
    publish_json(folder.measured, measured)
    publish_json(folder.results, results)


def read_results(folder: RunFolder) -> Results:
    """What ``publish_results`` wrote.

    Raises:
        RunError: if it is not there, or is not what this version writes.
    """
    results, measured = read_json(folder.results), read_json(folder.measured)
    if results is None or measured is None:
        raise RunError(f"{folder.path}: holds no results; run 'evaluate' first")
    try:
        for method, students in zip(results["methods"], measured.pop("students"), strict=True):
            for student, more in zip(method["students"], students, strict=True):
                student.update(more)
        for counts in results["teacher"].values():
            counts["saw_gold"] = counts.pop("told", 0)
        measured["provenance"] = measured.pop("how")
        return TypeAdapter(Results).validate_python({**results, **measured})
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{folder.results}: cannot be read ({str(error).splitlines()[0]}); run 'evaluate' anew"
        ) from error


def read_cases(folder: RunFolder) -> Iterator[Case]:
    """The rows that ``cases.jsonl`` holds, one after the other."""
    adapter = TypeAdapter(Case)
    if folder.cases.is_file():
        with folder.cases.open(encoding="utf-8") as lines:
            for line in lines:
                yield adapter.validate_json(line)


def folder_size(path: Path) -> int:
    """The bytes of all the files in a folder."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def publish_folder(aside: Path, path: Path) -> None:
    """Move a finished folder into place, in the stead of an older one if there is one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    old = path.with_name(f".{path.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.rename(old)
    aside.rename(path)
    shutil.rmtree(old, ignore_errors=True)


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None where there is no such file.

    Raises:
        RunError: if the file is broken.
    """
    return dict(_parse(path, path.read_text(encoding="utf-8"))) if path.is_file() else None


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The JSON objects in a file, one a line; none where there is no such file.

    Raises:
        RunError: if the file is broken.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [_parse(path, line) for line in lines]


def _parse(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise RunError(
            f"{path}: is no JSON ({error.msg}); delete it to have it made anew"
        ) from None
