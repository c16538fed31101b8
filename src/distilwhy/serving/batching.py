"""Micro-batching: rows of many requests share one pass of the student."""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from distilwhy.core.stats.comparisons import Prediction
from distilwhy.core.task import Example
from distilwhy.serving.settings import ServerSettings

# Rationales take many steps, so that fewer rows share a pass and label requests wait less.
EXPLAINED_ROWS = 16

Answer = Callable[[Sequence[Example], bool], Sequence[Prediction]]
Observe = Callable[[int, float, int], None]

log = logging.getLogger(__name__)


class QueueFullError(Exception):
    """Too many rows wait. ``seconds``: about how long until those are answered."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"{seconds:.0f} s")
        self.seconds = seconds


@dataclass(eq=False)
class _Request:
    """Rows that are answered together; ``future`` has the answers once there are all of them.

    Attributes:
        came: When it came, by ``time.monotonic``.
        refused: Whether it waited too long for its first row to be answered.
    """

    rows: Sequence[Example]
    came: float = field(default_factory=time.monotonic)
    refused: bool = False
    future: asyncio.Future[list[Prediction]] = field(default_factory=asyncio.Future)
    found: dict[int, Prediction] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether no answer is awaited."""
        return self.refused or self.future.done()

    def fail(self, error: Exception) -> None:
        """Say why there are no answers."""
        if not self.future.done():
            self.future.set_exception(error)

    def tell(self, place: int, one: Prediction) -> None:
        """Take the answer to one row."""
        if self.future.done():
            return
        self.found[place] = one
        if len(self.found) == len(self.rows):
            self.future.set_result([self.found[place] for place in range(len(self.rows))])


@dataclass(frozen=True)
class _Waiting:
    request: _Request
    place: int

    @property
    def example(self) -> Example:
        return self.request.rows[self.place]


class MicroBatcher:
    """Collects rows and has them answered in one worker thread, in the order they came.

    A pass takes all rows that wait, up to ``batch_rows``. A row waits for others only when the
    student is idle and its last pass had several rows, for ``max_delay`` at most: a client that
    asks alone waits for nobody.

    Args:
        answer: Answers rows, with rationales or not. Called in the worker thread.
        observe: Called after each pass with its rows, its seconds, and the rows that still wait.
    """

    def __init__(
        self,
        answer: Answer,
        settings: ServerSettings,
        observe: Observe = lambda rows, seconds, waiting: None,
    ) -> None:
        self._answer, self._settings, self._observe = answer, settings, observe
        self._queues: dict[bool, deque[_Waiting]] = {False: deque(), True: deque()}
        # Seconds of recent passes, of labels alone and with rationales, and of the last of all.
        self._pace, self._last = {False: 0.0, True: 0.0}, 0.0
        self._shared = True  # whether the last pass had several rows; the first waits for others
        self._came, self._stopping = threading.Condition(), False
        self._thread = threading.Thread(target=self._run, name="student", daemon=True)
        self._loop: asyncio.AbstractEventLoop

    @property
    def waiting(self) -> int:
        """How many rows wait."""
        return sum(map(len, self._queues.values()))

    @property
    def alive(self) -> bool:
        """Whether rows are being answered."""
        return self._thread.is_alive()

    def require_room(self, rows: int = 1, explain: bool = False) -> None:
        """Raise ``QueueFullError`` if these rows may not wait.

        That is if too many rows would wait, or the first of these for longer than ``max_wait``
        before its pass begins. Rows that fit into the next pass always may.
        """
        wait = self._expect_wait(explain)
        if self.waiting + rows > self._settings.max_waiting or wait > self._settings.max_wait:
            raise QueueFullError(wait)

    def _expect_wait(self, explain: bool) -> float:
        """Seconds of the passes before the one that a new row joins; both kinds take turns."""
        passes = len(self._queues[explain]) // self._most(explain)
        return passes * sum(self._pace[kind] for kind, queue in self._queues.items() if queue)

    def start(self) -> None:
        """Begin to answer; called in the event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Answer what waits, then end."""
        with self._came:
            self._stopping = True
            self._came.notify()
        await asyncio.to_thread(self._thread.join)

    async def ask(self, examples: Sequence[Example], explain: bool = False) -> list[Prediction]:
        """The student's answers to these rows, in their order.

        Raises:
            QueueFullError: if too many rows wait.
            TimeoutError: if they are not answered in time.
        """
        self.require_room(len(examples), explain)
        request = _Request(examples)
        with self._came:
            self._queues[explain].extend(_Waiting(request, i) for i in range(len(examples)))
            self._came.notify()
        # A task resumes one round of the event loop after its future is done; gather and wait_for
        # take more of them, which are long while many requests come in.
        async with asyncio.timeout(self._settings.timeout):
            return await request.future

    def _run(self) -> None:
        """Take and answer rows, in a thread, so that a busy event loop keeps no pass waiting."""
        turn = False
        while True:
            with self._came:
                if not self.waiting:
                    self._came.wait_for(lambda: self.waiting or self._stopping)
                    if not self.waiting:
                        return
                    if self._shared:
                        self._came.wait_for(self._is_enough, self._settings.max_delay)
                # Both kinds of requests get their turn.
                turn = not turn if self._queues[not turn] else turn
                batch = self._take(turn)
            if batch:
                self._shared = len(batch) > 1
                start = time.perf_counter()
                found = self._answer_each(batch, turn)
                self._last = seconds = time.perf_counter() - start
                self._pace[turn] += 0.3 * (seconds - self._pace[turn])
                self._loop.call_soon_threadsafe(self._tell, batch, found, seconds)

    def _is_enough(self) -> bool:
        return self._stopping or self.waiting >= self._settings.batch_rows

    def _take(self, explain: bool) -> list[_Waiting]:
        """The rows of the next pass, without those whose request has gone or came too long ago."""
        most, queue, batch = self._most(explain), self._queues[explain], list[_Waiting]()
        # What came during the last pass may go on, however long that took.
        since = time.monotonic() - self._settings.max_wait - self._last
        while queue and len(batch) < most:
            row = queue.popleft()
            request = row.request
            if request.is_over:
                continue
            if row.place == 0 and request.came < since and not self._stopping:
                request.refused = True
                error = QueueFullError(self._expect_wait(explain))
                self._loop.call_soon_threadsafe(request.fail, error)
                continue
            batch.append(row)
        return batch

    def _most(self, explain: bool) -> int:
        """How many rows share a pass."""
        if not self._settings.max_delay:
            return 1
        return EXPLAINED_ROWS if explain else self._settings.batch_rows

    def _tell(
        self, batch: Sequence[_Waiting], found: Sequence[Prediction | Exception], seconds: float
    ) -> None:
        self._observe(len(batch), seconds, self.waiting)
        for row, one in zip(batch, found, strict=True):
            if isinstance(one, Exception):
                row.request.fail(one)
            else:
                row.request.tell(row.place, one)

    def _answer_each(
        self, batch: Sequence[_Waiting], explain: bool
    ) -> Sequence[Prediction | Exception]:
        """An answer or an error for each row: one row that fails takes no other with it."""
        try:
            return self._answer([row.example for row in batch], explain)
        # The model's libraries raise anything, and the server goes on.
        except Exception as error:  # noqa: BLE001
            log.error("a pass over %d rows failed: %s", len(batch), type(error).__name__)
            if len(batch) == 1:
                return [error]
            return [self._answer_each([row], explain)[0] for row in batch]
