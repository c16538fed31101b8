"""Checks before anything is paid for or trained: can the students be built, do they fit?"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from distilwhy.core.splits import SPLITS
from distilwhy.errors import StudentError
from distilwhy.pipeline.experiment import Experiment
from distilwhy.pipeline.train.jobs import TrainingJob
from distilwhy.students.settings import SCRATCH, check_label_head, check_settings

if TYPE_CHECKING:
    from distilwhy.students.spec import StudentSpec
    from distilwhy.students.training.memory import Preflight, StudentSize


@dataclass(frozen=True)
class CheckedStudents:
    """What was found of some students without loading weights.

    Attributes:
        sizes: By name in the study. From scratch, with the largest vocabulary.
        too_large: Why training does not fit into this machine's memory, for those that do not.
        unchecked: The models that were not checked because they are not on this machine.
    """

    sizes: "dict[str, StudentSize]"
    too_large: list[StudentError]
    unchecked: list[str]


def check_students(experiment: Experiment, names: Iterable[str], *, fetch: bool) -> CheckedStudents:
    """Check the settings of some students, and their models without loading weights.

    Args:
        names: Names in the study; "" is the ``student`` section.
        fetch: Whether a model's config and tokenizer may be downloaded from the hub.

    Raises:
        ConfigError: if a model's folder is missing.
        StudentError: if a student cannot be built.
    """
    found = CheckedStudents({}, [], [])
    for name in names:
        _check_student(experiment, name, found, fetch=fetch)
    return found


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
        _check_weights(largest.spec, largest.model)
        network = largest.build_student().network
        if experiment.task.row_format.options:
            for split in SPLITS:
                network.check_rows(experiment.splits.named(split))
        return check_memory(network, largest.rows, largest.training)


def _check_student(
    experiment: Experiment, name: str, found: CheckedStudents, *, fetch: bool
) -> None:
    student, model = experiment.config.students[name], experiment.student_model(name)
    with _naming(name):
        check_settings(student, experiment.task.answer)
        check_label_head(student, experiment.task.answer, experiment.methods)
        if student.label_head and experiment.config.training.agreement:
            raise StudentError(
                "training.agreement compares what two tasks say of the label, and with "
                "student.label_head only one of them does; set one of them to its default"
            )
        from distilwhy.students.load import is_local, outline_network
        from distilwhy.students.spec import StudentSpec
        from distilwhy.students.training.memory import measure_size
        from distilwhy.students.training.select import check_selects

        if model != SCRATCH and not fetch and not is_local(model):
            if model not in found.unchecked:
                found.unchecked.append(model)
            return
        two_passes = experiment.config.training.two_passes
        # Methods that agree in these need the same of a model.
        kinds = {(m.place, m.writes_rationales): m for m in experiment.methods}
        specs = [StudentSpec(experiment.task, m, student, two_passes) for m in kinds.values()]
        largest = [outline_network(spec, model, student.scratch.vocabulary) for spec in specs]
        if experiment.config.training.select_rationale == "student":
            for network in largest:
                if network.spec.method.writes_rationales:
                    check_selects(network)
        sizes = [measure_size(network) for network in largest]
        found.sizes[name] = max(sizes, key=lambda size: size.memory)
    for spec in specs:
        try:
            with _naming(name):
                _check_weights(spec, model)
        except StudentError as error:
            found.too_large.append(error)
            return


def _check_weights(spec: "StudentSpec", model: str) -> None:
    """Check the least memory that a student takes, before it is built."""
    from distilwhy.students.load import outline_network
    from distilwhy.students.training.memory import check_weights

    check_weights(outline_network(spec, model))


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Errors name the study's student that they are about."""
    try:
        yield
    except StudentError as error:
        raise StudentError(f"study.students.{name}: {error}" if name else str(error)) from error
