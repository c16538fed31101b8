"""The commands about students: ``train``, ``evaluate``, ``run`` and ``compare``."""

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distilwhy.cli.context import exit_if_failed, open_experiment, showing_progress
from distilwhy.cli.options import AsJson, Budget, ExperimentFile, Workers, Yes
from distilwhy.cli.output import print_line, print_notice

if TYPE_CHECKING:
    from distilwhy.core.results import Results

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
        typer.Argument(metavar="EXP.yaml", help="The experiment file, or several to show."),
    ],
    workers: Workers = None,
    budget: Budget = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Run the study, or show several experiments side by side.

    With one file it does what 'run' does, for every combination that the experiment's 'study'
    section names. With several it runs nothing: it compares their teachers on the rows that all
    have answered, and their students if they are evaluated.
    """
    if len(files) == 1:
        _run(files[0], workers, budget, yes=yes, as_json=as_json, study=True)
        return
    if workers or budget is not None or yes:
        raise typer.BadParameter("--workers, --budget and --yes are for the study of one file")
    from distilwhy.cli.views.comparison import print_comparison
    from distilwhy.pipeline.comparison import compare_experiments

    print_comparison(compare_experiments([open_experiment(file) for file in files]), as_json)


def _run(
    exp: Path, workers: int | None, budget: Decimal | None, *, yes: bool, as_json: bool, study: bool
) -> None:
    from distilwhy.cli.confirm import confirm_proposals
    from distilwhy.cli.views.results import print_results
    from distilwhy.cli.views.status import print_status
    from distilwhy.pipeline.run import run
    from distilwhy.pipeline.status import status

    experiment = open_experiment(exp)
    with showing_progress() as progress:
        results = run(
            experiment,
            progress.watch(),
            workers=workers,
            study=study,
            confirm=confirm_proposals(progress, experiment.config.currency, yes=yes),
            budget=budget,
        )
    if results:
        print_results(results, experiment, as_json)
        exit_if_failed(experiment, results.teacher)
        return
    found = status(experiment)
    print_status(found, as_json)
    print_notice("No student was scored, because there are no test rows. Set data.test.")
    exit_if_failed(experiment, found.teacher)
