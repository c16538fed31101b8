"""The scores of a study as rows of a table, for a page and for a summary."""

from collections.abc import Sequence
from dataclasses import dataclass

from distilwhy.core.results import MethodScore, Results
from distilwhy.core.student_id import extent
from distilwhy.report.marks import TEACHER, teacher_score
from distilwhy.report.words import (
    counted,
    duration,
    interval,
    large,
    mean,
    megabytes,
    percent,
    train_rows,
)


@dataclass(frozen=True)
class ScoreRow:
    """A method on a number of train rows, or the teacher, in words; "" where nothing is known.

    Attributes:
        student: The student's name, where there are several.
        rows: How many train rows, or "" for the teacher.
        each: The accuracy of each seed in percent, where there are several.
        note: What must be known before it is deployed.
    """

    method: str
    rows: str
    accuracy: str
    interval: str
    seeds: str = ""
    each: Sequence[str] = ()
    parameters: str = ""
    size: str = ""
    speed: str = ""
    training: str = ""
    note: str = ""
    student: str = ""


def teacher_rows(results: Results) -> list[ScoreRow]:
    """The teacher on the test rows; nothing where it was not asked about them."""
    score = teacher_score(results)
    return [ScoreRow(TEACHER, "", percent(score.accuracy), interval(score))] if score else []


def method_rows(results: Results) -> list[ScoreRow]:
    """Every student's every method: on the most train rows first, and there the best first."""
    whole = results.provenance.rows.get("train")
    found = sorted(results.methods, key=lambda one: (-extent(one.rows), -one.score.accuracy))
    return [
        _score_row(one, train_rows(one.rows, whole), results.call(one.student)) for one in found
    ]


def _score_row(found: MethodScore, rows: str, student: str) -> ScoreRow:
    students = found.students
    several = len(students) > 1
    calls = max((student.teacher_calls for student in students), default=0)
    note = f"needs {counted(calls, 'answer')} of the teacher for the test rows" if calls else ""
    return ScoreRow(
        method=found.method,
        rows=rows,
        accuracy=percent(found.score.accuracy),
        interval=interval(found.score),
        seeds=str(found.score.seeds),
        each=[f"{100 * student.score.accuracy:.1f}" for student in students] if several else [],
        parameters=large(mean(student.parameters for student in students)),
        size=megabytes(mean(student.size for student in students)),
        speed=large(mean(student.rows_per_second for student in students)),
        training=duration(mean(student.seconds for student in students)),
        note=note,
        student=student,
    )
