"""Labels a file of rows on this machine, in constant memory, and goes on where it was stopped."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from distilwhy.core.wording import counted
from distilwhy.pipeline.predict_file.columns import Fields
from distilwhy.pipeline.predict_file.labeller import (
    NOTHING_CUT,
    Labeller,
    PredictionJob,
    add_cuts,
    describe_cut,
)
from distilwhy.pipeline.predict_file.resume import PredictionProgress, open_progress
from distilwhy.store.table_files import CsvTable, JsonlTable, ParquetTable, TableFile

Say = Callable[[str], None]
Watch = Callable[[int, int], None]


def label_rows(job: PredictionJob, *, say: Say = lambda line: None) -> Iterator[Fields]:
    """The rows of a file with their answers, as they come.

    A file is JSONL, JSON, CSV or Parquet. Gold labels are ignored, and a row whose input is empty
    gets no label. A student trained by ``rationale-input`` needs a field ``rationale`` too.

    Args:
        say: Called with a message if inputs are empty or are cut.

    Raises:
        StudentError: if the folder holds no student, or it cannot explain.
        DataError: if the file has no rows, or the template cannot render one.
    """
    labeller, cut = Labeller.open(job), NOTHING_CUT
    _tell(labeller.survey.empty, say)
    for chunk in labeller.label_from():
        cut = add_cuts(cut, chunk.cut)
        yield from chunk.rows
    _tell(describe_cut(cut), say)


def label_file(
    job: PredictionJob,
    output: Path,
    *,
    say: Say = lambda line: None,
    watch: Watch = lambda done, total: None,
) -> int:
    """Write the rows of a file with their answers to another; returns how many there are.

    Rows are saved by 1,024 in a folder ``OUTPUT.part`` beside the output, which has them all once
    it appears. The same command goes on after the last row that was saved.

    Args:
        output: A path ending in .jsonl, .csv or .parquet; an older file is replaced.
        say: As in ``label_rows``.
        watch: Called with the number of rows done and of all rows.

    Raises:
        StudentError: as ``label_rows``, like DataError.
        RunError: if it cannot be written, or was begun with other rows, options or another
            student.
    """
    folder = output.with_name(f"{output.name}.part")
    with open_progress(folder, job) as progress:
        if progress.rows:
            say(f"going on after {counted(progress.rows, 'row')} of an earlier command")
        labeller = Labeller.open(job, typed=output.suffix == ".parquet")
        table = _open_table(folder, output, labeller, progress)
        try:
            progress = _write(labeller, table, progress, folder, watch)
        finally:
            table.close()
        _tell(labeller.survey.empty, say)
        _tell(describe_cut(progress.cut), say)
        table.finish(output)
        shutil.rmtree(folder, ignore_errors=True)
    return labeller.survey.rows


def _write(
    labeller: Labeller, table: TableFile, progress: PredictionProgress, folder: Path, watch: Watch
) -> PredictionProgress:
    """Label and save what is left."""
    watch(progress.rows, labeller.survey.rows)
    progress.save(folder)
    for chunk in labeller.label_from(progress.rows):
        size = table.append(chunk.rows)
        rows, cut = progress.rows + len(chunk.rows), add_cuts(progress.cut, chunk.cut)
        progress = replace(progress, rows=rows, size=size, cut=cut)
        progress.save(folder)
        watch(progress.rows, labeller.survey.rows)
    return progress


def _open_table(
    folder: Path, output: Path, labeller: Labeller, progress: PredictionProgress
) -> TableFile:
    names = labeller.columns.names
    if output.suffix == ".parquet":
        return ParquetTable(folder, labeller.schema, progress.rows)
    return (CsvTable if output.suffix == ".csv" else JsonlTable)(folder, names, progress.size)


def _tell(line: str, say: Say) -> None:
    if line:
        say(line)
