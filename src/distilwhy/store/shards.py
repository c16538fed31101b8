"""Answers in Parquet files: ``ID.parquet``, a row a call.

The answers are raw, as in the ledger, and the id is made of all that is in the file: a shard that
is copied into another run folder is known there for what it is. What was billed beside the answers
stands in the metadata of the file, as JSON.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from distilwhy.core.cost import Usage
from distilwhy.core.parsing.completion import Completion
from distilwhy.errors import RunError
from distilwhy.store.files import publish_bytes
from distilwhy.store.ledger import Charge, Entry, Ledger, storable

_EXTRAS = b"distilwhy.extras"
_ID_LENGTH = 16


def write_shard(folder: Path, entries: Sequence[Entry], extras: Sequence[Charge]) -> str:
    """Write a shard so that it is there whole or not at all; its id."""
    import pyarrow as pa
    from pyarrow import parquet

    fields = {"key": pa.binary(), "example": pa.string(), "text": pa.string()}
    fields |= {"finish_reason": pa.string(), "input_tokens": pa.int64()}
    fields |= {"output_tokens": pa.int64(), "error": pa.string(), "cached_tokens": pa.int64()}
    fields |= {"thinking": pa.string(), "model": pa.string(), "seconds": pa.float64()}
    billed = json.dumps([asdict(extra) for extra in extras])
    schema = pa.schema(fields.items(), metadata={_EXTRAS: billed.encode()})
    content = BytesIO()
    rows = [_row(entry) for entry in entries]
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), content)
    identity = sha256(content.getvalue()).hexdigest()[:_ID_LENGTH]
    publish_bytes(folder / f"{identity}.parquet", content.getvalue())
    return identity


def read_shard(path: Path) -> tuple[list[Entry], list[Charge]]:
    """What ``write_shard`` wrote.

    Raises:
        RunError: if the file is something else, or broken.
    """
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        table = ParquetFile(path).read()
        billed = json.loads(table.schema.metadata[_EXTRAS])
        return [_entry(row) for row in table.to_pylist()], [_extra(value) for value in billed]
    except (ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise RunError(
            f"{path}: cannot be read as a shard of answers ({reason}); move it away"
        ) from error


def take_in_shards(folder: Path, ledger: Ledger) -> None:
    """Put into the ledger what stands in shards alone, as after a kill between the two.

    Raises:
        RunError: if a file in the folder is no shard.
    """
    known = ledger.shards()
    for path in sorted(folder.glob("*.parquet")):
        if path.stem not in known:
            entries, extras = read_shard(path)
            ledger.put(entries, extras, path.stem)


def _row(entry: Entry) -> dict[str, object]:
    said = {
        name: storable(value) if isinstance(value, str) else value
        for name, value in asdict(entry.completion).items()
    }
    kept = {"key": entry.key, "example": storable(entry.example), "seconds": entry.seconds}
    return {**kept, **said}


def _entry(row: dict[str, object]) -> Entry:
    kept = {name: row.pop(name) for name in ("key", "example", "seconds")}
    return Entry(completion=Completion(**row), **kept)  # type: ignore[arg-type]


def _extra(value: dict[str, object]) -> Charge:
    tokens = value.pop("tokens")
    return Charge(tokens=Usage(**tokens), **value)  # type: ignore[arg-type]
