"""Many calls at once: paced, tried again, and within a budget."""

import asyncio
import gc
import random
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, Self

from distilwhy.config import HttpTeacherConfig, TeacherConfig
from distilwhy.core.cost import NOTHING, Usage
from distilwhy.core.parsing.completion import Completion
from distilwhy.errors import TeacherError
from distilwhy.pipeline.annotate.budget import BudgetGuard
from distilwhy.pipeline.annotate.calls import Call
from distilwhy.store.ledger import Charge
from distilwhy.teachers.base import Reply, Teacher, Trouble
from distilwhy.teachers.rate_limit import Bucket, Slots

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
LONGEST_REST_S = 300.0
YOUNG = 100_000


@dataclass(frozen=True)
class CallResult:
    """An answer, or a failure for good, and how long its last try took."""

    call: Call
    completion: Completion
    seconds: float


class ResultSink(Protocol):
    """Whoever writes down what is heard."""

    def hear(self, heard: CallResult) -> None:
        """Take notice, before it is kept; a TeacherError ends the asking."""
        ...

    async def keep(self, heard: list[CallResult], extras: list[Charge]) -> None:
        """Keep it for good before coming back."""
        ...


@dataclass
class Limits:
    """What an endpoint allows in a minute; None: any number."""

    requests: Bucket | None = None
    tokens: Bucket | None = None

    @classmethod
    def of(cls, config: TeacherConfig, askers: int = 1) -> Self:
        """One asker's share of what a teacher section says."""
        if not isinstance(config, HttpTeacherConfig):
            return cls()
        a_minute = config.requests_per_minute, config.tokens_per_minute
        return cls(*(Bucket(rate / askers) if rate else None for rate in a_minute))


class Dispatcher:
    """Asks a teacher all of some calls.

    Workers ask; one task hands what they hear to the recorder. A worker goes on when its answer is
    on the disk, so that no more is ever lost than could be under way at once. What a budget holds
    back ends it in good order: what is under way is waited for, and kept.

    Args:
        calls: Read as they are needed.
        guard: None: whatever it costs.
    """

    def __init__(
        self,
        teacher: Teacher,
        calls: Iterator[Call],
        recorder: ResultSink,
        limits: Limits | None = None,
        guard: BudgetGuard | None = None,
    ) -> None:
        self._teacher = teacher
        self._calls = calls
        self._recorder = recorder
        self._limits = limits or Limits()
        self._guard = guard
        self._slots = Slots(teacher.concurrency)
        self._under_way = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._poor: deque[asyncio.Future[None]] = deque()
        self._rest_until = 0.0
        self._short_of: Decimal | None = None
        self._heard: list[CallResult] = []
        self._extras: list[Charge] = []
        self._unsettled: list[tuple[Decimal, Decimal]] = []
        self._news = asyncio.Event()
        self._kept = asyncio.Event()

    async def run(self) -> None:
        """Ask all of them.

        Raises:
            TeacherError: if the teacher cannot be asked any more; what was answered is kept.
            BudgetError: if what is left would not cover the worst case of the next call.
        """
        with _rare_collections():
            await self._run()

    async def _run(self) -> None:
        async with self._teacher:
            workers = [asyncio.create_task(self._work()) for _ in range(self._teacher.concurrency)]
            done = asyncio.gather(*workers)
            done.add_done_callback(lambda _: self._news.set())
            try:
                while not done.done():
                    await self._news.wait()
                    self._news.clear()
                    await self._hand_over()
                await done
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, done, return_exceptions=True)
                await self._hand_over()
        if self._short_of is not None:
            assert self._guard is not None
            raise self._guard.used_up(self._short_of)

    async def _work(self) -> None:
        for call in self._calls:
            heard = await self._answer(call)
            if heard is None:
                return
            self._heard.append(heard)
            self._news.set()
            self._recorder.hear(heard)
            await self._kept.wait()

    async def _answer(self, call: Call) -> CallResult | None:
        """What comes of a call after all its tries; None where the budget does not allow one."""
        trouble, seconds = Trouble(""), 0.0
        for attempt in range(self._teacher.retries + 1):
            if attempt:
                await asyncio.sleep(max(pause_before(attempt), trouble.retry_after_s))
            await self._take_slot()
            try:
                worst = await self._afford(call)
                if worst is None:
                    return None
                started = time.monotonic()
                reply = await self._ask(call, worst)
                took = time.monotonic() - started
                seconds = took if reply.seconds is None else reply.seconds
            finally:
                self._leave_slot()
            said = reply.said
            if isinstance(said, Completion):
                return CallResult(call, said, seconds)
            trouble = said
        if trouble.nobody:
            raise TeacherError(
                f"{self._teacher.name} is not answering: {trouble.what}, after "
                f"{self._teacher.retries + 1} tries; see that it is up, then run again to go on"
            )
        return CallResult(call, Completion("", error=trouble.what), seconds)

    async def _ask(self, call: Call, worst: Usage) -> Reply:
        reserved = self._guard.prices.of(worst) if self._guard else NOTHING
        try:
            await self._keep_pace(worst)
        except BaseException:
            self._settle(reserved, NOTHING)
            raise
        try:
            reply = await self._teacher.ask(call.prompt, call.sample)
        except BaseException as error:
            # What is broken off may be answered, and billed, all the same.
            if isinstance(error, asyncio.CancelledError) and self._guard:
                self._lose("broken off", worst, reserved)
            else:
                self._settle(reserved, NOTHING)
            raise
        self._count(reply, worst, reserved)
        return reply

    def _count(self, reply: Reply, worst: Usage, reserved: Decimal) -> None:
        """Settle a try, and learn from it how fast to ask."""
        said = reply.said
        if reply.rest_s:
            rest = min(reply.rest_s, LONGEST_REST_S)
            self._rest_until = max(self._rest_until, time.monotonic() + rest)
        if isinstance(said, Trouble):
            if said.limited:
                self._slots.overrun(self._under_way)
            if said.lost and self._guard:
                self._lose(said.what, worst, reserved)
            else:
                self._settle(reserved, NOTHING)
            return
        self._slots.good()
        counted = said.usage
        if counted is None:
            if said.error is None and self._guard:
                self._lose("answered without a count of tokens", worst, reserved)
            else:
                self._settle(reserved, NOTHING)
            return
        if self._limits.tokens:
            self._limits.tokens.correct(_expected(worst) - counted.input - counted.output)
        self._settle(reserved, self._guard.prices.of(counted) if self._guard else NOTHING)

    def _lose(self, what: str, worst: Usage, reserved: Decimal) -> None:
        """Count tokens as spent that nobody can say were not."""
        self._extras.append(Charge(what, worst, certain=False))
        self._settle(reserved, reserved)

    def _settle(self, reserved: Decimal, cost: Decimal) -> None:
        """Change what was put aside for what it cost, once that is on the disk."""
        if self._guard and reserved:
            self._unsettled.append((reserved, cost))
            self._news.set()

    async def _hand_over(self) -> None:
        heard, extras, unsettled = self._heard, self._extras, self._unsettled
        kept, self._kept = self._kept, asyncio.Event()
        self._heard, self._extras, self._unsettled = [], [], []
        if heard or extras:
            await self._recorder.keep(heard, extras)
        kept.set()
        if self._guard and unsettled:
            for reserved, cost in unsettled:
                self._guard.budget.settle(reserved, cost)
            _wake(self._poor, len(self._poor))

    async def _take_slot(self) -> None:
        """Wait for a place among the calls that may be under way."""
        while self._under_way >= self._slots.count:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
        self._under_way += 1

    def _leave_slot(self) -> None:
        self._under_way -= 1
        _wake(self._waiting, self._slots.count - self._under_way)

    async def _afford(self, call: Call) -> Usage | None:
        """The worst case of a call, once it is put aside; None where it never can be."""
        if self._guard is None:
            return Usage(*self._teacher.longest(call.prompt)) if self._limits.tokens else Usage()
        worst, cost = self._guard.worst(self._teacher, call)
        while self._short_of is None and not self._guard.reserve(cost):
            if not self._guard.budget.reserved:
                self._short_of = cost
                _wake(self._poor, len(self._poor))
                return None
            turn = asyncio.get_running_loop().create_future()
            self._poor.append(turn)
            await turn
        return None if self._short_of is not None else worst

    async def _keep_pace(self, worst: Usage) -> None:
        """Wait until the endpoint would have it."""
        wait = 0.0
        if self._limits.requests:
            wait = self._limits.requests.wait(1, time.monotonic())
        if self._limits.tokens:
            wait = max(wait, self._limits.tokens.wait(_expected(worst), time.monotonic()))
        if wait:
            await asyncio.sleep(wait)
        while (rest := self._rest_until - time.monotonic()) > 0:
            await asyncio.sleep(rest)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Look for garbage in cycles less often: a thousand calls under way are tens of thousands of
    objects, none of them garbage, and going through them again and again takes long."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(YOUNG, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _wake(waiting: deque[asyncio.Future[None]], most: int) -> None:
    while waiting and most > 0:
        turn = waiting.popleft()
        if not turn.done():
            turn.set_result(None)
            most -= 1


def _expected(worst: Usage) -> float:
    """What an endpoint is likely to count against its limit before it has answered."""
    return worst.input / 4 + worst.output


def pause_before(attempt: int) -> float:
    """Seconds before the given try: doubling, with jitter, so that callers do not march in step."""
    longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** (attempt - 1))
    return longest * random.uniform(0.5, 1.0)
