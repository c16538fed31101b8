"""Requests for ``/predict`` in the task's own fields, and their answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, create_model
from pydantic.config import JsonDict

from distilwhy.core.rows.example_builder import ExampleBuilder
from distilwhy.core.rows.input_template import InputTemplate
from distilwhy.core.stats.comparisons import Prediction
from distilwhy.core.task import Example, Row
from distilwhy.errors import DataError
from distilwhy.students.student import Student

Source = Literal["student", "teacher", "refer"]
# Text that ``str.strip`` leaves something of, as JSON Schema says it.
FILLED_TEXT: JsonDict = {"type": "string", "pattern": r"[^\s\x1c-\x1f\x85]"}


@dataclass(frozen=True)
class Answered:
    """What a row is answered with, and by whom. The label of a row that is referred is not used."""

    prediction: Prediction
    source: Source


class PredictedLabel(BaseModel):
    """The answer to one row."""

    id: str = Field(description="The row's id, or its place in the request, such as 'row 1'.")
    label: str | None = Field(description="The label; null if referred, or if there is none.")
    confidence: float | None = Field(
        description="Probability that the student's label is right, calibrated if the student is;"
        " null if the teacher answered."
    )
    source: Source = Field(
        description="student; teacher, below the threshold of the cascade; or refer: nobody "
        "answered it, so ask a person."
    )
    rationale: str | None = Field(default=None, description="Only with explain.")


class PredictResponse(BaseModel):
    """The answers to the rows of one request, in their order."""

    predictions: list[PredictedLabel]


# The value of a field that is the whole input.
_Filled = Annotated[
    str | bool | int | float,
    WithJsonSchema({"anyOf": [FILLED_TEXT, {"type": "number"}, {"type": "boolean"}]}),
]
_ONE_OF: JsonDict = {"oneOf": [{"required": ["row"]}, {"required": ["rows"]}]}


def list_fields(student: Student) -> list[str]:
    """The fields that a row must have, sorted."""
    row_format = student.spec.task.row_format
    names = set(InputTemplate(row_format.template).fields)
    if row_format.options:  # which may be a path
        names.add(row_format.options.partition(".")[0])
    return sorted(names)


def build_request_model(student: Student, most: int) -> type[BaseModel]:
    """The model of a request: one ``row`` or many ``rows``, each with the task's fields.

    Its schema says what is valid, as far as that can be said of a template.

    Args:
        most: Rows that one request may have.
    """
    template = InputTemplate(student.spec.task.row_format.template)
    is_field = template.is_bare and template.paths <= template.fields
    whole, about = template.fields if is_field else (), "A field of the task's input."
    # By aliases, because a field may have any name, also that of one of the model's methods.
    fields: dict[str, Any] = {
        f"field{place}": (_Filled if name in whole else Any, Field(alias=name, description=about))
        for place, name in enumerate(list_fields(student))
    }
    row: Any = create_model("Row", __config__=ConfigDict(extra="allow"), **fields)
    can_explain: JsonDict = {} if student.can_explain else {"const": False}
    return create_model(
        "PredictRequest",
        __config__=ConfigDict(extra="forbid", json_schema_extra=_ONE_OF),
        row=(row, Field(default=None, description="One row.", json_schema_extra=_required)),
        rows=(
            list[row],
            Field(
                default=None,
                min_length=1,
                max_length=most,
                description="Many rows.",
                json_schema_extra=_required,
            ),
        ),
        explain=(
            bool,
            Field(
                default=False,
                strict=True,
                description="Write a rationale for each row.",
                json_schema_extra=can_explain,
            ),
        ),
    )


def _required(schema: JsonDict) -> None:
    """Leave out the default, which is not a valid value: one of the two is required."""
    schema.pop("default", None)


class RowReader:
    """Builds examples from a request's rows."""

    def __init__(self, student: Student) -> None:
        self._build = ExampleBuilder(student.spec.inference_task)

    def read(self, rows: Sequence[Row]) -> list[Example]:
        """The examples of a request.

        Raises:
            DataError: naming the row and the field that is wrong.
        """
        places = (f"row {number}" for number in range(1, len(rows) + 1))
        return [
            require_characters(self._build(row, place), place)
            for row, place in zip(rows, places, strict=True)
        ]


def require_characters(example: Example, where: str) -> Example:
    """The example itself, if it can be encoded.

    Raises:
        DataError: if it holds half of a surrogate pair, as JSON may.
    """
    try:
        "".join((example.id, example.text, *example.options)).encode()
    except UnicodeEncodeError:
        raise DataError(
            f"{where}: holds half of a surrogate pair, which is no character; send whole characters"
        ) from None
    return example


def describe(answered: Answered, *, explain: bool) -> PredictedLabel:
    """One row's answer."""
    found, is_referred = answered.prediction, answered.source == "refer"
    return PredictedLabel(
        id=found.example_id,
        label=None if is_referred else found.label,
        confidence=found.confidence,
        source=answered.source,
        rationale=found.rationale if explain else None,
    )
