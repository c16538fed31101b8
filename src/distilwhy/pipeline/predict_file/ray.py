"""Labels a file over Ray Data: workers label shards of its rows, and write them themselves."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from distilwhy.core.rows.example_builder import ExampleBuilder
from distilwhy.core.training_summary import Truncation
from distilwhy.errors import RunError
from distilwhy.pipeline.predict_file.columns import Columns
from distilwhy.pipeline.predict_file.labeller import (
    Labeller,
    PredictionJob,
    add_cuts,
    describe_cut,
)
from distilwhy.pipeline.predict_file.resume import LOCK, PROGRESS, open_progress
from distilwhy.pipeline.predict_file.rows import CHUNK, RowCursor
from distilwhy.pipeline.predict_file.survey import Survey
from distilwhy.pipeline.ray_cluster import connect_ray
from distilwhy.store.table_files import write_parquet
from distilwhy.students.student import Student

SHARD = 8 * CHUNK

Batch = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class ShardFolder:
    """The output: a Parquet file for each shard of the rows."""

    path: Path

    def shard(self, start: int) -> Path:
        """The file of the rows from ``start`` on."""
        return self.path / f"part-{start:012d}.parquet"

    def clean(self, names: str) -> None:
        """Remove files."""
        for path in self.path.glob(names):
            path.unlink(missing_ok=True)


class ShardWorker:
    """Runs on a node: labels shards one after another, and writes each whole.

    The file of rows, the student and the output are at the same paths on every node.
    """

    def __init__(
        self, job: PredictionJob, survey: Survey, columns: Columns, folder: ShardFolder
    ) -> None:
        student = Student.load(job.student)
        build = ExampleBuilder(student.spec.inference_task, may_be_empty=True)
        self._labeller = Labeller(job, student, build, survey, columns)
        self._cursor, self._folder = RowCursor(job.file, build), folder

    def __call__(self, shards: Batch) -> dict[str, np.ndarray]:
        """Write shards, given by ``start`` and ``most`` rows; returns what to count of each."""
        found = [
            self._write(int(start), int(most))
            for start, most in zip(shards["start"], shards["most"], strict=True)
        ]
        return {name: np.array([one[name] for one in found]) for name in found[0]}

    def _write(self, start: int, most: int) -> dict[str, int]:
        chunk = self._labeller.label(self._cursor.take(start, most))
        write_parquet(self._folder.shard(start), chunk.rows, self._labeller.schema)
        return {"rows": len(chunk.rows), **asdict(chunk.cut)}


def label_over_ray(
    job: PredictionJob,
    output: Path,
    workers: int | None = None,
    *,
    say: Callable[[str], None] = lambda line: None,
    watch: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Write the rows of a file with their answers to a folder of Parquet files, by 8,192 rows.

    The files are in the order of the rows by their names. The same command goes on with the files
    that are missing.

    Args:
        output: A folder that all nodes share, like the file and the student.
        workers: None for one on each GPU of the cluster, or on each CPU if there is none.
        say: As ``watch``, as in ``label_file``; it returns and raises the same too.
    """
    job = PredictionJob(job.student.resolve(), job.file.resolve(), job.explain)
    folder = ShardFolder(output.resolve())
    with open_progress(folder.path, job) as progress:
        if not progress.rows:  # Shards of a command that is no longer known.
            folder.clean("part-*.parquet")
        labeller = Labeller.open(job, typed=True)
        rows = labeller.survey.rows
        starts = [s for s in range(0, rows, SHARD) if not folder.shard(s).exists()]
        missing = sum(min(SHARD, rows - start) for start in starts)
        progress = replace(progress, rows=rows - missing)
        progress.save(folder.path)
        watch(progress.rows, rows)
        if starts:
            with connect_ray() as ray:
                for done, cut in _label(ray, labeller, folder, starts, workers):
                    cuts = add_cuts(progress.cut, cut)
                    progress = replace(progress, rows=progress.rows + done, cut=cuts)
                    progress.save(folder.path)
                    watch(progress.rows, rows)
        for line in filter(None, (labeller.survey.empty, describe_cut(progress.cut))):
            say(line)
        for names in (PROGRESS, ".*.part"):
            folder.clean(names)
    folder.clean(LOCK)
    return rows


def _label(
    ray: ModuleType,
    labeller: Labeller,
    folder: ShardFolder,
    starts: Sequence[int],
    workers: int | None,
) -> Iterator[tuple[int, Truncation]]:
    """Have shards written; yields the rows of each, and how many inputs of them were cut."""
    data: Any = import_module("ray.data")
    _silence(data)
    gpus, cpus = (int(ray.cluster_resources().get(kind, 0)) for kind in ("GPU", "CPU"))
    shards = data.from_items(
        [{"start": start, "most": SHARD} for start in starts], override_num_blocks=len(starts)
    )
    labelled = shards.map_batches(
        ShardWorker,
        fn_constructor_args=(labeller.job, labeller.survey, labeller.columns, folder),
        batch_size=1,
        concurrency=(1, max(1, min(workers or gpus or cpus, len(starts)))),
        num_cpus=1,
        num_gpus=1 if gpus else 0,
    )
    try:
        for found in labelled.iter_rows():
            yield found.pop("rows"), Truncation(**found)
    except ray.exceptions.RayError as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise RunError(
            f"a worker of the Ray cluster failed ({reason}); check that the student, the file and "
            "the output are at the same paths on every node, then run the command again"
        ) from error


def _silence(data: Any) -> None:
    """Ray Data draws bars and logs plans otherwise."""
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
