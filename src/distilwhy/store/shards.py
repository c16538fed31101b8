"""Shards: answers in Parquet files, ``ID.parquet``, one call per row.

The answers are raw, as in the ledger. The id is a hash of the file, so that a shard is recognised
in whatever run folder it is copied to. The file's metadata holds the charges, as JSON.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from distilwhy.core.cost import Usage
from distilwhy.core.parsing.completion import Completion
from distilwhy.core.wording import counted
from distilwhy.errors import RunError, first_line
from distilwhy.store.files import publish_bytes
from distilwhy.store.ledger import Charge, Entry, Ledger, storable

_CHARGES = b"distilwhy.extras"
_ID_LENGTH = 16


def write_shard(folder: Path, entries: Sequence[Entry], charges: Sequence[Charge]) -> str:
    """Write a shard, whole or not at all; returns its id."""
    import pyarrow as pa
    from pyarrow import parquet

    fields = {"key": pa.binary(), "example": pa.string(), "text": pa.string()}
    fields |= {"finish_reason": pa.string(), "input_tokens": pa.int64()}
    fields |= {"output_tokens": pa.int64(), "error": pa.string(), "cached_tokens": pa.int64()}
    fields |= {"thinking": pa.string(), "model": pa.string(), "seconds": pa.float64()}
    billed = json.dumps([asdict(charge) for charge in charges])
    schema = pa.schema(fields.items(), metadata={_CHARGES: billed.encode()})
    content = BytesIO()
    rows = [_row(entry) for entry in entries]
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), content)
    identity = sha256(content.getvalue()).hexdigest()[:_ID_LENGTH]
    publish_bytes(folder / f"{identity}.parquet", content.getvalue())
    return identity


def read_shard(path: Path) -> tuple[list[Entry], list[Charge]]:
    """Read what ``write_shard`` wrote.

    Raises:
        RunError: if the file is something else, or broken.
    """
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        table = ParquetFile(path).read()
        billed = json.loads(table.schema.metadata[_CHARGES])
        charges = [Charge(**{**value, "tokens": Usage(**value["tokens"])}) for value in billed]
        return [_entry(row) for row in table.to_pylist()], charges
    except (ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{path}: cannot be read as a shard of answers ({first_line(error)}); move it away"
        ) from error


def import_shards(folder: Path, ledger: Ledger) -> None:
    """Import the shards that the ledger does not have, as after a kill between the two writes.

    Raises:
        RunError: if a file in the folder is no shard.
    """
    known = ledger.shards()
    for path in sorted(folder.glob("*.parquet")):
        if path.stem not in known:
            entries, charges = read_shard(path)
            ledger.put(entries, charges, path.stem)


class AnswerWriter:
    """Writes answers to a ledger.

    If that fails, they go to a shard beside it, because they are paid for. The shard is imported
    when the ledger is next opened for writing.

    Args:
        folder: Where shards are.
    """

    def __init__(self, ledger: Ledger, folder: Path) -> None:
        self._ledger = ledger
        self._folder = folder
        self._failure: RunError | None = None
        self._set_aside = 0

    def put(self, entries: Sequence[Entry], charges: Sequence[Charge]) -> None:
        """Write answers and charges.

        Raises:
            RunError: if the ledger cannot be written; it says where the answers are.
        """
        if self._failure is None:
            try:
                self._ledger.put(entries, charges)
                return
            except RunError as error:
                self._failure = error
        raise RunError(f"{self._failure} ({self._put_aside(entries, charges)})")

    def _put_aside(self, entries: Sequence[Entry], charges: Sequence[Charge]) -> str:
        """Write a shard, unless the run folder is gone; returns what became of the answers."""
        lost = f"{counted(len(entries), 'answer')} may be lost"
        if not self._folder.parent.is_dir():
            return lost
        try:
            write_shard(self._folder, entries, charges)
        except RunError:
            return lost
        self._set_aside += len(entries)
        return f"{counted(self._set_aside, 'answer')} received since, saved in {self._folder}"


def _row(entry: Entry) -> dict[str, object]:
    call = {"key": entry.key, "example": entry.example, "seconds": entry.seconds}
    row = {**call, **vars(entry.completion)}
    return {n: storable(value) if isinstance(value, str) else value for n, value in row.items()}


def _entry(row: dict[str, object]) -> Entry:
    call = {name: row.pop(name) for name in ("key", "example", "seconds")}
    return Entry(completion=Completion(**row), **call)  # type: ignore[arg-type]
