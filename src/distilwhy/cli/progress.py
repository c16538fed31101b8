"""How a command gets on: live bars in a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from distilwhy.cli.board import Board
from distilwhy.cli.confirm import describe_batches
from distilwhy.core.student_id import MAIN, StudentId
from distilwhy.core.training_summary import Evaluation, TrainingSummary
from distilwhy.core.wording import duration, large, memory_size, percent, rough_duration
from distilwhy.students.training.distributed import is_main

if TYPE_CHECKING:
    from distilwhy.pipeline import run
    from distilwhy.pipeline.annotate import recorder as recorder
    from distilwhy.pipeline.train import run as train
    from distilwhy.pipeline.train.forecast import Forecast
    from distilwhy.students.training.memory import Preflight

PLAIN_LINE_EVERY_S = 5.0


class Progress:
    """Shows how a command gets on: bars on a terminal, now and then a line elsewhere."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._live = self._console.is_terminal and is_main()
        self._bars = Bars(
            TextColumn("{task.description:<26}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(compact=True),
            console=self._console,
            disable=not self._live,
        )
        self._board = Board()
        self._view = Live(get_renderable=self._draw, console=self._console, refresh_per_second=4)
        self._task: TaskID | None = None
        self._name = ""
        self._started = self._spoke = 0.0
        self._cells: dict[StudentId, TaskID] = {}
        self._batches = 0
        self._has_waited = False
        self._said = ""

    def __enter__(self) -> Self:
        if self._live:
            self._view.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._view.stop()

    def _draw(self) -> Group:
        return Group(self._bars, self._board) if self._board.is_shown else Group(self._bars)

    def say(self, line: str) -> None:
        """A line that stays."""
        self._console.print(escape(line), soft_wrap=True)

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Leave the terminal to whoever asks a person something."""
        self._view.stop()
        try:
            yield
        finally:
            if self._live:
                self._view.start()

    def annotation(self, progress: "recorder.Progress") -> None:
        """Watch the teacher being asked."""
        new = progress.answered + progress.failed
        if new == 0 and not progress.batches:
            self._begin("teacher", progress.total, progress.from_ledger)
        note = f"{progress.from_ledger} from ledger"
        note += f", {progress.failed} failed" if progress.failed else ""
        note += f", {progress.lost} lost with a worker and asked again" if progress.lost else ""
        self._tell_batches(progress)
        if progress.batches:
            note += f", {progress.done_in_batches:,} of {progress.in_batches:,} in batches done"
            note += f"; {progress.trouble}" if progress.trouble else ""
        elif new and not self._has_waited:
            rate = new / max(1e-6, time.monotonic() - self._started)
            note += f", {rate:.1f} calls/s"
        # Batches may still bring answers to what is asked no more.
        self._move(min(progress.total, progress.from_ledger + new), progress.total, note)

    def _tell_batches(self, progress: "recorder.Progress") -> None:
        """Say how many batches there are, whenever that changes; at first, what that means."""
        known, self._batches = self._batches, progress.batches
        if progress.batches in (0, known):
            return
        self._has_waited = True
        said = f"{describe_batches(progress.batches, progress.in_batches)} with the endpoint"
        if not known:
            # How long it takes has nothing to do with how fast calls were answered one by one.
            self._begin("teacher", progress.total, progress.from_ledger)
            said += ", to be answered within 24 h; the same command goes on from here at any time"
        self.say(said)

    def training(self) -> "train.Watcher":
        """Watch students being trained."""
        from distilwhy.pipeline.train.run import Watcher

        return Watcher(
            begins=self._board.begin,
            finds=self._finds,
            fits=self._fits,
            plans=self._plans,
            ticks=self._ticks,
            reports=self._reports,
            ends=self._ends,
            stands=self._board.stand,
        )

    def watch(self) -> "run.Watch":
        """Watch a whole run."""
        from distilwhy.pipeline.run import Watch

        return Watch(self.annotation, self.training(), self.evaluation)

    def evaluation(self, done: int, students: int) -> None:
        """Watch students being scored."""
        if done == 0:
            self._begin("test rows", students, 0)
        self._move(done, students, "students asked")

    def _fits(self, student: str, preflight: "Preflight") -> None:
        trained = ""
        if preflight.trainable < preflight.parameters:
            trained = f", {large(preflight.trainable)} trained"
        who = (student or MAIN) if self._board.has_several else "a student"
        self.say(
            f"{who}: {large(preflight.parameters)} parameters{trained}, about "
            f"{memory_size(preflight.memory)} of {memory_size(preflight.available)}"
        )
        self._begin("timing a few steps", None, 0)

    def _plans(self, forecast: "Forecast") -> None:
        self.say(
            f"{forecast.trainings} to train, {forecast.workers} at a time, {forecast.steps} steps "
            f"each: about {rough_duration(forecast.seconds)}"
        )
        alike: dict[tuple[str, str], list[str]] = {}
        for (student, method), seconds in forecast.each.items():
            alike.setdefault((student, rough_duration(seconds)), []).append(method)
        for (student, each), methods in alike.items():
            who = f"{student or MAIN} by " if self._board.has_several else ""
            self.say(f"  {who}{', '.join(methods)}: about {each} each")
        self._begin("students", forecast.trainings, 0)

    def _ticks(self, cell: StudentId, step: int, steps: int) -> None:
        if cell not in self._cells:
            name = escape(cell.label)
            self._cells[cell] = self._bars.add_task(name, total=steps, note="")
        self._bars.update(self._cells[cell], completed=step)

    def _reports(self, cell: StudentId, evaluation: Evaluation) -> None:
        losses = "  ".join(f"{task} {loss:.3f}" for task, loss in evaluation.losses.items())
        said = f"loss {losses}  validation {percent(evaluation.validation_accuracy)}"
        if cell in self._cells:
            self._bars.update(self._cells[cell], note=escape(said))
        if not self._live:
            self.say(f"{cell.label}: step {evaluation.step}/{evaluation.steps}  {said}")

    def _finds(self, standing: int, students: int) -> None:
        if standing:
            self.say(f"{standing} of {students} students are trained already")

    def _ends(self, cell: StudentId, trained: TrainingSummary) -> None:
        self.say(
            f"{cell.label}: validation {percent(trained.validation_accuracy)} at step "
            f"{trained.best_step}, {duration(trained.seconds)}"
        )
        for part, found in trained.truncation.items():
            if found.cut:
                self.say(
                    f"  {found.cut} of {found.texts} {part} texts were cut to {found.limit} "
                    f"tokens (longest {found.longest}); raise max_{part}_tokens to keep all"
                )
        if (bar := self._cells.pop(cell, None)) is not None:
            self._bars.remove_task(bar)
        if self._task is not None:
            self._bars.advance(self._task)

    def _begin(self, name: str, total: int | None, done: int) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._name, self._started, self._spoke = name, time.monotonic(), 0.0
        self._task = self._bars.add_task(escape(name), total=total, completed=done, note="")

    def _move(self, done: int, total: int, note: str) -> None:
        assert self._task is not None
        self._bars.update(self._task, completed=done, total=total, note=escape(note))
        now, line = time.monotonic(), f"{self._name}: {done}/{total}  {note}"
        is_due = done == total or now - self._spoke > PLAIN_LINE_EVERY_S
        if not self._live and is_due and line != self._said:
            self._spoke, self._said = now, line
            self.say(line)
