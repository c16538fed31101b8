"""The answers of trained students to the test rows, computed once and kept in the run folder."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from distilwhy.core.method import METHODS
from distilwhy.core.stats.comparisons import Prediction, judge
from distilwhy.core.stats.deployment import Deployment, choose_deployment
from distilwhy.core.student_id import StudentId, extent
from distilwhy.core.task import Example
from distilwhy.errors import ConfigError, RunError
from distilwhy.pipeline.annotate.annotations import Annotations
from distilwhy.pipeline.evaluate.validation import ValidationRows, select_validation
from distilwhy.pipeline.experiment import Experiment
from distilwhy.pipeline.fingerprint import hash_json
from distilwhy.pipeline.train.data import read_by
from distilwhy.pipeline.train.jobs import TrainingJobs
from distilwhy.pipeline.train.study import list_students
from distilwhy.pipeline.train.workers import count_workers, open_pool
from distilwhy.store.files import publish_json, read_json
from distilwhy.store.run_folder import RunFolder

# Memory per parameter while a student answers: its weights, and what a batch of rows takes.
BYTES_PER_PARAMETER = 12


@dataclass(frozen=True)
class ScoringJob:
    """A trained student, and the test rows as it reads them.

    Attributes:
        validation: The rows that its confidences are calibrated on.
        fingerprint: The SHA-256 of the student's training, the rows and the answer space.
    """

    student_id: StudentId
    examples: Sequence[Example]
    validation: ValidationRows
    fingerprint: str


@dataclass(frozen=True)
class TestPredictions:
    """A student's answers to the test rows, and which are correct in the order of these rows.

    Attributes:
        by_id: The predictions, with confidences before calibration.
        deployment: None if the answers were kept by an older version, without confidences.
    """

    by_id: Mapping[str, Prediction]
    correct: Sequence[bool]
    rows_per_second: float
    deployment: Deployment | None


def list_scoring_jobs(
    experiment: Experiment, annotations: Annotations
) -> tuple[list[ScoringJob], int]:
    """The students of the experiment and its study that are up to date, as jobs, and how many
    trained students are out of date.

    Raises:
        ConfigError: if there are no test rows.
        RunError: if no student is trained and up to date.
    """
    if not experiment.splits.test:
        raise ConfigError(f"{experiment.file}: there are no test rows to score; set data.test")
    students = [*list_students(experiment, study=True), *list_students(experiment)]
    trained = TrainingJobs(experiment, annotations).find_trained(dict.fromkeys(students))
    outdated = len(trained.out_of_date)
    if not trained.up_to_date:
        others = f" ({outdated} out of date)" if outdated else ""
        raise RunError(
            f"{experiment.folder.path}: no student is trained yet{others}; run 'train' first"
        )
    test, jobs = experiment.splits.test, []
    validation = select_validation(experiment, annotations)
    for student_id in trained.up_to_date:
        method, said = METHODS[student_id.method], annotations.of(student_id.annotations)
        examples = read_by(method, test, said)
        own = replace(validation, examples=read_by(method, validation.examples, said))
        training = experiment.folder.trained(student_id).fingerprint
        fingerprint = hash_json([training, examples, experiment.task.answer])
        jobs.append(ScoringJob(student_id, examples, own, fingerprint))
    return jobs, outdated


def predict_all(
    experiment: Experiment,
    jobs: Sequence[ScoringJob],
    workers: int | None,
    watch: Callable[[int, int], None],
) -> dict[StudentId, TestPredictions]:
    """The answers of every student; only those that are not kept yet are computed.

    ``workers`` and ``watch`` are as for ``evaluate``.
    """
    folder = experiment.folder
    done, missing = 0, []
    for job in jobs:
        if _read_kept(folder, job) is None:
            missing.append(job)

    def count(student_id: StudentId) -> None:
        nonlocal done
        done += 1
        watch(done, len(missing))

    if missing:
        watch(0, len(missing))
        largest = max(folder.trained(job.student_id).summary.parameters for job in missing)
        processes = count_workers(workers, BYTES_PER_PARAMETER * largest)
        # Starting a process takes longer than a small student takes to answer.
        with open_pool(processes if len(missing) > 2 * processes else 1) as pool:
            pool.run(partial(predict_test, folder), missing, count)
    return {job.student_id: _read(experiment, job) for job in jobs}


def predict_test(folder: RunFolder, job: ScoringJob, send: Callable[[StudentId], None]) -> None:
    """Compute and keep the answers of one student; send its id when done."""
    from distilwhy.students.student import Student

    loaded = Student.load(folder.student(job.student_id))
    # An earlier evaluation may have calibrated it.
    student = replace(loaded, deployment=None)
    started = time.perf_counter()
    rows = [asdict(prediction) for prediction in student.predict(job.examples)]
    seconds = round(time.perf_counter() - started, 3)
    kept = {
        "fingerprint": job.fingerprint,
        "seconds": seconds,
        "predictions": rows,
        "validation": [asdict(one) for one in student.predict(job.validation.examples)],
    }
    publish_json(folder.predictions(job.student_id), kept)
    send(job.student_id)


def explain(folder: RunFolder, job: ScoringJob, ids: Sequence[str]) -> dict[str, str]:
    """A student's rationales for some of the test rows by id; none if it cannot write any.

    They are computed once and kept.
    """
    path = folder.explanations(job.student_id)
    kept = _read_cached(path, job.fingerprint)
    if kept.get("ids") == list(ids) and isinstance(kept.get("reasons"), dict):
        return dict(kept["reasons"])
    reasons = _write_rationales(folder, job, set(ids)) if ids else {}
    publish_json(path, {"fingerprint": job.fingerprint, "ids": list(ids), "reasons": reasons})
    return reasons


def _write_rationales(folder: RunFolder, job: ScoringJob, ids: set[str]) -> dict[str, str]:
    from distilwhy.students.student import Student

    student = Student.load(folder.student(job.student_id))
    wanted = [example for example in job.examples if example.id in ids]
    texts = student.explain(wanted) if student.can_explain else []
    return {example.id: text for example, text in zip(wanted, texts, strict=False)}


def pick_firsts(answers: Mapping[StudentId, TestPredictions]) -> dict[StudentId, TestPredictions]:
    """The first student's answers: for each arm, those of its first seed on the most rows."""
    student = next(iter(answers)).student
    own = [s for s in answers if s.student == student]
    firsts = [
        max((s for s in own if s.arm == arm), key=lambda s: extent(s.rows))
        for arm in dict.fromkeys(s.arm for s in own)
    ]
    return {student_id: answers[student_id] for student_id in firsts}


def _read(experiment: Experiment, job: ScoringJob) -> TestPredictions:
    kept = _read_kept(experiment.folder, job)
    if kept is None:
        path = experiment.folder.predictions(job.student_id)
        raise RunError(f"{path}: was changed while it was in use; run 'evaluate' again")
    correct = judge(experiment.task.answer, job.examples, kept.test)
    return TestPredictions(
        kept.test,
        correct,
        len(kept.test) / max(1e-6, kept.seconds),
        _deploy(experiment, job, kept.validation),
    )


def _deploy(
    experiment: Experiment, job: ScoringJob, found: Mapping[str, Prediction]
) -> Deployment | None:
    """The calibration and the cascade of one student, from its answers to validation rows."""
    rows = job.validation
    if not found:
        return None
    needs_teacher = METHODS[job.student_id.method].asks_teacher
    answers = [found[example.id] for example in rows.examples]
    return choose_deployment(
        [one.confidence or 0.0 for one in answers],
        judge(experiment.task.answer, rows.examples, found),
        rows.reference,
        None if needs_teacher else experiment.config.deploy.target,
        rows.teacher,
    ).with_profile(experiment.task.answer.labels, answers)


@dataclass(frozen=True)
class _Kept:
    """Answers of one student to the test rows and to validation rows, by example id.

    There are none to validation rows in a file of an older version.
    """

    test: dict[str, Prediction]
    validation: dict[str, Prediction]
    seconds: float


def _read_kept(folder: RunFolder, job: ScoringJob) -> _Kept | None:
    """The answers of one student that are kept, and how long those to test rows took; None if
    they must be computed: they are of another training or of other rows, or cannot be read."""
    kept = _read_cached(folder.predictions(job.student_id), job.fingerprint)
    try:
        test, validation = (
            {row["example_id"]: Prediction(**row) for row in rows}
            for rows in (kept["predictions"], kept.get("validation", []))
        )
        seconds = float(kept["seconds"])
    except (KeyError, TypeError, ValueError):
        return None
    is_whole = test.keys() >= {example.id for example in job.examples}
    if validation:
        is_whole &= validation.keys() >= {example.id for example in job.validation.examples}
    return _Kept(test, validation, seconds) if is_whole else None


def _read_cached(path: Path, fingerprint: str) -> dict[str, Any]:
    """What is kept under a fingerprint; empty if nothing is, or it cannot be read."""
    try:
        kept = read_json(path) or {}
    except RunError:
        return {}
    return kept if kept.get("fingerprint") == fingerprint else {}
