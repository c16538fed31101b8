"""A ledger that cannot be written or read: what is said of it, and that no answer is lost."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from distilwhy.core.cost import Usage
from distilwhy.core.parsing.completion import Completion
from distilwhy.errors import RunError
from distilwhy.store import ledger_errors
from distilwhy.store.ledger import Charge, Entry, Ledger, open_ledger, read_ledger
from distilwhy.store.shards import AnswerWriter, import_shards

PAGE = 4096


def entries(first: int, count: int) -> list[Entry]:
    numbers = range(first, first + count)
    return [Entry(bytes([n // 256, n % 256]), Completion(f"answer {n} " * 9)) for n in numbers]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def test_a_lock_of_another_program_is_waited_for(path: Path):
    with open_ledger(path) as ledger, closing(lock(path)) as other:
        threading.Timer(0.5, lambda: other.execute("ROLLBACK")).start()
        ledger.put(entries(0, 1))
        assert len(ledger.get([b"\0\0"])) == 1


def test_answers_that_a_locked_ledger_does_not_take_are_imported_later(path: Path, monkeypatch):
    monkeypatch.setattr("distilwhy.store.ledger.LOCK_WAIT_S", 0.1)
    with open_ledger(path) as ledger, closing(lock(path)):
        writer = AnswerWriter(ledger, path.parent / "shards")
        with pytest.raises(RunError, match=r"locked .* close that program.* \(2 answers"):
            writer.put(entries(0, 2), [Charge("a try", Usage(1, 2), certain=False)])
        with pytest.raises(RunError, match=r"5 answers received since, saved in .*shards"):
            writer.put(entries(2, 3), [])
    with open_ledger(path) as ledger:
        import_shards(path.parent / "shards", ledger)
        assert len(ledger.get(entry.key for entry in entries(0, 9))) == 5
        assert (Usage(1, 2), False) in ledger.billed()


@pytest.mark.parametrize("what", ["ledger.sqlite", ".lock"])
def test_a_ledger_that_was_moved_away_takes_no_answer(tmp_path: Path, what: str):
    from distilwhy.store.run_folder import RunFolder

    folder = RunFolder(tmp_path / "run")
    with folder.lock() as locked, open_ledger(folder.ledger, locked) as ledger:
        writer = AnswerWriter(ledger, folder.shards)
        writer.put(entries(0, 1), [])
        (folder.path / what).rename(folder.path / "elsewhere")
        with pytest.raises(RunError, match=rf"{what}: was moved or deleted .* \(1 answer "):
            writer.put(entries(1, 1), [])
        assert len(list(folder.shards.iterdir())) == 1


def test_nothing_is_written_where_a_run_folder_was_moved_away(tmp_path: Path):
    path = tmp_path / "run/ledger.sqlite"
    path.parent.mkdir()
    with open_ledger(path) as ledger:
        path.parent.rename(tmp_path / "elsewhere")
        with pytest.raises(RunError, match="was moved or deleted"):
            AnswerWriter(ledger, path.parent / "shards").put(entries(0, 1), [])
    assert not path.parent.exists()


@pytest.mark.parametrize("page", [2, 4, 9, 20, -1])
def test_the_readable_answers_of_a_damaged_ledger_are_saved(path: Path, page: int):
    with open_ledger(path) as ledger:
        ledger.put(entries(0, 900), [Charge("a try", Usage(1, 2), certain=False)])
    content = bytearray(path.read_bytes())
    page = page % (len(content) // PAGE)
    content[page * PAGE : (page + 1) * PAGE] = b"\xa5" * PAGE
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"is damaged .*: move the damaged file and any") as caught:
        read_all(path)
    assert "\n" not in str(caught.value)
    with read_ledger(path.with_name("ledger.sqlite.recovered")) as saved:
        found = saved.get(entry.key for entry in entries(0, 900))
        assert len(found) >= 850
        assert found.items() <= {e.key: e.completion for e in entries(0, 900)}.items()
        saved.billed()


def test_a_locked_ledger_is_not_said_to_be_damaged(path: Path):
    with open_ledger(path):
        pass
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    with pytest.raises(RunError) as caught, ledger_errors.explaining(path):
        raise error
    assert "move" not in str(caught.value)


def test_a_full_disk_is_named(path: Path):
    with open_ledger(path) as ledger:
        ledger._connection.execute("PRAGMA max_page_count = 30")
        with pytest.raises(RunError, match="the disk is full; free some space"):
            ledger.put(entries(0, 900))


def lock(path: Path) -> sqlite3.Connection:
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    return other


def read_all(path: Path) -> None:
    """Read all that there is in a ledger, table by table and by each index."""
    with read_ledger(path) as ledger:
        read_each(ledger)
        with ledger.transaction() as connection:
            connection.execute("PRAGMA integrity_check").fetchall()
            raise_damage(path)


def read_each(ledger: Ledger) -> None:
    ledger.get(entry.key for entry in entries(0, 900))
    ledger.known_examples([""])
    ledger.answered_heads()
    ledger.billed()


def raise_damage(path: Path) -> None:
    """As SQLite does once it comes to a page that nothing above has read."""
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    raise error
