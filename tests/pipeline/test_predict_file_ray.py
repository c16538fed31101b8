"""``predict --file --engine ray``: the answers of one machine, in a folder of Parquet files."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyarrow.parquet import read_table
from typer.testing import CliRunner

from distilwhy.cli.app import app
from distilwhy.core.task import RowFormat, Task
from distilwhy.errors import ConfigError, RunError
from distilwhy.pipeline.predict_file import ray as over_ray
from distilwhy.pipeline.predict_file.labeller import PredictionJob
from distilwhy.pipeline.predict_file.ray import label_over_ray
from distilwhy.pipeline.predict_file.run import label_rows
from tiny_students import CHOICE, scratch

ray = pytest.importorskip("ray", reason='needs Ray: pip install "distilwhy[ray]"')

# Ray warns of a setting of its own.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")

TASK = Task("", RowFormat("{{ report }} {{ n }}", gold="label"), CHOICE.answer)
SHARD, ROWS = 10, 47


class Killed(BaseException):
    """Stands for a kill."""


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(num_cpus=2, object_store_memory=80_000_000, log_to_driver=False,
                 logging_level="ERROR", include_dashboard=False)  # fmt: skip
        yield
        ray.shutdown()


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PredictionJob:
    monkeypatch.setattr(over_ray, "SHARD", SHARD)
    scratch(TASK).save(student := tmp_path / "student")
    rows = [{"report": f"It broke {n}", "n": n, "label": "Accounts"} for n in range(ROWS)]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return PredictionJob(student, file)


def read(folder: Path) -> list[dict[str, Any]]:
    return [row for path in sorted(folder.iterdir()) for row in read_table(path).to_pylist()]


def bare(row: Any) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "confidence"}


def test_shards_hold_the_answers_of_one_machine_in_order(job: PredictionJob, tmp_path: Path):
    output, moves = tmp_path / "out", list[tuple[int, int]]()
    assert label_over_ray(job, output, watch=lambda *move: moves.append(move)) == ROWS
    assert [path.name for path in sorted(output.iterdir())] == [
        f"part-{start:012d}.parquet" for start in range(0, ROWS, SHARD)
    ]
    assert [bare(row) for row in read(output)] == [bare(row) for row in label_rows(job)]
    assert (moves[0], moves[-1]) == ((0, ROWS), (ROWS, ROWS))
    with pytest.raises(RunError, match="something other than a prediction under way"):
        label_over_ray(job, output)


def test_a_killed_driver_goes_on_with_the_missing_shards(job: PredictionJob, tmp_path: Path):
    output = tmp_path / "out"

    def kill(done: int, total: int) -> None:
        if done > SHARD:
            raise Killed

    with pytest.raises(Killed):
        label_over_ray(job, output, watch=kill)
    before = {path: path.stat().st_mtime_ns for path in output.glob("part-*")}
    moves: list[tuple[int, int]] = []
    # A worker may finish its shard after the driver is gone.
    label_over_ray(job, output, watch=lambda *move: moves.append(move))
    assert moves[0][0] >= 2 * SHARD
    assert len(before) >= 2
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert [row["n"] for row in read(output)] == list(range(ROWS))


def test_shards_of_other_rows_are_not_mixed_in(job: PredictionJob, tmp_path: Path):
    output = tmp_path / "out"

    def kill(done: int, total: int) -> None:
        if done:
            raise Killed

    with pytest.raises(Killed):
        label_over_ray(job, output, watch=kill)
    job.file.write_text(job.file.read_text().replace("broke", "burnt"))
    with pytest.raises(RunError, match="with other rows: the file has changed"):
        label_over_ray(job, output)


def test_a_worker_that_cannot_load_the_student_is_one_line(
    job: PredictionJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    opened = over_ray.Labeller.open

    def open_and_lose(given: PredictionJob, **how: Any) -> Any:
        found = opened(given, **how)
        (given.student / "distilwhy.json").unlink()
        return found

    monkeypatch.setattr(over_ray.Labeller, "open", open_and_lose)
    with pytest.raises(RunError, match="a worker of the Ray cluster failed") as failed:
        label_over_ray(job, tmp_path / "out", 1)
    assert "\n" not in str(failed.value)


def test_without_ray_the_error_says_what_to_install(
    job: PredictionJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match="engine 'ray' is not installed"):
        label_over_ray(job, tmp_path / "out")


def test_the_command_writes_a_folder_and_refuses_what_does_not_go_together(
    job: PredictionJob, tmp_path: Path
):
    def call(*more: object) -> Any:
        given = ["predict", job.student, "--file", job.file, *more]
        return CliRunner().invoke(app, [*map(str, given)])

    done = call("--engine", "ray", "--workers", 2, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert done.stdout == f"wrote {ROWS} predictions to {tmp_path / 'out'}\n"
    for more in (["--engine", "ray"], ["--engine", "ray", "-o", "x.csv"], ["--workers", "2"]):
        assert call(*more).exit_code == 2
