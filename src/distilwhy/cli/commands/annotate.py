"""The commands about the teacher: ``plan``, ``annotate`` and ``annotations``."""

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from distilwhy.cli.context import (
    exit_if_failed,
    interruptible,
    notice_if_slow,
    open_experiment,
    showing_progress,
)
from distilwhy.cli.options import AsJson, Budget, ExperimentFile, TeacherName, Yes, parse_outcomes
from distilwhy.cli.output import print_line
from distilwhy.core.wording import counted

if TYPE_CHECKING:
    from distilwhy.core.parsing.completion import Outcome
    from distilwhy.pipeline.annotate.inspect.listing import RowFilter
    from distilwhy.pipeline.experiment import Experiment


def plan(
    exp: ExperimentFile,
    pilot: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="ROWS", help="Annotate this many rows first, for a better estimate."
        ),
    ] = None,
    budget: Budget = None,
    as_json: AsJson = False,
) -> None:
    """Check an experiment; show a prompt and what it will cost.

    Makes no call to the teacher unless --pilot is given.
    """
    from distilwhy.cli.views.plan import print_plan
    from distilwhy.pipeline.annotate.run import run_pilot
    from distilwhy.pipeline.plan import plan as make_plan

    experiment = open_experiment(exp)
    if pilot:
        with showing_progress() as progress:
            run_pilot(experiment, pilot, progress.annotation, budget=budget)
    print_plan(make_plan(experiment, budget), experiment, as_json)


def annotate(
    exp: ExperimentFile,
    teacher: TeacherName = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Make at most this many calls.")
    ] = None,
    budget: Budget = None,
    engine: Annotated[
        Literal["asyncio", "ray"],
        typer.Option(help="Make the calls from this process, or from a Ray cluster."),
    ] = "asyncio",
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", show_default="one a node", help="Ray workers.")
    ] = None,
    yes: Yes = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Submit batches and exit; run again for the answers.")
    ] = False,
    forget_batches: Annotated[
        bool,
        typer.Option(
            "--forget-batches", help="Abandon batches in progress; make and pay their calls again."
        ),
    ] = False,
) -> None:
    """Annotate the rows that the teacher has not answered yet.

    Every answer is saved at once. Stop with Ctrl-C and run the command again to go on. The exit
    status is 3 if rows are left failed.
    """
    if workers and engine != "ray":
        raise typer.BadParameter("--workers needs --engine ray")
    from distilwhy.cli.confirm import confirm_proposals
    from distilwhy.cli.describe import describe_ids
    from distilwhy.cli.views.outcomes import print_outcomes
    from distilwhy.pipeline.annotate.annotations import read_outcomes
    from distilwhy.pipeline.annotate.calls import open_calls
    from distilwhy.pipeline.annotate.recorded_ids import match_ids
    from distilwhy.pipeline.annotate.run import annotate

    experiment = open_experiment(exp, teacher)
    with showing_progress() as progress:
        annotate(
            experiment,
            limit,
            progress.annotation,
            confirm=confirm_proposals(progress, experiment.config.currency, yes=yes),
            budget=budget,
            engine=engine,
            workers=workers,
            wait=not no_wait,
            forget_batches=forget_batches,
        )
    calls = open_calls(experiment)
    if found := match_ids(experiment, calls):
        print_line(describe_ids(found))
    outcomes = read_outcomes(experiment, calls)
    print_outcomes(outcomes)
    exit_if_failed(experiment, outcomes)


def annotations(
    exp: ExperimentFile,
    teacher: TeacherName = None,
    problem: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="List rows with this outcome or with this text in their problem; 'any' lists all "
            "problems.",
        ),
    ] = None,
    disagree: Annotated[
        bool, typer.Option("--disagree", help="List rows whose label is not the gold label.")
    ] = False,
    ids: Annotated[
        list[str] | None,
        typer.Option("--id", metavar="ID", help="Show this row in full; can be repeated."),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, metavar="N", help="List at most this many rows.")
    ] = 20,
    retry: Annotated[
        str | None,
        typer.Option(
            metavar="OUTCOMES",
            help="Repeat the calls that ended with these outcomes, such as failed,truncated.",
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="TARGET",
            help="Write the annotations and their provenance to a .jsonl, .csv or .parquet file, "
            "or to a dataset folder.",
        ),
    ] = None,
    budget: Budget = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Inspect, retry or export the teacher's annotations.

    Prints an overview, or lists rows if --problem, --disagree or --id selects them. --retry and
    --export apply to the selected rows, or to all.
    """
    if retry and export:
        raise typer.BadParameter("give --retry or --export, not both")
    from distilwhy.pipeline.annotate.inspect.export import export as write_rows
    from distilwhy.pipeline.annotate.inspect.listing import RowFilter, list_rows

    outcomes = parse_outcomes(retry) if retry else ()
    experiment = open_experiment(exp, teacher)
    row_filter = RowFilter(problem, disagree, tuple(ids or ()))
    if outcomes:
        _retry(experiment, row_filter, outcomes, budget, yes=yes)
        return
    with interruptible(), notice_if_slow(f"{exp}: reading the annotations; many take a while"):
        if export:
            number = write_rows(experiment, list_rows(experiment, row_filter), export)
            print_line(f"wrote {counted(number, 'answer')} to {export}")
        else:
            _show(experiment, row_filter, limit, as_json=as_json)


def _retry(
    experiment: "Experiment",
    row_filter: "RowFilter",
    outcomes: "tuple[Outcome, ...]",
    budget: Decimal | None,
    *,
    yes: bool,
) -> None:
    from distilwhy.cli.confirm import confirm_proposals
    from distilwhy.cli.views.outcomes import print_outcomes
    from distilwhy.pipeline.annotate.annotations import read_outcomes
    from distilwhy.pipeline.annotate.calls import open_calls
    from distilwhy.pipeline.annotate.inspect.listing import list_rows
    from distilwhy.pipeline.annotate.inspect.retry import plan_retry
    from distilwhy.pipeline.annotate.run import run_retry

    calls = open_calls(experiment)
    retry = plan_retry(experiment, calls, list_rows(experiment, row_filter, calls), outcomes)
    if not retry.calls:
        print_line(f"nothing to retry: no answer is {' or '.join(outcomes)}")
        return
    with showing_progress("Run 'distilwhy annotate'") as progress:
        run_retry(
            experiment,
            retry,
            watch=progress.annotation,
            confirm=confirm_proposals(progress, experiment.config.currency, yes=yes),
            budget=budget,
        )
    left = read_outcomes(experiment)
    print_outcomes(left)
    exit_if_failed(experiment, left)


def _show(experiment: "Experiment", row_filter: "RowFilter", limit: int, *, as_json: bool) -> None:
    from distilwhy.cli.views.overview import print_overview
    from distilwhy.cli.views.rows import print_answers, print_rows
    from distilwhy.pipeline.annotate.inspect.export import list_answers
    from distilwhy.pipeline.annotate.inspect.listing import list_rows
    from distilwhy.pipeline.annotate.inspect.overview import read_overview

    if row_filter.is_empty:
        print_overview(read_overview(experiment), experiment.config.currency, as_json)
    elif as_json:
        print_answers(list_answers(experiment, list_rows(experiment, row_filter)))
    else:
        print_rows(list_rows(experiment, row_filter), limit, whole=bool(row_filter.ids))
