"""The teacher behind a served student: asked about rows that the student does not answer alone."""

import asyncio
import logging
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from distilwhy.config import RecordedTeacherConfig
from distilwhy.core.parsing.completion import Annotation
from distilwhy.core.task import Example, Task
from distilwhy.errors import BudgetError, ConfigError, RunError, TeacherError, first_line
from distilwhy.pipeline.annotate.calls import Call, CallBuilder, open_calls
from distilwhy.pipeline.annotate.form import UNTRIED
from distilwhy.pipeline.annotate.recorder import FailureLimit
from distilwhy.pipeline.annotate.records import join_answers, read_answers
from distilwhy.pipeline.annotate.transports.dispatcher import Dispatcher, Limits
from distilwhy.pipeline.experiment import Experiment, open_experiment
from distilwhy.serving.daily_budget import DailyBudget
from distilwhy.serving.settings import ServerSettings
from distilwhy.store.ledger import Charge, Entry, Ledger, open_ledger
from distilwhy.store.shards import AnswerWriter, import_shards

# Seconds for which a teacher that does not answer is not asked again.
PAUSE_S = 10.0
# A row waits for its answer, so a call is tried twice and not as often as when annotating.
RETRIES = 1

log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Pending:
    """A call that rows wait for."""

    call: Call
    waiting: int = 0
    done: asyncio.Future[None] = field(default_factory=asyncio.Future)


class _Feed:
    """The calls to make, as a dispatcher reads them. A call that no row waits for is left out."""

    def __init__(self) -> None:
        self.pending: dict[bytes, _Pending] = {}
        self._queue: deque[_Pending] = deque()
        self._came = asyncio.Event()

    def add(self, call: Call) -> _Pending:
        """Wait for a call, which is made once however many rows wait for it."""
        pending = self.pending.get(call.key)
        if pending is None:
            pending = self.pending[call.key] = _Pending(call)
            self._queue.append(pending)
            self._came.set()
        pending.waiting += 1
        return pending

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Call:
        while self._queue:
            pending = self._queue.popleft()
            if pending.waiting:
                return pending.call
            del self.pending[pending.call.key]
        raise StopIteration

    async def more(self) -> bool:
        """Wait until a call was added."""
        while not self._queue:
            self._came.clear()
            await self._came.wait()
        return True

    def settle(self, key: bytes) -> None:
        """Wake the rows that wait for a call."""
        if pending := self.pending.pop(key, None):
            pending.done.set_result(None)

    def settle_all(self) -> None:
        """Wake all rows; calls that were not made are not made any more."""
        self._queue.clear()
        for key in list(self.pending):
            self.settle(key)


class CascadeTeacher:
    """Answers rows from the ledger of an experiment, and asks its teacher for what is missing.

    A call is made by the pieces of ``annotate``: what it may cost is reserved before it is sent,
    and its answer is on disk before it is used. The run folder stays locked until ``stop``. Get
    one from ``open_teacher``, and use it in one event loop.

    Args:
        ledger: For reading.
        most: How many calls may wait or be under way.
        budget: None if the teacher bills nobody.
        resources: What is closed at the end.
    """

    def __init__(
        self,
        experiment: Experiment,
        calls: CallBuilder,
        ledger: Ledger,
        writer: AnswerWriter,
        most: int,
        budget: DailyBudget | None,
        resources: ExitStack,
    ) -> None:
        self._calls, self._ledger, self._writer = calls, ledger, writer
        self._limits = Limits.of(experiment.config.teacher.pace)
        self._most, self._budget, self._resources = most, budget, resources
        self._feed = _Feed()
        self._task: asyncio.Task[None] | None = None
        self._rests_until = 0.0

    async def ask(self, example: Example, until: float) -> Annotation | None:
        """The teacher's answer; None if it has none, or none in time.

        Args:
            until: When to give up, by ``time.monotonic``. The call itself goes on.
        """
        try:
            calls = self._missing(example)
            if calls and self._is_open():
                await self._make(calls, until)
            found = self._read(example)
        except RunError as error:
            log.error("the ledger cannot be used: %s", first_line(error))
            return None
        return found if found and found.outcome == "ok" else None

    async def stop(self) -> None:
        """Make no more calls. The budget is charged for those under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._resources.close()

    def _missing(self, example: Example) -> list[Call]:
        calls = self._calls.answer_calls(example)
        answered = self._ledger.answered(call.key for call in calls)
        return [call for call in calls if call.key not in answered]

    def _read(self, example: Example) -> Annotation | None:
        """The annotation, once all samples are there."""
        [answers] = read_answers(self._calls, self._ledger, [example])
        given = [one for one in answers if one.entry.completion.error is None]
        is_whole = len(given) == self._calls.config.samples
        return join_answers(self._calls, example, given) if is_whole else None

    def _is_open(self) -> bool:
        """Whether the teacher can be asked now."""
        if self._budget and self._budget.open_day():
            self._rests_until = 0.0
        is_full = len(self._feed.pending) >= self._most
        return not is_full and time.monotonic() >= self._rests_until

    async def _make(self, calls: list[Call], until: float) -> None:
        waited_for = [self._feed.add(call) for call in calls]
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())
        try:
            left = max(0.0, until - time.monotonic())
            await asyncio.wait([pending.done for pending in waited_for], timeout=left)
        finally:
            for pending in waited_for:
                pending.waiting -= 1

    async def _run(self) -> None:
        """Make calls until the teacher or the budget allows no more."""
        guard = self._budget.guard if self._budget else None
        dispatcher = Dispatcher(
            self._calls.teacher,
            self._feed,
            self._record,
            FailureLimit(None, ()),
            self._limits,
            guard,
            log.warning,
            self._feed.more,
        )
        try:
            await dispatcher.run()
        except BudgetError as error:
            self._rests_until = float("inf")
            log.warning("rows are referred for the rest of the day: %s", first_line(error))
        except (TeacherError, ConfigError, RunError) as error:
            self._rests_until = time.monotonic() + PAUSE_S
            log.warning("rows are referred for %.0f s: %s", PAUSE_S, first_line(error))
        finally:
            self._feed.settle_all()

    async def _record(self, entries: list[Entry], charges: list[Charge]) -> None:
        await asyncio.to_thread(self._writer.put, entries, charges)
        for entry in entries:
            self._feed.settle(entry.key)


def open_teacher(task: Task, settings: ServerSettings) -> CascadeTeacher | None:
    """The teacher that the settings name; None if they name none.

    Args:
        task: The student's.

    Raises:
        ConfigError: if the experiment file is invalid, is about another task, has a teacher that
            cannot answer new rows, or lacks what a budget needs.
        RunError: if another process uses the run folder.
    """
    if settings.teacher is None:
        return None
    experiment = _open(settings.teacher, task)
    folder = experiment.folder
    with ExitStack() as resources:
        lock = resources.enter_context(folder.lock())
        ledger = resources.enter_context(open_ledger(folder.ledger, lock))
        reader = resources.enter_context(open_ledger(folder.ledger))
        import_shards(folder.shards, ledger)
        calls = open_calls(experiment)
        calls.teacher.retries = min(RETRIES, calls.teacher.retries)
        resources.callback(calls.teacher.close)
        budget = DailyBudget.open(experiment, ledger, settings.daily_budget)
        if budget:
            resources.callback(budget.guard.close)
        return CascadeTeacher(
            experiment,
            calls if calls.form.is_known else calls.in_form(UNTRIED),
            reader,
            AnswerWriter(ledger, folder.shards),
            settings.max_waiting,
            budget,
            resources.pop_all(),
        )


def _open(file: Path, task: Task) -> Experiment:
    experiment = open_experiment(file)
    teacher, own = experiment.config.teacher, experiment.task
    if isinstance(teacher, RecordedTeacherConfig):
        raise ConfigError(
            f"--teacher {file}: teacher.kind is 'recorded', which answers no new rows"
        )
    formats = [(one.row_format.template, one.row_format.options) for one in (own, task)]
    if formats[0] != formats[1] or own.answer != task.answer:
        raise ConfigError(
            f"--teacher {file}: its task is not the student's; name the experiment that the "
            "student was trained by"
        )
    return experiment
