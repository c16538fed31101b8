"""What an export format is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from distilwhy.students.student import Student


@dataclass(frozen=True)
class ExportFormat:
    """A format that students are exported to.

    Attributes:
        runtime: The Python package that runs it; None for torch.
        packages: What writing it needs, by the names that are imported.
        precisions: What ``--quantize`` may be.
        find_obstacle: Says why a student cannot be exported, and what to do; "" if it can.
        write: Writes the student of the first folder to the second, in a precision; None for the
            student's own.
    """

    name: str
    runtime: str | None
    packages: tuple[str, ...]
    precisions: tuple[str, ...]
    find_obstacle: Callable[[Student], str]
    write: Callable[[Student, Path, Path, str | None], None]
