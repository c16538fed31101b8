"""The columns of predictions: those of the rows, and those of the answers."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Self

from distilwhy.core.stats.comparisons import Prediction
from distilwhy.core.task import Row
from distilwhy.pipeline.predict_file.survey import Survey
from distilwhy.students.student import Student

Fields = dict[str, object]


@dataclass(frozen=True)
class Columns:
    """What the columns of predictions are called.

    Attributes:
        renamed: Columns of the rows that have the name of a part of the answer, by that name; they
            are kept as ``input_NAME``.
        written: The name of a text that is no valid answer.
        names: All columns, in the order of a table.
    """

    renamed: Mapping[str, str]
    written: str
    names: tuple[str, ...]

    @classmethod
    def choose(cls, survey: Survey, student: Student, *, explain: bool) -> Self:
        """The columns of the predictions for a file."""
        taken = set(survey.names)
        written = "answer" if "text" in taken else "text"
        deployed = student.deployment
        has_cascade = bool(deployed and deployed.cascade and deployed.cascade.threshold is not None)
        parts = {
            "label": True,
            "confidence": True,
            "source": has_cascade,
            written: not student.spec.is_choice,
            "rationale": explain,
        }
        answer = [name for name, is_there in parts.items() if is_there]
        clashing = taken & {*answer, *(() if survey.ids_are_own else ("id",))}
        renamed = {name: _free_name(name, taken) for name in clashing}
        own = [renamed.get(name, name) for name in survey.names]
        return cls(renamed, written, tuple(dict.fromkeys(["id", *own, *answer])))

    def join(self, row: Row, found: Prediction) -> Fields:
        """A row's own columns and its answer."""
        own = {self.renamed.get(name, name): value for name, value in row.items()}
        return {"id": None} | own | describe_answer(found, self.written)


def describe_answer(found: Prediction, written: str) -> Fields:
    """An answer's id, label, confidence and rationale; under ``written``, a text that is no valid
    answer. With a cascade, ``source`` says whether the student answers alone or refers the row."""
    fields: Fields = {"id": found.example_id, "label": found.label}
    if found.confidence is not None:
        fields["confidence"] = round(found.confidence, 6)
    if found.alone is not None:
        fields["source"] = "student" if found.alone else "refer"
    if found.label is None:
        fields[written] = found.text
    if found.rationale is not None:
        fields["rationale"] = found.rationale
    return fields


def _free_name(name: str, taken: Container[str]) -> str:
    name = f"input_{name}"
    return _free_name(name, taken) if name in taken else name
