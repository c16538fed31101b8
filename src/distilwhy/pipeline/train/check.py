"""Checks before anything is paid for or trained: can the students be built, do they fit?"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from distilwhy.core.splits import SPLITS
from distilwhy.errors import StudentError
from distilwhy.pipeline.experiment import Experiment
from distilwhy.pipeline.train.jobs import TrainingJob
from distilwhy.students.settings import SCRATCH, check_settings

if TYPE_CHECKING:
    from distilwhy.students.training.memory import Preflight


def check_students(experiment: Experiment, names: Iterable[str], *, fetch: bool) -> list[str]:
    """Check the settings of some students, and their models without loading weights.

    Args:
        names: Names in the study; "" is the ``student`` section.
        fetch: Whether a model's config and tokenizer may be downloaded from the hub.

    Returns:
        The models that were not checked because they are not on this machine.

    Raises:
        ConfigError: if a model's folder is missing.
        StudentError: if a student cannot be built.
    """
    found = (_check_student(experiment, name, fetch=fetch) for name in names)
    return list(dict.fromkeys(model for model in found if model))


def check_fit(experiment: Experiment, jobs: Sequence[TrainingJob]) -> "Preflight":
    """Size and memory of the largest of one student's jobs.

    Raises:
        StudentError: if there are no rows, if the job does not fit in memory, or if the student
            cannot learn from some rows or answer them.
    """
    from distilwhy.students.training.memory import check_fit as check_memory

    for job in jobs:
        if not job.rows:
            raise StudentError(
                f"method {job.student_id.method!r} has no rows to train on; annotate first, or "
                "give gold labels"
            )
    largest = max(jobs, key=lambda job: job.characters)
    with _naming(largest.student_id.student):
        network = largest.build_student().network
        if experiment.task.row_format.options:
            for split in SPLITS:
                network.check_rows(experiment.splits.named(split))
        return check_memory(network, largest.rows, largest.training)


def _check_student(experiment: Experiment, name: str, *, fetch: bool) -> str:
    """Check one student; return its model if that was not checked, else ""."""
    student, model = experiment.config.students[name], experiment.student_model(name)
    with _naming(name):
        check_settings(student, experiment.task.answer)
        if model == SCRATCH:
            return ""
        from distilwhy.students.load import check_model, is_local
        from distilwhy.students.spec import StudentSpec

        if not fetch and not is_local(model):
            return model
        two_passes = experiment.config.training.two_passes
        # Methods that agree in these need the same of a model.
        kinds = {(m.place, m.writes_rationales): m for m in experiment.methods}
        for method in kinds.values():
            check_model(StudentSpec(experiment.task, method, student, two_passes), model)
    return ""


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Errors name the study's student that they are about."""
    try:
        yield
    except StudentError as error:
        raise StudentError(f"study.students.{name}: {error}" if name else str(error)) from error
