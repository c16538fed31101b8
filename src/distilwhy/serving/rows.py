"""Requests for ``/predict`` in the task's own fields, and their answers."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from distilwhy.core.rows.example_builder import ExampleBuilder
from distilwhy.core.rows.input_template import InputTemplate
from distilwhy.core.stats.comparisons import Prediction
from distilwhy.core.task import Example, Row
from distilwhy.errors import DataError
from distilwhy.students.student import Student

Source = Literal["student", "refer"]


class PredictedLabel(BaseModel):
    """The answer to one row."""

    id: str = Field(description="The row's id, or its number in the request from 1.")
    label: str | None = Field(description="The label; null if referred, or if there is none.")
    confidence: float | None = Field(
        description="Probability that the label is right, calibrated if the student is."
    )
    source: Source = Field(
        description="student, or refer: below the threshold, so ask the teacher or a person."
    )
    rationale: str | None = Field(default=None, description="Only with explain.")


class PredictResponse(BaseModel):
    """The answers to the rows of one request, in their order."""

    predictions: list[PredictedLabel]


def build_request_model(student: Student, most: int) -> type[BaseModel]:
    """The model of a request: one ``row`` or many ``rows``, each with the task's fields.

    Args:
        most: Rows that one request may have.
    """
    fields: dict[str, Any] = {
        name: (Any, Field(description="A field of the task's input.")) for name in _fields(student)
    }
    config = ConfigDict(extra="allow", allow_inf_nan=False)
    row: Any = create_model("Row", __config__=config, **fields)
    return create_model(
        "PredictRequest",
        __config__=ConfigDict(extra="forbid"),
        row=(row | None, Field(default=None, description="One row.")),
        rows=(
            list[row] | None,
            Field(default=None, min_length=1, max_length=most, description="Many rows."),
        ),
        explain=(bool, Field(default=False, description="Write a rationale for each row.")),
    )


def _fields(student: Student) -> list[str]:
    """The fields that a row must have, sorted."""
    row_format = student.spec.task.row_format
    names = set(InputTemplate(row_format.template).fields)
    names |= {row_format.options} if row_format.options else set()
    return sorted(name for name in names if name.isidentifier() and not name.startswith("_"))


class RowReader:
    """Builds examples from a request's rows."""

    def __init__(self, student: Student) -> None:
        self._build = ExampleBuilder(student.spec.inference_task)

    def read(self, rows: Sequence[Row]) -> list[Example]:
        """The examples of a request.

        Raises:
            DataError: naming the row and the field that is wrong.
        """
        found = []
        for number, row in enumerate(rows, 1):
            example = self._build(row, f"row {number}")
            try:
                example.text.encode()
            except UnicodeEncodeError:
                raise DataError(
                    f"row {number}: holds half of a surrogate pair, which is no character; "
                    "send whole characters"
                ) from None
            found.append(example)
        return found


def describe(found: Prediction, number: int, given: object, *, cascade: bool) -> PredictedLabel:
    """One row's answer.

    Args:
        number: The row's number in the request, from 1.
        given: The id that the row came with; None for none.
        cascade: Whether rows that cannot stand alone are referred.
    """
    source = source_of(found, cascade=cascade)
    return PredictedLabel(
        id=str(number if given is None else given),
        label=None if source == "refer" else found.label,
        confidence=found.confidence,
        source=source,
        rationale=found.rationale,
    )


def source_of(found: Prediction, *, cascade: bool) -> Source:
    """Who should answer a row: the student, or somebody else."""
    return "refer" if cascade and found.alone is False else "student"
