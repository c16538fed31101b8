"""A task, its rows and its exemplars."""

from dataclasses import dataclass, field

from distilwhy.core.parsing.answer import Answer


@dataclass(frozen=True)
class Example:
    """One row.

    Attributes:
        id: Unique among all the rows of an experiment.
        text: The input, as teacher and student see it.
        options: The row's own options, for an answer chosen among them; else empty.
        gold: The label known to be right, in canonical form, where there is one.
    """

    id: str
    text: str
    options: tuple[str, ...] = ()
    gold: str | None = None


@dataclass(frozen=True)
class Exemplar:
    """An example with a hand-written rationale, shown to the teacher. Its gold is its label."""

    example: Example
    rationale: str


@dataclass(frozen=True)
class RowFormat:
    """How a row's fields become an example.

    Attributes:
        template: The Jinja source of the input, over the row's fields.
        gold: The field with the gold label, or None where rows have none.
        options: The field with the row's own options, for that kind of answer.
        id: The field with the row's id, used where the row has it.
    """

    template: str
    gold: str | None = None
    options: str | None = None
    id: str = "id"


@dataclass(frozen=True)
class Task:
    """How an input is worded, what an answer may be, and what the teacher is told.

    Attributes:
        instruction: What the teacher is told before the exemplars.
        row_format: How a row becomes an example.
        answer: What an answer may be and when two are the same.
        exemplars: What the teacher is shown.
    """

    instruction: str
    row_format: RowFormat
    answer: Answer
    exemplars: tuple[Exemplar, ...] = field(default=())
