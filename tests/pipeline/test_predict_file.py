"""``predict --file`` on any number of rows: as they come, in any format, from where it stopped."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow.parquet import ParquetFile, read_table, write_table

from distilwhy.core.stats.calibration import Calibration
from distilwhy.core.stats.cascade import Cascade
from distilwhy.core.stats.deployment import Deployment
from distilwhy.core.task import Example, RowFormat, Task
from distilwhy.errors import DataError, RunError, StudentError
from distilwhy.pipeline.predict_file import rows as rows_module
from distilwhy.pipeline.predict_file.labeller import Labeller, PredictionJob, describe_cut
from distilwhy.pipeline.predict_file.resume import PROGRESS
from distilwhy.pipeline.predict_file.run import label_file, label_rows
from distilwhy.store.table_files import JsonlTable, ParquetTable
from distilwhy.students.student import Student
from tiny_students import CHOICE, TEXT, scratch

TICKET = Task("", RowFormat("{{ report }} {{ n }}", gold="label"), CHOICE.answer)
FORMATS = (".jsonl", ".csv", ".parquet")
CHUNK, ROWS = 8, 43


class Killed(BaseException):
    """Stands for a kill."""


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "CHUNK", CHUNK)


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("student")
    scratch(TICKET).save(folder)
    return folder


def make(number: int) -> dict[str, Any]:
    return {"report": f'It "broke",\n{number} é', "n": number, "label": "Accounts"}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        write_table(pyarrow.Table.from_pylist(rows), path, row_group_size=10)
    elif path.suffix == ".csv":
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return list(read_table(path).to_pylist())
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    return [json.loads(line) for line in path.read_text().splitlines()]


def job_of(student: Path, folder: Path, suffix: str = ".jsonl", count: int = ROWS) -> PredictionJob:
    return PredictionJob(student, write(folder / f"rows{suffix}", [make(n) for n in range(count)]))


def kill_after(monkeypatch: pytest.MonkeyPatch, appends: int, *, half: bool = False) -> None:
    """The next command is killed before its append of that number, or in the middle of it."""
    left = iter(range(appends))
    for table in (JsonlTable, ParquetTable):
        append = table.append

        def stop(self: Any, rows: Any, append: Any = append) -> int:
            if next(left, None) is None:
                if half:
                    append(self, rows[: len(rows) // 2])
                raise Killed
            return int(append(self, rows))

        monkeypatch.setattr(table, "append", stop)


@pytest.mark.parametrize("given", FORMATS)
@pytest.mark.parametrize("written", FORMATS)
def test_every_format_becomes_every_other_with_the_same_answers_in_order(
    student: Path, tmp_path: Path, given: str, written: str
):
    job, output = job_of(student, tmp_path, given), tmp_path / f"out{written}"
    assert label_file(job, output) == ROWS
    found = read(output)
    assert [int(row["n"]) for row in found] == list(range(ROWS))
    expected = Student.load(student).predict([f"{make(n)['report']} {n}" for n in range(ROWS)])
    assert [row["label"] for row in found] == [one.label for one in expected]
    assert {row["input_label"] for row in found} == {"Accounts"}
    assert [row["id"] for row in found] == [f"rows-{n}" for n in range(1, ROWS + 1)]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([job.file.name, output.name])


@pytest.mark.parametrize("written", FORMATS)
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("appends", [0, 1, 4])
def test_a_killed_command_goes_on_with_no_row_twice_and_none_lost(
    student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, half: bool,
    appends: int,
):  # fmt: skip
    job, output = job_of(student, tmp_path), tmp_path / f"out{written}"
    whole = tmp_path / f"whole{written}"
    label_file(job, whole)
    with monkeypatch.context() as patched:
        kill_after(patched, appends, half=half)
        with pytest.raises(Killed):
            label_file(job, output)
    assert not output.exists()
    said, moves = list[str](), list[tuple[int, int]]()
    label_file(job, output, say=said.append, watch=lambda *move: moves.append(move))
    assert moves[0] == (appends * CHUNK, ROWS)
    assert moves[-1] == (ROWS, ROWS)
    if appends:
        assert said == [f"going on after {appends * CHUNK} rows of an earlier command"]
    assert [
        {k: v for k, v in row.items() if k != "confidence"} for row in read(output)
    ] == [{k: v for k, v in row.items() if k != "confidence"} for row in read(whole)]  # fmt: skip


def stop_half_way(job: PredictionJob, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        kill_after(patched, 2)
        with pytest.raises(Killed):
            label_file(job, output)


def test_other_rows_another_student_or_options_are_refused_and_not_mixed(
    student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    job, output = job_of(student, tmp_path), tmp_path / "out.jsonl"
    stop_half_way(job, output, monkeypatch)
    scratch(TICKET, seed=1).save(other := tmp_path / "other")
    with pytest.raises(RunError, match="16 rows of an earlier command with another student"):
        label_file(PredictionJob(other, job.file), output)
    with pytest.raises(RunError, match="with no --explain"):
        label_file(PredictionJob(student, job.file, explain=True), output)
    lines = job.file.read_text()
    job.file.write_text(lines.replace("broke", "broken", 1))
    with pytest.raises(RunError, match=r"out\.jsonl\.part: .* with other rows") as refused:
        label_file(job, output)
    assert "\n" not in str(refused.value)
    job.file.write_text(lines)
    assert label_file(job, output) == ROWS


def test_a_first_command_that_failed_at_once_binds_nobody(student: Path, tmp_path: Path):
    job = job_of(student, tmp_path)
    scratch(TICKET, "finetune").save(bare := tmp_path / "bare")
    with pytest.raises(StudentError, match="trains no rationales"):
        label_file(PredictionJob(bare, job.file, explain=True), tmp_path / "out.jsonl")
    assert label_file(job, tmp_path / "out.jsonl") == ROWS


def test_a_folder_of_ones_own_is_left_alone(student: Path, tmp_path: Path):
    (tmp_path / "out.jsonl.part").mkdir()
    (tmp_path / "out.jsonl.part/notes.txt").write_text("mine")
    with pytest.raises(RunError, match="something other than a prediction under way"):
        label_file(job_of(student, tmp_path), tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl.part/notes.txt").read_text() == "mine"


def test_nothing_is_written_where_a_row_does_not_fit(student: Path, tmp_path: Path):
    rows = [make(n) for n in range(30)]
    del rows[25]["n"]
    job = PredictionJob(student, write(tmp_path / "rows.jsonl", rows))
    with pytest.raises(DataError, match="row 26: the input template cannot be filled"):
        label_file(job, tmp_path / "out.jsonl")
    assert label_file(job_of(student, tmp_path), tmp_path / "out.jsonl") == ROWS


@pytest.mark.parametrize("word", ["broke ", "é", "日本語", "ﷺ", "🙂"])
def test_inputs_that_are_cut_are_counted_over_all_rows_and_kills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str
):
    student = scratch(Task("", RowFormat("{{ x }}"), CHOICE.answer))
    student.save(folder := tmp_path / "student")
    texts = [(word * n).strip() for n in range(1, 60)]
    job = PredictionJob(folder, write(tmp_path / "rows.jsonl", [{"x": text} for text in texts]))
    expected = student.truncation([Example("", text) for text in texts])
    stop_half_way(job, tmp_path / "out.jsonl", monkeypatch)
    said: list[str] = []
    label_file(job, tmp_path / "out.jsonl", say=said.append)
    assert said[1:] == ([describe_cut(expected)] if expected.cut else [])


def test_rows_come_as_they_are_answered(student: Path, tmp_path: Path):
    asked: list[int] = []
    label = Labeller.label

    def count(self: Labeller, chunk: Any) -> Any:
        asked.append(len(chunk))
        return label(self, chunk)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Labeller, "label", count)
        found = label_rows(job_of(student, tmp_path))
        next(found)
        assert asked == [CHUNK]
        assert sum(1 for _ in found) == ROWS - 1


def test_parquet_keeps_the_types_of_columns_and_text_where_json_has_several(
    student: Path, tmp_path: Path
):
    rows = [
        make(n) | {"day": date(2026, 1, 1 + n % 9), "parts": [n], "extra": {"a": n}}
        for n in range(20)
    ]
    label_file(PredictionJob(student, write(tmp_path / "a.parquet", rows)), tmp_path / "b.parquet")
    assert [row["day"] for row in read(tmp_path / "b.parquet")] == [row["day"] for row in rows]
    odd: list[Any] = [1, "a", None, 2.5, {"b": 1}, [], [None], {}, 2**70, True]
    mixed = [make(n) | {"odd": odd[n % 10], "same": [n], "none": None} for n in range(40)]
    label_file(PredictionJob(student, write(tmp_path / "c.jsonl", mixed)), tmp_path / "d.parquet")
    found = read(tmp_path / "d.parquet")
    assert [row["odd"] for row in found[:6]] == ["1", "a", None, "2.5", '{"b": 1}', "[]"]
    assert [row["same"] for row in found] == [[n] for n in range(40)]


def test_parts_of_parquet_are_joined_into_large_row_groups(student: Path, tmp_path: Path):
    label_file(job_of(student, tmp_path), tmp_path / "out.parquet")
    assert ParquetFile(tmp_path / "out.parquet").num_row_groups == 1


@pytest.mark.parametrize("threshold", [None, 0.5])
def test_a_table_has_the_columns_of_all_rows_and_of_the_answers(
    tmp_path: Path, threshold: float | None
):
    deployed = Deployment(Calibration("temperature", 9), "gold", Cascade(0.9, threshold))
    replace(scratch(TEXT), deployment=deployed).save(folder := tmp_path / "student")
    rows: list[dict[str, Any]] = [{"x": f"a {n}"} for n in range(20)] + [{"x": "b", "late": 1}]
    job = PredictionJob(folder, write(tmp_path / "rows.jsonl", rows))
    label_file(job, tmp_path / "out.csv")
    found = read(tmp_path / "out.csv")
    source = [] if threshold is None else ["source"]
    assert list(found[0]) == ["id", "x", "late", "label", "confidence", *source, "text"]
    assert [row["late"] for row in found[-2:]] == ["", "1"]
    if threshold:
        assert {row["source"] for row in found} <= {"student", "refer"}


@pytest.fixture
def slow() -> Iterator[list[subprocess.Popen[bytes]]]:
    begun: list[subprocess.Popen[bytes]] = []
    yield begun
    for process in begun:
        process.kill()
        process.wait()


def test_a_process_killed_for_real_goes_on_and_no_two_write_at_once(
    student: Path, tmp_path: Path, slow: list[subprocess.Popen[bytes]]
):
    job, output = job_of(student, tmp_path, count=12_000), tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "distilwhy", "predict", str(student), "--file", str(job.file)]
    slow.append(subprocess.Popen([*command, "-o", str(output)], stderr=subprocess.DEVNULL))
    progress = tmp_path / "out.jsonl.part" / PROGRESS
    deadline = time.monotonic() + 120
    while not (progress.exists() and json.loads(progress.read_text())["rows"]):
        assert time.monotonic() < deadline
        assert slow[0].poll() is None
        time.sleep(0.02)
    with pytest.raises(RunError, match="another command is writing there"):
        label_file(job, output)
    os.kill(slow[0].pid, signal.SIGKILL)
    slow[0].wait()
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(rows_module, "CHUNK", 1024)
        assert label_file(job, output, say=said.append) == 12_000
    assert said[0].startswith("going on after ")
    assert [row["n"] for row in read(output)] == list(range(12_000))
