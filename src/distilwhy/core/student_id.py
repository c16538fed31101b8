"""The identity of one student of a study, and how many rows it trains on."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from distilwhy.core.task import Example
from distilwhy.core.wording import counted

# The name for people of the student of the ``student`` section, if there are others; so for the
# teacher of the ``teacher`` section.
MAIN = "main"


@dataclass(frozen=True, order=True)
class StudentId:
    """One trained student: a method, a seed, a number of train rows, and a student section.

    Attributes:
        seed: Seeds its weights, batches and rows.
        rows: The number of train rows; None for all of them.
        student: Its name in the study; "" is that of the ``student`` section.
        annotations: The name in the study of the teacher that it learns from; "" is that of the
            ``teacher`` section, or none.
    """

    method: str
    seed: int
    rows: int | None = None
    student: str = ""
    annotations: str = ""

    @property
    def arm(self) -> str:
        """Its method and, unless it is that of the ``teacher`` section, its teacher, for people."""
        return f"{self.method} ({self.annotations})" if self.annotations else self.method

    @property
    def name(self) -> str:
        """Its name in the run folder."""
        student = f"{self.student}-" if self.student else ""
        part = "" if self.rows is None else f"-n{self.rows}"
        teacher = f"@{self.annotations}" if self.annotations else ""
        return f"{student}{self.method}{part}-seed{self.seed}{teacher}"

    @property
    def label(self) -> str:
        """Its name for people."""
        student = f"{self.student} " if self.student else ""
        part = "" if self.rows is None else f" {counted(self.rows, 'row')}"
        return f"{student}{self.arm}{part} seed {self.seed}"


def select_rows(examples: Sequence[Example], rows: int | None, seed: int) -> list[Example]:
    """Draw so many examples by seed, in their original order.

    With the same seed, fewer rows are a subset of more. All methods get the same rows.
    """
    if rows is None or rows >= len(examples):
        return list(examples)
    drawn = set(Random(f"rows:{seed}").sample(range(len(examples)), len(examples))[:rows])
    return [example for place, example in enumerate(examples) if place in drawn]


def extent(rows: int | None) -> float:
    """A sort key for numbers of train rows; None, which is all of them, comes last."""
    return float("inf") if rows is None else rows


def count_rows(sizes: Sequence[float | int], rows: int) -> list[int | None]:
    """Sizes as numbers of rows, each once; None is all. A float is a share, at least two rows."""
    counts = [size if isinstance(size, int) else max(2, round(size * rows)) for size in sizes]
    return list(dict.fromkeys(None if count >= rows else count for count in counts))
