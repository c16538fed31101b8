"""Every error that distilwhy raises on purpose.

    DistilwhyError
    ├── ConfigError    the experiment file says something that cannot be done
    ├── DataError      a row, or a file of rows, is not what the task needs
    ├── TeacherError   the teacher cannot be asked, or cannot be read
    │   └── BudgetError    what may be spent on it is spent
    ├── StudentError   a student cannot be built, trained, saved or loaded
    └── RunError       the run folder is busy, or holds something else

Each message is one line: what is wrong, the value, where, and what to do.
"""


class DistilwhyError(Exception):
    """The root of all of them: catch this one to catch what distilwhy raises on purpose."""


class ConfigError(DistilwhyError, ValueError):
    """The experiment file, or the task in it, says something that cannot be done."""


class DataError(DistilwhyError, ValueError):
    """A row, or a file of rows, is not what the task needs."""


class TeacherError(DistilwhyError):
    """The teacher cannot be asked, or too little of what it says can be read."""


class BudgetError(TeacherError):
    """What may be spent on the teacher is spent."""


class StudentError(DistilwhyError):
    """A student cannot be built, trained, saved or loaded."""


class RunError(DistilwhyError):
    """The run folder is busy, or holds something else."""
