"""Asks a saved student about one input."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from distilwhy.core.method import INPUT_RATIONALE
from distilwhy.core.rows.example_builder import ExampleBuilder
from distilwhy.core.rows.input_template import InputTemplate
from distilwhy.core.stats.comparisons import Prediction
from distilwhy.core.task import Example
from distilwhy.core.wording import unknown
from distilwhy.errors import DataError, StudentError
from distilwhy.pipeline.predict_file.labeller import describe_cut
from distilwhy.students.student import Student

Say = Callable[[str], None]


def predict_text(
    student: Path, text: str, *, explain: bool = False, say: Say = lambda line: None
) -> Prediction:
    """The student's answer to one whole input, as the task's template would render it.

    Args:
        explain: Ask for the rationale too.
        say: Called with a message if the text bypasses the template or is cut.

    Raises:
        StudentError: if the folder holds no student, it cannot explain, or it needs the teacher's
            rationale and is given none.
        DataError: if the text is empty.
    """
    text = text.strip()
    if not text:
        raise DataError("the text is empty; give the student something to label")
    loaded = Student.load(student)
    _check_rationale(loaded, text)
    source = loaded.spec.task.row_format.template
    template = InputTemplate(source)
    if not template.is_bare:
        fields = " ".join(f"--field {name}=…" for name in sorted(template.fields))
        say(
            f"the text is used as it is, without the template {source.strip()!r} that the student "
            f"was trained with; to fill the template, give {fields}"
        )
    return _ask(loaded, [Example("text", text)], explain, say)[0]


def predict_fields(
    student: Path, fields: Mapping[str, str], *, explain: bool = False, say: Say = lambda line: None
) -> Prediction:
    """The student's answer to one row of fields, rendered by the task's template.

    Its id is ``row 1``, as that of the first row of a file, unless a field gives one.

    Raises:
        StudentError: as ``predict_text``, or if the student's task has no such field.
        DataError: if a field is missing, or the input is empty.
    """
    loaded = Student.load(student)
    task = loaded.spec.inference_task
    known = InputTemplate(task.row_format.template).fields
    known |= {name for name in (task.row_format.options, task.row_format.id) if name}
    for name in fields:
        if name not in known:
            raise StudentError(f"--field {name}: {unknown('field', name, sorted(known))}")
    example = ExampleBuilder(task)(fields, "--field")
    if not fields.get(task.row_format.id):
        example = replace(example, id="row 1")
    return _ask(loaded, [example], explain, say)[0]


def _check_rationale(student: Student, text: str) -> None:
    method = student.spec.method
    if method.asks_teacher and INPUT_RATIONALE.format("") not in text:
        raise StudentError(
            f"this student was trained by {method.name!r}: it reads the teacher's rationale with "
            "every input; give --file with rows that have a 'rationale', --field rationale=…, or "
            "end the text with a line 'Rationale: …'"
        )


def _ask(
    student: Student, examples: Sequence[Example], explain: bool, say: Say
) -> list[Prediction]:
    found = student.predict(examples, explain=explain)
    if line := describe_cut(student.truncation(examples)):
        say(line)
    return found
