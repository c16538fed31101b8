"""Makes calls through an endpoint's batch interface: sends them, waits, and records the answers."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice

from distilwhy.core.cost import Usage
from distilwhy.errors import TeacherError
from distilwhy.pipeline.annotate.budget import BudgetGuard
from distilwhy.pipeline.annotate.calls import Call
from distilwhy.pipeline.annotate.recorder import Recorder
from distilwhy.pipeline.annotate.transports.batch_replies import BatchReplies
from distilwhy.pipeline.annotate.transports.batch_submission import Submission
from distilwhy.pipeline.experiment import Experiment
from distilwhy.store.batches import BatchBook, SentBatch, UnderWay
from distilwhy.store.ledger import Charge, Ledger
from distilwhy.teachers.base import Teacher
from distilwhy.teachers.batch import Unavailable
from distilwhy.teachers.batch_state import BatchState
from distilwhy.teachers.http import FAILURE_LIMIT

FIRST_POLL_S = 5.0
LONGEST_POLL_S = 60.0
SLOWER = 1.5
LONGEST_OUTAGE_S = 6 * 3600.0
MOST_EMPTY = 2
CHUNK = 500

ListMissing = Callable[[], Iterator[Call]]


class BatchCapacity:
    """Learns from batches that are rejected because too much is waiting already.

    Attributes:
        is_limited: Whether any batch was rejected. From then on they are sent one at a time.
        is_free: Whether another batch may be sent now.
        is_exceeded: Whether a batch is rejected though no other waits: it must be smaller.
    """

    def __init__(self) -> None:
        self.is_limited = False
        self.is_free = True
        self.is_exceeded = False
        self._is_full = False

    def update(self, states: Iterable[BatchState]) -> None:
        """Take note of the present states of all batches that were under way."""
        states = list(states)
        waiting = [state for state in states if not state.ended]
        rejected = any(state.over_limit for state in states)
        freed = any(state.ended and not state.over_limit for state in states)
        if rejected or freed or not waiting:
            self._is_full = rejected and not freed and bool(waiting)
        self.is_limited = self.is_limited or rejected
        self.is_exceeded = rejected and not freed and not waiting
        # Whether the latest batch was within the limit shows once it is validated.
        unknown = self.is_limited and any(state.status == "validating" for state in waiting)
        self.is_free = not self._is_full and not unknown


class Batching:
    """Sends calls in batches, polls them, and records their answers."""

    def __init__(self, submission: Submission) -> None:
        self._submission = submission
        self._endpoint = submission.endpoint
        self._recorder = submission.recorder
        self._book = submission.book
        self._scratch = submission.scratch
        self._guard = submission.guard
        self._send_next = False
        self._capacity = BatchCapacity()
        self._tries: Counter[bytes] = Counter()
        self._empty: list[str] = []
        self._done = 0
        self._outage: Unavailable | None = None
        self._available_at = 0.0

    @property
    def is_under_way(self) -> bool:
        """Whether any batch has not ended."""
        return bool(self._book.all())

    async def run(self, list_missing: ListMissing | None, limit: int | None, *, wait: bool) -> None:
        """Send what is missing, and wait until no batch is under way.

        Args:
            list_missing: Lists the calls to send; None: only wait for what is under way.
            wait: Otherwise, look at each batch once.

        Raises:
            TeacherError: if the endpoint refuses, or is unavailable for long. What is under way
                stays known.
            BudgetError: if what is left would not cover the worst case of the next call.
        """
        if self._guard:
            self._guard.close()
        try:
            async with self._endpoint:
                await self._submission.recover()
                await self._work(list_missing, limit, wait=wait)
        finally:
            self._scratch.unlink(missing_ok=True)
        self._submission.update_budget()
        short_of = self._submission.short_of
        if self._guard and short_of is not None and not self.is_under_way:
            raise self._guard.used_up(short_of)

    async def _work(
        self, list_missing: ListMissing | None, limit: int | None, *, wait: bool
    ) -> None:
        self._send_next, self._available_at, pause = True, time.monotonic(), FIRST_POLL_S
        while True:
            await self._collect()
            if list_missing and self._send_next and self._capacity.is_free:
                pause, most = FIRST_POLL_S, 1 if self._capacity.is_limited else None
                missing = self._stop_if_in_vain(list_missing())
                sent = await self._submission.send(missing, limit, most)
                limit = None if limit is None else limit - sent
                self._send_next = bool(most and sent)
            under_way = self._book.under_way()
            outage = self._outage
            self._recorder.show_batches(under_way, self._done, str(outage) if outage else "")
            self._stop_if_unavailable(wait=wait)
            if not under_way.batches or not wait:
                return
            await asyncio.sleep(max(pause, outage.retry_after_s if outage else 0.0))
            pause = min(LONGEST_POLL_S, SLOWER * pause)

    def _stop_if_in_vain(self, missing: Iterator[Call]) -> Iterator[Call]:
        """The missing calls, unless there are any and the latest batches had no answers."""
        first = next(missing, None)
        if first is None:
            return iter(())
        if len(self._empty) >= MOST_EMPTY:
            raise TeacherError(
                f"the last {len(self._empty)} batches have brought no answer at all (the last: "
                f"{self._empty[-1]}); check the teacher section, then run again to go on"
            )
        return chain([first], missing)

    def _stop_if_unavailable(self, *, wait: bool) -> None:
        now = time.monotonic()
        if self._outage is None:
            self._available_at = now
        elif not wait or now - self._available_at > LONGEST_OUTAGE_S:
            raise self._submission.unavailable(self._outage)

    async def _collect(self) -> None:
        """Look at every batch, and record the answers of those that have ended."""
        self._done, self._outage = 0, None
        found: list[tuple[int, BatchState]] = []
        try:
            for batch in self._book.all():
                assert batch.id is not None
                state = await self._endpoint.state(batch.id)
                calls = self._book.count(batch.name)
                if state.ended:
                    await self._finish(batch, state)
                found.append((calls, state))
        except Unavailable as error:
            self._outage = error
            return
        self._done = sum(state.answered for _, state in found if not state.ended)
        self._update_capacity(found)

    async def _finish(self, batch: SentBatch, state: BatchState) -> None:
        """Record the replies of a batch that has ended, and release its calls without one."""
        if state.answered and not state.output:
            raise Unavailable(f"the answers of batch {state.id} are not there yet")
        self._scratch.unlink(missing_ok=True)
        for file in filter(None, (state.output, state.errors)):
            await self._endpoint.download(file, self._scratch)
        calls = self._book.calls(batch.name)
        all_under_way = self._book.under_way()
        others = UnderWay(all_under_way.batches - 1, all_under_way.calls - len(calls))
        self._recorder.show_batches(others, self._done)
        retries = self._submission.teacher.retries
        replies = BatchReplies(calls, state, self._tries, retries, self._guard)
        if state.output or state.errors:
            await self._record(replies)
            if self._guard and self._guard.notice:
                self._recorder.notify(self._guard.notice)
        self._book.end(batch.name, replies.charges_at_end())
        self._send_next = True
        if not state.over_limit:
            self._judge(replies, state)

    async def _record(self, replies: BatchReplies) -> None:
        with self._scratch.open("rb") as file:
            lines = filter(bytes.strip, file)
            while chunk := list(islice(lines, CHUNK)):
                entries, charges = replies.settle(map(self._endpoint.read_line, chunk))
                await self._recorder.record(entries, charges)

    def _judge(self, replies: BatchReplies, state: BatchState) -> None:
        """Raise a TeacherError if no other batch can succeed either."""
        reason = state.problem or replies.problem or "no reason given"
        # A few calls may fail again and again until their tries are used up.
        is_in_vain = not replies.answers and not 0 < replies.failed_tries < FAILURE_LIMIT
        self._empty = [*self._empty, f"{state.status}, {reason}"] if is_in_vain else []
        if replies.fatal:
            raise replies.fatal
        if state.status == "failed":
            raise TeacherError(
                f"{self._endpoint.address} rejected batch {state.id} ({reason}); correct the "
                "teacher section, then run again"
            )

    def _update_capacity(self, found: Sequence[tuple[int, BatchState]]) -> None:
        """Send later, or smaller batches, if the account limits how many tokens may wait."""
        self._capacity.update(state for _, state in found)
        if self._capacity.is_exceeded:
            rejected = [pair for pair in found if pair[1].over_limit]
            largest, state = max(rejected, key=lambda pair: pair[0])
            if largest == 1:
                raise TeacherError(
                    f"{self._endpoint.address} has no room for a batch of one call "
                    f"({state.problem}); run again when other batches of the account have ended"
                )
            self._submission.most_calls = largest // 2


def open_batching(
    experiment: Experiment,
    teacher: Teacher,
    ledger: Ledger,
    recorder: Recorder,
    guard: BudgetGuard | None,
) -> Batching | None:
    """The batches of an experiment; None if its teacher has no batch interface."""
    endpoint = teacher.batches()
    if endpoint is None:
        return None
    scratch = experiment.folder.path / ".batch.jsonl"
    return Batching(Submission(endpoint, teacher, recorder, ledger, scratch, guard))


def give_up_batches(ledger: Ledger) -> None:
    """Give up all batches under way. What they may have cost stays charged."""
    book = BatchBook(ledger)
    for batch in book.all():
        worst = (call.worst for call in book.calls(batch.name).values())
        total = sum(worst, Usage(batch=True))
        book.end(batch.name, [Charge("a batch that was given up", total, certain=False)])
