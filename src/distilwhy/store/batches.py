"""The batches that an endpoint has under way, in the ledger's file.

A batch is recorded before anything of it is sent. Its calls are under way from then until they are
answered or the batch ends. A call is in at most one batch.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from distilwhy.core.cost import Usage
from distilwhy.store.ledger import Charge, Ledger, SentCall, put_charges, storable

_BATCH = "name, address, file, id, made_at"
_CALL = "key, example, input_tokens, output_tokens, cached_tokens"


@dataclass(frozen=True)
class SentBatch:
    """A batch that was sent, or is about to be.

    Attributes:
        name: Our name for it.
        file: The endpoint's id of its file; None until it is known to be uploaded.
        id: The endpoint's id of it; None until it is known to be created.
    """

    name: str
    address: str
    file: str | None
    id: str | None
    made_at: str


@dataclass(frozen=True)
class UnderWay:
    """How many batches are under way, and how many of their calls have no answer yet."""

    batches: int = 0
    calls: int = 0


class BatchBook:
    """The batches of a ledger that have not ended."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def plan(self, name: str, address: str, calls: Sequence[SentCall]) -> SentBatch:
        """Record a batch before it is sent.

        Raises:
            sqlite3.IntegrityError: if one of its calls is under way already.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        rows = [
            (name, c.key, storable(c.example), c.worst.input, c.worst.output, c.worst.cached)
            for c in calls
        ]
        with self._ledger.transaction() as connection:
            query = "INSERT INTO batches (name, address, made_at) VALUES (?, ?, ?)"
            connection.execute(query, (name, address, now))
            query = f"INSERT INTO batched (batch, {_CALL}) VALUES (?, ?, ?, ?, ?, ?)"
            connection.executemany(query, rows)
        return SentBatch(name, address, None, None, now)

    def set_file(self, name: str, file: str) -> None:
        """Record that its file is uploaded."""
        with self._ledger.transaction() as connection:
            connection.execute("UPDATE batches SET file = ? WHERE name = ?", (file, name))

    def set_id(self, name: str, identity: str) -> None:
        """Record that it is created."""
        with self._ledger.transaction() as connection:
            connection.execute("UPDATE batches SET id = ? WHERE name = ?", (identity, name))

    def all(self) -> list[SentBatch]:
        """All of them, in the order in which they were recorded."""
        with self._ledger.transaction() as connection:
            rows = connection.execute(f"SELECT {_BATCH} FROM batches ORDER BY number").fetchall()
        return [SentBatch(*row) for row in rows]

    def calls(self, name: str) -> dict[bytes, SentCall]:
        """The calls of a batch that have no answer yet, by key."""
        query = f"SELECT {_CALL} FROM batched WHERE batch = ?"
        with self._ledger.transaction() as connection:
            rows = connection.execute(query, (name,)).fetchall()
        return {
            key: SentCall(key, example, Usage(read, written, cached, batch=True))
            for key, example, read, written, cached in rows
        }

    def count(self, name: str) -> int:
        """How many calls of a batch have no answer yet."""
        query = "SELECT count(*) FROM batched WHERE batch = ?"
        with self._ledger.transaction() as connection:
            return int(connection.execute(query, (name,)).fetchone()[0])

    def end(self, name: str, charges: Iterable[Charge] = ()) -> None:
        """End a batch: its calls without an answer are no longer under way."""
        with self._ledger.transaction() as connection:
            put_charges(connection, charges)
            connection.execute("DELETE FROM batched WHERE batch = ?", (name,))
            connection.execute("DELETE FROM batches WHERE name = ?", (name,))

    def under_way(self) -> UnderWay:
        """How much the endpoint has under way."""
        with self._ledger.transaction() as connection:
            (batches,) = connection.execute("SELECT count(*) FROM batches").fetchone()
            (calls,) = connection.execute("SELECT count(*) FROM batched").fetchone()
        return UnderWay(batches, calls)
