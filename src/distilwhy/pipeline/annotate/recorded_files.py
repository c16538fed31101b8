"""Completions, or rationales with labels, that a user already has: read from files."""

import json
from collections.abc import Mapping, Sequence
from hashlib import file_digest, sha256
from pathlib import Path

from distilwhy.config import RecordedTeacherConfig
from distilwhy.core.parsing.completion import Completion
from distilwhy.errors import DataError, TeacherError
from distilwhy.store.rows import Row, read_rows
from distilwhy.teachers.recorded import RecordedTeacher, Recording

_FIELDS = "'id' and either 'completion' or 'rationale' and 'label'"


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
        read_recording(said, config.samples, more),
        read_recording(explained, config.samples, more)
        if saw_gold
        else read_recording(explained, 1, "keep one of them"),
    )


def read_recording(files: Sequence[Path], most: int, remedy: str) -> Recording:
    """What some files of JSONL, CSV or Parquet hold.

    Rows with neither a completion nor a label say that there is none: they are passed over. An id
    may have at most ``most`` rows, and ``remedy`` says what to do about one with more.
    """
    completions: dict[str, list[Completion]] = {}
    digest = sha256()
    for path in files:
        try:
            with path.open("rb") as content:
                file_digest(content, lambda: digest)
            for row, where in read_rows(path):
                _keep(completions, row, where, most, remedy)
        except OSError as error:
            raise TeacherError(
                f"{path}: cannot be read ({error.strerror}); check the path"
            ) from None
        except DataError as error:
            raise TeacherError(str(error)) from None
    return Recording(digest.hexdigest(), completions)


def _keep(
    completions: dict[str, list[Completion]], row: Row, where: str, most: int, remedy: str
) -> None:
    identity, said = row.get("id"), _completion(row, where)
    if identity is None:
        raise TeacherError(f"{where}: has no 'id'; give it the id of its row")
    if said is None:
        return
    known = completions.setdefault(str(identity), [])
    if len(known) == most:
        lines = "a line" if most == 1 else f"{most} lines"
        raise TeacherError(f"{where}: id {str(identity)!r} already has {lines}; {remedy}")
    known.append(said)


def _completion(row: Row, where: str) -> Completion | None:
    """A completion as it is; of a rationale with its label, the one that says the two."""
    if "completion" not in row and not {"rationale", "label"} <= row.keys():
        raise TeacherError(f"{where}: must have {_FIELDS}; fix the row")
    text, finish = row.get("completion"), row.get("finish_reason")
    if text is not None and not isinstance(text, str):
        raise TeacherError(f"{where}: 'completion' must be text, not {text!r}")
    text = text or _state(row, where) or text
    if text is None:
        return None
    return Completion(text, finish_reason=finish if isinstance(finish, str) else "")


def _state(row: Mapping[str, object], where: str) -> str | None:
    """A rationale and a label as a reply that the parser reads like any other: a JSON object.

    It has no line of its own and no tag in it, so that no stop text or mark of thinking that
    the rationale holds cuts the object.
    """
    rationale, label = row.get("rationale"), row.get("label")
    if label is None or label == "":
        return None
    if not isinstance(rationale, str | None):
        raise TeacherError(f"{where}: 'rationale' must be text, not {rationale!r}")
    answer = label if isinstance(label, str) else json.dumps(label)
    said = json.dumps({"rationale": rationale or "", "answer": answer}, ensure_ascii=False)
    return said.replace("<", "\\u003c")
