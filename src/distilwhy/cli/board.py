"""A live table of validation accuracies, shown while several students are trained."""

from collections.abc import Sequence
from statistics import fmean

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from distilwhy.core.student_id import MAIN, StudentId
from distilwhy.core.wording import counted, percent


class Board:
    """Validation accuracy by method and number of train rows, for the students trained so far."""

    def __init__(self) -> None:
        self._students: Sequence[StudentId] = ()
        self._accuracies: dict[StudentId, float] = {}

    def start(self, students: Sequence[StudentId]) -> None:
        """Show these students, none of them trained yet."""
        self._students, self._accuracies = students, {}

    def add(self, student: StudentId, accuracy: float) -> None:
        """Show the accuracy of a trained student."""
        self._accuracies[student] = accuracy

    @property
    def is_shown(self) -> bool:
        """Whether there are several students to compare."""
        return len(self._students) > 1

    @property
    def has_names(self) -> bool:
        """Whether the study has named students, besides that of the ``student`` section."""
        return any(student.student for student in self._students)

    def __rich__(self) -> Group:
        sizes = list(dict.fromkeys(student.rows for student in self._students))
        table = Table("method", box=box.SIMPLE_HEAD, pad_edge=False)
        for rows in sizes:
            heading = "all rows" if rows is None else counted(rows, "row")
            table.add_column(heading, justify="right", no_wrap=True)
        for name in dict.fromkeys(student.student for student in self._students):
            if self.has_names:
                table.add_row(Text(name or MAIN, style="bold"))
            for method in dict.fromkeys(student.method for student in self._students):
                table.add_row(method, *(self._mean(name, method, rows) for rows in sizes))
        return Group("", Text("Validation accuracy so far", style="bold"), table)

    def _mean(self, name: str, method: str, rows: int | None) -> Text:
        """The mean over the trained seeds of one table cell, and how many these are."""
        seeds = [s for s in self._students if (s.student, s.method, s.rows) == (name, method, rows)]
        found = [self._accuracies[seed] for seed in seeds if seed in self._accuracies]
        mean = percent(fmean(found)) if found else "–"
        trained = f"  {len(found)} of {counted(len(seeds), 'seed')}"
        return Text.assemble((mean, "" if found else "dim"), (trained, "dim"))
