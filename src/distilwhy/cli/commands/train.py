"""The commands about students: ``train``, ``evaluate``, ``run`` and ``compare``."""

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distilwhy.cli.context import (
    LEFT_FAILED,
    RUN_AGAIN,
    exit_if_failed,
    open_experiment,
    showing_progress,
)
from distilwhy.cli.options import AsJson, Budget, ExperimentFile, Workers, Yes
from distilwhy.cli.output import print_line, print_notice
from distilwhy.errors import DistilwhyError

if TYPE_CHECKING:
    from distilwhy.core.results import Results
    from distilwhy.pipeline.experiment import Experiment

# The exit status of ``evaluate --min-accuracy``.
TOO_INACCURATE = 4


def train(
    exp: ExperimentFile,
    method: Annotated[
        str | None, typer.Option(metavar="METHOD", help="Train only this method.")
    ] = None,
    workers: Workers = None,
) -> None:
    """Train the students that are not trained yet.

    An interrupted training resumes from its last checkpoint.
    """
    from distilwhy.pipeline.annotate.annotations import read_annotations
    from distilwhy.pipeline.annotate.gate import require_parsed
    from distilwhy.pipeline.train.run import train_students
    from distilwhy.students.training.distributed import is_main

    experiment = open_experiment(exp)
    annotations = read_annotations(experiment)
    require_parsed(annotations)
    with showing_progress() as progress:
        train_students(
            experiment, method, progress.training(), workers=workers, annotations=annotations
        )
    if is_main():
        students = experiment.folder.path / "students"
        print_line(f"Students: {students} (the README.md of each says how to ask it)")


def evaluate(
    exp: ExperimentFile,
    workers: Workers = None,
    min_accuracy: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="SHARE",
            help="End with exit status 4 if no method that needs no teacher at inference reaches "
            "this test accuracy, such as 0.9.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score the trained students and the teacher on the test rows."""
    from distilwhy.cli.views.results import print_results
    from distilwhy.pipeline.evaluate.run import evaluate

    experiment = open_experiment(exp)
    with showing_progress() as progress:
        results = evaluate(experiment, progress.evaluation, workers=workers)
    print_results(results, experiment, as_json)
    if min_accuracy is not None:
        _require_accuracy(results, min_accuracy)


def _require_accuracy(results: "Results", least: float) -> None:
    """Exit if no method reaches the accuracy, over all its seeds, and needs no teacher."""
    alone = [m for m in results.methods if not any(s.teacher_calls for s in m.students)]
    best = max(alone, key=lambda method: method.score.accuracy, default=None)
    if best is None:
        print_notice("--min-accuracy: every method needs the teacher at inference")
    elif best.score.accuracy < least:
        name = f"{results.call(best.student)} {best.method}".lstrip()
        print_notice(
            f"--min-accuracy {least:g}: the test accuracy of {name}, the best, is "
            f"{best.score.accuracy:.4f}"
        )
    else:
        return
    raise typer.Exit(TOO_INACCURATE)


def run(
    exp: ExperimentFile,
    workers: Workers = None,
    budget: Budget = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Annotate, train and evaluate, skipping what is done."""
    _run(exp, workers, budget, yes=yes, as_json=as_json, study=False)


def compare(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="EXP.yaml", help="The experiment file, or several."),
    ],
    workers: Workers = None,
    budget: Budget = None,
    yes: Yes = False,
    train: Annotated[
        bool, typer.Option("--train", help="With several files: first run the study of each.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run the study, or show several experiments side by side.

    With one file it does what 'run' does, for every combination that the experiment's 'study'
    section names. With several it compares their teachers on the rows that all have answered,
    and their students if they are evaluated; with --train it runs their studies first, one
    after another. A study that was stopped goes on where it was.
    """
    if len(files) == 1:
        _run(files[0], workers, budget, yes=yes, as_json=as_json, study=True)
        return
    if budget is not None or ((workers or yes) and not train):
        raise typer.BadParameter(
            "--budget is for the study of one file; --workers and --yes are for that, or --train"
        )
    from distilwhy.cli.views.comparison import print_comparison
    from distilwhy.pipeline.comparison import compare_experiments

    done = [f for f in files if not train or _has_run(f, workers, yes=yes, as_json=as_json)]
    failed = [file for file in files if file not in done]
    if done:
        print_comparison(compare_experiments([open_experiment(f) for f in done]), as_json)
    if failed:
        print_notice(f"Stopped by an error: {', '.join(map(str, failed))}. {RUN_AGAIN} to go on.")
        raise typer.Exit(1)


def _has_run(file: Path, workers: int | None, *, yes: bool, as_json: bool) -> bool:
    """Run one study of several; an error is printed, so that the others can still be run."""
    print_notice(f"\n== {file}")
    try:
        experiment = open_experiment(file)
        results = _work(experiment, workers, None, yes=yes, study=True)
        if not as_json:
            _show(experiment, results, as_json=False)
    except DistilwhyError as error:
        print_notice(f"error: {error}")
        return False
    except typer.Exit as end:
        if end.exit_code != LEFT_FAILED:
            raise
    return True


def _run(
    exp: Path, workers: int | None, budget: Decimal | None, *, yes: bool, as_json: bool, study: bool
) -> None:
    experiment = open_experiment(exp)
    _show(experiment, _work(experiment, workers, budget, yes=yes, study=study), as_json=as_json)


def _work(
    experiment: "Experiment", workers: int | None, budget: Decimal | None, *, yes: bool, study: bool
) -> "Results | None":
    from distilwhy.cli.confirm import confirm_proposals
    from distilwhy.pipeline.run import run

    with showing_progress() as progress:
        return run(
            experiment,
            progress.watch(),
            workers=workers,
            study=study,
            confirm=confirm_proposals(progress, experiment.config.currency, yes=yes),
            budget=budget,
        )


def _show(experiment: "Experiment", results: "Results | None", *, as_json: bool) -> None:
    from distilwhy.cli.views.results import print_results
    from distilwhy.cli.views.status import print_status
    from distilwhy.pipeline.annotate.annotations import read_outcomes
    from distilwhy.pipeline.status import status

    if results:
        print_results(results, experiment, as_json)
        for other in experiment.other_teachers.values():
            exit_if_failed(other, read_outcomes(other))
        exit_if_failed(experiment, results.teacher)
        return
    found = status(experiment)
    print_status(found, as_json)
    print_notice("No student was scored, because there are no test rows. Set data.test.")
    exit_if_failed(experiment, found.teacher)
