"""How far an experiment is, read from its run folder; nothing is asked or trained."""

from dataclasses import dataclass
from typing import Any

from distilwhy.core.stats.comparisons import OutcomeCounts
from distilwhy.core.student_id import StudentId
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.experiment import Experiment
from distilwhy.pipeline.train.jobs import list_cells, sift_trained
from distilwhy.store.batches import BatchBook, UnderWay
from distilwhy.store.files import read_json
from distilwhy.store.ledger import read_ledger


@dataclass(frozen=True)
class StudentStatus:
    """One student of the experiment, or of its study.

    Attributes:
        student: Its name in the study; "" is that of the ``student`` section.
        state: ``trained``, ``out of date`` (trained on something else than it would be now),
            ``unfinished`` (a checkpoint waits) or ``not trained``.
        validation_accuracy: Of the weights that were kept; None where there are none.
    """

    student: str
    method: str
    seed: int
    rows: int | None
    state: str
    validation_accuracy: float | None


@dataclass(frozen=True)
class Status:
    """Rows by outcome for each split, what batches have under way, students, and the results if
    there are any."""

    folder: str
    teacher: dict[str, OutcomeCounts]
    under_way: UnderWay
    students: list[StudentStatus]
    results: dict[str, Any] | None


def status(experiment: Experiment) -> Status:
    """How far the experiment is, and its study as far as all rows are trained on."""
    study = [cell for cell in list_cells(experiment, study=True) if cell.rows is None]
    cells = dict.fromkeys([*list_cells(experiment), *study])
    annotations = read_annotations(experiment)
    _, outdated = sift_trained(experiment, annotations, cells)
    return Status(
        str(experiment.folder.path),
        dict(annotations.outcomes),
        _under_way(experiment),
        [_student(experiment, cell, cell in outdated) for cell in cells],
        read_json(experiment.folder.results),
    )


def _under_way(experiment: Experiment) -> UnderWay:
    with read_ledger(experiment.folder.ledger) as ledger:
        return BatchBook(ledger).under_way()


def _student(experiment: Experiment, cell: StudentId, outdated: bool) -> StudentStatus:
    which = cell.student, cell.method, cell.seed, cell.rows
    record = experiment.folder.training(cell)
    if record is not None:
        state = "out of date" if outdated else "trained"
        return StudentStatus(*which, state, record.summary.validation_accuracy)
    waits = experiment.folder.unfinished(cell).is_dir()
    return StudentStatus(*which, "unfinished" if waits else "not trained", None)
