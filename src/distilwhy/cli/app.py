"""The command line: parse, call one flow, print."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from distilwhy.cli.options import (
    AsJson,
    Budget,
    ExperimentFile,
    Workers,
    Yes,
    parse_outcomes,
)
from distilwhy.errors import DistilwhyError
from distilwhy.students.training.distributed import is_main

if TYPE_CHECKING:
    from distilwhy.cli.progress import Progress
    from distilwhy.core.parsing.completion import Outcome
    from distilwhy.demo.run import Variant
    from distilwhy.pipeline.annotate.listing import Filter
    from distilwhy.pipeline.annotate.run import Agree
    from distilwhy.pipeline.experiment import Experiment

app = typer.Typer(
    name="distilwhy",
    help="Distil an LLM's answers and its reasons into a small model you own.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line; every deliberate error becomes one line and exit status 1."""
    # Threads of torch that wait by spinning stall one another where cores are few: forward and
    # backward each have a team of their own. See docs/students.md.
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
def _interruptible(again: str = "run the same command again") -> Iterator[None]:
    """Ctrl-C ends a command in good order."""
    try:
        yield
    except KeyboardInterrupt:
        if is_main():
            typer.echo(f"\nstopped; {again} to go on", err=True)
        raise typer.Exit(130) from None


@contextmanager
def _watched(again: str = "run the same command again") -> Iterator["Progress"]:
    """The same, and a person is shown how it gets on."""
    from distilwhy.cli.progress import Progress

    with _interruptible(again), Progress() as progress:
        yield progress


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
    from distilwhy.cli import tables
    from distilwhy.demo.run import run_demo

    variant: Variant = "full" if full else "study" if study else "short"
    with _watched() as progress:
        results, experiment = run_demo(
            out,
            task=task,
            variant=variant,
            workers=workers,
            say=progress.say,
            watch=progress.watch(),
        )
    tables.show_results(results, experiment)
    tables.show_next_steps(experiment)


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
) -> None:
    """Write a commented experiment, exemplars and a few rows, ready to edit."""
    from distilwhy.pipeline.scaffold import init as write

    for path in write(directory):
        typer.echo(f"wrote {path}")
    typer.echo(f"next: distilwhy plan {directory / 'experiment.yaml'}")


@app.command("import")
def import_(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="One dataset of it, such as datasets/cqa.")
    ],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    llm: Annotated[str, typer.Option(help="Whose answers: palm, or gpt for GPT-NeoX.")] = "palm",
) -> None:
    """Make an experiment of the rows and answers in the paper's own repository."""
    from distilwhy.pipeline.import_paper import import_paper

    found = import_paper(source, directory, llm)
    for split, count in found.rows.items():
        typer.echo(f"{split:<11}{count:,} rows")
    for why, count in found.left_out.items():
        typer.echo(f"left out   {count:,} {why}")
    typer.echo(f"next: distilwhy plan {found.file}")


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
    from distilwhy.cli import tables
    from distilwhy.pipeline.annotate.run import annotate as ask
    from distilwhy.pipeline.plan import plan as make

    experiment = _open(exp)
    if pilot:
        with _watched() as progress:
            ask(experiment, watch=progress.annotation, budget=budget, pilot=pilot)
    tables.show_plan(make(experiment), experiment, as_json)


@app.command()
def annotate(
    exp: ExperimentFile,
    limit: Annotated[int | None, typer.Option(min=1, help="Make at most this many calls.")] = None,
    budget: Budget = None,
    engine: Annotated[
        Literal["asyncio", "ray"], typer.Option(help="Ask from here, or over a Ray cluster.")
    ] = "asyncio",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Workers of the cluster; by default one a node.")
    ] = None,
    yes: Yes = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Do not wait for batches; run again later.")
    ] = False,
    forget_batches: Annotated[
        bool,
        typer.Option("--forget-batches", help="Give batches up: ask, and pay, their calls anew."),
    ] = False,
) -> None:
    """Ask the teacher about the rows it has not answered. Ctrl-C and run again: goes on."""
    if workers and engine != "ray":
        raise typer.BadParameter("--workers is for --engine ray")
    from distilwhy.cli import tables
    from distilwhy.pipeline.annotate.annotations import read_outcomes
    from distilwhy.pipeline.annotate.run import annotate as ask

    experiment = _open(exp)
    with _watched() as progress:
        agree = _agree(experiment, progress, yes=yes)
        ask(
            experiment,
            limit,
            progress.annotation,
            agree=agree,
            budget=budget,
            engine=engine,
            workers=workers,
            wait=not no_wait,
            forget_batches=forget_batches,
        )
    tables.show_tallies(read_outcomes(experiment))


@app.command()
def annotations(
    exp: ExperimentFile,
    problem: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="List rows with this outcome, or these words in a problem; any: all problems.",
        ),
    ] = None,
    disagree: Annotated[
        bool, typer.Option("--disagree", help="List rows whose label is not the gold one.")
    ] = False,
    ids: Annotated[
        list[str] | None,
        typer.Option("--id", metavar="ID", help="Show this row whole; may be repeated."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="List at most this many rows.")] = 20,
    retry: Annotated[
        str | None,
        typer.Option(
            metavar="OUTCOMES",
            help="Forget answers that ended so, such as failed,truncated; ask again for those.",
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="TARGET",
            help="Write answers, with where they come from: .jsonl, .parquet, or a dataset folder.",
        ),
    ] = None,
    budget: Budget = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Show what the teacher answered: an overview, or rows; ask again, or export."""
    if retry and export:
        raise typer.BadParameter("give --retry or --export, not both")
    from distilwhy.cli.waiting import while_silent
    from distilwhy.pipeline.annotate.listing import Filter

    outcomes = parse_outcomes(retry) if retry else ()
    experiment, wanted = _open(exp), Filter(problem, disagree, tuple(ids or ()))
    if outcomes:
        _retry(experiment, wanted, outcomes, budget, yes=yes)
        return
    with _interruptible(), while_silent(f"{exp}: reading the answers; many take a while"):
        if export:
            _export(experiment, wanted, export)
        else:
            _show_annotations(experiment, wanted, limit, as_json=as_json)


def _retry(
    experiment: "Experiment",
    wanted: "Filter",
    outcomes: "tuple[Outcome, ...]",
    budget: Decimal | None,
    *,
    yes: bool,
) -> None:
    from distilwhy.cli import annotations as shown
    from distilwhy.pipeline.annotate.annotations import read_outcomes
    from distilwhy.pipeline.annotate.calls import open_calls
    from distilwhy.pipeline.annotate.listing import list_rows
    from distilwhy.pipeline.annotate.retry import plan_retry
    from distilwhy.pipeline.annotate.run import annotate as ask

    calls = open_calls(experiment)
    retry = plan_retry(experiment, calls, list_rows(experiment, wanted, calls), outcomes)
    if not retry.calls:
        typer.echo(f"no answer is {' or '.join(outcomes)}; nothing to ask again")
        return
    with _watched("run 'distilwhy annotate'") as progress:
        agree = _agree(experiment, progress, yes=yes)
        ask(experiment, watch=progress.annotation, agree=agree, budget=budget, retry=retry)
    shown.show_outcomes(read_outcomes(experiment))


def _export(experiment: "Experiment", wanted: "Filter", target: Path) -> None:
    from distilwhy.pipeline.annotate.export import export as write
    from distilwhy.pipeline.annotate.listing import list_rows

    count = write(experiment, list_rows(experiment, wanted), target)
    typer.echo(f"wrote {count:,} answers to {target}")


def _show_annotations(
    experiment: "Experiment", wanted: "Filter", limit: int, *, as_json: bool
) -> None:
    from distilwhy.cli import annotations as shown
    from distilwhy.pipeline.annotate.export import list_answers
    from distilwhy.pipeline.annotate.listing import list_rows
    from distilwhy.pipeline.annotate.overview import look_over

    if wanted.is_empty:
        shown.show_overview(look_over(experiment), experiment.config.currency, as_json)
    elif as_json:
        shown.print_answers(list_answers(experiment, list_rows(experiment, wanted)))
    else:
        shown.show_rows(list_rows(experiment, wanted), limit, whole=bool(wanted.ids))


@app.command()
def train(
    exp: ExperimentFile,
    method: Annotated[str | None, typer.Option(help="Train this method alone.")] = None,
    workers: Workers = None,
) -> None:
    """Train the students that are not trained yet; a killed training goes on."""
    from distilwhy.pipeline.annotate.annotations import read_annotations
    from distilwhy.pipeline.annotate.gate import refuse_unreadable
    from distilwhy.pipeline.train.run import train_students

    experiment = _open(exp)
    annotations = read_annotations(experiment)
    refuse_unreadable(annotations)
    with _watched() as progress:
        train_students(
            experiment, method, progress.training(), workers=workers, annotations=annotations
        )


@app.command()
def evaluate(exp: ExperimentFile, workers: Workers = None, as_json: AsJson = False) -> None:
    """Score the trained students on the test rows, beside the teacher."""
    from distilwhy.cli import tables
    from distilwhy.pipeline.evaluate.run import evaluate as score

    experiment = _open(exp)
    with _watched() as progress:
        results = score(experiment, progress.evaluation, workers=workers)
    tables.show_results(results, experiment, as_json)


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
    from distilwhy.cli import tables
    from distilwhy.pipeline.run import run as do

    experiment = _open(exp)
    with _watched() as progress:
        agree = _agree(experiment, progress, yes=yes)
        watch = progress.watch()
        results = do(experiment, watch, workers=workers, study=study, agree=agree, budget=budget)
    if results:
        tables.show_results(results, experiment, as_json)
        return
    from distilwhy.pipeline.status import status as look

    tables.show_status(look(experiment), as_json)
    typer.echo(
        "there are no test rows, so no student is scored; set data.test to have that", err=True
    )


def _open(exp: Path) -> "Experiment":
    from distilwhy.cli.waiting import while_silent
    from distilwhy.pipeline.experiment import open_experiment

    with while_silent(f"{exp}: going through its rows; many take a while the first time"):
        return open_experiment(exp)


def _agree(experiment: "Experiment", progress: "Progress", *, yes: bool) -> "Agree":
    from distilwhy.cli.confirm import ask_person

    return ask_person(progress.say, progress.pause, experiment.config.currency, yes=yes)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")],
) -> None:
    """Draw a run's report anew, from its folder alone."""
    from distilwhy.pipeline.evaluate.report import write_report
    from distilwhy.store.run_folder import RunFolder

    typer.echo(write_report(RunFolder(run)))


@app.command()
def status(exp: ExperimentFile, as_json: AsJson = False) -> None:
    """Show rows by outcome, students trained, and scores."""
    from distilwhy.cli import tables
    from distilwhy.pipeline.status import status as look

    tables.show_status(look(_open(exp)), as_json)


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
    if output and output.suffix != ".jsonl":
        raise typer.BadParameter(f"answers are written as JSONL, and {output} ends otherwise")
    if output and file and output.resolve() == file.resolve():
        raise typer.BadParameter(f"{output} holds the rows themselves; name another file")
    from distilwhy.cli import tables
    from distilwhy.pipeline.predict import predict as ask

    with _interruptible():
        predictions = ask(student, text, file, explain=explain, say=partial(typer.echo, err=True))
    if text is not None and output is None:
        tables.show_prediction(predictions[0])
    else:
        tables.write_predictions(predictions, output)
