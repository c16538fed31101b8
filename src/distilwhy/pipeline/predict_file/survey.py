"""Reads a whole file once before any row is answered: columns, ids, and whether all rows fit."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from distilwhy.core.rows.example_builder import ExampleBuilder
from distilwhy.core.task import Row
from distilwhy.core.wording import counted
from distilwhy.errors import DataError
from distilwhy.pipeline.predict_file.rows import read_chunks
from distilwhy.store.table_files import ColumnTypes

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True)
class Survey:
    """What a file holds.

    Attributes:
        names: The columns of its rows, in the order in which they first appear.
        ids_are_own: Whether each row's column ``id`` is its id, or empty.
        empty: What to tell the user of rows with an empty input; "" if there are none.
        types: The types of the columns for Parquet; None if they are not wanted.
    """

    rows: int
    names: tuple[str, ...]
    ids_are_own: bool
    empty: str
    types: "Mapping[str, pyarrow.DataType] | None" = None


def survey_file(file: Path, build: ExampleBuilder, *, typed: bool) -> Survey:
    """Read all rows of a file, and build their examples to see that it can be done.

    Raises:
        DataError: if the file cannot be read or has no rows, or one does not fit the task.
    """
    names, types = dict[str, None](), ColumnTypes(file) if typed else None
    rows, empty, first, ids_are_own = 0, 0, "", True
    for chunk in read_chunks(file, build):
        rows += len(chunk)
        for one in chunk:
            names.update(dict.fromkeys(map(str, one.row)))
            ids_are_own &= _is_own(one.row, one.example.id)
            if not one.example.text:
                empty, first = empty + 1, first or one.where
        if types:
            types.add([one.row for one in chunk])
    if not rows:
        raise DataError(f"{file}: has no rows; give it some")
    more = f", and {empty - 1:,} more" if empty > 1 else ""
    said = f"{counted(empty, 'row')} with an empty input got no label: {first}{more}"
    return Survey(
        rows, tuple(names), ids_are_own, said if empty else "", types.found() if types else None
    )


def _is_own(row: Row, name: str) -> bool:
    own = row.get("id")
    return own in (None, "") or str(own) == name
