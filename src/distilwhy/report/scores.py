"""The scores of a study as rows of a table, for the page and the summary."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from distilwhy.core.results import MethodScore, Results
from distilwhy.core.student_id import extent
from distilwhy.core.wording import (
    counted,
    duration,
    file_size,
    interval,
    large,
    percent,
    train_rows,
)
from distilwhy.report.marks import TEACHER, teacher_score
from distilwhy.report.sentences import parsed_accuracy


@dataclass(frozen=True)
class ScoreRow:
    """A method on a number of train rows, or the teacher, in words; "" if unknown.

    Attributes:
        student: The student's name, if there are several.
        rows: The number of train rows, or "" for the teacher.
        each: The accuracy of each seed in percent, if there are several.
        note: What to know besides: that it needs the teacher, or how many answers were parsed.
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
    """The teacher on the test rows; empty if it was not asked about them."""
    score = teacher_score(results)
    if score is None:
        return []
    note = parsed_accuracy(results.teacher["test"])
    ends = interval(score.low, score.high)
    return [ScoreRow(TEACHER, "", percent(score.accuracy), ends, note=note)]


def method_rows(results: Results) -> list[ScoreRow]:
    """All methods of all students: the most train rows first, then the best first."""
    whole = results.provenance.rows.get("train")
    found = sorted(results.methods, key=lambda one: (-extent(one.rows), -one.score.accuracy))
    return [
        _score_row(one, train_rows(one.rows, whole), results.call(one.student)) for one in found
    ]


def _score_row(found: MethodScore, rows: str, student: str) -> ScoreRow:
    students = found.students
    several = len(students) > 1
    calls = max((student.teacher_calls for student in students), default=0)
    needs = f"needs the teacher at inference: {counted(calls, 'call')} for the test rows"
    return ScoreRow(
        method=found.method,
        rows=rows,
        accuracy=percent(found.score.accuracy),
        interval=interval(found.score.low, found.score.high),
        seeds=str(found.score.seeds),
        each=[f"{100 * student.score.accuracy:.1f}" for student in students] if several else [],
        parameters=large(fmean(student.parameters for student in students)),
        size=file_size(fmean(student.size for student in students)),
        speed=large(fmean(student.rows_per_second for student in students)),
        training=duration(fmean(student.seconds for student in students)),
        note=needs if calls else "",
        student=student,
    )
