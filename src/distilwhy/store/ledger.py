"""The ledger: every answer that was paid for, in one SQLite file.

An answer is on disk before it is counted. Answers are written in transactions, in WAL mode with
``synchronous=FULL``, so neither a killed process nor a power cut loses a committed answer.
"""

import hashlib
import json
import os
import shutil
import sqlite3
import threading
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np

from distilwhy.core.cost import MOST_TOKENS, NOTHING, Usage
from distilwhy.core.parsing.completion import Completion
from distilwhy.store.files import FileIdentity
from distilwhy.store.ledger_errors import LOCK_WAIT_S, explaining
from distilwhy.store.migrations import MIGRATIONS, migrate, read_version, update_ledger

# In the order of the fields of Completion.
_SAVED = "text, finish_reason, input_tokens, output_tokens, error, cached_tokens, thinking, model"
_REPLACED = f"{_SAVED}, batch, seconds, answered_at"
_COLUMNS = f"key, example, {_REPLACED}"
_EXTRAS = "what, certain, input_tokens, output_tokens, cached_tokens, batch, at"
_COUNTED = f"input_tokens <= {MOST_TOKENS} AND output_tokens <= {MOST_TOKENS}"
_PART = 1_000_000
_CHUNK = 500
# SQLite needs as much for the index of its log.
_LEAST_FREE = 2**16
# SQLite deletes it when the connection is closed.
_TEMPORARY = ""
_CANONICAL = json.JSONEncoder(sort_keys=True)

T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """One call that was answered or failed for good.

    Attributes:
        key: From ``call_key``.
        example: The row it is about.
        seconds: How long the last try took, or its share of a batch; None if it was not timed.
        at: When it was recorded, in ISO 8601; set by the ledger.
    """

    key: bytes
    completion: Completion
    example: str = ""
    seconds: float | None = None
    batch: bool = False
    at: str = ""


@dataclass(frozen=True)
class Charge:
    """Tokens that were billed, or may have been, besides those of the entries.

    Attributes:
        tokens: How many; if that is not certain, the most there can have been.
        certain: Whether they were billed for certain.
    """

    what: str
    tokens: Usage
    certain: bool


@dataclass(frozen=True)
class SentCall:
    """A call that was sent.

    Attributes:
        worst: The most tokens it can be billed for; none if what it costs is not tracked.
    """

    key: bytes
    example: str
    worst: Usage


def call_key(request: Mapping[str, object], sample: int = 0) -> bytes:
    """The SHA-256 of all that decides an answer, and of nothing else.

    Args:
        sample: Which of several answers to the same request.
    """
    canonical = _CANONICAL.encode({"request": request, "sample": sample})
    return hashlib.sha256(canonical.encode()).digest()


def head_of(key: bytes) -> int:
    """The first eight bytes of a key, as a number: enough to tell a million calls apart."""
    return int.from_bytes(key[:8])


class Ledger:
    """The answers of a run, by call key. Open one with ``open_ledger``."""

    def __init__(self, connection: sqlite3.Connection, path: Path, *files: FileIdentity) -> None:
        self._connection = connection
        self._path = path
        self._files = files
        self._lock = threading.Lock()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction. One thread at a time: threads share the connection.

        Raises:
            RunError: if it cannot be written, or what is written cannot be found again.
        """
        with self._lock:
            try:
                with explaining(self._path), self._connection:
                    yield self._connection
            finally:
                for file in self._files:
                    file.require_same()

    def get(self, keys: Iterable[bytes]) -> dict[bytes, Completion]:
        """The completions of those ``keys`` that have one."""
        return {entry.key: entry.completion for entry in self.entries(keys)}

    def entries(self, keys: Iterable[bytes]) -> Iterator[Entry]:
        """The entries of those ``keys`` that have one."""
        found = self._select(f"SELECT {_COLUMNS} FROM completions WHERE key IN", keys)
        for key, example, *saved, batch, seconds, at in found:
            yield Entry(key, Completion(*saved), example, seconds, bool(batch), at)

    def answered(self, keys: Iterable[bytes]) -> set[bytes]:
        """Those of the ``keys`` that have an answer, rather than a failure or nothing."""
        return self.settled(keys)[0]

    def settled(self, keys: Iterable[bytes]) -> tuple[set[bytes], set[bytes]]:
        """Those of the ``keys`` that have an answer, and those whose call failed for good."""
        answered: set[bytes] = set()
        failed: set[bytes] = set()
        found = self._select("SELECT key, error IS NULL FROM completions WHERE key IN", keys)
        for key, is_answer in found:
            (answered if is_answer else failed).add(key)
        return answered, failed

    def batched(self, keys: Iterable[bytes]) -> set[bytes]:
        """Those of the ``keys`` that are under way in a batch."""
        return {key for (key,) in self._select("SELECT key FROM batched WHERE key IN", keys)}

    def _select(self, query: str, values: Iterable[object]) -> Iterator[Any]:
        """The rows of a query that ends with ``IN``, for some of the values at a time."""
        for chunk in _chunks(list(dict.fromkeys(values))):
            yield from self._connection.execute(f"{query} ({_marks(chunk)})", chunk)

    @property
    def has_calls(self) -> bool:
        """Whether any call was answered, or is under way in a batch."""
        query = "SELECT EXISTS (SELECT 1 FROM completions) OR EXISTS (SELECT 1 FROM batched)"
        return bool(self._connection.execute(query).fetchone()[0])

    def answered_heads(self) -> np.ndarray:
        """The first eight bytes of every key that has an answer, as numbers, in order."""
        failed = self._heads("completions WHERE error IS NOT NULL")
        every = self._heads("completions")
        return np.delete(every, np.searchsorted(every, failed)) if len(failed) else every

    def batched_heads(self) -> np.ndarray:
        """The same for every key that is under way in a batch."""
        return self._heads("batched")

    def _heads(self, which: str) -> np.ndarray:
        found = self._connection.execute(f"SELECT key FROM {which} ORDER BY key")
        heads = array("Q", (head_of(key) for (key,) in found))
        return np.frombuffer(heads, np.uint64)

    def known_examples(self, examples: Sequence[str]) -> set[str]:
        """Those of some rows that have an answer to any prompt, or are under way in a batch."""
        is_answered = "SELECT example FROM completions WHERE error IS NULL AND example IN"
        is_batched = "SELECT example FROM batched WHERE example IN"
        found = chain(self._select(is_answered, examples), self._select(is_batched, examples))
        return {example for (example,) in found}

    def put(
        self, entries: Iterable[Entry], charges: Iterable[Charge] = (), shard: str | None = None
    ) -> None:
        """Write entries and charges in one transaction.

        A failed call is replaced, an answer never. The calls are no longer under way in a batch.

        Args:
            shard: The id of the file that holds them too.
        """
        # One statement for many rows: after each, a thread waits its turn to run Python again.
        entries = list(entries)
        replaced = ", ".join(f"{name} = excluded.{name}" for name in _REPLACED.split(", "))
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self.transaction():
            for chunk in _chunks([entry.key for entry in entries]):
                where = f"WHERE key IN ({_marks(chunk)})"
                self._connection.execute(f"DELETE FROM batched {where}", chunk)
            for some in _chunks([_row(entry, now) for entry in entries]):
                rows = ",".join([f"({_marks(some[0])})"] * len(some))
                self._connection.execute(
                    f"INSERT INTO completions ({_COLUMNS}) VALUES {rows} ON CONFLICT (key)"
                    f" DO UPDATE SET {replaced} WHERE completions.error IS NOT NULL",
                    list(chain.from_iterable(some)),
                )
            put_charges(self._connection, charges)
            if shard is not None:
                self._connection.execute("INSERT OR IGNORE INTO shards VALUES (?)", (shard,))

    def shards(self) -> set[str]:
        """The ids of the shards whose answers it has."""
        return {shard for (shard,) in self._connection.execute("SELECT id FROM shards")}

    def forget(self, keys: Iterable[bytes], what: str) -> None:
        """Delete answers, so that they are asked for again. What they cost stays as a charge."""
        with self.transaction():
            for chunk in _chunks(list(dict.fromkeys(keys))):
                now = datetime.now(UTC).isoformat(timespec="seconds")
                where = f"FROM completions WHERE key IN ({_marks(chunk)})"
                self._connection.execute(
                    f"INSERT INTO extras ({_EXTRAS}) SELECT ?, 1, input_tokens,"
                    f" output_tokens, cached_tokens, batch, ? {where} AND {_COUNTED}",
                    (what, now, *chunk),
                )
                self._connection.execute(f"DELETE {where}", chunk)

    def billed(self) -> list[tuple[Usage, bool]]:
        """All that was ever billed, in sums at one price, and whether each is certain.

        Calls under way in batches are included at their worst case: they may be billed by now.
        An answer whose tokens were not all counted has a charge of its own.
        """
        # In two parts: SQLite raises an error if a sum is 2**63 or more.
        names = ("input_tokens", "output_tokens", "cached_tokens")
        sums = ", ".join(f"sum({n} / {_PART}), sum({n} % {_PART})" for n in names)
        query = (
            f"SELECT {sums}, batch, 1 FROM completions WHERE {_COUNTED} GROUP BY batch UNION ALL "
            f"SELECT {sums}, batch, certain FROM extras GROUP BY batch, certain UNION ALL "
            f"SELECT {sums}, 1, 0 FROM batched GROUP BY NULL"
        )
        found: list[tuple[Usage, bool]] = []
        for *sums, batch, certain in self._connection.execute(query):
            read, written, cached = (_PART * sums[i] + sums[i + 1] for i in (0, 2, 4))
            found.append((Usage(read, written, cached, bool(batch)), bool(certain)))
        return found

    def owed(self, *, in_flight: bool = False) -> Decimal:
        """What killed runs had reserved, and may owe in addition to what was billed.

        Args:
            in_flight: Include what the latest run has reserved, whether killed or still running.
        """
        query = "SELECT amount FROM advances WHERE ended OR ?"
        rows = self._connection.execute(query, (in_flight,)).fetchall()
        return sum((Decimal(amount) for (amount,) in rows), NOTHING)

    def begin_run(self) -> None:
        """Start a run. What an earlier run still has reserved is owed: that run was killed."""
        with self.transaction():
            self._connection.execute("UPDATE advances SET ended = 1")

    def set_reservation(self, amount: Decimal) -> None:
        """Record the amount that this run has reserved."""
        with self.transaction():
            self._connection.execute("DELETE FROM advances WHERE NOT ended")
            if amount:
                self._connection.execute("INSERT INTO advances VALUES (?, 0)", (str(amount),))


@contextmanager
def open_ledger(path: Path, *files: FileIdentity) -> Iterator[Ledger]:
    """The ledger at ``path``, for reading and writing.

    It is created if there is none. An older one is brought up to date, after a copy is made of it.
    Waits up to ``LOCK_WAIT_S`` while another program holds a lock.

    Args:
        files: What must stay in place while it is written to, besides its own file.

    Raises:
        RunError: if the file holds something else, is damaged, or was written by a newer distilwhy.
    """
    with _connect(path) as connection:
        update_ledger(connection, path)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        yield Ledger(connection, path, FileIdentity.of(path), *files)


@contextmanager
def read_ledger(path: Path) -> Iterator[Ledger]:
    """The ledger at ``path``, for reading alone; an empty one if there is no file.

    The file is not changed: an older one is brought up to date in a temporary copy.

    Raises:
        RunError: if the file holds something else, is damaged, or was written by a newer distilwhy.
    """
    with _readable(path) as address, _connect(path, address) as connection:
        connection.execute("PRAGMA query_only=ON")
        version = read_version(connection, path)
        if version == len(MIGRATIONS):
            yield Ledger(connection, path)
            return
        with _connect(path, _TEMPORARY) as copy:
            connection.backup(copy)
            migrate(copy, version)
            copy.execute("PRAGMA query_only=ON")
            yield Ledger(copy, path)


@contextmanager
def _readable(path: Path) -> Iterator[str]:
    """Where to read a ledger. In a folder that cannot be written, SQLite must not try to."""
    if not path.is_file():
        yield _TEMPORARY
    elif _can_write_beside(path):
        yield str(path)
    elif not (log := Path(f"{path}-wal")).exists():
        yield f"{path.absolute().as_uri()}?immutable=1"
    else:
        # A killed command left a log, which SQLite reads only if it can write beside it.
        with TemporaryDirectory() as folder:
            for file in (path, log):
                shutil.copyfile(file, Path(folder) / file.name)
            yield str(Path(folder) / path.name)


def _can_write_beside(path: Path) -> bool:
    is_allowed = os.access(path.parent, os.W_OK) and os.access(path, os.W_OK)
    return is_allowed and shutil.disk_usage(path.parent).free >= _LEAST_FREE


@contextmanager
def _connect(path: Path, address: str | None = None) -> Iterator[sqlite3.Connection]:
    """A connection whose errors about the file at ``path`` itself are raised as RunError."""
    address = str(path) if address is None else address
    with (
        explaining(path),
        closing(
            sqlite3.connect(
                address,
                timeout=LOCK_WAIT_S,
                isolation_level="IMMEDIATE",
                check_same_thread=False,
                uri=True,
            )
        ) as connection,
    ):
        yield connection


def put_charges(connection: sqlite3.Connection, charges: Iterable[Charge]) -> None:
    """Write charges, as a part of a transaction."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    rows = [
        (e.what, e.certain, e.tokens.input, e.tokens.output, e.tokens.cached, e.tokens.batch, now)
        for e in charges
    ]
    connection.executemany(f"INSERT INTO extras ({_EXTRAS}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


def _chunks(items: Sequence[T]) -> Iterator[list[T]]:
    for start in range(0, len(items), _CHUNK):
        yield list(items[start : start + _CHUNK])


def _marks(items: Sequence[object]) -> str:
    return ",".join("?" * len(items))


def _row(entry: Entry, now: str) -> list[object]:
    saved = vars(entry.completion).values()
    values = [entry.key, entry.example, *saved, entry.batch, entry.seconds, now]
    return [storable(value) if isinstance(value, str) else value for value in values]


def storable(text: str) -> str:
    """Text with ``?`` for lone surrogates: teachers do send them, and no file can hold them."""
    return text.encode(errors="replace").decode()
