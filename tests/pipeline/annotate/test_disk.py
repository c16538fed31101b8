"""Annotating on a disk that is full, read-only, locked or taken away."""

import shutil
import sqlite3
from contextlib import closing, suppress

import pytest

from commands import call
from conftest import OpenExperiment, many
from distilwhy.cli.app import main
from distilwhy.errors import RunError
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import Experiment, open_experiment
from distilwhy.pipeline.plan import plan
from distilwhy.pipeline.status import status
from distilwhy.store.ledger import read_ledger
from endpoint import Endpoint
from small_disk import Mount

UNGATED = {"teacher.gate": {"rows": 0}, "teacher.concurrency": 8, "data.test": None}


def count_kept(experiment: Experiment) -> int:
    with read_ledger(experiment.folder.ledger) as ledger:
        return len(ledger.answered_heads())


def test_no_answer_is_lost_to_a_lock_that_outlasts_the_wait(
    opened: OpenExperiment, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("distilwhy.store.ledger.LOCK_WAIT_S", 0.2)
    experiment = opened(UNGATED, train=many(56))
    locks: list[sqlite3.Connection] = []

    def lock(progress: object) -> None:
        if not locks and progress.answered:
            other = sqlite3.connect(experiment.folder.ledger, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            locks.append(other)

    with pytest.raises(RunError, match=r"locked .* saved in .*shards"):
        annotate(experiment, watch=lock)
    locks[0].close()
    asked = len(endpoint.asked)
    assert asked < 40
    annotate(experiment)
    assert count_kept(experiment) == 56
    assert len(endpoint.asked) == 56


@pytest.mark.parametrize("what", [".", "ledger.sqlite", ".lock"])
@pytest.mark.parametrize("delete", [True, False], ids=["deleted", "renamed"])
def test_annotating_stops_at_once_where_its_files_are_taken_away(
    opened: OpenExperiment, endpoint: Endpoint, what: str, *, delete: bool
):
    experiment = opened(UNGATED, train=many(100))
    path = experiment.folder.path / what

    def take_away(progress: object) -> None:
        if not path.exists() or not progress.answered:
            return
        if not delete:
            path.rename(experiment.file.parent / "elsewhere")
        elif path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

    with pytest.raises(RunError, match="was moved or deleted while this command was using it"):
        annotate(experiment, watch=take_away)
    assert len(endpoint.asked) <= 32


def test_a_run_folder_that_cannot_be_written_is_read(
    opened: OpenExperiment, endpoint: Endpoint, mount: Mount
):
    disk = mount("size=40m")
    experiment = opened({"out": str(disk / "run")}, UNGATED, train=many(12))
    annotate(experiment)
    (disk / "run/calls.npz").unlink()
    mount("remount,ro")
    again = open_experiment(experiment.file)
    assert plan(again).answered == 12
    assert status(again).teacher["train"].rows == 9
    assert "12" in call("annotations", experiment.file).stdout
    with pytest.raises(RunError, match="cannot be created or written"):
        annotate(again)


def test_a_ledger_that_a_killed_command_left_open_is_read_on_a_read_only_disk(
    opened: OpenExperiment, endpoint: Endpoint, mount: Mount
):
    disk = mount("size=40m")
    experiment = opened({"out": str(disk / "run")}, UNGATED, train=many(12))
    annotate(experiment)
    ledger = experiment.folder.ledger
    with closing(sqlite3.connect(ledger)) as killed:
        killed.execute("DELETE FROM completions WHERE number > 10")
        killed.commit()
        copies = {p.name: p.read_bytes() for p in ledger.parent.glob("ledger.sqlite*")}
    assert "ledger.sqlite-wal" in copies
    for name, content in copies.items():
        if not name.endswith("-shm"):
            (ledger.parent / name).write_bytes(content)
    mount("remount,ro")
    assert plan(open_experiment(experiment.file)).answered == 10


def test_a_full_disk_is_one_line_and_keeps_what_was_saved(
    opened: OpenExperiment, endpoint: Endpoint, mount: Mount, monkeypatch, capsys
):
    disk = mount("size=180k")
    experiment = opened({"out": str(disk / "run")}, UNGATED, train=many(400))
    monkeypatch.setattr("sys.argv", ["distilwhy", "annotate", str(experiment.file), "--yes"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert "full" in last or "No space left" in last
    assert plan(open_experiment(experiment.file)).answered == count_kept(experiment)


def test_a_place_that_cannot_be_written_is_named_by_init(mount: Mount):
    disk = mount("size=40m,ro")
    found = call("init", disk / "new", fails=True)
    assert isinstance(found.exception, RunError)
    assert "new/experiment.yaml: cannot be written (Read-only file system)" in str(found.exception)


def test_a_run_folder_on_a_full_disk_is_read(opened: OpenExperiment, mount: Mount):
    disk = mount("size=4m")
    experiment = opened({"out": str(disk / "run"), **UNGATED}, train=many(12))
    annotate(experiment)
    with suppress(OSError), (disk / "fill").open("ab", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    opened_again = open_experiment(experiment.file)
    assert (plan(opened_again).calls, plan(opened_again).answered) == (12, 12)
    assert status(opened_again)
    call("annotations", experiment.file, "--export", experiment.file.parent / "out.jsonl")
