"""Compute the results of a study from its students' answers to the test rows."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from distilwhy.core.method import METHODS
from distilwhy.core.results import MethodScore, Results, StudentScore
from distilwhy.core.stats.comparisons import compare_with_baselines
from distilwhy.core.stats.confusions import break_down, confuse, says_one_thing
from distilwhy.core.stats.curve import Curve, Efficiency, Point, find_efficiency, fit_curve
from distilwhy.core.stats.headline import write_headline
from distilwhy.core.stats.scores import score
from distilwhy.core.student_id import StudentId
from distilwhy.pipeline.annotate.annotations import Annotations
from distilwhy.pipeline.evaluate.bill import settle_bill
from distilwhy.pipeline.evaluate.predictions import TestPredictions, pick_firsts
from distilwhy.pipeline.evaluate.provenance import describe_provenance
from distilwhy.pipeline.experiment import Experiment
from distilwhy.store.files import folder_size

Predictions = Mapping[StudentId, TestPredictions]


def compute_results(
    experiment: Experiment, annotations: Annotations, predictions: Predictions
) -> Results:
    """The results of a study, with no student left out as out of date."""
    methods = _score_methods(experiment, predictions)
    teacher = {name: counts for name, counts in annotations.outcomes.items() if counts.rows}
    comparisons = compare_with_baselines({s: found.correct for s, found in predictions.items()})
    students = list(dict.fromkeys(method.student for method in methods))
    first = [method for method in methods if method.student == students[0]]
    curves = _fit_curves(experiment, methods)
    answer, test = experiment.task.answer, experiment.splits.test
    is_choice = answer.kind == "choice"
    shown = {s.method: found.by_id for s, found in pick_firsts(predictions).items()}
    return Results(
        name=_name(experiment.file),
        headline=write_headline(
            [comparison for comparison in comparisons if comparison.student == students[0]],
            first,
            saw_gold=sum(counts.saw_gold for counts in teacher.values()),
            students=students,
        ),
        teacher=teacher,
        methods=methods,
        comparisons=comparisons,
        curves=curves,
        efficiency=_find_efficiencies(curves, methods),
        bill=settle_bill(experiment, annotations, first),
        confusions=[confuse(m, test, by_id) for m, by_id in shown.items() if is_choice],
        breakdowns=[
            break_down(m, answer, test, by_id) for m, by_id in shown.items() if not is_choice
        ],
        provenance=describe_provenance(experiment, annotations),
        one_answer=sum(says_one_thing(test, found.by_id) for found in predictions.values()),
    )


def _name(file: Path) -> str:
    """The file's name, or that of its folder if the file is just ``experiment.yaml``."""
    return file.resolve().parent.name if file.stem == "experiment" else file.stem


def _score_methods(experiment: Experiment, predictions: Predictions) -> list[MethodScore]:
    groups: dict[tuple[str, str, int | None], list[StudentId]] = {}
    for s in predictions:
        groups.setdefault((s.student, s.method, s.rows), []).append(s)
    return [
        MethodScore(
            method,
            rows,
            score([predictions[student_id].correct for student_id in seeds]),
            experiment.folder.trained(seeds[0]).wrong_rationales,
            [_score_student(experiment, s, predictions[s]) for s in seeds],
            student,
        )
        for (student, method, rows), seeds in groups.items()
    ]


def _score_student(
    experiment: Experiment, student_id: StudentId, predictions: TestPredictions
) -> StudentScore:
    summary, correct = experiment.folder.trained(student_id).summary, predictions.correct
    return StudentScore(
        seed=student_id.seed,
        score=score([correct]),
        best_step=summary.best_step,
        validation_accuracy=summary.validation_accuracy,
        parameters=summary.parameters,
        size=folder_size(experiment.folder.student(student_id)),
        lr=summary.lr,
        seconds=summary.seconds,
        rows_per_second=predictions.rows_per_second,
        teacher_calls=len(correct) if METHODS[student_id.method].asks_teacher else 0,
    )


def _fit_curves(experiment: Experiment, methods: Sequence[MethodScore]) -> list[Curve]:
    """A curve for each student's methods that were trained on several numbers of rows."""
    every_row = len(experiment.splits.train)
    found: dict[tuple[str, str], list[Point]] = {}
    for m in methods:
        found.setdefault((m.student, m.method), []).append(Point(m.rows or every_row, m.score))
    return [
        fit_curve(method, sorted(points, key=lambda point: point.rows), student)
        for (student, method), points in found.items()
        if len(points) > 1
    ]


def _find_efficiencies(curves: Sequence[Curve], methods: Sequence[MethodScore]) -> list[Efficiency]:
    """What more rows would bring, against ``finetune`` on all rows where there is one."""
    finetune = {m.student: m.score for m in methods if (m.method, m.rows) == ("finetune", None)}
    found = (
        find_efficiency(curve, finetune.get(curve.student) if curve.method != "finetune" else None)
        for curve in curves
    )
    return [efficiency for efficiency in found if efficiency is not None]
