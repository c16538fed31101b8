"""The state of an experiment, read from its run folder."""

from dataclasses import dataclass, field
from typing import Any

from distilwhy.core.stats.comparisons import OutcomeCounts
from distilwhy.core.student_id import StudentId
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.experiment import Experiment
from distilwhy.pipeline.train.jobs import TrainedStudents, TrainingJobs
from distilwhy.pipeline.train.study import list_students
from distilwhy.store.batches import BatchBook, UnderWay
from distilwhy.store.ledger import read_ledger
from distilwhy.store.results import read_scores


@dataclass(frozen=True)
class StudentStatus:
    """One student of the experiment, or of its study.

    Attributes:
        student: Its name in the study; "" is that of the ``student`` section.
        method: With the name of its teacher, if that is a further one of the study.
        state: ``trained``, ``out of date`` (trained on something else than it would be now),
            ``unfinished`` (a checkpoint waits) or ``not trained``.
        validation_accuracy: Of the weights that were kept; None where there are none.
        changed: For one that is out of date, what has changed since, such as ``training.lr``;
            empty if it was trained by a version that did not record it.
    """

    student: str
    method: str
    seed: int
    rows: int | None
    state: str
    validation_accuracy: float | None
    changed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Status:
    """Rows by outcome for each split, what batches have under way, students, the results if there
    are any, and the rows by outcome for the further teachers of the study."""

    folder: str
    teacher: dict[str, OutcomeCounts]
    under_way: UnderWay
    students: list[StudentStatus]
    results: dict[str, Any] | None
    teachers: dict[str, dict[str, OutcomeCounts]] = field(default_factory=dict)


def status(experiment: Experiment) -> Status:
    """How far the experiment is, and its study as far as all rows are trained on."""
    study = [s for s in list_students(experiment, study=True) if s.rows is None]
    students = dict.fromkeys([*list_students(experiment), *study])
    if any(experiment.folder.training(student_id) for student_id in students):
        # Whether they are up to date depends on the rows too, so these would be read twice.
        experiment = experiment.in_memory()
    annotations = read_annotations(experiment)
    trained = TrainingJobs(experiment, annotations).find_trained(students)
    with read_ledger(experiment.folder.ledger) as ledger:
        under_way = BatchBook(ledger).under_way()
    return Status(
        str(experiment.folder.path),
        dict(annotations.outcomes),
        under_way,
        [_student(experiment, student_id, trained) for student_id in students],
        read_scores(experiment.folder),
        {name: dict(found.outcomes) for name, found in annotations.others.items()},
    )


def _student(
    experiment: Experiment, student_id: StudentId, trained: TrainedStudents
) -> StudentStatus:
    which = student_id.student, student_id.arm, student_id.seed, student_id.rows
    record = experiment.folder.training(student_id)
    if record is not None:
        state = "out of date" if student_id in trained.out_of_date else "trained"
        changed = trained.out_of_date.get(student_id, [])
        return StudentStatus(*which, state, record.summary.validation_accuracy, changed)
    waits = experiment.folder.unfinished(student_id).is_dir()
    return StudentStatus(*which, "unfinished" if waits else "not trained", None)
