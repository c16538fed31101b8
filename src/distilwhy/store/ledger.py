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
            query = (
                "SELECT key, text, finish_reason, input_tokens, output_tokens, error"
                f" FROM completions WHERE key IN ({marks})"
            )
            for key, *columns in self._connection.execute(query, chunk):
                found[key] = Completion(*columns)
        return found

    def put(self, entries: Iterable[Entry]) -> None:
        """Keep answers for good, all or none; a failed call may be replaced, an answer never."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        rows = [
            (e.key, c.text, c.finish_reason, c.input_tokens, c.output_tokens, c.error, now)
            for e in entries
            for c in [e.completion]
        ]
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
    connection = sqlite3.connect(path, check_same_thread=False)
    try:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(_SCHEMA)
        except sqlite3.DatabaseError as error:
            raise RunError(f"{path}: cannot be read as a ledger ({error}); move it away") from error
        yield Ledger(connection)
    finally:
        connection.close()
