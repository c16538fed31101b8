"""The scores of a study as rows of a table, for the page and the summary."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean

from distilwhy.core.results import UNTRAINED, MethodScore, Results
from distilwhy.core.stats.comparisons import TEACHER
from distilwhy.core.stats.headline import parsed_accuracy
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
from distilwhy.report.marks import teacher_score


@dataclass(frozen=True)
class ScoreRow:
    """A method or a trivial baseline on a number of train rows, or the teacher, in words; "" if
    unknown.

    Attributes:
        student: The student's name, if there are several.
        rows: The number of train rows, or "" for the teacher and untrained students.
        seeds: The number of seeds of a method.
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


def baseline_rows(results: Results) -> list[ScoreRow]:
    """The trivial baselines: the most train rows first, untrained students last."""
    whole, test = (results.provenance.rows.get(split) for split in ("train", "test"))
    trained = [one for one in results.baselines if one.name != UNTRAINED]
    trained.sort(key=lambda one: -extent(one.rows))
    untrained = [one for one in results.baselines if one.name == UNTRAINED]
    return [
        ScoreRow(
            one.name,
            "" if one.name == UNTRAINED else train_rows(one.rows, whole),
            percent(one.score.accuracy),
            interval(one.score.low, one.score.high),
            note=f"on {counted(one.score.rows, 'test row')}" if one.score.rows != test else "",
            student=results.call(one.student) if one.name == UNTRAINED else "",
        )
        for one in (*trained, *untrained)
    ]


def method_rows(results: Results) -> list[ScoreRow]:
    """All methods of all students: the most train rows first, then the best first."""
    whole = results.provenance.rows.get("train")
    found = sorted(results.methods, key=lambda one: (-extent(one.rows), -one.score.accuracy))
    return [
        _score_row(one, train_rows(one.rows, whole), results.call(one.student)) for one in found
    ]


def score_tables(results: Results) -> list[tuple[str, list[ScoreRow]]]:
    """A table for each number of train rows: the teacher, the baselines, the methods."""
    teacher, baselines = teacher_rows(results), baseline_rows(results)
    return [
        (rows, [*teacher, *(one for one in baselines if one.rows in ("", rows)), *methods])
        for rows, methods in groupby(method_rows(results), lambda row: row.rows)
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
