"""How a study gets on: student and method by train rows, as students are trained."""

from collections.abc import Sequence
from statistics import fmean

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from distilwhy.core.student_id import MAIN, StudentId
from distilwhy.core.wording import counted, percent


class Board:
    """A table of the students that stand trained so far, and of their accuracy on validation.

    Nothing is shown of one student alone.
    """

    def __init__(self) -> None:
        self._cells: Sequence[StudentId] = ()
        self._accuracies: dict[StudentId, float] = {}

    def begin(self, cells: Sequence[StudentId]) -> None:
        """Show these students."""
        self._cells, self._accuracies = cells, {}

    def stand(self, cell: StudentId, accuracy: float) -> None:
        """Show that one of them stands trained."""
        self._accuracies[cell] = accuracy

    @property
    def is_shown(self) -> bool:
        """Whether there is anything to compare."""
        return len(self._cells) > 1

    @property
    def has_several(self) -> bool:
        """Whether students must be told apart by name."""
        return any(cell.student for cell in self._cells)

    def __rich__(self) -> Group:
        sizes = list(dict.fromkeys(cell.rows for cell in self._cells))
        seeds: dict[tuple[str, str, int | None], list[StudentId]] = {}
        for cell in self._cells:
            seeds.setdefault((cell.student, cell.method, cell.rows), []).append(cell)
        table = Table("method", box=box.SIMPLE_HEAD, pad_edge=False)
        for rows in sizes:
            table.add_column(_name_size(rows), justify="right", no_wrap=True)
        for student in dict.fromkeys(cell.student for cell in self._cells):
            if self.has_several:
                table.add_row(Text(student or MAIN, style="bold"))
            for method in dict.fromkeys(cell.method for cell in self._cells):
                means = [self._mean(seeds.get((student, method, rows), [])) for rows in sizes]
                table.add_row(method, *means)
        return Group("", Text("Accuracy on validation so far", style="bold"), table)

    def _mean(self, cells: Sequence[StudentId]) -> Text:
        """The mean of those that stand among the seeds of one entry."""
        found = [self._accuracies[cell] for cell in cells if cell in self._accuracies]
        mean = percent(fmean(found)) if found else "–"
        seeds = f"  {len(found)} of {counted(len(cells), 'seed')}"
        return Text.assemble((mean, "" if found else "dim"), (seeds, "dim"))


def _name_size(rows: int | None) -> str:
    return "all rows" if rows is None else f"{rows:,} rows"
