"""Tables that are written chunk by chunk and can be gone on with: JSONL, CSV and Parquet."""

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic_core import to_jsonable_python

from distilwhy.store.files import naming_file, writing
from distilwhy.store.json_text import to_json

if TYPE_CHECKING:
    import pyarrow

# Rows of a row group.
GROUP = 65_536

Fields = Mapping[str, object]


class JsonlTable:
    """Rows as one JSON object per line.

    Args:
        folder: Where the table is until it is whole.
        names: All columns.
        size: Bytes that are there already; what was half written beyond is removed.
    """

    def __init__(self, folder: Path, names: Sequence[str], size: int) -> None:
        self._path, self._names = folder / "rows", names
        with naming_file(self._path):
            self._path.touch()
            self._file = self._path.open("r+b")
            self._file.truncate(size)
            self._file.seek(size)

    def append(self, rows: Sequence[Fields]) -> int:
        """Write rows so that they outlive this process and this machine, and return the size.

        Raises:
            RunError: if they cannot be written.
        """
        with naming_file(self._path):
            self._file.write(self._render(rows, self._file.tell()).encode())
            self._file.flush()
            os.fsync(self._file.fileno())
            return self._file.tell()

    def finish(self, path: Path) -> None:
        """Move the table into place; an older file there is replaced."""
        self.close()
        with naming_file(path):
            self._path.replace(path)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _render(self, rows: Sequence[Fields], at: int) -> str:
        return "".join(f"{to_json(to_plain(row))}\n" for row in rows)


class CsvTable(JsonlTable):
    """Rows as cells below a header line; lists and objects are JSON, as options are read."""

    def _render(self, rows: Sequence[Fields], at: int) -> str:
        return render_csv(self._names, rows, header=not at)


class ParquetTable:
    """Rows as a Parquet file for each chunk; these are joined at the end.

    Args:
        rows: Rows that are there already.
    """

    def __init__(self, folder: Path, schema: "pyarrow.Schema", rows: int) -> None:
        self._folder, self._schema, self._rows = folder, schema, rows

    def append(self, rows: Sequence[Fields]) -> int:
        """As ``JsonlTable.append``; the size is not used."""
        write_parquet(self._part(self._rows), rows, self._schema)
        self._rows += len(rows)
        return 0

    def finish(self, path: Path) -> None:
        """As ``JsonlTable.finish``."""
        from pyarrow.parquet import ParquetWriter

        with writing(path) as whole, ParquetWriter(whole, self._schema) as table:
            for group in self._groups():
                table.write_table(group)

    def close(self) -> None:
        """Nothing is open."""

    def _groups(self) -> Iterator["pyarrow.Table"]:
        """The rows in their order, by ``GROUP``."""
        from pyarrow import concat_tables
        from pyarrow.parquet import read_table

        parts, rows = [], 0
        while rows < self._rows:
            part = read_table(self._part(rows), schema=self._schema, partitioning=None)
            parts.append(part)
            rows += len(part)
            if rows == self._rows or sum(map(len, parts)) >= GROUP:
                yield concat_tables(parts)
                parts = []

    def _part(self, start: int) -> Path:
        return self._folder / f"{start:012d}.parquet"


TableFile = JsonlTable | ParquetTable


def write_parquet(path: Path, rows: Sequence[Fields], schema: "pyarrow.Schema") -> None:
    """Write a Parquet file atomically; a value of another type than a text column's is JSON.

    Raises:
        RunError: if it cannot be written.
    """
    import pyarrow
    from pyarrow.parquet import write_table

    columns = [_column([row.get(field.name) for row in rows], field.type) for field in schema]
    table = pyarrow.Table.from_arrays(columns, schema=schema)
    with writing(path) as part, part.open("wb") as file:
        write_table(table, file)
        file.flush()
        os.fsync(file.fileno())


def render_csv(names: Sequence[str], rows: Sequence[Fields], *, header: bool = True) -> str:
    """Rows as CSV with these columns."""
    text = StringIO()
    table = csv.DictWriter(text, names, restval="", extrasaction="ignore", lineterminator="\n")
    if header:
        table.writeheader()
    table.writerows({name: _cell(value) for name, value in to_plain(row).items()} for row in rows)
    return text.getvalue()


class ColumnTypes:
    """The types of a file's columns: those of a Parquet file; text of a CSV file; of JSON, what
    fits all rows, or else text."""

    def __init__(self, file: Path) -> None:
        from pyarrow.parquet import read_schema

        self._is_text = file.suffix == ".csv"
        self._types: dict[str, pyarrow.DataType] = {}
        self._is_known = file.suffix == ".parquet"
        if self._is_known:
            self._types = {field.name: field.type for field in read_schema(file)}

    def add(self, rows: Sequence[Fields]) -> None:
        """Look at some rows."""
        if self._is_known:
            return
        for name in dict.fromkeys(name for row in rows for name in row):
            values = [row.get(name) for row in rows]
            found = _text() if self._is_text else _type_of(values)
            self._types[name] = _join_types(self._types.get(name, found), found)

    def found(self) -> "dict[str, pyarrow.DataType]":
        """The types by name."""
        import pyarrow

        vague = pyarrow.types.is_null
        return {name: _text() if vague(kind) else kind for name, kind in self._types.items()}


def _text() -> "pyarrow.DataType":
    import pyarrow

    return pyarrow.string()


def _type_of(values: Sequence[object]) -> "pyarrow.DataType":
    import pyarrow

    try:
        found = pyarrow.array(values).type
    except (pyarrow.ArrowException, OverflowError, UnicodeEncodeError):
        return _text()
    # Parquet has no objects without fields, and lists of nothing take no values later.
    return _text() if any(part in str(found) for part in ("struct<>", ": null")) else found


def _join_types(one: "pyarrow.DataType", other: "pyarrow.DataType") -> "pyarrow.DataType":
    """A type for the values of both; text if there is none."""
    import pyarrow

    if one == other:
        return one
    schemas = [pyarrow.schema([("", kind)]) for kind in (one, other)]
    try:
        return pyarrow.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pyarrow.ArrowException:
        return _text()


def _column(values: Sequence[object], kind: "pyarrow.DataType") -> "pyarrow.Array":
    import pyarrow

    if kind == _text():
        return pyarrow.array([_to_text(value) for value in values], kind)
    return pyarrow.array(values, kind)


def _to_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return to_json(to_plain({"": value})[""])


def to_plain(row: Fields) -> dict[str, object]:
    """A row as JSON can hold it, dates as text."""
    return dict(to_jsonable_python(row, bytes_mode="base64", fallback=str))


def _cell(value: object) -> str:
    """A value as a CSV cell."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
