"""The command line: parse, call one flow, print."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distilwhy.errors import DistilwhyError
from distilwhy.students.processes import is_main

if TYPE_CHECKING:
    from distilwhy.console import Progress
    from distilwhy.demo.job import Extent
    from distilwhy.flows.annotate import Agree
    from distilwhy.flows.experiment import Experiment

app = typer.Typer(
    name="distilwhy",
    help="Distil an LLM's answers and its reasons into a small model you own.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def parse_budget(text: str) -> Decimal:
    """An amount of money, typed."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount >= 0 or not amount.is_finite():
        raise typer.BadParameter(f"{text!r} is no amount of money, such as 2.50")
    return amount


ExperimentFile = Annotated[Path, typer.Argument(metavar="EXP.yaml", help="The experiment file.")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Students trained side by side; by default what fits.")
]
Yes = Annotated[
    bool, typer.Option("--yes", "-y", help="Agree to the price, and to the first answers.")
]
Budget = Annotated[
    Decimal | None,
    typer.Option(
        parser=parse_budget, metavar="AMOUNT", help="Spend no more on the run folder, ever."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for a script.")]


def main() -> None:
    """Run the command line; every deliberate error becomes one line and exit status 1."""
    # Threads of torch that wait by spinning stall one another where cores are few: forward and
    # backward each have a team of their own. See docs/training.md.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Else every process of several warns that this batch happened to need all the weights.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    try:
        app()
    except DistilwhyError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C ends a command in good order."""
    try:
        yield
    except KeyboardInterrupt:
        if is_main():
            typer.echo("\nstopped; run the same command again to go on", err=True)
        raise typer.Exit(130) from None


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Where to put the run.")] = Path("demo-run"),
    task: Annotated[str, typer.Option(help="helpdesk or arithmetic.")] = "helpdesk",
    full: Annotated[
        bool, typer.Option("--full", help="Every method and control, five seeds: an hour.")
    ] = False,
    study: Annotated[
        bool, typer.Option("--study", help="Three methods by number of rows, five seeds: an hour.")
    ] = False,
    workers: Workers = None,
) -> None:
    """Run the whole job on a shipped task: no key, no network, a scripted teacher, CPU."""
    if full and study:
        raise typer.BadParameter("give --full or --study; the second goes on in the same folder")
    from distilwhy import console
    from distilwhy.demo.job import run_demo

    extent: Extent = "full" if full else "study" if study else "short"
    with _interruptible(), console.Progress() as progress:
        findings, experiment = run_demo(
            out, task=task, extent=extent, workers=workers, say=progress.say, watch=progress.watch()
        )
    console.show_findings(findings, experiment)
    console.show_next_steps(experiment)


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
) -> None:
    """Write a commented experiment, exemplars and a few rows, ready to edit."""
    from distilwhy.flows.init import init as write

    for path in write(directory):
        typer.echo(f"wrote {path}")
    typer.echo(f"next: distilwhy plan {directory / 'experiment.yaml'}")


@app.command()
def plan(
    exp: ExperimentFile,
    pilot: Annotated[
        int | None, typer.Option(min=1, help="Ask about so many rows first, for a better price.")
    ] = None,
    budget: Budget = None,
    as_json: AsJson = False,
) -> None:
    """Check everything and show one whole prompt, what will be done and its price; call nothing."""
    from distilwhy import console
    from distilwhy.flows.annotate import annotate as ask
    from distilwhy.flows.experiment import open_experiment
    from distilwhy.flows.plan import plan as make

    experiment = open_experiment(exp)
    if pilot:
        with _interruptible(), console.Progress() as progress:
            ask(experiment, watch=progress.annotation, budget=budget, pilot=pilot)
    console.show_plan(make(experiment), experiment, as_json)


@app.command()
def annotate(
    exp: ExperimentFile,
    limit: Annotated[int | None, typer.Option(min=1, help="Make at most this many calls.")] = None,
    budget: Budget = None,
    yes: Yes = False,
) -> None:
    """Ask the teacher about the rows it has not answered. Ctrl-C and run again: goes on."""
    from distilwhy import console
    from distilwhy.flows.annotate import annotate as ask
    from distilwhy.flows.evaluate import tally_annotations
    from distilwhy.flows.experiment import open_experiment

    experiment = open_experiment(exp)
    with _interruptible(), console.Progress() as progress:
        agree = _agree(experiment, progress, yes=yes)
        ask(experiment, limit, progress.annotation, agree=agree, budget=budget)
    console.show_tallies(tally_annotations(experiment))


@app.command()
def train(
    exp: ExperimentFile,
    method: Annotated[str | None, typer.Option(help="Train this method alone.")] = None,
    workers: Workers = None,
) -> None:
    """Train the students that are not trained yet; a killed training goes on."""
    from distilwhy import console
    from distilwhy.flows.annotate import refuse_unreadable
    from distilwhy.flows.experiment import open_experiment
    from distilwhy.flows.train import train_students

    experiment = open_experiment(exp)
    refuse_unreadable(experiment)
    with _interruptible(), console.Progress() as progress:
        train_students(experiment, method, progress.training(), workers=workers)


@app.command()
def evaluate(exp: ExperimentFile, workers: Workers = None, as_json: AsJson = False) -> None:
    """Score the trained students on the test rows, beside the teacher."""
    from distilwhy import console
    from distilwhy.flows.evaluate import evaluate as score
    from distilwhy.flows.experiment import open_experiment

    experiment = open_experiment(exp)
    with _interruptible(), console.Progress() as progress:
        findings = score(experiment, progress.evaluation, workers=workers)
    console.show_findings(findings, experiment, as_json)


@app.command()
def run(
    exp: ExperimentFile,
    workers: Workers = None,
    budget: Budget = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Annotate, train and evaluate, doing only what is not yet done."""
    _run(exp, workers, budget, yes=yes, as_json=as_json, study=False)


@app.command()
def compare(
    exp: ExperimentFile,
    workers: Workers = None,
    budget: Budget = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """The same for every student and number of rows that 'study' names."""
    _run(exp, workers, budget, yes=yes, as_json=as_json, study=True)


def _run(
    exp: Path, workers: int | None, budget: Decimal | None, *, yes: bool, as_json: bool, study: bool
) -> None:
    from distilwhy import console
    from distilwhy.flows.experiment import open_experiment
    from distilwhy.flows.run import run as do

    experiment = open_experiment(exp)
    with _interruptible(), console.Progress() as progress:
        agree = _agree(experiment, progress, yes=yes)
        watch = progress.watch()
        findings = do(experiment, watch, workers=workers, study=study, agree=agree, budget=budget)
    console.show_findings(findings, experiment, as_json)


def _agree(experiment: "Experiment", progress: "Progress", *, yes: bool) -> "Agree":
    from distilwhy.offers import ask_person

    prices = experiment.config.prices
    return ask_person(progress.say, progress.pause, prices.currency if prices else "", yes=yes)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")],
) -> None:
    """Draw a run's report anew, from its folder alone."""
    from distilwhy.flows.report import write_report
    from distilwhy.store.run import RunFolder

    typer.echo(write_report(RunFolder(run)))


@app.command()
def status(exp: ExperimentFile, as_json: AsJson = False) -> None:
    """Show rows by outcome, students trained, and scores."""
    from distilwhy import console
    from distilwhy.flows.experiment import open_experiment
    from distilwhy.flows.status import status as look

    console.show_status(look(open_experiment(exp)), as_json)


@app.command()
def predict(
    student: Annotated[Path, typer.Argument(help="A student's folder.")],
    text: Annotated[str | None, typer.Argument(help="One input, as the student reads it.")] = None,
    file: Annotated[Path | None, typer.Option(help="Rows: JSONL, CSV or Parquet.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Ask for its reasons too.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write JSONL here, not to the screen.")
    ] = None,
) -> None:
    """Ask a student: about one text, or about every row of a file."""
    if (text is None) == (file is None):
        raise typer.BadParameter("give one input text, or --file with rows")
    from distilwhy import console
    from distilwhy.flows.predict import predict as ask

    with _interruptible():
        predictions = ask(student, text, file, explain=explain)
    if text is not None and output is None:
        console.show_prediction(predictions[0])
    else:
        console.write_predictions(predictions, output)
