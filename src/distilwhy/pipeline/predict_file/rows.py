"""The rows of a file and their examples, chunk by chunk, from any row on."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

from distilwhy.core.rows.example_builder import ExampleBuilder
from distilwhy.core.task import Example, Row
from distilwhy.store.rows import read_rows

# Rows that are answered and saved together: what a killed command answers again.
CHUNK = 1024


@dataclass(frozen=True)
class FileRow:
    """A row of a file, with its place for messages."""

    row: Row
    example: Example
    where: str


class RowCursor:
    """Reads a file from any row on. Rows that are passed over are not parsed, where they are lines.

    To go back, it begins again at the start of the file.
    """

    def __init__(self, file: Path, build: ExampleBuilder) -> None:
        self._file, self._build = file, build
        self._rewind()

    def _rewind(self) -> None:
        self._from = self._at = 0
        self._rows = read_rows(self._file, (place >= self._from for place in count()))

    def take(self, start: int, most: int) -> list[FileRow]:
        """Up to ``most`` rows from row ``start`` on, counted from 0."""
        if start < self._at:
            self._rewind()
        self._from = start
        found = [
            FileRow(row, self._build(row, where), where) for row, where in islice(self._rows, most)
        ]
        self._at = start + len(found)
        return found


def read_chunks(file: Path, build: ExampleBuilder, start: int = 0) -> Iterator[list[FileRow]]:
    """The rows of a file by ``CHUNK``, from row ``start`` on."""
    cursor = RowCursor(file, build)
    while chunk := cursor.take(start, CHUNK):
        yield chunk
        start += len(chunk)
