"""Micro-batching: rows of many requests share one pass of the student."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from distilwhy.core.stats.comparisons import Prediction
from distilwhy.core.task import Example
from distilwhy.serving.settings import ServerSettings

# Rationales take many steps, so that fewer rows share a pass and label requests wait less.
EXPLAINED_ROWS = 16

Answer = Callable[[Sequence[Example], bool], Sequence[Prediction]]
Observe = Callable[[int, float], None]

log = logging.getLogger(__name__)


class QueueFullError(Exception):
    """More rows wait than allowed. ``seconds``: about how long until there is room."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"{seconds:.0f} s")
        self.seconds = seconds


@dataclass(eq=False)
class _Waiting:
    example: Example
    future: asyncio.Future[Prediction] = field(default_factory=asyncio.Future)


class MicroBatcher:
    """Collects rows and has them answered in one worker thread, in the order they came.

    A pass takes all rows that wait, up to ``batch_rows``. Only when the student is idle does a
    row wait for others, for ``max_delay`` at most.

    Args:
        answer: Answers rows, with rationales or not. Called in the worker thread.
        observe: Called after each pass with its rows and seconds.
    """

    def __init__(
        self, answer: Answer, settings: ServerSettings, observe: Observe = lambda rows, s: None
    ) -> None:
        self._answer, self._settings, self._observe = answer, settings, observe
        self._queues: dict[bool, deque[_Waiting]] = {False: deque(), True: deque()}
        self._came = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "student")
        self._pace, self._busy = 0.01, False
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many rows wait."""
        return sum(map(len, self._queues.values()))

    @property
    def alive(self) -> bool:
        """Whether rows are being answered."""
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        """Begin to answer; called in the event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Answer what waits, then end."""
        while (self.waiting or self._busy) and self.alive:
            await asyncio.sleep(0.01)
        if self._task is not None:
            self._task.cancel()
        self._thread.shutdown(wait=True)

    async def ask(self, examples: Sequence[Example], explain: bool = False) -> list[Prediction]:
        """The student's answers to these rows, in their order.

        Raises:
            QueueFullError: if too many rows wait.
            TimeoutError: if they are not answered in time.
        """
        room = self._settings.max_waiting - self.waiting
        if len(examples) > room:
            raise QueueFullError(max(1.0, self.waiting * self._pace))
        rows = [_Waiting(example) for example in examples]
        self._queues[explain].extend(rows)
        self._came.set()
        gathered = asyncio.gather(*(row.future for row in rows))
        return list(await asyncio.wait_for(gathered, self._settings.timeout))

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        turn = False
        while True:
            if not self.waiting:
                self._came.clear()
                await self._came.wait()
                await self._wait_for_more()
            # Both kinds of requests get their turn.
            turn = not turn if self._queues[not turn] else turn
            batch = self._take(turn)
            self._busy = bool(batch)
            if batch:
                start = time.perf_counter()
                found = await loop.run_in_executor(self._thread, self._answer_each, batch, turn)
                self._tell(batch, found, time.perf_counter() - start)
                self._busy = False

    async def _wait_for_more(self) -> None:
        end = time.monotonic() + self._settings.max_delay
        while self.waiting < self._settings.batch_rows:
            left = end - time.monotonic()
            if left <= 0:
                return
            self._came.clear()
            try:
                await asyncio.wait_for(self._came.wait(), left)
            except TimeoutError:
                return

    def _take(self, explain: bool) -> list[_Waiting]:
        """The rows of the next pass, without those whose request has gone."""
        most = EXPLAINED_ROWS if explain else self._settings.batch_rows
        if not self._settings.max_delay:
            most = 1
        queue, batch = self._queues[explain], list[_Waiting]()
        while queue and len(batch) < most:
            row = queue.popleft()
            if not row.future.done():
                batch.append(row)
        return batch

    def _tell(
        self, batch: Sequence[_Waiting], found: Sequence[Prediction | Exception], seconds: float
    ) -> None:
        self._pace += 0.2 * (seconds / len(batch) - self._pace)
        self._observe(len(batch), seconds)
        for row, one in zip(batch, found, strict=True):
            if row.future.done():
                continue
            if isinstance(one, Exception):
                row.future.set_exception(one)
            else:
                row.future.set_result(one)

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
