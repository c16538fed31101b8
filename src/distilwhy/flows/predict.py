"""Ask a saved student."""

from dataclasses import replace
from pathlib import Path

from distilwhy.core.method import INPUT_RATIONALE
from distilwhy.core.results import Prediction
from distilwhy.core.task import Example
from distilwhy.errors import StudentError
from distilwhy.store.records import read_examples
from distilwhy.students.student import Student

# What follows a row's input where it has a rationale, as ``render_source`` puts it there.
_TOLD = "{% if rationale %}" + INPUT_RATIONALE.format("{{ rationale }}") + "{% endif %}"


def predict(
    student: Path, text: str | None = None, file: Path | None = None, *, explain: bool = False
) -> list[Prediction]:
    """The student's answer to one input text, or to every row of a file.

    Args:
        text: The whole input, as the task's template would word it.
        file: Rows with the fields of the task's template: JSONL, CSV or Parquet. A student
            trained by ``rationale-input`` needs a field ``rationale`` too.
        explain: Ask for rationales too.

    Raises:
        StudentError: if the folder holds no student, it cannot explain, or it needs the teacher's
            rationale and is given none.
        DataError: if a row of the file cannot be worded.
    """
    loaded = Student.load(student)
    task, needs_rationale = loaded.brief.task, loaded.brief.method.asks_teacher
    if needs_rationale:
        template = "{% filter trim %}" + task.wording.template + "{% endfilter %}" + _TOLD
        task = replace(task, wording=replace(task.wording, template=template))
    if file is not None:
        return loaded.predict(read_examples(file, task), explain=explain)
    if needs_rationale and INPUT_RATIONALE.format("") not in f"{text}":
        raise StudentError(
            f"this student was trained by {loaded.brief.method.name!r}: it reads the teacher's "
            "rationale with every input; give --file with rows that have a 'rationale', or end "
            "the text with a line 'Rationale: …'"
        )
    return loaded.predict([Example("text", text or "")], explain=explain)
