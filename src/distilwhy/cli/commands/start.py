"""The commands to start with: ``demo``, ``init`` and ``import``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distilwhy.cli.context import showing_progress
from distilwhy.cli.options import Workers
from distilwhy.cli.output import print_line
from distilwhy.core.wording import counted

if TYPE_CHECKING:
    from distilwhy.demo.run import Variant

NewFolder = Annotated[Path, typer.Argument(metavar="FOLDER", help="A new or empty folder.")]


def demo(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="The folder to write to.")] = Path(
        "demo-run"
    ),
    task: Annotated[str, typer.Option(metavar="TASK", help="helpdesk or arithmetic.")] = "helpdesk",
    full: Annotated[
        bool, typer.Option("--full", help="All methods and controls, five seeds; about an hour.")
    ] = False,
    study: Annotated[
        bool,
        typer.Option(
            "--study", help="Three methods on three numbers of rows, five seeds; about an hour."
        ),
    ] = False,
    workers: Workers = None,
) -> None:
    """Run a shipped task offline with a scripted teacher.

    It annotates, trains and evaluates on the CPU, without an API key and without a network.
    """
    if full and study:
        raise typer.BadParameter("give --full or --study, one after the other in the same folder")
    from distilwhy.cli.views.results import print_next_steps, print_results
    from distilwhy.demo.run import run_demo

    variant: Variant = "full" if full else "study" if study else "short"
    with showing_progress() as progress:
        results, experiment = run_demo(
            out,
            task=task,
            variant=variant,
            workers=workers,
            say=progress.say,
            watch=progress.watch(),
        )
    print_results(results, experiment)
    print_next_steps(experiment)


def init(directory: NewFolder) -> None:
    """Write a new experiment, its task and a few rows to edit."""
    from distilwhy.pipeline.importing.scaffold import init as write

    for path in write(directory):
        print_line(f"wrote {path}")
    print_line(f"next: distilwhy plan {directory / 'experiment.yaml'}")


def import_(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A data set's folder, such as datasets/cqa.")
    ],
    directory: NewFolder,
    llm: Annotated[
        str, typer.Option(metavar="LLM", help="The answers: palm (folder llm) or gpt (gpt-neox).")
    ] = "palm",
) -> None:
    """Import a data set from the paper's repository.

    Writes an experiment with the rows and the teacher's recorded completions.
    """
    from distilwhy.pipeline.importing.paper import import_paper

    found = import_paper(source, directory, llm)
    for split, number in found.rows.items():
        print_line(f"{split:<11}{counted(number, 'row')}")
    for why, number in found.left_out.items():
        print_line(f"left out   {number:,} {why}")
    print_line(f"next: distilwhy plan {found.file}")
