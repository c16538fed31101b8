"""Compute the results of a study from its students' answers to the test rows."""

import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from distilwhy.core.cost import Bill, Measurements, Usage, settle
from distilwhy.core.method import METHODS
from distilwhy.core.persisted import fields_of
from distilwhy.core.results import MethodScore, Provenance, Results, StudentScore
from distilwhy.core.splits import SPLITS
from distilwhy.core.stats.comparisons import compare_with_baselines, compare_with_teacher
from distilwhy.core.stats.confusions import break_down, confuse, says_one_thing
from distilwhy.core.stats.curve import Curve, Efficiency, Point, find_efficiency, fit_curve
from distilwhy.core.stats.headline import choose_student, describe_rationales, describe_student
from distilwhy.core.stats.progress import Progress, is_rising
from distilwhy.core.stats.scores import score
from distilwhy.core.student_id import StudentId
from distilwhy.core.training_summary import TrainingSummary
from distilwhy.pipeline.annotate.annotations import Annotations
from distilwhy.pipeline.evaluate.baselines import Baselines
from distilwhy.pipeline.evaluate.deployments import score_deployments
from distilwhy.pipeline.evaluate.predictions import TestPredictions, pick_firsts
from distilwhy.pipeline.evaluate.teachers import price_annotations, score_teachers
from distilwhy.pipeline.evaluate.validation import judge_teacher
from distilwhy.pipeline.experiment import Experiment
from distilwhy.pipeline.fingerprint import hash_json
from distilwhy.store.files import folder_size

Predictions = Mapping[StudentId, TestPredictions]

_LIBRARIES = (
    "distilwhy",
    "torch",
    "transformers",
    "accelerate",
    "tokenizers",
    "numpy",
    "scipy",
    "scikit-learn",
)


def compute_results(
    experiment: Experiment, annotations: Annotations, predictions: Predictions, baselines: Baselines
) -> Results:
    """The results of a study, with no student left out as out of date."""
    methods = _score_methods(experiment, predictions)
    teacher = {name: counts for name, counts in annotations.outcomes.items() if counts.rows}
    correct = {s: found.correct for s, found in predictions.items()}
    comparisons = compare_with_baselines(correct)
    students = list(dict.fromkeys(method.student for method in methods))
    first = [method for method in methods if method.student == students[0]]
    curves = _fit_curves(experiment, methods)
    answer, test, file = experiment.task.answer, experiment.splits.test, experiment.file
    teacher_right = [judge_teacher(experiment, annotations, example) for example in test]
    against_teacher = compare_with_teacher(correct, teacher_right)
    chosen = choose_student(first)
    is_choice, firsts = answer.kind == "choice", pick_firsts(predictions)
    shown = {s.arm: found.by_id for s, found in firsts.items()}
    bill = settle_bill(experiment, annotations, chosen)
    teachers = score_teachers(experiment, annotations)
    return Results(
        # A folder's only experiment goes by the folder's name.
        name=file.resolve().parent.name if file.stem == "experiment" else file.stem,
        headline="\n".join(
            [
                describe_student(
                    chosen, first, teacher.get("test"), against_teacher, baselines.comparisons
                ),
                describe_rationales(
                    [one for one in comparisons if one.student == students[0]],
                    first,
                    saw_gold=sum(counts.saw_gold for counts in teacher.values()),
                    students=students,
                    teachers=[one.name for one in teachers],
                ),
            ]
        ),
        teacher=teacher,
        methods=methods,
        comparisons=comparisons,
        curves=curves,
        efficiency=_find_efficiencies(curves, methods),
        bill=bill,
        confusions=[confuse(m, test, by_id) for m, by_id in shown.items() if is_choice],
        breakdowns=[
            break_down(m, answer, test, by_id) for m, by_id in shown.items() if not is_choice
        ],
        provenance=_describe_provenance(experiment, annotations),
        teachers=teachers,
        annotation_costs=price_annotations(experiment, annotations, predictions),
        against_teacher=against_teacher,
        baselines=baselines.scores,
        against_baselines=baselines.comparisons,
        one_answer=sum(says_one_thing(test, found.by_id) for found in predictions.values()),
        deployments=score_deployments(experiment, annotations, firsts, bill),
        without_confidence=sum(found.deployment is None for found in predictions.values()),
    )


def _score_methods(experiment: Experiment, predictions: Predictions) -> list[MethodScore]:
    groups: dict[tuple[str, str, int | None], list[StudentId]] = {}
    for s in predictions:
        groups.setdefault((s.student, s.arm, s.rows), []).append(s)
    return [
        MethodScore(
            arm,
            rows,
            score([predictions[student_id].correct for student_id in seeds]),
            experiment.folder.trained(seeds[0]).wrong_rationales,
            [_score_student(experiment, s, predictions[s]) for s in seeds],
            student,
            _count_tried(experiment, seeds),
            _is_rising(experiment, seeds),
        )
        for (student, arm, rows), seeds in groups.items()
    ]


def _count_tried(experiment: Experiment, student_ids: Sequence[StudentId]) -> int:
    """How many trainings these students were chosen from: those of the seed that searched."""
    return max(len(experiment.folder.trained(student_id).search) for student_id in student_ids)


def _is_rising(experiment: Experiment, student_ids: Sequence[StudentId]) -> bool:
    """Whether students were still gaining on validation when their steps were done."""
    summaries = [experiment.folder.trained(student_id).summary for student_id in student_ids]
    whole = [_progress(one) for one in summaries if one.log and one.steps == one.log[-1].steps]
    return is_rising(whole, len(experiment.splits.validation))


def _progress(summary: TrainingSummary) -> list[Progress]:
    return [Progress(one.step, one.validation_accuracy, one.tokens) for one in summary.log]


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
        progress=_progress(summary),
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


def settle_bill(experiment: Experiment, annotations: Annotations, chosen: MethodScore) -> Bill:
    """The bill of an experiment and one student; only tokens and seconds without prices."""
    answers, explanations = annotations.answers, annotations.explanations
    counted = (*answers.tokens, *explanations.tokens)
    total = sum(counted, Usage())
    priced = chosen.students[0]
    measured = Measurements(
        calls=answers.calls + explanations.calls,
        explanations=explanations.calls,
        input_tokens=total.input,
        output_tokens=total.output,
        counted=len(counted),
        rows=sum(annotation.outcome != "failed" for annotation in annotations.values()),
        training_seconds=priced.seconds,
        student_rows_per_second=priced.rows_per_second,
        teacher_rows_per_second=_pace(experiment, answers.seconds),
    )
    prices = experiment.config.price_list
    bill = settle(measured, prices, answers.tokens, explanations.tokens)
    return replace(bill, method=chosen.method)


def _pace(experiment: Experiment, seconds: float | None) -> float | None:
    """Rows per second that the teacher answers at the configured concurrency."""
    teacher = experiment.config.teacher
    if not seconds or teacher.is_recorded:
        return None
    return teacher.pace.concurrency / seconds / teacher.samples


def _describe_provenance(experiment: Experiment, annotations: Annotations) -> Provenance:
    """Where results come from: data, settings, versions and machine, as they are now."""
    splits = {name: experiment.splits.named(name) for name in SPLITS}
    hashes = {name: hash_json(list(rows)) for name, rows in splits.items() if rows}
    hashes["annotations"] = hash_json({i: fields_of(a) for i, a in annotations.items()})
    return Provenance(
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=_describe_machine(),
        versions=_read_versions(),
        rows={name: len(rows) for name, rows in splits.items()},
        hashes=hashes,
        prompt=annotations.prompt,
        settings=experiment.resolved(),
    )


def _describe_machine() -> str:
    import psutil
    import torch

    memory = psutil.virtual_memory().total / 2**30
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return (
        f"{os.cpu_count()} CPU cores; {memory:.0f} GiB of memory; {', '.join(gpus) or 'no GPU'}; "
        f"{platform.system()} on {platform.machine()}"
    )


def _read_versions() -> dict[str, str]:
    """The versions of Python and of the libraries that results depend on."""
    found = {"Python": platform.python_version()}
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
