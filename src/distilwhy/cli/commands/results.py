"""The commands that read a run folder: ``report`` and ``status``."""

from pathlib import Path
from typing import Annotated

import typer

from distilwhy.cli.context import open_experiment
from distilwhy.cli.options import AsJson, ExperimentFile
from distilwhy.cli.output import print_line


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
