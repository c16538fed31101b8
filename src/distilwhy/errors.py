"""The exceptions that distilwhy raises.

    DistilwhyError
    ├── ConfigError    the experiment file is not valid, or cannot be carried out
    ├── DataError      a row, or a file of rows, does not fit the task
    ├── TeacherError   the teacher cannot be asked, or its answers cannot be used
    │   └── BudgetError    the budget for the teacher is used up
    ├── StudentError   a student cannot be built, trained, saved or loaded
    └── RunError       the run folder is busy, or does not hold what is needed

Each message is one line: what is wrong, the value, where, and what to do.
"""


class DistilwhyError(Exception):
    """The base class; catch it to catch everything that distilwhy raises on purpose."""


class ConfigError(DistilwhyError, ValueError):
    """The experiment file or its task is not valid, or cannot be carried out."""


class DataError(DistilwhyError, ValueError):
    """A row, or a file of rows, does not fit the task."""


class TeacherError(DistilwhyError):
    """The teacher cannot be asked, or too few of its answers can be used."""


class BudgetError(TeacherError):
    """The budget for the teacher is used up."""


class StudentError(DistilwhyError):
    """A student cannot be built, trained, saved or loaded."""


class RunError(DistilwhyError):
    """The run folder is busy, or does not hold what is needed."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message."""
    return (str(error).splitlines() or [type(error).__name__])[0]
