"""Sends calls in batches, each batch only once.

A batch goes through steps, each recorded in the ledger before the next: it is planned, with its
calls and the most that they can cost; its file is uploaded; it is created. If a run is killed in
between, the next run finds the batch by its name.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import count, islice
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from distilwhy.core.cost import NOTHING, Usage
from distilwhy.errors import TeacherError
from distilwhy.pipeline.annotate.budget import BudgetGuard, sum_spending
from distilwhy.pipeline.annotate.calls import Call
from distilwhy.pipeline.annotate.recorder import Recorder
from distilwhy.pipeline.annotate.transports.dispatcher import PATIENCE_S, pause_before
from distilwhy.store.batches import BatchBook, SentBatch
from distilwhy.store.ledger import Ledger, SentCall
from distilwhy.teachers.base import Teacher
from distilwhy.teachers.batch import MOST_BYTES, MOST_REQUESTS, BatchEndpoint, Unavailable
from distilwhy.teachers.batch_state import BatchState
from distilwhy.teachers.wires.reply import LONGEST_RETRY_AFTER_S

T = TypeVar("T")
# Is given whether it is tried again.
Step = Callable[[bool], Awaitable[T]]


@dataclass
class Submission:
    """Sends calls in batches.

    Attributes:
        scratch: A file for requests and replies in transit.
        guard: None: there is no budget.
        short_of: What the next call may cost, if the budget does not allow it.
        most_calls: The most calls in a batch.
    """

    endpoint: BatchEndpoint
    teacher: Teacher
    recorder: Recorder
    ledger: Ledger
    scratch: Path
    guard: BudgetGuard | None
    short_of: Decimal | None = None

    def __post_init__(self) -> None:
        self.most_calls = MOST_REQUESTS
        self.book = BatchBook(self.ledger)

    async def recover(self) -> None:
        """Find out what became of batches that a killed run was about to create.

        Raises:
            TeacherError: if a batch is at another endpoint, or the endpoint is unavailable.
        """
        for batch in self.book.all():
            if batch.address != self.endpoint.address:
                raise TeacherError(
                    f"a batch is under way at {batch.address}, and teacher.base_url is "
                    f"{self.endpoint.address}; set it back to have its answers, or give "
                    "--forget-batches to ask its calls again"
                )
            if batch.id is None:
                await self._find(batch)

    async def send(
        self, missing: Iterator[Call], limit: int | None, most_batches: int | None
    ) -> int:
        """Send missing calls in batches, as far as the budget allows; returns how many calls.

        Raises:
            TeacherError: if the endpoint refuses, or is unavailable.
        """
        self.short_of = None
        calls = islice(missing, None if limit is None else max(0, limit))
        sent = 0
        for _ in count() if most_batches is None else range(most_batches):
            batch = self._write(calls)
            if not batch:
                break
            await self._send(batch)
            self.recorder.show_batches(self.book.under_way(), 0)
            sent += len(batch)
            if self.short_of is not None:
                break
        return sent

    def update_budget(self) -> Decimal | None:
        """What is left of the budget by the ledger, which includes the batches under way."""
        if self.guard is None:
            return None
        self.guard.settled = sum_spending(self.ledger, self.guard.prices).total
        return self.guard.left

    def unavailable(self, error: Unavailable) -> TeacherError:
        """The error to raise if the endpoint stays unavailable."""
        return TeacherError(
            f"{self.endpoint.address} is not answering: {error}; check that it is up, then "
            "run again to go on"
        )

    async def _find(self, batch: SentBatch) -> None:
        # A batch whose file is not known to be uploaded was never asked for.
        file = batch.file
        if file is not None:
            found = await self._insist(lambda again: self.endpoint.find(batch.name, file))
            if found is not None:
                self.book.set_id(batch.name, found.id)
                return
        # Without its file it cannot be created any more, however late that request arrives.
        await self._clear_away(batch.name, file)
        self.book.end(batch.name)

    async def _clear_away(self, name: str, file: str | None) -> None:
        """Delete what was uploaded for nothing, as far as the endpoint allows."""
        with suppress(TeacherError, Unavailable):
            if file is not None:
                with suppress(Unavailable):
                    await self.endpoint.delete(file)
            for left in await self.endpoint.find_files(name):
                with suppress(Unavailable):
                    await self.endpoint.delete(left)

    def _write(self, calls: Iterator[Call]) -> list[SentCall]:
        """Write the file of one batch, with as many calls as it and the budget allow."""
        batch: list[SentCall] = []
        left, size = self.update_budget(), 0
        with self.scratch.open("wb") as file:
            while len(batch) < self.most_calls and size < MOST_BYTES:
                call = next(calls, None)
                if call is None:
                    break
                worst = self._worst(call)
                cost = self.guard.prices.of(worst) if self.guard else NOTHING
                if left is not None and cost > left:
                    self.short_of = cost
                    self.recorder.release([call.key])
                    break
                left = None if left is None else left - cost
                size += file.write(self.endpoint.line(call.key, call.prompt))
                batch.append(SentCall(call.key, call.prompt.example_id, worst))
        return batch

    def _worst(self, call: Call) -> Usage:
        if self.guard:
            return replace(self.guard.worst(self.teacher, call)[0], batch=True)
        return Usage(*self.teacher.longest(call.prompt), batch=True)

    async def _send(self, batch: list[SentCall]) -> None:
        """Record a batch, upload its file and create it."""
        name = uuid4().hex
        self.book.plan(name, self.endpoint.address, batch)
        self.recorder.release(call.key for call in batch)
        file: str | None = None
        try:
            file = await self._insist(lambda again: self._upload(name, again=again))
            self.book.set_file(name, file)
            created = await self._retry(lambda again: self._create(name, file, again=again))
        except Unavailable as error:
            # It may have been created all the same: the next run looks for it.
            raise self.unavailable(error) from None
        except TeacherError:
            # It was never asked for, or is refused.
            self.book.end(name)
            await self._clear_away(name, file)
            raise
        self.book.set_id(name, created.id)

    async def _upload(self, name: str, *, again: bool) -> str:
        found = await self.endpoint.find_files(name) if again else []
        return found[0] if found else await self.endpoint.upload(name, self.scratch)

    async def _create(self, name: str, file: str, *, again: bool) -> BatchState:
        found = await self.endpoint.find(name, file) if again else None
        return found or await self.endpoint.create(name, file)

    async def _insist(self, step: Step[T]) -> T:
        try:
            return await self._retry(step)
        except Unavailable as error:
            raise self.unavailable(error) from None

    async def _retry(self, step: Step[T]) -> T:
        """Take a step, and again while the endpoint is unavailable and tries are left. A limit of
        its rate is waited out."""
        attempt, started = 0, time.monotonic()
        while True:
            try:
                return await step(attempt > 0)
            except Unavailable as error:
                attempt += 1
                is_last = attempt > self.teacher.retries
                waited = time.monotonic() - started
                waits = is_last and error.over_limit and waited < PATIENCE_S
                if (is_last and not waits) or error.retry_after_s > LONGEST_RETRY_AFTER_S:
                    raise
                if waits:
                    address = self.endpoint.address
                    self.recorder.notify(f"{address} limits the rate of calls ({error}); waiting")
                await asyncio.sleep(max(pause_before(attempt), error.retry_after_s))
