"""Score the students on the test rows, beside the teacher. Nothing before this reads them."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from distilwhy.core.cell import Cell
from distilwhy.core.method import METHODS, render_source
from distilwhy.core.metrics import Score, score
from distilwhy.core.results import (
    Prediction,
    Tally,
    Versus,
    compare_with_baselines,
    judge,
    tally,
)
from distilwhy.core.task import Example
from distilwhy.errors import ConfigError, RunError
from distilwhy.flows.experiment import Experiment
from distilwhy.flows.lesson import list_cells
from distilwhy.flows.pool import count_workers, do_all
from distilwhy.store.run import RunFolder, publish_json, read_json

# Weights, and what a batch of questions takes beside them.
BYTES_A_PARAMETER = 12


@dataclass(frozen=True)
class StudentScore:
    """One student on the test rows.

    Attributes:
        teacher_calls: The answers of the teacher that it needs to answer the test rows.
    """

    seed: int
    score: Score
    best_step: int
    validation_accuracy: float
    parameters: int
    lr: float
    seconds: float
    teacher_calls: int


@dataclass(frozen=True)
class MethodScore:
    """One method on a number of train rows (None: all): over all its seeds, and each of them.

    Attributes:
        wrong_rationales: What was done about rationales for wrong labels, for its first seed.
    """

    method: str
    rows: int | None
    score: Score
    wrong_rationales: dict[str, int]
    students: list[StudentScore]


@dataclass(frozen=True)
class Scores:
    """What an experiment found; the content of ``scores.json``."""

    teacher: dict[str, Tally]
    methods: list[MethodScore]
    comparisons: list[Versus]

    def as_json(self) -> dict[str, object]:
        """The same as plain values, with a verdict beside each comparison."""
        value = asdict(self)
        for plain, versus in zip(value["comparisons"], self.comparisons, strict=True):
            plain["verdict"] = versus.comparison.verdict
        return value


def tally_annotations(experiment: Experiment) -> dict[str, Tally]:
    """The annotations of each split that is annotated, counted and scored."""
    annotations = experiment.read_annotations()
    return {
        name: tally(experiment.task.answer, experiment.splits.named(name), annotations)
        for name in experiment.config.teacher.annotate
        if experiment.splits.named(name)
    }


@dataclass(frozen=True)
class Exam:
    """A trained student and the test rows as it reads them.

    Attributes:
        fingerprint: The SHA-256 of the student's lesson and of the rows.
    """

    cell: Cell
    examples: list[Example]
    fingerprint: str


def evaluate(
    experiment: Experiment,
    watch: Callable[[int, int], None] = lambda done, students: None,
    *,
    workers: int | None = 1,
    study: bool = False,
) -> Scores:
    """Score every trained student of the experiment, and write ``scores.json``.

    A student that stands scored is not asked again.

    Args:
        watch: Called after a student was asked, with how many were and how many are to be.
        workers: How many students are asked side by side; None: as many as the machine allows.
        study: Score the cells of the study, and write ``study.json``.

    Raises:
        ConfigError: if there are no test rows.
        RunError: if no student is trained, or another process works in the run folder.
    """
    with experiment.folder.lock():
        exams = list_exams(experiment, study=study)
        untaken = [exam for exam in exams if not is_taken(experiment.folder, exam)]
        _take_all(experiment.folder, untaken, workers, watch)
        correct = {exam.cell: _correct(experiment, exam) for exam in exams}
        scores = Scores(
            tally_annotations(experiment),
            [_method_score(experiment, cells, correct) for cells in _by_method(correct)],
            compare_with_baselines(correct),
        )
        place = experiment.folder.study if study else experiment.folder.scores
        publish_json(place, scores.as_json())
    return scores


def _take_all(
    folder: RunFolder,
    exams: list[Exam],
    workers: int | None,
    watch: Callable[[int, int], None],
) -> None:
    if not exams:
        return
    done = 0

    def hear() -> None:
        nonlocal done
        done += 1
        watch(done, len(exams))

    watch(0, len(exams))
    largest = max(int((folder.training(exam.cell) or {})["parameters"]) for exam in exams)
    count = count_workers(workers, BYTES_A_PARAMETER * largest)
    if count > 1 and len(exams) > 1:
        do_all(take, [(folder, exam) for exam in exams], count, hear)
    else:
        for exam in exams:
            take(folder, exam, hear)


def list_exams(experiment: Experiment, *, study: bool = False) -> list[Exam]:
    """The trained students of the experiment, each with the test rows as it reads them.

    Raises:
        ConfigError: if there are no test rows.
        RunError: if no student is trained.
    """
    if not experiment.splits.test:
        raise ConfigError(f"{experiment.file}: there are no test rows to score; set data.test")
    annotations = experiment.read_annotations()
    exams = []
    for cell in list_cells(experiment, study=study):
        if trained := experiment.folder.training(cell):
            method = METHODS[cell.method]
            examples = [
                replace(e, text=render_source(method, e, annotations.get(e.id)))
                for e in experiment.splits.test
            ]
            exams.append(Exam(cell, examples, _fingerprint(experiment, trained, examples)))
    if not exams:
        raise RunError(f"{experiment.folder.path}: no student is trained yet; run 'train' first")
    return exams


def is_taken(folder: RunFolder, exam: Exam) -> bool:
    """Whether the student's answers to these very rows are kept."""
    kept = read_json(folder.predictions(exam.cell))
    return kept is not None and kept["fingerprint"] == exam.fingerprint


def take(folder: RunFolder, exam: Exam, tell: Callable[[], None]) -> None:
    """Ask the student, and keep what it answers."""
    from distilwhy.students.student import Student

    student = Student.load(folder.student(exam.cell))
    predictions = [asdict(prediction) for prediction in student.predict(exam.examples)]
    kept = {"fingerprint": exam.fingerprint, "predictions": predictions}
    publish_json(folder.predictions(exam.cell), kept)
    tell()


def _by_method(cells: Iterable[Cell]) -> list[list[Cell]]:
    """The cells that differ by their seed alone, put together."""
    groups: dict[tuple[str, int | None], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.method, cell.rows), []).append(cell)
    return list(groups.values())


def _method_score(
    experiment: Experiment, cells: list[Cell], correct: Mapping[Cell, list[bool]]
) -> MethodScore:
    students = []
    for cell in cells:
        summary = experiment.folder.training(cell) or {}
        students.append(
            StudentScore(
                cell.seed,
                score([correct[cell]]),
                summary["best_step"],
                summary["validation_accuracy"],
                summary["parameters"],
                summary["lr"],
                summary["seconds"],
                len(experiment.splits.test) if METHODS[cell.method].asks_teacher else 0,
            )
        )
    first = experiment.folder.training(cells[0]) or {}
    return MethodScore(
        cells[0].method,
        cells[0].rows,
        score([correct[cell] for cell in cells]),
        first.get("wrong_rationales", {}),
        students,
    )


def _correct(experiment: Experiment, exam: Exam) -> list[bool]:
    """Whether a student answered each test row rightly."""
    kept = read_json(experiment.folder.predictions(exam.cell)) or {}
    predictions = {row["example_id"]: Prediction(**row) for row in kept["predictions"]}
    return judge(experiment.task.answer, exam.examples, predictions)


def _fingerprint(
    experiment: Experiment, trained: Mapping[str, object], examples: Sequence[Example]
) -> str:
    decides = [
        trained["fingerprint"],
        [asdict(example) for example in examples],
        asdict(experiment.task.answer),
    ]
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
