"""A task, its rows and its exemplars."""

from collections.abc import Mapping
from dataclasses import dataclass

from distilwhy.core.parsing.answer import Answer

DEFAULT_ID = "id"
Row = Mapping[str, object]
"""A row's fields, as they are read."""

CUE = "So the answer is {answer}."


@dataclass(frozen=True)
class Example:
    """One row.

    Attributes:
        text: The input, as teacher and student see it.
        options: The row's own options; empty if it has none.
        gold: The gold label in canonical form; None if the row has none.
    """

    id: str
    text: str
    options: tuple[str, ...] = ()
    gold: str | None = None


@dataclass(frozen=True)
class Exemplar:
    """An example with a hand-written rationale, shown to the teacher. Its gold label is set."""

    example: Example
    rationale: str


@dataclass(frozen=True)
class RowFormat:
    """How the fields of a row become an example.

    Attributes:
        template: The Jinja template of the input, over the row's fields.
        gold: The field with the gold label; None if rows have none. ``options`` likewise.
        id: The field with the row's id. A row may lack it.
    """

    template: str
    gold: str | None = None
    options: str | None = None
    id: str = DEFAULT_ID


@dataclass(frozen=True)
class Task:
    """A task: its input format, its answers, and what the teacher is shown.

    Attributes:
        cue: The sentence that ends a reply, with ``{answer}`` for the label.
    """

    instruction: str
    row_format: RowFormat
    answer: Answer
    exemplars: tuple[Exemplar, ...] = ()
    cue: str = CUE
