"""Completions, or rationales with labels, that a user already has: read from files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from distilwhy.config import RecordedTeacherConfig
from distilwhy.core.parsing.completion import Completion
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.rows.example_builder import value_at
from distilwhy.core.rows.template_guard import is_missing
from distilwhy.core.task import Example, Row, Task
from distilwhy.errors import DataError, TeacherError
from distilwhy.store.rows import read_rows
from distilwhy.teachers.recorded import RecordedTeacher, Recording

# The columns by which a line is known that ``annotations --export`` wrote.
_EXPORTED = {"input", "options", "outcome", "problem", "completion", "label", "rationale"}
_NAMES = {name: name for name in ("id", "completion", "rationale", "label")}


def open_recorded(config: RecordedTeacherConfig, base: Path, task: Task) -> RecordedTeacher:
    """The teacher that says what stands in the files of a config, relative to ``base``.

    If the label or rationale of an exported answer was edited, the edit replaces its completion.

    Raises:
        TeacherError: if a file is missing or broken, a row lacks a field, or an id has too many.
    """
    said = [base / name for name in config.completions]
    explained = [base / name for name in config.explanations]
    more = "set teacher.samples to use more"
    saw_gold = config.strategy == "explain-label"
    reading = Reading(config.columns, task, tuple(config.stop))
    return RecordedTeacher(
        read_recording(said, reading, config.samples, more),
        read_recording(explained, reading, config.samples, more)
        if saw_gold
        else read_recording(explained, reading, 1, "keep one of them"),
    )


@dataclass(frozen=True)
class Reading:
    """How recorded files are read: the column of each field, and what parses their completions, to
    find edited answers."""

    columns: Mapping[str, str]
    task: Task
    stop: tuple[str, ...]


def read_recording(files: Sequence[Path], reading: Reading, most: int, remedy: str) -> Recording:
    """What some files of JSONL, JSON, CSV or Parquet hold.

    Rows with neither a completion nor a label say that there is none: they are passed over. An id
    may have at most ``most`` rows, and ``remedy`` says what to do about one with more.
    """
    completions: dict[str, list[Completion]] = {}
    edited = 0
    columns = reading.columns
    # Other columns hold other answers.
    digest = sha256() if columns == _NAMES else sha256(json.dumps(columns).encode())
    for path in files:
        try:
            with path.open("rb") as content:
                file_digest(content, lambda: digest)
            for row, where in read_rows(path):
                line = _Line(row, reading, where)
                edited += line.is_edited
                _keep(completions, line, most, remedy)
        except OSError as error:
            raise TeacherError(
                f"{path}: cannot be read ({error.strerror}); check the path"
            ) from None
        except DataError as error:
            raise TeacherError(str(error)) from None
    return Recording(digest.hexdigest(), completions, edited)


@dataclass(frozen=True)
class _Line:
    """A row of a recording, how it is read, and its place for messages."""

    row: Row
    reading: Reading
    where: str

    @property
    def columns(self) -> Mapping[str, str]:
        return self.reading.columns

    @cached_property
    def is_export(self) -> bool:
        """Whether it is an exported answer."""
        return self.columns == _NAMES and self.row.keys() >= _EXPORTED

    @cached_property
    def is_edited(self) -> bool:
        """Whether it is an exported answer whose label or rationale was edited since."""
        text = self.text("completion")
        if not self.is_export or text is None or self.row["outcome"] == "failed":
            return False
        asked = Example("", str(self.row["input"]), self._options())
        finish = self.row.get("finish_reason")
        said = Completion(text, finish if isinstance(finish, str) else "")
        read = parse_completion(self.reading.task, asked, said, self.reading.stop)
        rationale = " ".join((self.text("rationale") or "").split())
        is_same = self.label == read.label or self.reading.task.answer.same(self.label, read.label)
        return not is_same or rationale != " ".join(read.rationale.split())

    def _options(self) -> tuple[str, ...]:
        options: Any = self.row["options"] or []
        try:
            listed = json.loads(options) if isinstance(options, str) else options
        except ValueError:
            listed = None
        if not isinstance(listed, list):
            raise TeacherError(f"{self.where}: 'options' must be a list, not {options!r}; fix it")
        return tuple(map(str, listed))

    @property
    def label(self) -> str | None:
        """Its label as text; None if it has none."""
        label = self.get("label")
        if label is None or label == "":
            return None
        return label if isinstance(label, str) else json.dumps(label)

    def get(self, name: str) -> object:
        value = value_at(self.row, self.columns[name])
        if is_missing(value):
            raise TeacherError(
                f"{self.where}: {self.columns[name]!r} is NaN; write a value there, or leave it "
                "empty"
            )
        return value

    def has(self, name: str) -> bool:
        return self.columns[name] in self.row or self.get(name) is not None

    def text(self, name: str) -> str | None:
        value = self.get(name)
        if isinstance(value, str | None):
            return value
        raise TeacherError(f"{self.where}: {self.columns[name]!r} must be text, not {value!r}")

    def lacks(self, needed: str) -> TeacherError:
        fields = ", ".join(sorted(map(str, self.row)))
        return TeacherError(
            f"{self.where}: {needed}; its fields are {fields}: fix the row, or name them in "
            "teacher.id and teacher.completion"
        )


def _keep(completions: dict[str, list[Completion]], line: _Line, most: int, remedy: str) -> None:
    identity, said = line.get("id"), _completion(line)
    if identity is None:
        raise line.lacks(f"has no {line.columns['id']!r}")
    if said is None:
        return
    known = completions.setdefault(str(identity), [])
    if len(known) == most:
        lines = "a line" if most == 1 else f"{most} lines"
        raise TeacherError(f"{line.where}: id {str(identity)!r} already has {lines}; {remedy}")
    known.append(said)


def _completion(line: _Line) -> Completion | None:
    """A completion as it is; of a rationale with its label, the one that says the two."""
    if not line.has("completion") and not (line.has("rationale") and line.has("label")):
        identity, completion, rationale, label = map(repr, line.columns.values())
        raise line.lacks(f"must have {identity} and either {completion} or {rationale} and {label}")
    text, finish = line.text("completion"), line.row.get("finish_reason")
    if line.is_edited:
        text, finish = _state(line), ""
    elif line.is_export and line.row["outcome"] == "failed":
        text = _state(line)
    text = text or _state(line) or text
    if text is None:
        return None
    return Completion(text, finish_reason=finish if isinstance(finish, str) else "")


def _state(line: _Line) -> str | None:
    """A rationale and a label as a reply that the parser reads like any other: a JSON object.

    It has no line of its own and no tag in it, so that no stop text or mark of thinking that
    the rationale holds cuts the object.
    """
    if line.label is None:
        return None
    fields = {"rationale": line.text("rationale") or "", "answer": line.label}
    return json.dumps(fields, ensure_ascii=False).replace("<", "\\u003c")
