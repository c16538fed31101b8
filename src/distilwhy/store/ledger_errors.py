"""Explains errors of a ledger's file in one line, and recovers what it can of a damaged one."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from distilwhy.core.wording import counted
from distilwhy.errors import RunError
from distilwhy.store.files import writing
from distilwhy.store.migrations import migrate

# How long a lock of another program is waited for.
LOCK_WAIT_S = 30.0

_TABLES = ("completions", "extras", "advances", "batches", "shards")
_CHUNK = 1000
# No row takes fewer bytes.
_SMALLEST_ROW = 64


@contextmanager
def explaining(path: Path) -> Iterator[None]:
    """Within the context, an SQLite error about the file at ``path`` becomes a RunError."""
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError):
        raise
    except sqlite3.DatabaseError as error:
        raise _explain(path, error) from error


def _explain(path: Path, error: sqlite3.DatabaseError) -> RunError:
    # Text that is not UTF-8 is found by Python, and has no code.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return RunError(
            f"{path}: another program has kept it locked for {LOCK_WAIT_S:.0f} s; close that "
            "program, and run the command again"
        )
    if code == sqlite3.SQLITE_FULL:
        return RunError(f"{path}: the disk is full; free some space, and run the command again")
    if code == sqlite3.SQLITE_NOTADB:
        return RunError(f"{path}: cannot be read as a ledger ({error}); move it away")
    if code == sqlite3.SQLITE_CORRUPT:
        return RunError(f"{path}: is damaged ({error}); {_rescue(path)}")
    return RunError(
        f"{path}: cannot be opened, read or written ({error}); check the disk and the folder"
    )


def _rescue(path: Path) -> str:
    """Recover what can be read of a damaged ledger; returns what to do next."""
    target = path.with_name(f"{path.name}.recovered")
    try:
        count = recover(path, target)
    except (RunError, sqlite3.Error) as error:
        return f"nothing could be recovered ({error}); move it away"
    if not count:
        target.unlink()
        return "no answers could be recovered; move it away"
    return (
        f"recovered {counted(count, 'answer')} into {target.name}: move the damaged file and any "
        f"{path.name}-wal away, then rename {target.name} to {path.name}"
    )


def recover(path: Path, target: Path) -> int:
    """Copy all that can be read of a damaged ledger into a new one; returns the number of answers.

    Raises:
        sqlite3.Error: if nothing can be read.
        RunError: if the new one cannot be written.
    """
    with (
        writing(target) as part,
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as damaged,
        closing(sqlite3.connect(part)) as new,
    ):
        migrate(new, 0)
        with new:
            for table in _TABLES:
                names = _shared_columns(damaged, new, table)
                marks = ", ".join("?" * len(names))
                query = f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) VALUES ({marks})"
                new.executemany(query, _numbered_rows(damaged, table, ", ".join(names)))
            names = _shared_columns(damaged, new, "batched")
            marks = ", ".join("?" * len(names))
            for order in ("", "DESC"):
                query = f"SELECT {', '.join(names)} FROM batched ORDER BY key {order}"
                # All rows up to a damaged page, from either end.
                with suppress(sqlite3.DatabaseError):
                    for row in damaged.execute(query):
                        new.execute(f"INSERT OR IGNORE INTO batched VALUES ({marks})", row)
        return int(new.execute("SELECT count(*) FROM completions").fetchone()[0])


def _shared_columns(damaged: sqlite3.Connection, new: sqlite3.Connection, table: str) -> list[str]:
    old = {name for _, name, *_ in damaged.execute(f"PRAGMA table_info({table})")}
    return [n for _, n, *_ in new.execute(f"PRAGMA table_info({table})") if n in old]


def _numbered_rows(
    damaged: sqlite3.Connection, table: str, columns: str
) -> Iterator[tuple[object, ...]]:
    last = _last_number(damaged, table)
    for first in range(1, last + 1, _CHUNK):
        yield from _between(damaged, table, columns, first, min(last, first + _CHUNK - 1))


def _between(
    damaged: sqlite3.Connection, table: str, columns: str, first: int, last: int
) -> list[tuple[object, ...]]:
    """The rows between two numbers; where they cannot be read, those of either half."""
    query = f"SELECT {columns} FROM {table} NOT INDEXED WHERE rowid BETWEEN ? AND ?"
    try:
        return damaged.execute(query, (first, last)).fetchall()
    except sqlite3.DatabaseError:
        if first == last:
            return []
    middle = (first + last) // 2
    lower = _between(damaged, table, columns, first, middle)
    return lower + _between(damaged, table, columns, middle + 1, last)


def _last_number(damaged: sqlite3.Connection, table: str) -> int:
    """The number of the last row; if it cannot be read, the most that the file can hold."""
    try:
        found = damaged.execute(f"SELECT max(rowid) FROM {table}").fetchone()
        return int(found[0] or 0)
    except sqlite3.DatabaseError:
        pages, size = (
            damaged.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
        )
        return int(pages * size // _SMALLEST_ROW)
