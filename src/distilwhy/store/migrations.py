"""Brings ledgers of older versions up to date.

The version of a ledger is SQLite's ``user_version``: the number of ``MIGRATIONS`` that were applied
to it. distilwhy 0.1.0 wrote no version, and its ledgers had several shapes. That is why the first
migrations allow for tables that exist already.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from distilwhy.errors import RunError

Migration = Callable[[sqlite3.Connection], None]


def _completions(connection: sqlite3.Connection) -> None:
    """Creates the answers. The first ledgers had hexadecimal keys, and named no row."""
    is_first = "completions" in _names(connection) and "example" not in _columns(connection)
    if is_first:
        connection.execute("ALTER TABLE completions RENAME TO first_completions")
    connection.execute("""
        CREATE TABLE IF NOT EXISTS completions (
            number INTEGER PRIMARY KEY,
            key BLOB NOT NULL UNIQUE,
            example TEXT NOT NULL,
            text TEXT NOT NULL,
            finish_reason TEXT NOT NULL,
            input_tokens INTEGER,
            output_tokens INTEGER,
            error TEXT,
            cached_tokens INTEGER NOT NULL,
            thinking TEXT NOT NULL,
            model TEXT NOT NULL,
            batch INTEGER NOT NULL,
            seconds REAL,
            answered_at TEXT NOT NULL
        )""")
    if is_first:
        connection.create_function("key_of", 1, bytes.fromhex, deterministic=True)
        connection.execute("""
            INSERT INTO completions
            SELECT NULL, key_of(key), '', text, finish_reason, input_tokens, output_tokens, error,
                   0, '', '', 0, NULL, answered_at
            FROM first_completions ORDER BY answered_at, key""")
        connection.execute("DROP TABLE first_completions")
    connection.execute("CREATE INDEX IF NOT EXISTS examples ON completions (example)")
    connection.execute(
        "CREATE INDEX IF NOT EXISTS failures ON completions (key) WHERE error IS NOT NULL"
    )


def _charges(connection: sqlite3.Connection) -> None:
    """Creates the charges beside the answers (``extras``) and the reservations (``advances``)."""
    connection.execute("""
        CREATE TABLE IF NOT EXISTS extras (
            number INTEGER PRIMARY KEY,
            what TEXT NOT NULL,
            certain INTEGER NOT NULL,
            input_tokens INTEGER NOT NULL,
            output_tokens INTEGER NOT NULL,
            cached_tokens INTEGER NOT NULL,
            batch INTEGER NOT NULL,
            at TEXT NOT NULL
        )""")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS advances (amount TEXT NOT NULL, ended INTEGER NOT NULL)"
    )


def _batches(connection: sqlite3.Connection) -> None:
    """Creates the batches under way, and the calls in them."""
    connection.execute("""
        CREATE TABLE IF NOT EXISTS batches (
            number INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            address TEXT NOT NULL,
            file TEXT,
            id TEXT,
            made_at TEXT NOT NULL
        )""")
    connection.execute("""
        CREATE TABLE IF NOT EXISTS batched (
            key BLOB PRIMARY KEY,
            batch TEXT NOT NULL,
            example TEXT NOT NULL,
            input_tokens INTEGER NOT NULL,
            output_tokens INTEGER NOT NULL,
            cached_tokens INTEGER NOT NULL
        ) WITHOUT ROWID""")
    connection.execute("DROP INDEX IF EXISTS batched_by")
    connection.execute("CREATE INDEX IF NOT EXISTS batched_in ON batched (batch)")
    connection.execute("CREATE INDEX IF NOT EXISTS batched_examples ON batched (example)")


def _shards(connection: sqlite3.Connection) -> None:
    """Creates the list of shards whose answers the ledger has."""
    connection.execute("CREATE TABLE IF NOT EXISTS shards (id TEXT PRIMARY KEY)")


MIGRATIONS: list[Migration] = [_completions, _charges, _batches, _shards]
# What each of them creates last.
_UNVERSIONED = ("failures", "advances", "batched_examples", "shards")
_FIRST_COLUMNS = {"key", "text", "finish_reason", "input_tokens", "output_tokens", "error"}


def read_version(connection: sqlite3.Connection, path: Path) -> int:
    """The version of a ledger: the number of migrations that need not be applied any more.

    Raises:
        RunError: if the file holds something else, or was written by a newer distilwhy.
        sqlite3.Error: if it cannot be read.
    """
    names = _names(connection)
    if names and not _columns(connection) >= _FIRST_COLUMNS:
        raise RunError(
            f"{path}: is an SQLite file but not a ledger (it has no table of completions); "
            "move it away"
        )
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise RunError(
            f"{path}: was written by a newer distilwhy (ledger version {version}; this one reads "
            f"up to {len(MIGRATIONS)}); upgrade distilwhy"
        )
    if version or not names:
        return int(version)
    missing = (number for number, name in enumerate(_UNVERSIONED) if name not in names)
    return next(missing, len(_UNVERSIONED))


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Apply all migrations from ``version`` on, in one transaction."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for migration in MIGRATIONS[version:]:
            migration(connection)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def update_ledger(connection: sqlite3.Connection, path: Path) -> None:
    """Create the tables of a new ledger, or bring an older one up to date.

    An older one is first copied to ``NAME.before-vVERSION`` beside it.

    Raises:
        RunError: if the file holds something else, or was written by a newer distilwhy.
        sqlite3.Error: if it cannot be read or written.
    """
    version = read_version(connection, path)
    if version < len(MIGRATIONS) and _names(connection):
        # So that the copy is there whole or not at all.
        target = path.with_name(f"{path.name}.before-v{len(MIGRATIONS)}")
        unfinished = target.with_name(f".{target.name}.tmp")
        unfinished.unlink(missing_ok=True)
        with closing(sqlite3.connect(unfinished)) as copy:
            connection.backup(copy)
        unfinished.replace(target)
    if connection.execute("PRAGMA user_version").fetchone() != (len(MIGRATIONS),):
        migrate(connection, version)


def _names(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


def _columns(connection: sqlite3.Connection) -> set[str]:
    """The columns of the table of completions; none if there is no such table."""
    return {name for _, name, *_ in connection.execute("PRAGMA table_info(completions)")}
