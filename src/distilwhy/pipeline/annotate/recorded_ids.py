"""Matches the ids of recorded completions with those of the rows."""

from dataclasses import dataclass

from distilwhy.core.wording import counted
from distilwhy.errors import TeacherError
from distilwhy.pipeline.annotate.calls import CallBuilder
from distilwhy.pipeline.experiment import Experiment
from distilwhy.teachers.recorded import RecordedTeacher


@dataclass(frozen=True)
class MatchedIds:
    """How the ids of a recording and of the rows fit together.

    Attributes:
        rows: The rows to annotate.
        answered: How many of them have a recorded completion.
        unknown: How many recorded ids are not the id of any row.
        example: One of these ids; "" if there are none.
        edited: How many answers were edited since they were exported.
    """

    rows: int
    answered: int
    unknown: int
    example: str = ""
    edited: int = 0


def match_ids(experiment: Experiment, calls: CallBuilder) -> MatchedIds | None:
    """Match recorded ids with rows; None if the teacher is not a recorded one.

    Raises:
        TeacherError: if there are recorded completions, but none is of a row to annotate.
    """
    teacher = calls.teacher
    if not isinstance(teacher, RecordedTeacher):
        return None
    unknown = dict.fromkeys(teacher.ids)
    for example in experiment.splits.all():
        unknown.pop(example.id, None)
    rows = answered = 0
    for example in experiment.to_annotate():
        rows += 1
        answered += teacher.has_answer(example.id, shows_gold=calls.shows_gold(example))
    if teacher.ids and not answered:
        raise TeacherError(_none_matches(experiment, teacher, rows))
    example_id = next(iter(unknown), "")
    return MatchedIds(rows, answered, len(unknown), example_id, teacher.edited)


def _none_matches(experiment: Experiment, teacher: RecordedTeacher, rows: int) -> str:
    said, row = next(iter(teacher.ids)), experiment.first_row
    where = f"{experiment.file}: teacher.completions"
    return (
        f"{where}: of {counted(len(teacher.ids), 'recorded id')}, such as {said!r}, none matches "
        f"one of {counted(rows, 'row')} to annotate, such as {row.id!r}; give both the same ids, "
        "or name the fields that hold them in teacher.id and task.id"
    )
