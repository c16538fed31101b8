"""The commands that read a run folder: ``report``, ``status`` and ``predict``."""

import csv
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from distilwhy.cli.context import interruptible, open_experiment, without_collection
from distilwhy.cli.options import AsJson, ExperimentFile, parse_fields
from distilwhy.cli.output import print_line, print_notice


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run folder.")],
) -> None:
    """Write the report of a run again, from its folder alone."""
    from distilwhy.pipeline.evaluate.report import write_report
    from distilwhy.store.run_folder import RunFolder

    print_line(write_report(RunFolder(run)))


def status(exp: ExperimentFile, as_json: AsJson = False) -> None:
    """Show annotations by outcome, students and scores."""
    from distilwhy.cli.views.status import print_status
    from distilwhy.pipeline.status import status

    print_status(status(open_experiment(exp)), as_json)


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
            "--output", "-o", metavar="FILE", help="Write to this file, as .jsonl or .csv."
        ),
    ] = None,
) -> None:
    """Label a text, or the rows of a file, with a trained student."""
    if sum(given is not None for given in (text, fields, file)) != 1:
        raise typer.BadParameter("give one of: an input text, --field for each field, or --file")
    _check_output(output, file, as_json)
    with without_collection():
        from distilwhy.cli.views import predictions as view
        from distilwhy.pipeline import predict as ask

    with interruptible():
        if file is not None:
            rows = ask.predict_file(student, file, explain=explain, say=print_notice)
        elif fields is not None:
            named = parse_fields(fields)
            found = ask.predict_fields(student, named, explain=explain, say=print_notice)
        else:
            given = _read_input() if text == "-" else str(text)
            found = ask.predict_text(student, given, explain=explain, say=print_notice)
    if file is not None:
        view.show_rows(rows, output, as_json)
    else:
        view.show_one(found, output, as_json)


def _check_output(output: Path | None, file: Path | None, as_json: bool) -> None:
    if output is None:
        return
    if as_json:
        raise typer.BadParameter("--json prints, and --output writes a file; give one of them")
    if output.suffix not in (".jsonl", ".csv"):
        raise typer.BadParameter(f"{output}: predictions are written as .jsonl or .csv")
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
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            is_csv = path.suffix == ".csv"
            first = next(csv.reader(lines), []) if is_csv else json.loads(lines.readline())
        return {"id", "label", "confidence"} <= set(first)
    except (OSError, ValueError, TypeError, RecursionError, csv.Error):
        return False


def _read_input() -> str:
    """All of standard input, as one text."""
    return sys.stdin.buffer.read().decode(errors="replace")
