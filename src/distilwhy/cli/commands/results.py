"""The commands that read a run folder: ``report``, ``status`` and ``predict``."""

from pathlib import Path
from typing import Annotated

import typer

from distilwhy.cli.context import interruptible, open_experiment
from distilwhy.cli.options import AsJson, ExperimentFile
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
        str | None, typer.Argument(metavar="TEXT", help="One input, as the task renders it.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Rows to label: JSONL, JSON, CSV or Parquet."),
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Also print the rationale.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write JSONL to this file."),
    ] = None,
) -> None:
    """Label a text, or the rows of a file, with a trained student."""
    if (text is None) == (file is None):
        raise typer.BadParameter("give either one input text or --file")
    if output and output.suffix != ".jsonl":
        raise typer.BadParameter(f"{output}: predictions are written as .jsonl")
    if output and file and output.resolve() == file.resolve():
        raise typer.BadParameter(f"{output} is the input file; name another file")
    from distilwhy.cli.views.results import print_prediction, write_predictions
    from distilwhy.pipeline.predict import predict

    with interruptible():
        predictions = predict(student, text, file, explain=explain, say=print_notice)
    if text is not None and output is None:
        print_prediction(predictions[0])
    else:
        write_predictions(predictions, output)
