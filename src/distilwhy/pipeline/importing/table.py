"""Reads a table with any common separator and encoding."""

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from distilwhy.errors import DataError
from distilwhy.store.rows import LONGEST_CELL, read_rows

TEXT_FORMATS = (".csv", ".tsv", ".txt")
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_NONE = "\x1f"  # separates nothing: each line is a cell
_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_LOOKED_AT = 100
_LONGEST_NAME, _LONGEST_ONLY_NAME = 60, 20


@dataclass(frozen=True)
class Table:
    """The rows of a table.

    Attributes:
        columns: Their names, each once.
        rows: The cells of each row by column; None or "" where there is none.
        found: The encoding and the separator, in words; "" for formats that have none.
    """

    columns: list[str]
    rows: list[dict[str, object]]
    found: str


def read_table(path: Path) -> Table:
    """Read a table: CSV with any usual separator and encoding, JSONL, JSON or Parquet.

    Raises:
        DataError: if it cannot be read, or has no rows.
    """
    if path.suffix.lower() not in TEXT_FORMATS:
        rows = [dict(row) for row, _ in read_rows(path)]
        columns = list(dict.fromkeys(str(name) for row in rows for name in row))
        return _need_rows(path, Table(columns, rows, ""))
    text, encoding = _decode(path)
    csv.field_size_limit(LONGEST_CELL)
    separator, text = _find_separator(text)
    try:
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), delimiter=separator)
                 if any(cell.strip() for cell in line)]  # fmt: skip
    except csv.Error as error:
        raise DataError(f"{path}: is not CSV ({error}); correct it") from None
    columns, body = _name_columns(lines)
    rows = [dict(zip(columns, cells, strict=True)) for cells in _fit(body, len(columns), path)]
    separated = f"separated by {_SEPARATORS[separator]}" if separator != _NONE else "one column"
    return _need_rows(path, Table(columns, rows, f"{encoding}, {separated}"))


def _need_rows(path: Path, table: Table) -> Table:
    if not table.rows:
        raise DataError(f"{path}: has no rows; give it some")
    return table


def _decode(path: Path) -> tuple[str, str]:
    """The text of a file, and the name of its encoding."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    for encoding in _guess_encodings(content):
        try:
            return content.decode(encoding), encoding.removesuffix("-sig")
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1"), "latin-1"


def _guess_encodings(content: bytes) -> Iterator[str]:
    yield from (encoding for bom, encoding in _BOMS.items() if content.startswith(bom))
    # Without a mark, each second byte of most text in UTF-16 is zero.
    for first, encoding in ((0, "utf-16-be"), (1, "utf-16-le")):
        if 2 * content[first::2].count(0) > len(content[first::2]) > 0:
            yield encoding
    yield from ("utf-8", "cp1252")


def _find_separator(text: str) -> tuple[str, str]:
    """The separator that gives most columns in every line; and the text without ``sep=;``."""
    first, _, rest = text.partition("\n")
    if first.strip().lower().startswith("sep=") and first.strip()[4:] in _SEPARATORS:
        return first.strip()[4:], rest

    def score(separator: str) -> tuple[float, int]:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        try:
            widths = [
                len(cells) for cells, _ in zip(reader, range(_LOOKED_AT), strict=False) if cells
            ]
        except csv.Error:
            return 0, 0
        wanted = widths[0] if widths else 1
        return (sum(width == wanted for width in widths) if wanted > 1 else 0), wanted

    best = max(_SEPARATORS, key=score)
    return best if score(best) > (0, 1) else _NONE, text


def _name_columns(lines: Sequence[Sequence[str]]) -> tuple[list[str], Sequence[Sequence[str]]]:
    """The names of the columns, and the lines below them.

    A first line that cannot hold names is a row, and columns are numbered then.
    """
    first = [cell.strip() for cell in lines[0]] if lines else []
    longest = _LONGEST_NAME if len(first) > 1 else _LONGEST_ONLY_NAME
    is_header = any(first) and not any(len(cell) > longest or _is_number(cell) for cell in first)
    names = first if is_header else [""] * len(first)
    taken: dict[str, int] = {}
    columns = []
    for number, name in enumerate(names, 1):
        column = name or f"column_{number}"
        taken[column] = taken.get(column, 0) + 1
        columns.append(column if taken[column] == 1 else f"{column}_{taken[column]}")
    return columns, lines[1:] if is_header else lines


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True


def _fit(lines: Sequence[Sequence[str]], width: int, path: Path) -> Iterator[list[str]]:
    """The cells of each line, filled up; cells beyond the last column must be empty."""
    for number, cells in enumerate(lines, 1):
        if any(cell.strip() for cell in cells[width:]):
            raise DataError(
                f"{path} row {number}: has {len(cells)} cells, and there are {width} columns; put "
                "a cell that contains the separator in quotes"
            )
        yield [*cells[:width], *[""] * (width - len(cells))]
