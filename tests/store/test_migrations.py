"""Ledgers of every older shape open with every answer intact; other files are refused."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from annotating import all_calls
from distilwhy.core.cost import Usage
from distilwhy.core.parsing.completion import Completion
from distilwhy.errors import RunError
from distilwhy.pipeline.annotate.recorder import AnnotationProgress
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.plan import plan
from distilwhy.store.ledger import Charge, Entry, Ledger, open_ledger, read_ledger
from distilwhy.store.migrations import MIGRATIONS
from endpoint import Endpoint

LATEST = len(MIGRATIONS)
FIRST = """
CREATE TABLE completions (
    key TEXT PRIMARY KEY, text TEXT NOT NULL, finish_reason TEXT NOT NULL, input_tokens INTEGER,
    output_tokens INTEGER, error TEXT, answered_at TEXT NOT NULL
) WITHOUT ROWID;
"""
COMPLETIONS = """
CREATE TABLE completions (
    number INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, example TEXT NOT NULL,
    text TEXT NOT NULL, finish_reason TEXT NOT NULL, input_tokens INTEGER, output_tokens INTEGER,
    error TEXT, cached_tokens INTEGER NOT NULL, thinking TEXT NOT NULL, model TEXT NOT NULL,
    batch INTEGER NOT NULL, seconds REAL, answered_at TEXT NOT NULL
);
CREATE INDEX examples ON completions (example);
"""
CHARGES = """
CREATE TABLE extras (
    number INTEGER PRIMARY KEY, what TEXT NOT NULL, certain INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL,
    batch INTEGER NOT NULL, at TEXT NOT NULL
);
CREATE TABLE advances (amount TEXT NOT NULL, ended INTEGER NOT NULL);
INSERT INTO extras VALUES (NULL, 'broken off', 0, 70, 50, 0, 0, '2026-11-22T12:00:00+00:00');
INSERT INTO advances VALUES ('0.25', 1);
"""
FAILURES = "CREATE INDEX failures ON completions (key) WHERE error IS NOT NULL;"
BATCHES = """
CREATE TABLE batches (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, address TEXT NOT NULL, file TEXT,
    id TEXT, made_at TEXT NOT NULL
);
CREATE TABLE batched (
    key BLOB PRIMARY KEY, batch TEXT NOT NULL, example TEXT NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL
) WITHOUT ROWID;
"""
BATCH_INDEXES = """
CREATE INDEX batched_in ON batched (batch);
CREATE INDEX batched_examples ON batched (example);
"""
SHARDS = "CREATE TABLE shards (id TEXT PRIMARY KEY); INSERT INTO shards VALUES ('s1');"
# By the commit that introduced it.
SHAPES = {
    "ef71c49": FIRST,
    "8776577": COMPLETIONS + CHARGES,
    "56f350b": COMPLETIONS + FAILURES + CHARGES,
    "32d21c3": COMPLETIONS + CHARGES + BATCHES + "CREATE INDEX batched_by ON batched (batch);",
    "d5fdc9d": COMPLETIONS + CHARGES + BATCHES + BATCH_INDEXES,
    "654a481": COMPLETIONS + CHARGES + SHARDS,
    "6d28f48": COMPLETIONS + FAILURES + CHARGES + SHARDS,
}
UNVERSIONED = COMPLETIONS + FAILURES + CHARGES + BATCHES + BATCH_INDEXES + SHARDS
ANSWERED = "2026-11-22T12:00:00+00:00"
ANSWER = Completion("Why. So the answer is damage.", "stop", 12, 7)
FAILURE = Completion("", error="HTTP 500: down")


def make(path: Path, shape: str, answers: dict[bytes, Completion]) -> None:
    """Write a ledger as an older version did."""
    path.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(shape)
        for key, said in answers.items():
            counts = said.input_tokens, said.output_tokens, said.error
            if shape == FIRST:
                row = (key.hex(), said.text, said.finish_reason, *counts, ANSWERED)
            else:
                found = "row", said.text, said.finish_reason
                row = (None, key, *found, *counts, 0, "", "m", 0, 0.5, ANSWERED)
            marks = ",".join("?" * len(row))
            connection.execute(f"INSERT INTO completions VALUES ({marks})", row)


def schema(path: Path) -> dict[str, str]:
    """The columns of every table and index, by name."""
    with closing(sqlite3.connect(path)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
        columns = {name: connection.execute(f"PRAGMA table_info({name})") for name in names}
        return {name: repr(found.fetchall()) for name, found in columns.items()}


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def assert_intact(ledger: Ledger, shape: str) -> None:
    [answer, failure] = ledger.entries([b"a", b"b"])
    is_first = shape == FIRST
    expected = ANSWER if is_first else Completion(ANSWER.text, "stop", 12, 7, model="m")
    where = ("", None) if is_first else ("row", 0.5)
    assert answer == Entry(b"a", expected, *where, at=ANSWERED)
    assert failure.completion.error == FAILURE.error
    certain = [(tokens, sure) for tokens, sure in ledger.billed() if tokens.output]
    extra = [] if is_first else [(Usage(70, 50), False)]
    assert certain == [(Usage(12, 7), True), *extra]
    assert ledger.shards() == ({"s1"} if "s1" in shape else set())


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_an_older_ledger_is_updated_after_a_copy_of_it(tmp_path: Path, shape: str):
    path, fresh = tmp_path / "run/ledger.sqlite", tmp_path / "fresh"
    make(path, shape, {b"a": ANSWER, b"b": FAILURE})
    before = schema(path)
    for _ in range(2):
        with open_ledger(path) as ledger:
            assert_intact(ledger, shape)
    with open_ledger(path) as ledger:
        ledger.put([Entry(b"c", ANSWER)], [Charge("lost", Usage(1, 1), certain=False)])
        assert ledger.answered([b"a", b"b", b"c"]) == {b"a", b"c"}
    assert version_of(path) == LATEST
    with open_ledger(fresh):
        assert schema(path) == schema(fresh)
    copy = path.with_name(f"ledger.sqlite.before-v{LATEST}")
    assert (schema(copy), version_of(copy)) == (before, 0)
    assert sorted(path.parent.iterdir()) == [path, copy]


@pytest.mark.parametrize("shape", [*SHAPES.values(), UNVERSIONED], ids=[*SHAPES, "0.1.0"])
def test_reading_an_older_ledger_does_not_change_it(tmp_path: Path, shape: str):
    path = tmp_path / "run/ledger.sqlite"
    make(path, shape, {b"a": ANSWER, b"b": FAILURE})
    before = path.read_bytes()
    with read_ledger(path) as ledger:
        assert_intact(ledger, shape)
    refused = pytest.raises(RunError, match="attempt to write a readonly database")
    with refused, read_ledger(path) as ledger:
        ledger.put([Entry(b"c", ANSWER)])
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_ledger_without_a_version_that_lacks_nothing_is_not_copied(tmp_path: Path):
    path = tmp_path / "run/ledger.sqlite"
    make(path, UNVERSIONED, {b"a": ANSWER, b"b": FAILURE})
    with open_ledger(path) as ledger:
        assert_intact(ledger, UNVERSIONED)
    assert version_of(path) == LATEST
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_no_answer_in_an_older_ledger_is_asked_for_again(
    write_experiment, endpoint: Endpoint, shape: str
):
    changes = {"methods": ["step-by-step"], "data.test": None}
    experiment = open_experiment(write_experiment(changes), endpoint.url)
    keys = [call.key for call in all_calls(experiment)]
    make(experiment.folder.ledger, shape, dict.fromkeys(keys[:5], ANSWER))
    assert plan(experiment).answered == 5
    assert version_of(experiment.folder.ledger) == 0
    assert annotate(experiment) == AnnotationProgress(total=8, from_ledger=5, answered=3)
    assert len(endpoint.asked) == 3


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "run/ledger.sqlite"
    make(path, FIRST, {b"a": ANSWER})
    before = schema(path)

    def fail(connection: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("distilwhy.store.migrations.MIGRATIONS", [*MIGRATIONS, fail])
        with pytest.raises(RunError, match="disk is full"), open_ledger(path):
            pass
    assert (schema(path), version_of(path)) == (before, 0)
    with open_ledger(path) as ledger:
        assert ledger.get([b"a"]) == {b"a": ANSWER}


@pytest.mark.parametrize("opens", [open_ledger, read_ledger])
def test_a_ledger_of_a_newer_version_is_refused(tmp_path: Path, opens):
    path = tmp_path / "ledger.sqlite"
    with open_ledger(path):
        pass
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {LATEST + 1}")
    before = path.read_bytes()
    with pytest.raises(RunError) as caught, opens(path):
        pass
    assert str(caught.value) == (
        f"{path}: was written by a newer distilwhy (ledger version {LATEST + 1}; this one reads up "
        f"to {LATEST}); upgrade distilwhy"
    )
    assert path.read_bytes() == before


@pytest.mark.parametrize("opens", [open_ledger, read_ledger])
@pytest.mark.parametrize("table", ["notes (text TEXT)", "completions (prompt TEXT)"])
def test_an_sqlite_file_of_something_else_is_refused_and_not_changed(
    tmp_path: Path, table: str, opens
):
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE {table}")
    before = path.read_bytes()
    with pytest.raises(RunError) as caught, opens(path):
        pass
    assert str(caught.value) == (
        f"{path}: is an SQLite file but not a ledger (it has no table of completions); move it away"
    )
    assert path.read_bytes() == before


@pytest.mark.parametrize("opens", [open_ledger, read_ledger])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, opens):
    path = tmp_path / "ledger.sqlite"
    path.write_text("This is no database at all, but a text that someone has put here.\n" * 40)
    with pytest.raises(RunError) as caught, opens(path):
        pass
    assert str(caught.value) == (
        f"{path}: cannot be read as a ledger (file is not a database); move it away"
    )


def test_a_ledger_broken_in_the_middle_is_named(tmp_path: Path):
    path = tmp_path / "ledger.sqlite"
    with open_ledger(path) as ledger:
        ledger.put(Entry(bytes([i, j]), ANSWER) for i in range(30) for j in range(30))
    content = bytearray(path.read_bytes())
    content[3 * 4096 :] = b"\xff" * (len(content) - 3 * 4096)
    path.write_bytes(content)
    broken = pytest.raises(RunError, match=r"ledger\.sqlite: is damaged .* move it away")
    with broken, read_ledger(path) as ledger:
        ledger.get([b"\x01\x01"])


def test_a_ledger_in_a_folder_that_does_not_exist_cannot_be_opened(tmp_path: Path):
    with pytest.raises(RunError, match="cannot be opened"), open_ledger(tmp_path / "no/l.sqlite"):
        pass


def test_reading_without_a_file_finds_nothing_and_creates_nothing(tmp_path: Path):
    with read_ledger(tmp_path / "ledger.sqlite") as ledger:
        assert ledger.get([b"a"]) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_in_a_folder_that_cannot_be_written_is_read(tmp_path: Path, monkeypatch):
    """Of root, who may write everywhere, the check is all that can be tested."""
    path = tmp_path / "run #1/ledger.sqlite"
    make(path, UNVERSIONED, {b"a": ANSWER, b"b": FAILURE})
    path.chmod(0o444)
    path.parent.chmod(0o555)
    monkeypatch.setattr("os.access", lambda place, mode: False)
    with read_ledger(path) as ledger:
        assert_intact(ledger, UNVERSIONED)
        assert list(path.parent.iterdir()) == [path]
    path.parent.chmod(0o755)
