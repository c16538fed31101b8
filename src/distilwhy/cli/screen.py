"""Progress bars on a terminal; plain lines elsewhere. Both go to stderr."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import fmean
from typing import Self

from rich import box
from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from distilwhy.cli.console import SafeConsole
from distilwhy.core.student_id import MAIN, StudentId
from distilwhy.core.wording import counted, percent
from distilwhy.students.training.distributed import is_main

PLAIN_LINE_EVERY_S = 5.0


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
            for arm in dict.fromkeys(student.arm for student in self._students):
                table.add_row(arm, *(self._mean(name, arm, rows) for rows in sizes))
        return Group("", Text("Validation accuracy so far", style="bold"), table)

    def _mean(self, name: str, arm: str, rows: int | None) -> Text:
        """The mean over the trained seeds of one table cell, and how many these are."""
        seeds = [s for s in self._students if (s.student, s.arm, s.rows) == (name, arm, rows)]
        found = [self._accuracies[seed] for seed in seeds if seed in self._accuracies]
        mean = percent(fmean(found)) if found else "–"
        trained = f"  {len(found)} of {counted(len(seeds), 'seed')}"
        return Text.assemble((mean, "" if found else "dim"), (trained, "dim"))


class _TimeLeftColumn(TimeRemainingColumn):
    """The time until ``ends_at`` where it is known, else rich's own estimate."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        ends_at = task.fields.get("ends_at")
        if ends_at is None or task.finished:
            return super().render(task)
        left = max(0, round(ends_at - time.monotonic()))
        minutes, seconds = divmod(left, 60)
        hours, minutes = divmod(minutes, 60)
        shown = f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes:02d}:{seconds:02d}"
        return Text(shown, style="progress.remaining")


class Screen:
    """One main bar, a bar for each student in training, and the board of trained students.

    Unless it ``is_live``, it shows no bars, and ``move`` prints a line every few seconds.
    """

    def __init__(self) -> None:
        self.board = Board()
        self._console = SafeConsole(stderr=True, highlight=False)
        self.is_live = self._console.is_terminal and is_main()
        self._bars = Bars(
            TextColumn("{task.description:<26}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            _TimeLeftColumn(compact=True),
            console=self._console,
            disable=not self.is_live,
        )
        self._view = Live(get_renderable=self._draw, console=self._console, refresh_per_second=4)
        self._main: TaskID | None = None
        self._students: dict[StudentId, TaskID] = {}
        self._name = self._last_line = ""
        self._last_line_at = 0.0

    def __enter__(self) -> Self:
        if self.is_live:
            self._view.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        # If drawing is interrupted, the cursor may be anywhere, and a last drawing would appear
        # beside the first.
        self._view.transient = kind is not None and issubclass(kind, KeyboardInterrupt)
        self._view.stop()

    def _draw(self) -> Group:
        return Group(self._bars, self.board) if self.board.is_shown else Group(self._bars)

    def say(self, line: str) -> None:
        """Print a line above the bars; a terminal wraps it at words."""
        self._console.print(line, markup=False, soft_wrap=not self._console.is_terminal)

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Stop drawing, so that the user can be asked something."""
        self._view.stop()
        yield
        if self.is_live:
            self._view.start()

    def start(self, name: str, total: int | None, done: int = 0) -> None:
        """Replace the main bar; a ``total`` of None shows activity without a length."""
        if self._main is not None:
            self._bars.remove_task(self._main)
        self._name, self._last_line_at = name, 0.0
        self._main = self._bars.add_task(escape(name), total=total, completed=done, note="")

    def move(self, done: int, total: int, note: str = "") -> None:
        """Move the main bar."""
        assert self._main is not None, "start() comes first"
        self._bars.update(self._main, completed=done, total=total, note=escape(note))
        now, line = time.monotonic(), f"{self._name}: {done}/{total}  {note}".rstrip()
        is_due = done == total or now - self._last_line_at > PLAIN_LINE_EVERY_S
        if not self.is_live and is_due and line != self._last_line:
            self._last_line_at, self._last_line = now, line
            self.say(line)

    def advance(self) -> None:
        """Move the main bar by one."""
        if self._main is not None:
            self._bars.advance(self._main)

    def expect(self, seconds: float, student: StudentId | None = None) -> None:
        """Show how much time is left on the main bar, or on a student's."""
        bar = self._main if student is None else self._students.get(student)
        if bar is not None:
            self._bars.update(bar, ends_at=time.monotonic() + seconds)

    def move_student(self, student: StudentId, step: int, steps: int) -> None:
        """Move a student's own bar, which appears at its first step."""
        if student not in self._students:
            label = escape(student.label)
            self._students[student] = self._bars.add_task(label, total=steps, note="")
        self._bars.update(self._students[student], completed=step)

    def note_student(self, student: StudentId, note: str) -> None:
        """Show a note beside a student's bar."""
        if student in self._students:
            self._bars.update(self._students[student], note=escape(note))

    def remove_student(self, student: StudentId) -> None:
        """Remove a student's bar."""
        if (bar := self._students.pop(student, None)) is not None:
            self._bars.remove_task(bar)
