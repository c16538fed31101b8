"""Labels the rows of one file, chunk by chunk."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import normalize

from distilwhy.core.rows.example_builder import ExampleBuilder
from distilwhy.core.stats.comparisons import Prediction
from distilwhy.core.task import Example
from distilwhy.core.training_summary import Truncation
from distilwhy.core.wording import counted
from distilwhy.pipeline.predict_file.columns import Columns, Fields
from distilwhy.pipeline.predict_file.rows import FileRow, read_chunks
from distilwhy.pipeline.predict_file.survey import Survey, survey_file
from distilwhy.students.student import Student

if TYPE_CHECKING:
    import pyarrow

NOTHING_CUT = Truncation(0, 0, 0, 0)


@dataclass(frozen=True)
class PredictionJob:
    """A file, the folder of the student that labels it, and whether rationales are wanted."""

    student: Path
    file: Path
    explain: bool = False


@dataclass(frozen=True)
class LabelledChunk:
    """Rows with their answers, and how many inputs of them were cut."""

    rows: Sequence[Fields]
    cut: Truncation


@dataclass(frozen=True)
class Labeller:
    """A student, and the file that it labels."""

    job: PredictionJob
    student: Student
    build: ExampleBuilder
    survey: Survey
    columns: Columns

    @classmethod
    def open(cls, job: PredictionJob, *, typed: bool = False) -> "Labeller":
        """Load the student, and read the file once.

        Args:
            typed: Find the types of the columns too.

        Raises:
            StudentError: if the folder holds no student.
            DataError: if the file cannot be read or has no rows, or one does not fit the task.
        """
        student = Student.load(job.student)
        build = ExampleBuilder(student.spec.inference_task, may_be_empty=True)
        survey = survey_file(job.file, build, typed=typed)
        columns = Columns.choose(survey, student, explain=job.explain)
        return cls(job, student, build, survey, columns)

    @property
    def schema(self) -> "pyarrow.Schema":
        """The columns for Parquet, once they are typed."""
        import pyarrow

        columns, types = self.columns, self.survey.types or {}
        own = {columns.renamed.get(name, name): kind for name, kind in types.items()}
        answer = {"id": pyarrow.string(), "confidence": pyarrow.float64()}
        answer |= {name: pyarrow.string() for name in columns.names if name not in own | answer}
        return pyarrow.schema([(name, (own | answer)[name]) for name in columns.names])

    def label_from(self, start: int = 0) -> Iterator[LabelledChunk]:
        """The rows from row ``start`` on, by ``CHUNK``."""
        for chunk in read_chunks(self.job.file, self.build, start):
            yield self.label(chunk)

    def label(self, chunk: Sequence[FileRow]) -> LabelledChunk:
        """Some rows with their answers. A row with an empty input gets none."""
        asked = [one.example for one in chunk if one.example.text]
        found = self.student.predict(asked, explain=self.job.explain) if asked else []
        answers = iter(found)
        return LabelledChunk(
            [
                self.columns.join(
                    one.row,
                    next(answers) if one.example.text else Prediction(one.example.id, "", None),
                )
                for one in chunk
            ],
            self._count_cut(asked),
        )

    def _count_cut(self, asked: Sequence[Example]) -> Truncation:
        """How many inputs were cut. Those with fewer bytes than the student reads tokens were not,
        so that most need not be encoded again."""
        room = self.student.spec.config.max_input_tokens - self._around
        long = [example for example in asked if _size(example) > room]
        found = self.student.truncation(long) if long else NOTHING_CUT
        return replace(found, texts=len(asked))

    @cached_property
    def _around(self) -> int:
        """The tokens that stand around a text of one token."""
        return self.student.truncation([Example("", "a")]).longest


def _size(example: Example) -> int:
    """The bytes of an example; tokens are no shorter, whichever Unicode form they are read in."""
    texts = (normalize("NFKC", text) for text in (example.text, *example.options))
    return sum(len(text.encode(errors="replace")) + 1 for text in texts)


def add_cuts(some: Truncation, more: Truncation) -> Truncation:
    """The counts of both."""
    return replace(
        more,
        cut=some.cut + more.cut,
        texts=some.texts + more.texts,
        longest=max(some.longest, more.longest),
        limit=max(some.limit, more.limit),
    )


def describe_cut(found: Truncation) -> str:
    """What to tell the user of inputs that were cut; "" if none was."""
    if not found.cut:
        return ""
    return (
        f"cut to the {counted(found.limit, 'token')} that the student reads: {found.cut:,} of "
        f"{counted(found.texts, 'input')} (the longest has {found.longest:,})"
    )
