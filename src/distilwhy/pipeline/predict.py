"""Asks a saved student."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from distilwhy.core.method import INPUT_RATIONALE
from distilwhy.core.stats.comparisons import Prediction
from distilwhy.core.task import Example
from distilwhy.errors import StudentError
from distilwhy.store.examples import read_examples
from distilwhy.students.student import Student

# What follows a row's input where it has a rationale, as ``render_source`` puts it there.
_TOLD = "{% if rationale %}" + INPUT_RATIONALE.format("{{ rationale }}") + "{% endif %}"


def predict(
    student: Path,
    text: str | None = None,
    file: Path | None = None,
    *,
    explain: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> list[Prediction]:
    """The student's answer to one input text, or to every row of a file.

    Args:
        text: The whole input, as the task's template would word it.
        file: Rows with the fields of the task's template: JSONL, JSON, CSV or Parquet. A student
            trained by ``rationale-input`` needs a field ``rationale`` too. Gold labels are not
            looked at.
        explain: Ask for rationales too.
        say: Told in words if inputs are longer than the student reads.

    Raises:
        StudentError: if the folder holds no student, it cannot explain, or it needs the teacher's
            rationale and is given none.
        DataError: if a row of the file cannot be worded.
    """
    loaded = Student.load(student)
    task, needs_rationale = loaded.spec.task, loaded.spec.method.asks_teacher
    if needs_rationale:
        template = "{% filter trim %}" + task.row_format.template + "{% endfilter %}" + _TOLD
        task = replace(task, row_format=replace(task.row_format, template=template))
    if file is not None:
        task = replace(task, row_format=replace(task.row_format, gold=None))
        return _ask(loaded, read_examples(file, task), explain, say)
    if needs_rationale and INPUT_RATIONALE.format("") not in f"{text}":
        raise StudentError(
            f"this student was trained by {loaded.spec.method.name!r}: it reads the teacher's "
            "rationale with every input; give --file with rows that have a 'rationale', or end "
            "the text with a line 'Rationale: …'"
        )
    return _ask(loaded, [Example("text", text or "")], explain, say)


def _ask(
    student: Student, examples: list[Example], explain: bool, say: Callable[[str], None]
) -> list[Prediction]:
    found = student.predict(examples, explain=explain)
    cut = student.truncation(examples)
    if cut.cut:
        say(
            f"{cut.cut:,} of {cut.texts:,} inputs are longer than the {cut.limit:,} tokens that "
            f"the student reads, the longest {cut.longest:,}: their ends were not read"
        )
    return found
