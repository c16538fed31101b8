"""Whether an exported student gives the labels of the student it was made from."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from distilwhy.core.stats.comparisons import Prediction
from distilwhy.core.task import Example
from distilwhy.core.wording import count, counted
from distilwhy.errors import RunError
from distilwhy.students.student import Student

LEAST, MOST_GAP, NAMED, WARM_UP = 0.995, 0.01, 5, 64


@dataclass(frozen=True)
class Difference:
    """A row to which student and export give different labels; None for no valid one."""

    id: str
    student: str | None
    export: str | None

    def __str__(self) -> str:
        return f"{self.id!r} ({self.student!r}, not {self.export!r})"


@dataclass(frozen=True)
class Parity:
    """A student beside its export, on the same rows.

    Attributes:
        confidence_gap: The largest difference between the confidences of equal labels, before
            calibration.
        student_speed, export_speed: Rows a second.
    """

    rows: int
    differences: Sequence[Difference]
    confidence_gap: float
    student_speed: float
    export_speed: float

    @property
    def agreement(self) -> float:
        """The share of rows with the same label."""
        return 1 - len(self.differences) / self.rows

    def require(self, quantize: str | None) -> None:
        """Check that the export may stand for the student.

        Args:
            quantize: The precision of its weights; None for the student's own, with which
                confidences have to be the same but for rounding.

        Raises:
            RunError: if fewer than 99.5 % of the labels are the same, naming rows, or if
                confidences differ.
        """
        if self.agreement >= LEAST:
            if quantize is None and self.confidence_gap > MOST_GAP:
                raise RunError(
                    f"not exported: confidences differ by up to {self.confidence_gap:.2f} from "
                    "the student's, so the format computes something else; use another format"
                )
            return
        named = ", ".join(map(str, islice(self.differences, NAMED)))
        more = len(self.differences) - NAMED
        raise RunError(
            f"not exported: {count(len(self.differences))} of {counted(self.rows, 'row')} get "
            f"another label than the student's, and {1 - LEAST:.1%} may; by row, student and "
            f"export: {named}{f', and {more} more' if more > 0 else ''}; "
            + ("leave out --quantize" if quantize else "use another format")
        )


def compare(student: Student, export: Student, rows: Sequence[Example]) -> Parity:
    """Ask both about the rows, of which there is one at least, and time them."""
    wanted, student_speed = _ask(replace(student, deployment=None), rows)
    found, export_speed = _ask(replace(export, deployment=None), rows)
    both = list(zip(wanted, found, strict=True))
    differences = [
        Difference(one.example_id, one.label, other.label)
        for one, other in both
        if one.label != other.label
    ]
    gaps = [
        abs((one.confidence or 0.0) - (other.confidence or 0.0))
        for one, other in both
        if one.label == other.label
    ]
    return Parity(len(rows), differences, max(gaps, default=0.0), student_speed, export_speed)


def _ask(student: Student, rows: Sequence[Example]) -> tuple[list[Prediction], float]:
    """The answers, and rows a second."""
    student.predict(rows[:WARM_UP])
    started = time.perf_counter()
    found = student.predict(rows)
    return found, len(rows) / (time.perf_counter() - started)
