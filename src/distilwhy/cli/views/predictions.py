"""A student's answers: printed, or written to a file with the columns of its rows."""

import csv
import json
from collections.abc import Container, Sequence
from io import StringIO
from pathlib import Path

from pydantic_core import to_jsonable_python

from distilwhy.cli.output import print_json, print_line, to_json
from distilwhy.core.stats.comparisons import Prediction
from distilwhy.core.task import Row
from distilwhy.core.wording import counted
from distilwhy.pipeline.predict import PredictedRow
from distilwhy.store.files import publish_text

Fields = dict[str, object]


def show_one(found: Prediction, output: Path | None, as_json: bool) -> None:
    """Print a label, and its rationale if there is one; or write it to a file."""
    fields = _answer(found, "text")
    if output is not None:
        _write([fields], output)
    elif as_json:
        print_json(fields)
    else:
        print_line(found.label or f"not a valid answer: {found.text!r}")
        if found.rationale is not None:
            print_line(f"because: {found.rationale}")


def show_rows(found: Sequence[PredictedRow], output: Path | None, as_json: bool) -> None:
    """Print rows with their answers, as JSONL or as one JSON list; or write them to a file."""
    rows = _join(found)
    if output is not None:
        _write(rows, output)
    elif as_json:
        print_json(rows)
    else:
        for row in rows:
            print_line(to_json(row))


def _join(found: Sequence[PredictedRow]) -> list[Fields]:
    """Each row's columns and its answer.

    A column that has the name of a part of the answer is kept as ``input_NAME``.
    """
    taken = {str(name) for each in found for name in each.row}
    written = "answer" if "text" in taken else "text"
    answers = [_answer(each.prediction, written) for each in found]
    names = {name for answer in answers for name in answer}
    ids = ((each.row.get("id"), each.prediction.example_id) for each in found)
    if all(own in (None, "") or str(own) == name for own, name in ids):
        names.discard("id")
    renamed = {name: _free_name(name, taken) for name in taken & names}
    return [
        {"id": None}
        | {renamed.get(name, name): value for name, value in _plain(each.row).items()}
        | answer
        for each, answer in zip(found, answers, strict=True)
    ]


def _plain(row: Row) -> Fields:
    """A row as JSON can hold it, dates as text."""
    return dict(to_jsonable_python(row, bytes_mode="base64", fallback=str))


def _free_name(name: str, taken: Container[str]) -> str:
    name = f"input_{name}"
    return _free_name(name, taken) if name in taken else name


def _answer(found: Prediction, written: str) -> Fields:
    """An answer's id, label, confidence and rationale; under ``written``, a text that is no valid
    answer. With a cascade, ``source`` says whether the student answers alone or refers the row."""
    fields: Fields = {"id": found.example_id, "label": found.label}
    if found.confidence is not None:
        fields["confidence"] = round(found.confidence, 6)
    if found.alone is not None:
        fields["source"] = "student" if found.alone else "refer"
    if found.label is None:
        fields[written] = found.text
    if found.rationale is not None:
        fields["rationale"] = found.rationale
    return fields


def _write(rows: Sequence[Fields], output: Path) -> None:
    as_csv = output.suffix == ".csv"
    lines = _to_csv(rows) if as_csv else "".join(f"{to_json(row)}\n" for row in rows)
    publish_text(output, lines)
    print_line(f"wrote {counted(len(rows), 'prediction')} to {output}")


def _to_csv(rows: Sequence[Fields]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = StringIO()
    table = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: object) -> str:
    """A value as a CSV cell: lists and objects as JSON, as options are read."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
