"""Score the students on the test rows, beside the teacher. Nothing before this reads them."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from distilwhy.core.headline import write_headline
from distilwhy.core.method import METHODS
from distilwhy.core.persisted import to_plain
from distilwhy.core.results import MethodScore, Provenance, Results, StudentScore
from distilwhy.core.splits import SPLITS
from distilwhy.core.stats.comparisons import compare_with_baselines, judge
from distilwhy.core.stats.confusions import break_down, confuse, says_one_thing
from distilwhy.core.stats.curve import Curve, Point, find_efficiency, fit_curve
from distilwhy.core.stats.scores import score
from distilwhy.core.student_id import StudentId
from distilwhy.pipeline.annotate.annotations import Annotations, read_annotations
from distilwhy.pipeline.evaluate.bill import settle_bill
from distilwhy.pipeline.evaluate.cases import list_cases
from distilwhy.pipeline.evaluate.predictions import (
    TestPredictions,
    list_scoring_jobs,
    pick_firsts,
    predict_all,
)
from distilwhy.pipeline.evaluate.provenance import describe_machine, read_versions
from distilwhy.pipeline.evaluate.report import write_report
from distilwhy.pipeline.experiment import Experiment
from distilwhy.store.files import folder_size, publish_jsonl
from distilwhy.store.results import publish_results
from distilwhy.students.training.distributed import refuse_company


def evaluate(
    experiment: Experiment,
    watch: Callable[[int, int], None] = lambda done, students: None,
    *,
    workers: int | None = 1,
    annotations: Annotations | None = None,
) -> Results:
    """Score every trained student of the experiment and of its study.

    Writes ``results.json``, ``measured.json``, ``cases.jsonl`` and the report in the run folder.
    A student that stands scored is not asked again; one that was trained on something else than
    it would be trained on now is left out.

    Args:
        watch: Called after a student was asked, with how many were and how many are to be.
        workers: How many students are asked side by side; None: as many as the machine allows.
        annotations: What the teacher said, if it has been read already.

    Raises:
        ConfigError: if there are no test rows.
        RunError: if no student is trained, or all are out of date; if another process works in
            the run folder, or was started with this one.
    """
    refuse_company()
    with experiment.folder.lock():
        if annotations is None:
            annotations = read_annotations(experiment)
        jobs, outdated = list_scoring_jobs(experiment, annotations)
        answers = predict_all(experiment.folder, jobs, workers, watch)
        correct = {
            job.student_id: judge(
                experiment.task.answer, job.examples, answers[job.student_id].by_id
            )
            for job in jobs
        }
        results = replace(_find(experiment, annotations, answers, correct), outdated=outdated)
        cases = list_cases(experiment, annotations, jobs, answers, correct)
        publish_jsonl(experiment.folder.cases, map(asdict, cases))
        publish_results(experiment.folder, results)
        write_report(experiment.folder)
    return results


def _find(
    experiment: Experiment,
    annotations: Annotations,
    answers: Mapping[StudentId, TestPredictions],
    correct: Mapping[StudentId, Sequence[bool]],
) -> Results:
    methods = _score_methods(experiment, answers, correct)
    teacher = {name: found for name, found in annotations.outcomes.items() if found.rows}
    comparisons = compare_with_baselines(correct)
    students = list(dict.fromkeys(found.student for found in methods))
    first = [found for found in methods if found.student == students[0]]
    finetune = {m.student: m.score for m in methods if (m.method, m.rows) == ("finetune", None)}
    curves = _fit_curves(experiment, methods)
    efficiency = [
        find_efficiency(curve, finetune.get(curve.student) if curve.method != "finetune" else None)
        for curve in curves
    ]
    answer, test = experiment.task.answer, experiment.splits.test
    firsts = [(c.method, test, a.by_id) for c, a in pick_firsts(answers).items()]
    return Results(
        name=_name(experiment.file),
        headline=write_headline(
            [one for one in comparisons if one.student == students[0]],
            first,
            saw_gold=sum(found.saw_gold for found in teacher.values()),
            students=students,
        ),
        teacher=teacher,
        methods=methods,
        comparisons=comparisons,
        curves=curves,
        efficiency=[found for found in efficiency if found is not None],
        bill=settle_bill(experiment, annotations, first),
        confusions=[confuse(*one) for one in firsts] if answer.kind == "choice" else [],
        breakdowns=[
            break_down(method, answer, rows, said)
            for method, rows, said in firsts
            if answer.kind != "choice"
        ],
        provenance=_describe_provenance(experiment, annotations),
        one_answer=sum(says_one_thing(test, a.by_id) for a in answers.values()),
    )


def _name(file: Path) -> str:
    """The file's name, or where that says nothing its folder's."""
    return file.resolve().parent.name if file.stem == "experiment" else file.stem


def _score_methods(
    experiment: Experiment,
    answers: Mapping[StudentId, TestPredictions],
    correct: Mapping[StudentId, Sequence[bool]],
) -> list[MethodScore]:
    groups: dict[tuple[str, str, int | None], list[StudentId]] = {}
    for student_id in correct:
        groups.setdefault((student_id.student, student_id.method, student_id.rows), []).append(
            student_id
        )
    scores = []
    for (student, method, rows), student_ids in groups.items():
        scores.append(
            MethodScore(
                method,
                rows,
                score([correct[student_id] for student_id in student_ids]),
                experiment.folder.trained(student_ids[0]).wrong_rationales,
                [_score_student(experiment, c, answers[c], correct[c]) for c in student_ids],
                student,
            )
        )
    return scores


def _score_student(
    experiment: Experiment, student_id: StudentId, answers: TestPredictions, correct: Sequence[bool]
) -> StudentScore:
    summary = experiment.folder.trained(student_id).summary
    return StudentScore(
        seed=student_id.seed,
        score=score([correct]),
        best_step=summary.best_step,
        validation_accuracy=summary.validation_accuracy,
        parameters=summary.parameters,
        size=folder_size(experiment.folder.student(student_id)),
        lr=summary.lr,
        seconds=summary.seconds,
        rows_per_second=answers.rows_per_second,
        teacher_calls=len(correct) if METHODS[student_id.method].asks_teacher else 0,
    )


def _fit_curves(experiment: Experiment, methods: Sequence[MethodScore]) -> list[Curve]:
    """A curve for each student's methods that were trained on several numbers of rows."""
    whole = len(experiment.splits.train)
    found: dict[tuple[str, str], list[Point]] = {}
    for m in methods:
        found.setdefault((m.student, m.method), []).append(Point(m.rows or whole, m.score))
    return [
        fit_curve(method, sorted(points, key=lambda point: point.rows), student)
        for (student, method), points in found.items()
        if len(points) > 1
    ]


def _describe_provenance(experiment: Experiment, annotations: Annotations) -> Provenance:
    splits = {name: experiment.splits.named(name) for name in SPLITS}
    hashes = {name: _hash([asdict(e) for e in rows]) for name, rows in splits.items() if rows}
    said = {i: to_plain(a) for i, a in sorted(annotations.items())}
    machine, started = describe_machine()
    return Provenance(
        started=started,
        machine=machine,
        versions=read_versions(),
        rows={name: len(rows) for name, rows in splits.items()},
        hashes={**hashes, "annotations": _hash(said)},
        prompt=annotations.prompt,
        settings=experiment.resolved(),
    )


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
