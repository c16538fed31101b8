"""Makes many calls at once: paced, tried again, and within a budget."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Self

from distilwhy.core.cost import Usage
from distilwhy.core.estimate import Pace
from distilwhy.errors import TeacherError
from distilwhy.pipeline.annotate.budget import BudgetGuard
from distilwhy.pipeline.annotate.calls import Call
from distilwhy.pipeline.annotate.recorder import FailureLimit
from distilwhy.pipeline.annotate.settle import settle
from distilwhy.pipeline.garbage import collecting_rarely
from distilwhy.store.ledger import Charge, Entry, SentCall
from distilwhy.teachers.base import Teacher
from distilwhy.teachers.call_result import CallResult
from distilwhy.teachers.rate_limit import Bucket, Slots

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
LONGEST_REST_S = 300.0
# A call over the rate limit is repeated until no call has been answered for this long.
PATIENCE_S = 180.0
NOTICE_AFTER_S = 5.0
FINISHES_WITHIN_S = 10.0

Record = Callable[[list[Entry], list[Charge]], Awaitable[None]]


@dataclass
class Limits:
    """What an endpoint allows per minute; None: any number."""

    requests: Bucket | None = None
    tokens: Bucket | None = None

    @classmethod
    def of(cls, pace: Pace, workers: int = 1) -> Self:
        """One worker's share of what a teacher section allows."""
        per_minute = pace.requests_per_minute, pace.tokens_per_minute
        return cls(*(Bucket(rate / workers) if rate else None for rate in per_minute))


async def _no_more() -> bool:
    return False


@dataclass
class Dispatcher:
    """Makes all of some calls.

    Several tasks make calls; another one has their results recorded. A task goes on only when its
    result is on disk, so a crash never loses more than the calls under way. If the budget is used
    up, or no other call can be answered, the calls under way are awaited and recorded.

    Attributes:
        calls: Read as they are needed. If they end, ``more`` is awaited, and where it returns True
            they are read on.
        record: Writes results to disk before it returns.
        guard: None: there is no budget, and nothing is charged for lost replies.
        notify: Called with a line that the user should see while calls are made.
    """

    teacher: Teacher
    calls: Iterator[Call]
    record: Record
    failures: FailureLimit
    limits: Limits = field(default_factory=Limits)
    guard: BudgetGuard | None = None
    notify: Callable[[str], None] = lambda line: None
    more: Callable[[], Awaitable[bool]] = _no_more

    def __post_init__(self) -> None:
        self._slots = Slots(self.teacher.concurrency)
        self._under_way = 0
        self._reserved = 0
        self._asking: set[asyncio.Task[None]] = set()
        self._is_over = False
        self._limited_since: float | None = None
        self._waiting_for_slot: deque[asyncio.Future[None]] = deque()
        self._waiting_for_budget: deque[asyncio.Future[None]] = deque()
        self._rest_until = 0.0
        self._short_of: Decimal | None = None
        self._entries: list[Entry] = []
        self._charges: list[Charge] = []
        self._costs: list[tuple[Decimal, Decimal]] = []
        self._has_results = asyncio.Event()
        self._recorded = asyncio.Event()

    async def run(self) -> None:
        """Make all calls.

        Raises:
            TeacherError: if the teacher cannot be asked any more; what was answered is recorded.
            BudgetError: if what is left would not cover the worst case of the next call.
        """
        with collecting_rarely():
            async with self.teacher:
                await self._make_all()
        if self._short_of is not None:
            assert self.guard is not None
            raise self.guard.used_up(self._short_of)

    async def _make_all(self) -> None:
        workers = [asyncio.create_task(self._work()) for _ in range(self.teacher.concurrency)]
        done = asyncio.gather(*workers)
        done.add_done_callback(lambda _: self._has_results.set())
        try:
            while not done.done() and not self._is_used_up:
                await self._has_results.wait()
                self._has_results.clear()
                await self._record_results()
            if done.done():
                await done
        except TeacherError:
            await self._finish(workers)
            raise
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, done, return_exceptions=True)
            await self._record_results()

    async def _finish(self, workers: Sequence[asyncio.Task[None]]) -> None:
        """Wait for the calls in flight and record them; no others are made."""
        self._is_over = True
        for worker in workers:
            if worker not in self._asking:
                worker.cancel()
        end = time.monotonic() + FINISHES_WITHIN_S
        while self._asking and (left := end - time.monotonic()) > 0:
            self._has_results.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._has_results.wait(), left)
            await self._record_results()

    @property
    def _is_used_up(self) -> bool:
        """Whether the budget allows no other call, and none is under way."""
        return self._short_of is not None and not self._under_way

    async def _work(self) -> None:
        is_open = True
        while is_open:
            for call in self.calls:
                entry = await self._make(call)
                if entry is None:
                    self._has_results.set()
                    return
                self.failures.count(entry)
                await self._recorded.wait()
                if self._is_over:
                    return
            is_open = await self.more()

    async def _make(self, call: Call) -> Entry | None:
        """What becomes of a call after all its tries; None if the budget does not allow one, or
        no more calls are made."""
        result = CallResult()
        tries, failed = 0, 0
        while failed <= self.teacher.retries and not self._is_over:
            if tries:
                await asyncio.sleep(max(pause_before(tries), result.retry_after_s))
            tries += 1
            await self._take_slot()
            try:
                worst = await self._afford(call)
                if worst is None:
                    return None
                # Without a budget, ``worst`` only serves to keep the pace.
                tracked = worst if self.guard else Usage()
                sent = SentCall(call.key, call.prompt.example_id, tracked)
                result = await self._ask(call, sent, worst)
            finally:
                self._leave_slot()
            if result.over_limit:
                failed = failed if self._waits_out(result) else self.teacher.retries + 1
            else:
                failed += 1
            is_last = failed > self.teacher.retries
            if entry := self._settle(sent, result, final=is_last and not result.unreachable):
                return entry
        if self._is_over:
            return None
        raise TeacherError(
            f"{self.teacher.name} is not answering: {result.problem}, after "
            f"{self.teacher.retries + 1} tries; check that it is up, then run again to go on"
        )

    async def _ask(self, call: Call, sent: SentCall, worst: Usage) -> CallResult:
        """Make one request."""
        not_sent = CallResult(problem="not sent")
        cancelled = CallResult(problem="broken off", maybe_billed=True)
        started = time.monotonic()
        end = not_sent
        task = asyncio.current_task()
        assert task is not None
        try:
            await self._keep_pace(worst)
            # From here on the request may be answered, and billed, even if it is cancelled.
            end = cancelled
            self._asking.add(task)
            result = await self.teacher.ask(call.prompt, call.sample)
        except BaseException as error:
            was_cancelled = isinstance(error, asyncio.CancelledError)
            self._settle(sent, end if was_cancelled else not_sent, final=False)
            raise
        finally:
            self._asking.discard(task)
        self._adapt(result, worst)
        if result.seconds is None:
            return replace(result, seconds=time.monotonic() - started)
        return result

    def _settle(self, sent: SentCall, result: CallResult, *, final: bool) -> Entry | None:
        """Settle a request; what comes of it counts once it is on disk."""
        settled = settle(sent, result, final=final)
        if settled.entry:
            self._entries.append(settled.entry)
        self._charges += settled.charges
        if self.guard:
            prices = self.guard.prices
            reserved = prices.of(sent.worst)
            if result.completion is not None or result.maybe_billed:
                known = self.guard.largest
                reserved = self.guard.observe(sent.worst, settled.billed)
                if self.guard.largest != known:
                    self.notify(self.guard.notice)
            self._costs.append((reserved, prices.of(settled.billed)))
        self._has_results.set()
        return settled.entry

    def _waits_out(self, result: CallResult) -> bool:
        """Whether to wait on, after a call that was over the rate limit."""
        now = time.monotonic()
        if self._limited_since is None:
            self._limited_since = now
        waited = now - self._limited_since
        if waited + result.retry_after_s >= NOTICE_AFTER_S:
            self.notify(
                f"{self.teacher.name} limits the rate of calls ({result.problem}); waiting up to "
                f"{PATIENCE_S:.0f} s for the next answer; set teacher.requests_per_minute to what "
                "it allows"
            )
        return waited < PATIENCE_S

    def _adapt(self, result: CallResult, worst: Usage) -> None:
        """Learn from a result how fast to ask."""
        if result.rest_s:
            rest = min(result.rest_s, LONGEST_REST_S)
            self._rest_until = max(self._rest_until, time.monotonic() + rest)
        if result.rate_limited:
            self._slots.shrink(self._under_way)
        if result.completion is not None:
            self._limited_since = None
            self._slots.grow()
            if self.limits.tokens and (usage := result.completion.usage):
                self.limits.tokens.correct(_expected(worst) - usage.input - usage.output)

    async def _record_results(self) -> None:
        entries, charges, costs = self._entries, self._charges, self._costs
        recorded, self._recorded = self._recorded, asyncio.Event()
        self._entries, self._charges, self._costs = [], [], []
        if entries or charges:
            await self.record(entries, charges)
        recorded.set()
        if self.guard and costs:
            for reserved, cost in costs:
                self.guard.settle(reserved, cost)
            self._reserved -= len(costs)
            _wake(self._waiting_for_budget, len(self._waiting_for_budget))

    async def _take_slot(self) -> None:
        """Wait until another call may be under way."""
        while self._under_way >= self._slots.count:
            turn = asyncio.get_running_loop().create_future()
            self._waiting_for_slot.append(turn)
            await turn
        self._under_way += 1

    def _leave_slot(self) -> None:
        self._under_way -= 1
        _wake(self._waiting_for_slot, self._slots.count - self._under_way)

    async def _afford(self, call: Call) -> Usage | None:
        """The worst case of a call, once it is reserved; None if it never can be."""
        if self.guard is None:
            return Usage(*self.teacher.longest(call.prompt)) if self.limits.tokens else Usage()
        worst, cost = self.guard.worst(self.teacher, call)
        while self._short_of is None and not self._reserve(self.guard, cost):
            if not self._reserved:
                self._short_of = cost
                _wake(self._waiting_for_budget, len(self._waiting_for_budget))
                return None
            turn = asyncio.get_running_loop().create_future()
            self._waiting_for_budget.append(turn)
            await turn
            worst, cost = self.guard.worst(self.teacher, call)
        return None if self._short_of is not None else worst

    def _reserve(self, guard: BudgetGuard, cost: Decimal) -> bool:
        """Reserve the worst case of a call, if another one may be under way."""
        if self._reserved >= guard.max_in_flight(cost) or not guard.reserve(cost):
            return False
        self._reserved += 1
        return True

    async def _keep_pace(self, worst: Usage) -> None:
        """Wait until the endpoint takes another request."""
        wait = 0.0
        if self.limits.requests:
            wait = self.limits.requests.wait(1, time.monotonic())
        if self.limits.tokens:
            wait = max(wait, self.limits.tokens.wait(_expected(worst), time.monotonic()))
        if wait:
            await asyncio.sleep(wait)
        while (rest := self._rest_until - time.monotonic()) > 0:
            await asyncio.sleep(rest)


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
    """Seconds before a try: doubling, with jitter so that clients do not retry in step."""
    longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(attempt - 1, 30))
    return longest * random.uniform(0.5, 1.0)
