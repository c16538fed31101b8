"""The ledger: every answer that was paid for, in one SQLite file.

An answer is on the disk before it is counted: each batch is one transaction, in WAL mode with
``synchronous=FULL``, so neither a killed process nor a power cut loses a committed answer.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from distilwhy.core.annotation import Completion
from distilwhy.errors import RunError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS completions (
    key TEXT PRIMARY KEY,
    text TEXT NOT NULL,
    finish_reason TEXT NOT NULL,
    input_tokens INTEGER,
    output_tokens INTEGER,
    error TEXT,
    answered_at TEXT NOT NULL
) WITHOUT ROWID
"""
_COLUMNS = "key, text, finish_reason, input_tokens, output_tokens, error"
_CHUNK = 500


@dataclass(frozen=True)
class Entry:
    """One answered call: its key and what came back."""

    key: str
    completion: Completion


def call_key(request: Mapping[str, object], sample: int = 0) -> str:
    """The SHA-256 of all that decides an answer, and of nothing else.

    Args:
        request: The teacher's kind and model, the messages, the sampling parameters.
        sample: Which of several answers to the same request.
    """
    canonical = json.dumps({"request": request, "sample": sample}, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


class Ledger:
    """The answers of a run, by call key. Open one with ``open_ledger``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, keys: Iterable[str]) -> dict[str, Completion]:
        """The completions of those ``keys`` that have one."""
        found = {}
        wanted = list(dict.fromkeys(keys))
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            marks = ",".join("?" * len(chunk))
            query = f"SELECT {_COLUMNS} FROM completions WHERE key IN ({marks})"
            for key, *columns in self._connection.execute(query, chunk):
                found[key] = Completion(*columns)
        return found

    def put(self, entries: Iterable[Entry]) -> None:
        """Keep answers for good, all or none; a failed call may be replaced, an answer never."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        rows = [(entry.key, *_columns(entry.completion), now) for entry in entries]
        with self._connection:
            self._connection.executemany(
                "INSERT INTO completions VALUES (?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (key) DO UPDATE SET text = excluded.text,"
                " finish_reason = excluded.finish_reason, input_tokens = excluded.input_tokens,"
                " output_tokens = excluded.output_tokens, error = excluded.error,"
                " answered_at = excluded.answered_at WHERE completions.error IS NOT NULL",
                rows,
            )


@contextmanager
def open_ledger(path: Path) -> Iterator[Ledger]:
    """The ledger at ``path``, made if need be.

    Raises:
        RunError: if the file is no ledger.
    """
    try:
        connection = sqlite3.connect(path, check_same_thread=False)
    except sqlite3.Error as error:
        raise RunError(f"{path}: cannot be opened ({error}); check the folder") from error
    try:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(_SCHEMA)
            connection.execute(f"SELECT {_COLUMNS}, answered_at FROM completions LIMIT 0")
        except sqlite3.DatabaseError as error:
            raise RunError(f"{path}: cannot be read as a ledger ({error}); move it away") from error
        yield Ledger(connection)
    finally:
        connection.close()


def _columns(found: Completion) -> tuple[str | int | None, ...]:
    """The columns of a completion."""
    error = None if found.error is None else _storable(found.error)
    counts = found.input_tokens, found.output_tokens
    return _storable(found.text), _storable(found.finish_reason), *counts, error


def _storable(text: str) -> str:
    """Text with ``?`` for half a character: teachers do send them, and no file can hold them."""
    return text.encode(errors="replace").decode()
