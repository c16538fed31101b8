"""The test rows put to trained students; what they answer is kept."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from distilwhy.core.method import METHODS, render_source
from distilwhy.core.stats.comparisons import Prediction
from distilwhy.core.student_id import StudentId, extent
from distilwhy.core.task import Example
from distilwhy.errors import ConfigError, RunError
from distilwhy.pipeline.annotate.annotations import Annotations
from distilwhy.pipeline.experiment import Experiment
from distilwhy.pipeline.train.jobs import list_cells, sift_trained
from distilwhy.pipeline.train.workers import count_workers, open_pool
from distilwhy.store.files import publish_json, read_json
from distilwhy.store.run_folder import RunFolder

# Weights, and what a batch of questions takes beside them.
BYTES_A_PARAMETER = 12


@dataclass(frozen=True)
class ScoringJob:
    """A trained student and the test rows as it reads them.

    Attributes:
        fingerprint: The SHA-256 of the student's job and of the rows.
    """

    cell: StudentId
    examples: list[Example]
    fingerprint: str


@dataclass(frozen=True)
class TestPredictions:
    """What a student answered to the test rows, by id, and how many it answered a second."""

    predictions: Mapping[str, Prediction]
    rows_per_second: float


def list_exams(experiment: Experiment, annotations: Annotations) -> tuple[list[ScoringJob], int]:
    """The trained students of the experiment and its study, each with the test rows as it reads
    them; and how many more there are that are out of date.

    Raises:
        ConfigError: if there are no test rows.
        RunError: if no student is trained, or none on what it would be trained on now.
    """
    if not experiment.splits.test:
        raise ConfigError(f"{experiment.file}: there are no test rows to score; set data.test")
    exams = []
    cells = [*list_cells(experiment, study=True), *list_cells(experiment)]
    current, outdated = sift_trained(experiment, annotations, dict.fromkeys(cells))
    for cell in current:
        method = METHODS[cell.method]
        examples = [
            replace(e, text=render_source(method, e, annotations.get(e.id)))
            for e in experiment.splits.test
        ]
        trained = experiment.folder.trained(cell).fingerprint
        exams.append(ScoringJob(cell, examples, _fingerprint(experiment, trained, examples)))
    if not exams:
        others = f" ({len(outdated)} out of date)" if outdated else ""
        raise RunError(
            f"{experiment.folder.path}: no student is trained yet{others}; run 'train' first"
        )
    return exams, len(outdated)


def take_all(
    folder: RunFolder,
    exams: Sequence[ScoringJob],
    workers: int | None,
    watch: Callable[[int, int], None],
) -> dict[StudentId, TestPredictions]:
    """Ask every student that was not asked yet; give what each answered.

    Args:
        workers: How many students side by side; None: as many as the machine allows.
        watch: Called with how many were asked and how many are to be.
    """
    waiting = [exam for exam in exams if not _is_taken(folder, exam)]
    done = 0

    def hear() -> None:
        nonlocal done
        done += 1
        watch(done, len(waiting))

    if waiting:
        watch(0, len(waiting))
        largest = max(folder.trained(exam.cell).summary.parameters for exam in waiting)
        count = count_workers(workers, BYTES_A_PARAMETER * largest)
        # A process takes longer to start than a student takes to answer.
        with open_pool(count if len(waiting) > 2 * count else 1) as do:
            do(take, [(folder, exam) for exam in waiting], hear)
    return {exam.cell: _read(folder, exam.cell) for exam in exams}


def take(folder: RunFolder, exam: ScoringJob, tell: Callable[[], None]) -> None:
    """Ask one student, and keep what it answers."""
    from distilwhy.students.student import Student

    student = Student.load(folder.student(exam.cell))
    started = time.perf_counter()
    predictions = [asdict(prediction) for prediction in student.predict(exam.examples)]
    kept = {
        "fingerprint": exam.fingerprint,
        "seconds": round(time.perf_counter() - started, 3),
        "predictions": predictions,
    }
    publish_json(folder.predictions(exam.cell), kept)
    tell()


def explain(folder: RunFolder, exam: ScoringJob, ids: Sequence[str]) -> dict[str, str]:
    """A student's reasons for some of the rows, kept; none if it cannot give any."""
    from distilwhy.students.student import Student

    place = folder.explanations(exam.cell)
    kept = read_json(place)
    if kept is None or kept["fingerprint"] != exam.fingerprint or kept["ids"] != list(ids):
        student = Student.load(folder.student(exam.cell))
        wanted = [example for example in exam.examples if example.id in set(ids)]
        said = student.explain(wanted) if student.can_explain and wanted else []
        reasons = {example.id: text for example, text in zip(wanted, said, strict=False)}
        kept = {"fingerprint": exam.fingerprint, "ids": list(ids), "reasons": reasons}
        publish_json(place, kept)
    return dict(kept["reasons"])


def pick_firsts(answers: Mapping[StudentId, TestPredictions]) -> dict[StudentId, TestPredictions]:
    """The answers of the first of the students: those of each method's first seed on all rows,
    or on the most there are."""
    best: dict[str, StudentId] = {}
    student = next(iter(answers)).student
    for cell in answers:
        if cell.student != student:
            continue
        kept = best.get(cell.method)
        if kept is None or extent(cell.rows) > extent(kept.rows):
            best[cell.method] = cell
    return {cell: answers[cell] for cell in best.values()}


def _is_taken(folder: RunFolder, exam: ScoringJob) -> bool:
    """Whether the student's answers to these very rows are kept."""
    kept = read_json(folder.predictions(exam.cell))
    return kept is not None and kept["fingerprint"] == exam.fingerprint


def _read(folder: RunFolder, cell: StudentId) -> TestPredictions:
    kept = read_json(folder.predictions(cell)) or {}
    predictions = {row["example_id"]: Prediction(**row) for row in kept["predictions"]}
    return TestPredictions(predictions, len(predictions) / max(1e-6, kept["seconds"]))


def _fingerprint(experiment: Experiment, trained: str, examples: Sequence[Example]) -> str:
    decides = [
        trained,
        [asdict(example) for example in examples],
        asdict(experiment.task.answer),
    ]
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
