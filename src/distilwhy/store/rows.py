"""Raw rows of JSONL, JSON, CSV and Parquet files and of datasets on the hub."""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from pydantic_core import from_json

from distilwhy.core.task import Row
from distilwhy.errors import DataError, first_line

if TYPE_CHECKING:
    from pyarrow import RecordBatch

_BATCH = 1000
_KEY = re.compile(r'"\s*:')
LONGEST_CELL = 10_000_000


@dataclass(frozen=True)
class HubSplit:
    """One split of a dataset on the Hugging Face hub."""

    dataset: str
    split: str
    name: str | None = None

    def __str__(self) -> str:
        return f"{self.dataset}[{self.split}]"


Source = Path | HubSplit


def read_rows(source: Source, mask: Iterable[object] = repeat(True)) -> Iterator[tuple[Row, str]]:
    """Yield the rows of a source, each with its place for messages: ``train.jsonl row 3``.

    Args:
        mask: Whether to yield each row. JSONL rows that are not yielded are not parsed.

    Raises:
        DataError: if the source is missing, broken, or of an unknown format.
    """
    if isinstance(source, HubSplit):
        return compress(_hub_rows(source), mask)
    if not source.is_file():
        raise DataError(f"{source}: no such file; check the path")
    if source.suffix == ".jsonl":
        return _jsonl_rows(source, mask)
    readers = {".json": _json_rows, ".csv": _csv_rows, ".parquet": _parquet_rows}
    if source.suffix not in readers:
        raise DataError(
            f"{source}: unknown format {source.suffix!r}; use .jsonl, .json, .csv or .parquet"
        )
    return compress(readers[source.suffix](source), mask)


def row_number(where: str) -> str:
    """``data/train.jsonl row 3`` → ``3``."""
    return where.rpartition(" row ")[2]


def _jsonl_rows(path: Path, mask: Iterable[object]) -> Iterator[tuple[Row, str]]:
    lines = enumerate(_lines(path), 1)
    rows = ((number, line) for number, line in lines if not line.isspace())
    for number, line in compress(rows, mask):
        where = f"{path} row {number}"
        try:
            row = from_json(line.rstrip())
        except ValueError as error:
            reason = str(error).replace(" at line 1 column", " at column")
            raise DataError(f"{where}: is not JSON ({reason}); correct the line") from None
        yield _object(_keys_once(row, line, where), where), where


def _json_rows(path: Path) -> Iterator[tuple[Row, str]]:
    """The objects of a list, or one on each line."""
    text = "".join(_lines(path))
    if not text.lstrip().startswith("["):
        yield from _jsonl_rows(path, repeat(True))
        return
    try:
        rows = from_json(text)
    except ValueError as error:
        raise DataError(f"{path}: is not JSON ({error}); correct the file") from None
    for number, row in enumerate(_keys_once(rows, text, str(path)), 1):
        where = f"{path} row {number}"
        yield _object(row, where), where


def _keys_once(value: Any, text: str, where: str) -> Any:
    """A value read from JSON; a DataError if an object has a key twice."""

    def read_object(pairs: list[tuple[str, object]]) -> object:
        keys = [key for key, _ in pairs]
        if twice := [key for key in keys if keys.count(key) > 1]:
            raise DataError(f"{where}: the field {twice[0]!r} is given twice; keep one of them")
        return None

    # Most rows have as many colons after quotes as fields, and need no second look.
    if not isinstance(value, dict) or len(_KEY.findall(text)) != len(value):
        try:
            json.loads(text, object_pairs_hook=read_object)
        except DataError:
            raise
        except (ValueError, RecursionError):
            pass  # What cannot be read is said above.
    return value


def _object(row: object, where: str) -> Row:
    if isinstance(row, dict):
        return row
    raise DataError(
        f"{where}: is {type(row).__name__}, not an object with fields; correct the line"
    )


def _csv_rows(path: Path) -> Iterator[tuple[Row, str]]:
    csv.field_size_limit(LONGEST_CELL)
    number = 0
    try:
        table = csv.DictReader(_lines(path, newline=""))
        _columns_once(table.fieldnames or (), path)
        for number, row in enumerate(table, 1):
            if None in row or None in row.values():
                raise DataError(
                    f"{path} row {number}: its cells do not match the header line; correct the row"
                )
            yield row, f"{path} row {number}"
    except csv.Error as error:
        hint = ", is a quote never closed?" if "limit" in str(error) else ""
        raise DataError(
            f"{path} row {number + 1}: is not CSV ({error}{hint}); correct the row"
        ) from None


def _bare(name: str) -> str:
    return normalize("NFC", name).strip()


def _columns_once(names: Sequence[str], path: Path) -> None:
    """Refuse columns of the same name, white space around it aside, unless they have none."""
    alike = Counter(map(_bare, names))
    if twice := [name for name in names if _bare(name) and alike[_bare(name)] > 1]:
        raise DataError(f"{path}: the column {twice[0]!r} is given twice; rename or remove one")


def _lines(path: Path, newline: str | None = None) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8-sig", newline=newline) as lines:
            yield from lines
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not UTF-8 text; save it as UTF-8") from None


def _parquet_rows(path: Path) -> Iterator[tuple[Row, str]]:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    number = 0
    try:
        file = ParquetFile(path)
        _columns_once(file.schema_arrow.names, path)
        for batch in file.iter_batches(_BATCH):
            for row in _unpack(batch):
                number += 1
                yield row, f"{path} row {number}"
    except DataError:
        raise
    except (ArrowException, OSError) as error:
        raise DataError(
            f"{path}: cannot be read as Parquet ({first_line(error)}); write it again"
        ) from None
    except (ValueError, OverflowError) as error:
        raise DataError(
            f"{path} row {number + 1}: a value cannot be read ({first_line(error)}); correct the "
            "row"
        ) from None


def _unpack(batch: "RecordBatch") -> Iterator[dict[str, object]]:
    """The rows of a batch. If one cannot be read, those before it come one by one."""
    try:
        rows = batch.to_pylist()
    except (ValueError, OverflowError):
        rows = (row for at in range(len(batch)) for row in batch.slice(at, 1).to_pylist())
    has_bytes = any("binary" in str(kind) for kind in batch.schema.types)
    yield from map(_decode, rows) if has_bytes else rows


def _decode(value: Any) -> Any:
    """A value with its bytes as text, where they are UTF-8."""
    if isinstance(value, dict):
        return {name: _decode(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_decode(inner) for inner in value]
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return value


def _hub_rows(source: HubSplit) -> Iterator[tuple[Row, str]]:
    """The rows of a dataset on the hub, class labels by their names."""
    import datasets

    try:
        table = datasets.load_dataset(source.dataset, source.name, split=source.split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise DataError(
            f"{source}: cannot be loaded from the hub ({first_line(error)}); check its name"
        ) from error
    features = table.features.items()
    classes = {field: kind for field, kind in features if isinstance(kind, datasets.ClassLabel)}
    for number, row in enumerate(table, 1):
        names = {
            field: kind.int2str(row[field])
            for field, kind in classes.items()
            if row[field] is not None and row[field] >= 0
        }
        yield {**row, **names}, f"{source} row {number}"
