"""Completions, or rationales with labels, that a user already has: read from files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path

from distilwhy.config import RecordedTeacherConfig
from distilwhy.core.parsing.completion import Completion
from distilwhy.core.rows.example_builder import value_at
from distilwhy.core.task import Row
from distilwhy.errors import DataError, TeacherError
from distilwhy.store.rows import read_rows
from distilwhy.teachers.recorded import RecordedTeacher, Recording

_NAMES = {name: name for name in ("id", "completion", "rationale", "label")}


def open_recorded(config: RecordedTeacherConfig, base: Path) -> RecordedTeacher:
    """The teacher that says what stands in the files of a config, relative to ``base``.

    Raises:
        TeacherError: if a file is missing or broken, a row lacks a field, or an id has too many.
    """
    said = [base / name for name in config.completions]
    explained = [base / name for name in config.explanations]
    more = "set teacher.samples to use more"
    saw_gold = config.strategy == "explain-label"
    return RecordedTeacher(
        read_recording(said, config.columns, config.samples, more),
        read_recording(explained, config.columns, config.samples, more)
        if saw_gold
        else read_recording(explained, config.columns, 1, "keep one of them"),
    )


def read_recording(
    files: Sequence[Path], columns: Mapping[str, str], most: int, remedy: str
) -> Recording:
    """What some files of JSONL, JSON, CSV or Parquet hold.

    Rows with neither a completion nor a label say that there is none: they are passed over. An id
    may have at most ``most`` rows, and ``remedy`` says what to do about one with more.
    """
    completions: dict[str, list[Completion]] = {}
    # Other columns hold other answers.
    digest = sha256() if columns == _NAMES else sha256(json.dumps(columns).encode())
    for path in files:
        try:
            with path.open("rb") as content:
                file_digest(content, lambda: digest)
            for row, where in read_rows(path):
                _keep(completions, _Line(row, columns, where), most, remedy)
        except OSError as error:
            raise TeacherError(
                f"{path}: cannot be read ({error.strerror}); check the path"
            ) from None
        except DataError as error:
            raise TeacherError(str(error)) from None
    return Recording(digest.hexdigest(), completions)


@dataclass(frozen=True)
class _Line:
    """A row of a recording, its columns by what they hold, and its place for messages."""

    row: Row
    columns: Mapping[str, str]
    where: str

    def get(self, name: str) -> object:
        return value_at(self.row, self.columns[name])

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
    text = text or _state(line) or text
    if text is None:
        return None
    return Completion(text, finish_reason=finish if isinstance(finish, str) else "")


def _state(line: _Line) -> str | None:
    """A rationale and a label as a reply that the parser reads like any other: a JSON object.

    It has no line of its own and no tag in it, so that no stop text or mark of thinking that
    the rationale holds cuts the object.
    """
    label = line.get("label")
    if label is None or label == "":
        return None
    answer = label if isinstance(label, str) else json.dumps(label)
    fields = {"rationale": line.text("rationale") or "", "answer": answer}
    return json.dumps(fields, ensure_ascii=False).replace("<", "\\u003c")
