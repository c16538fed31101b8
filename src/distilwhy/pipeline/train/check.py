"""Whether the students of an experiment can be made, told before anything is paid."""

from collections.abc import Iterable

from distilwhy.errors import StudentError
from distilwhy.pipeline.experiment import Experiment
from distilwhy.students.settings import SCRATCH, check_settings


def check_students(experiment: Experiment, names: Iterable[str], *, fetch: bool) -> list[str]:
    """Look at the settings of some students, and at their models but for the weights.

    Args:
        names: Which; "" is that of the ``student`` section.
        fetch: Whether the config and the tokenizer of a model may be fetched from the hub.

    Returns:
        The models that were not looked at, since they are not on this machine.

    Raises:
        ConfigError: if a model's folder is missing.
        StudentError: if a student cannot be made.
    """
    found = (_check(experiment, name, fetch=fetch) for name in names)
    return list(dict.fromkeys(model for model in found if model))


def _check(experiment: Experiment, name: str, *, fetch: bool) -> str:
    """Look at one student; its model where that was not looked at, else ""."""
    student, model = experiment.config.students[name], experiment.student_model(name)
    try:
        check_settings(student, experiment.task.answer)
        if model == SCRATCH:
            return ""
        from distilwhy.students.load import check_model, is_local
        from distilwhy.students.spec import StudentSpec

        if not fetch and not is_local(model):
            return model
        two_passes = experiment.config.training.two_passes
        # What there must be room for depends on no more of a method.
        kinds = {(m.place, m.writes_rationales): m for m in experiment.methods}
        for method in kinds.values():
            check_model(StudentSpec(experiment.task, method, student, two_passes), model)
    except StudentError as error:
        raise StudentError(f"study.students.{name}: {error}" if name else str(error)) from error
    return ""
