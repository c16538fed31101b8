"""The command that labels texts and files with a student."""

import csv
import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from distilwhy.cli.context import interruptible, showing_progress, without_collection
from distilwhy.cli.options import AsJson, parse_fields
from distilwhy.cli.output import print_notice

FILES = (".jsonl", ".csv", ".parquet")
# The columns that every file of predictions has.
PARTS = {"id", "label", "confidence"}


def predict(
    student: Annotated[Path, typer.Argument(metavar="STUDENT", help="The student's folder.")],
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="TEXT",
            help="A whole input, as the task's template would render it; - for standard input.",
        ),
    ] = None,
    fields: Annotated[
        list[str] | None,
        typer.Option(
            "--field", metavar="NAME=VALUE", help="A field of one input, for the task's template."
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Rows to label: JSONL, JSON, CSV or Parquet."),
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Also print the rationale.")] = False,
    as_json: AsJson = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write to this file, as .jsonl, .csv or .parquet; with ray, to this folder.",
        ),
    ] = None,
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(help="Where rows are labelled: here, or over a Ray cluster."),
    ] = "local",
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", show_default="one per CPU or GPU", help="Workers with --engine ray."
        ),
    ] = None,
) -> None:
    """Label a text, or the rows of a file, with a trained student.

    A file may be of any size. With --output, rows are saved as they are labelled, and the same
    command goes on where it was stopped.
    """
    if sum(given is not None for given in (text, fields, file)) != 1:
        raise typer.BadParameter("give one of: an input text, --field for each field, or --file")
    _check_engine(engine, workers, file, output)
    _check_output(output, file, as_json, engine)
    with without_collection():
        from distilwhy.cli.views import predictions as view
        from distilwhy.pipeline import predict as ask

    if file is not None:
        _label_file(student, file, explain, output, as_json, engine, workers)
        return
    with interruptible():
        if fields is not None:
            named = parse_fields(fields)
            found = ask.predict_fields(student, named, explain=explain, say=print_notice)
        else:
            given = _read_input() if text == "-" else str(text)
            found = ask.predict_text(student, given, explain=explain, say=print_notice)
    view.show_one(found, output, as_json)


def _label_file(
    student: Path,
    file: Path,
    explain: bool,
    output: Path | None,
    as_json: bool,
    engine: str,
    workers: int | None,
) -> None:
    """Label the rows of a file: print them, or write them."""
    from distilwhy.cli.views import predictions as view
    from distilwhy.pipeline.predict_file.labeller import PredictionJob
    from distilwhy.pipeline.predict_file.run import label_file, label_rows

    job = PredictionJob(student, file, explain)
    if output is None:
        with interruptible():
            view.show_rows(label_rows(job, say=print_notice), as_json)
        return
    with showing_progress() as progress:
        if engine == "ray":
            from distilwhy.pipeline.predict_file.ray import label_over_ray

            rows = label_over_ray(
                job, output, workers, say=progress.say, watch=progress.predictions
            )
        else:
            rows = label_file(job, output, say=progress.say, watch=progress.predictions)
    view.show_written(rows, output)


def _check_engine(engine: str, workers: int | None, file: Path | None, output: Path | None) -> None:
    if engine == "ray":
        if file is None or output is None:
            raise typer.BadParameter("--engine ray labels a --file, and writes to a folder, -o")
        if output.suffix in FILES:
            raise typer.BadParameter(
                f"{output}: --engine ray writes a folder of Parquet files; name a folder"
            )
    elif workers:
        raise typer.BadParameter("--workers needs --engine ray")


def _check_output(output: Path | None, file: Path | None, as_json: bool, engine: str) -> None:
    if output is None:
        return
    if as_json:
        raise typer.BadParameter("--json prints, and --output writes a file; give one of them")
    if engine == "ray":
        return
    allowed = FILES if file else FILES[:2]
    if output.suffix not in allowed:
        raise typer.BadParameter(f"{output}: predictions are written as {' or '.join(allowed)}")
    if file and output.resolve() == file.resolve():
        raise typer.BadParameter(f"{output} is the input file; name another file")
    from distilwhy.store.files import require_writable

    require_writable(output)
    if output.exists() and output.stat().st_size and not _is_predictions(output):
        raise typer.BadParameter(
            f"{output} holds something other than predictions with a confidence; name another "
            "file, or move this one"
        )


def _is_predictions(path: Path) -> bool:
    """Whether an existing file was written by an earlier ``predict``."""
    if path.suffix == ".parquet":
        return _is_parquet_of_predictions(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            is_csv = path.suffix == ".csv"
            first = next(csv.reader(lines), []) if is_csv else json.loads(lines.readline())
        return set(first) >= PARTS
    except (OSError, ValueError, TypeError, RecursionError, csv.Error):
        return False


def _is_parquet_of_predictions(path: Path) -> bool:
    from pyarrow import ArrowException
    from pyarrow.parquet import read_schema

    try:
        return set(read_schema(path).names) >= PARTS
    except (ArrowException, OSError):
        return False


def _read_input() -> str:
    """All of standard input, as one text."""
    return sys.stdin.buffer.read().decode(errors="replace")
