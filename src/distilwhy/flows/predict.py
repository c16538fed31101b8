"""Ask a saved student."""

from pathlib import Path

from distilwhy.core.results import Prediction
from distilwhy.core.task import Example
from distilwhy.store.records import read_examples
from distilwhy.students.student import Student


def predict(
    student: Path, text: str | None = None, file: Path | None = None, *, explain: bool = False
) -> list[Prediction]:
    """The student's answer to one input text, or to every row of a file.

    Args:
        text: The whole input, as the task's template would word it.
        file: Rows with the fields of the task's template: JSONL, CSV or Parquet.
        explain: Ask for rationales too.

    Raises:
        StudentError: if the folder holds no student, or it cannot explain.
        DataError: if a row of the file cannot be worded.
    """
    loaded = Student.load(student)
    if file is not None:
        return loaded.predict(read_examples(file, loaded.task), explain=explain)
    return loaded.predict([Example("text", text or "")], explain=explain)
