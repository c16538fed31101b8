"""Batches of calls handed over to an endpoint, each but once.

A batch goes through steps, each in the ledger before the next: it is written down, with its calls
and the most that they can cost; its file is uploaded; it is created. What is killed in between is
found again by the name that it bears.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import count, islice
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from distilwhy.core.cost import NOTHING, Prices, Usage
from distilwhy.errors import TeacherError
from distilwhy.pipeline.annotate.budget import BudgetGuard
from distilwhy.pipeline.annotate.calls import Call
from distilwhy.pipeline.annotate.recorder import Recorder
from distilwhy.pipeline.annotate.spending import add_up
from distilwhy.pipeline.annotate.transports.dispatcher import pause_before
from distilwhy.store.batches import BatchBook, BatchedCall, SentBatch
from distilwhy.store.ledger import Ledger
from distilwhy.teachers.base import Teacher, Trouble
from distilwhy.teachers.batch import MOST_BYTES, MOST_REQUESTS, BatchEndpoint
from distilwhy.teachers.batch_state import BatchState
from distilwhy.teachers.wires.reply import LONGEST_RETRY_AFTER_S

T = TypeVar("T")
Step = Callable[[bool], Awaitable[T | Trouble]]


@dataclass(frozen=True)
class Means:
    """What batches are handed over and fetched with.

    Attributes:
        ledger: Where batches and answers are written down.
        aside: A file to write what is sent and fetched to.
        guard: None: whatever it costs.
    """

    endpoint: BatchEndpoint
    teacher: Teacher
    recorder: Recorder
    ledger: Ledger
    aside: Path
    prices: Prices | None
    guard: BudgetGuard | None


class Submission:
    """Hands calls over in batches.

    Attributes:
        most_calls: The most that a batch may hold.
        short_of: What the next call may cost, where the guard does not allow it.
    """

    def __init__(self, means: Means) -> None:
        self.most_calls = MOST_REQUESTS
        self.short_of: Decimal | None = None
        self._endpoint = means.endpoint
        self._teacher = means.teacher
        self._recorder = means.recorder
        self._ledger = means.ledger
        self._book = BatchBook(means.ledger)
        self._aside = means.aside
        self._prices = means.prices
        self._guard = means.guard

    async def recover(self) -> None:
        """Find out what became of batches that a killed run was about to create.

        Raises:
            TeacherError: if a batch is elsewhere, or the endpoint cannot be asked.
        """
        for batch in self._book.all():
            if batch.address != self._endpoint.address:
                raise TeacherError(
                    f"a batch is under way at {batch.address}, and teacher.base_url is "
                    f"{self._endpoint.address}; set it back to have its answers, or give "
                    "--forget-batches to ask its calls anew"
                )
            if batch.id is None:
                await self._find(batch)

    async def hand_over(
        self, missing: Iterator[Call], limit: int | None, most_batches: int | None
    ) -> int:
        """Make batches of what is missing, as far as the guard allows; say of how many calls.

        Args:
            limit: Hand over no more calls than this; None: any number.
            most_batches: Likewise of batches.

        Raises:
            TeacherError: if the endpoint refuses, or cannot be reached.
        """
        self.short_of = None
        calls = islice(missing, None if limit is None else max(0, limit))
        sent = 0
        for _ in count() if most_batches is None else range(most_batches):
            planned = self._write(calls)
            if not planned:
                break
            await self._send(planned)
            self._recorder.tell(self._book.under_way(), 0, "")
            sent += len(planned)
            if self.short_of is not None:
                break
        return sent

    def count_budget(self) -> Decimal | None:
        """What is left of the budget, by the ledger: what is under way is on its books."""
        if self._guard is None:
            return None
        spent = add_up(self._ledger, self._guard.prices)
        self._guard.budget.settled = spent.certain + spent.possible
        return self._guard.budget.left

    def unreachable(self, trouble: Trouble) -> TeacherError:
        """What to raise where trouble does not pass."""
        return TeacherError(
            f"{self._endpoint.address} is not answering: {trouble.what}; see that it is up, then "
            "run again to go on"
        )

    async def _find(self, batch: SentBatch) -> None:
        # Without a file that is known it was not asked for.
        file = batch.file
        if file is not None:
            found = await self._insist(lambda again: self._endpoint.find(batch.name, file))
            if found is not None:
                self._book.set_id(batch.name, found.id)
                return
            # Nor can it be created without its file any more, however late that request comes.
        await self._clear_away(batch.name, file)
        self._book.end(batch.name)

    async def _clear_away(self, name: str, file: str | None) -> None:
        """Delete what was uploaded for nothing, as far as the endpoint lets us."""
        try:
            if file is not None:
                await self._endpoint.delete(file)
            found = await self._endpoint.find_files(name)
            for left in [] if isinstance(found, Trouble) else found:
                await self._endpoint.delete(left)
        except TeacherError:
            return

    def _write(self, calls: Iterator[Call]) -> list[BatchedCall]:
        """Write the file of one batch, with as many calls as it can hold and the guard allows."""
        planned: list[BatchedCall] = []
        left, size = self.count_budget(), 0
        with self._aside.open("wb") as file:
            while len(planned) < self.most_calls and size < MOST_BYTES:
                call = next(calls, None)
                if call is None:
                    break
                worst = self._worst(call)
                cost = self._prices.of(worst) if self._prices else NOTHING
                if left is not None and cost > left:
                    self.short_of = cost
                    self._recorder.release([call.key])
                    break
                left = None if left is None else left - cost
                size += file.write(self._endpoint.line(call.key, call.prompt))
                planned.append(BatchedCall(call.key, call.prompt.example_id, worst))
        return planned

    def _worst(self, call: Call) -> Usage:
        longest = self._teacher.longest(call.prompt)
        worst = self._prices.dearest(*longest) if self._prices else Usage(*longest)
        return replace(worst, batch=True)

    async def _send(self, planned: list[BatchedCall]) -> None:
        """Write a batch down, upload its file and create it."""
        name = uuid4().hex
        self._book.plan(name, self._endpoint.address, planned)
        self._recorder.release(call.key for call in planned)
        file: str | None = None
        try:
            file = await self._insist(lambda again: self._upload(name, again=again))
            self._book.set_file(name, file)
            created = await self._try(lambda again: self._create(name, file, again=again))
        except TeacherError:
            # It never was asked for, or is refused: nothing has come of it.
            self._book.end(name)
            await self._clear_away(name, file)
            raise
        if isinstance(created, Trouble):
            # Something may have come of it: the next run looks for it.
            raise self.unreachable(created)
        self._book.set_id(name, created.id)

    async def _upload(self, name: str, *, again: bool) -> str | Trouble:
        found = await self._endpoint.find_files(name) if again else []
        if isinstance(found, Trouble):
            return found
        return found[0] if found else await self._endpoint.upload(name, self._aside)

    async def _create(self, name: str, file: str, *, again: bool) -> BatchState | Trouble:
        found = await self._endpoint.find(name, file) if again else None
        return found or await self._endpoint.create(name, file)

    async def _insist(self, step: Step[T]) -> T:
        found = await self._try(step)
        if isinstance(found, Trouble):
            raise self.unreachable(found)
        return found

    async def _try(self, step: Step[T]) -> T | Trouble:
        """What comes of a step after all its tries."""
        found = await step(False)
        for attempt in range(1, self._teacher.retries + 1):
            if not isinstance(found, Trouble) or found.retry_after_s > LONGEST_RETRY_AFTER_S:
                break
            await asyncio.sleep(max(pause_before(attempt), found.retry_after_s))
            found = await step(True)
        return found
