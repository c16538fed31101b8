"""What a command that labels a file had done when it was stopped, and whether it may go on."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout
from pydantic import TypeAdapter

from distilwhy.core.training_summary import Truncation
from distilwhy.errors import RunError
from distilwhy.pipeline.fingerprint import hash_json
from distilwhy.pipeline.predict_file.labeller import NOTHING_CUT, PredictionJob
from distilwhy.store.files import naming_file, publish_json, read_json

# Both begin with a mark that readers of folders of Parquet files pass over.
PROGRESS, LOCK = "_progress.json", "_lock"
_README = "README.md"


@dataclass(frozen=True)
class Origin:
    """All that decides what is written: changed files or options would mix two answers.

    Attributes:
        file: The SHA-256 of the file of rows; ``student``, of the student's folder.
    """

    file: str
    student: str
    explain: bool

    @classmethod
    def of(cls, job: PredictionJob) -> Self:
        """Read the files of a job.

        Raises:
            OSError: if one cannot be read.
        """
        parts = {
            str(path.relative_to(job.student)): _hash_file(path)
            for path in sorted(job.student.rglob("*"))
            if path.is_file() and path.name != _README
        }
        return cls(_hash_file(job.file), hash_json(parts), job.explain)

    def differs_in(self, other: Self) -> str:
        """What differs, in words; "" if nothing does."""
        if self.file != other.file:
            return "other rows: the file has changed since"
        if self.student != other.student:
            return "another student"
        if self.explain != other.explain:
            return f"{'' if other.explain else 'no '}--explain"
        return ""


@dataclass(frozen=True)
class PredictionProgress:
    """How far a command came. ``size``: the bytes that these rows take in a text file."""

    origin: Origin
    rows: int = 0
    size: int = 0
    cut: Truncation = field(default=NOTHING_CUT)
    version: int = 1

    def save(self, folder: Path) -> None:
        """Keep it beside what is written.

        Raises:
            RunError: if it cannot be written.
        """
        publish_json(folder / PROGRESS, asdict(self))


@contextmanager
def open_progress(folder: Path, job: PredictionJob) -> Iterator[PredictionProgress]:
    """What was done of a job in its folder, which no other command can use meanwhile.

    Raises:
        RunError: if another command uses it, or it holds something else.
    """
    is_new = not (folder / PROGRESS).exists()
    if is_new and folder.exists() and any(path.name != LOCK for path in folder.iterdir()):
        raise RunError(
            f"{folder}: holds something other than a prediction under way; move it, or name "
            "another output"
        )
    with naming_file(folder):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / LOCK, timeout=0):
            yield _read(folder, Origin.of(job))
    except Timeout:
        raise RunError(
            f"{folder}: another command is writing there; wait for it, or name another output"
        ) from None


def _read(folder: Path, now: Origin) -> PredictionProgress:
    kept = read_json(folder / PROGRESS)
    if kept is None:
        return PredictionProgress(now)
    try:
        found = TypeAdapter(PredictionProgress).validate_python(kept)
    except ValueError:
        raise RunError(
            f"{folder / PROGRESS}: cannot be read; delete {folder} to begin again"
        ) from None
    if not found.rows:
        return PredictionProgress(now)
    if difference := now.differs_in(found.origin):
        raise RunError(
            f"{folder}: holds {found.rows:,} rows of an earlier command with {difference}; run "
            "that command again, or delete this folder"
        )
    return replace(found, origin=now)


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
