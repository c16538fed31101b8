"""A cell of a study: one student to train, named by what sets it apart from the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from distilwhy.core.task import Example

# What the student of the ``student`` section is called beside others.
MAIN = "main"


@dataclass(frozen=True, order=True)
class StudentId:
    """One student.

    Attributes:
        method: The name of its method.
        seed: Draws its weights, its batches and its rows.
        rows: On how many train rows; None for all of them.
        student: Which of the study's students, by name; "" is that of the ``student`` section.
    """

    method: str
    seed: int
    rows: int | None = None
    student: str = ""

    @property
    def name(self) -> str:
        """Its name in the run folder."""
        student = f"{self.student}-" if self.student else ""
        part = "" if self.rows is None else f"-n{self.rows}"
        return f"{student}{self.method}{part}-seed{self.seed}"

    @property
    def label(self) -> str:
        """Its name for people."""
        student = f"{self.student} " if self.student else ""
        part = "" if self.rows is None else f" {self.rows} rows"
        return f"{student}{self.method}{part} seed {self.seed}"


def select_rows(examples: Sequence[Example], rows: int | None, seed: int) -> list[Example]:
    """So many examples, drawn by the seed, in their own order.

    With one seed, fewer rows are a subset of more; all methods are taught the same ones.
    """
    if rows is None or rows >= len(examples):
        return list(examples)
    drawn = set(Random(f"rows:{seed}").sample(range(len(examples)), len(examples))[:rows])
    return [example for place, example in enumerate(examples) if place in drawn]


def extent(rows: int | None) -> float:
    """A number of train rows to order by: None, being all of them, is the most."""
    return float("inf") if rows is None else rows


def count_rows(sizes: Sequence[float | int], rows: int) -> list[int | None]:
    """Sizes as numbers of rows: a float is a share of all of them, and all of them is None.

    A share never comes to fewer than two rows.
    """
    counts = [size if isinstance(size, int) else max(2, round(size * rows)) for size in sizes]
    return list(dict.fromkeys(None if count >= rows else count for count in counts))
