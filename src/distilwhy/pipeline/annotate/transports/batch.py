"""Calls by an endpoint's batch interface: handed over, waited for, and kept."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice

from distilwhy.config import HttpTeacherConfig
from distilwhy.core.cost import Usage
from distilwhy.errors import TeacherError
from distilwhy.pipeline.annotate.budget import BudgetGuard
from distilwhy.pipeline.annotate.calls import Call
from distilwhy.pipeline.annotate.recorder import Recorder
from distilwhy.pipeline.annotate.transports.batch_capacity import BatchCapacity
from distilwhy.pipeline.annotate.transports.batch_replies import Settling
from distilwhy.pipeline.annotate.transports.batch_submission import Means, Submission
from distilwhy.pipeline.experiment import Experiment
from distilwhy.store.batches import BatchBook, SentBatch, UnderWay
from distilwhy.store.ledger import Charge, Ledger
from distilwhy.teachers.base import Teacher, Trouble
from distilwhy.teachers.batch import BatchEndpoint
from distilwhy.teachers.batch_state import BatchState
from distilwhy.teachers.http import PATIENCE

FIRST_POLL_S = 5.0
LONGEST_POLL_S = 60.0
SLOWER = 1.5
LONGEST_TROUBLE_S = 6 * 3600.0
MOST_EMPTY = 2
CHUNK = 500

ListMissing = Callable[[], Iterator[Call]]


class Batching:
    """Hands calls over in batches, looks how they get on, and keeps their answers."""

    def __init__(self, means: Means) -> None:
        self._endpoint = means.endpoint
        self._retries = means.teacher.retries
        self._recorder = means.recorder
        self._book = BatchBook(means.ledger)
        self._aside = means.aside
        self._guard = means.guard
        self._submission = Submission(means)
        self._is_due = False
        self._room = BatchCapacity()
        self._tries: Counter[bytes] = Counter()
        self._empty: list[str] = []
        self._done = 0
        self._trouble: Trouble | None = None
        self._well_at = 0.0

    @property
    def is_under_way(self) -> bool:
        """Whether any batch has not ended."""
        return bool(self._book.all())

    async def run(self, list_missing: ListMissing | None, limit: int | None, *, wait: bool) -> None:
        """Hand over what is missing, and wait until no batch is under way.

        Args:
            list_missing: Gives the calls to hand over; None: wait for what is under way alone.
            limit: Hand over no more calls than this.
            wait: Else look at each batch once.

        Raises:
            TeacherError: if the endpoint refuses, or cannot be reached for long; what is under
                way stays known.
            BudgetError: if what is left would not cover the worst case of the next call.
        """
        if self._guard:
            self._guard.close()
        try:
            async with self._endpoint:
                await self._submission.recover()
                await self._work(list_missing, limit, wait=wait)
        finally:
            self._aside.unlink(missing_ok=True)
        self._submission.count_budget()
        short_of = self._submission.short_of
        if self._guard and short_of is not None and not self.is_under_way:
            raise self._guard.used_up(short_of)

    async def _work(
        self, list_missing: ListMissing | None, limit: int | None, *, wait: bool
    ) -> None:
        self._is_due, self._well_at, pause = True, time.monotonic(), FIRST_POLL_S
        while True:
            await self._collect()
            if list_missing and self._is_due and self._room.is_there:
                pause, most = FIRST_POLL_S, 1 if self._room.is_scarce else None
                missing = self._end_if_in_vain(list_missing())
                sent = await self._submission.hand_over(missing, limit, most)
                limit = None if limit is None else limit - sent
                self._is_due = bool(most and sent)
            under_way = self._book.under_way()
            self._recorder.tell(under_way, self._done, self._trouble.what if self._trouble else "")
            self._lose_patience(wait=wait)
            if not under_way.batches or not wait:
                return
            await asyncio.sleep(max(pause, self._trouble.retry_after_s if self._trouble else 0.0))
            pause = min(LONGEST_POLL_S, SLOWER * pause)

    def _end_if_in_vain(self, missing: Iterator[Call]) -> Iterator[Call]:
        """The missing calls, unless there are any and the latest batches brought nothing."""
        first = next(missing, None)
        if first is None:
            return iter(())
        if len(self._empty) >= MOST_EMPTY:
            raise TeacherError(
                f"the last {len(self._empty)} batches have brought no answer at all (the last: "
                f"{self._empty[-1]}); check the teacher section, then run again to go on"
            )
        return chain([first], missing)

    def _lose_patience(self, *, wait: bool) -> None:
        now = time.monotonic()
        if self._trouble is None:
            self._well_at = now
        elif not wait or now - self._well_at > LONGEST_TROUBLE_S:
            raise self._submission.unreachable(self._trouble)

    async def _collect(self) -> None:
        """Look at every batch, and keep what those that have ended brought."""
        self._done, self._trouble = 0, None
        found: list[tuple[int, BatchState]] = []
        for batch in self._book.all():
            assert batch.id is not None
            state = await self._endpoint.look(batch.id)
            calls = self._book.count(batch.name)
            if isinstance(state, BatchState) and state.ended:
                state = await self._settle(batch, state) or state
            if isinstance(state, Trouble):
                self._trouble = state
                return
            found.append((calls, state))
        self._done = sum(state.answered for _, state in found if not state.ended)
        self._make_room(found)

    async def _settle(self, batch: SentBatch, state: BatchState) -> Trouble | None:
        """Keep the replies of a batch that has ended, and let go of calls that have none."""
        if state.answered and not state.output:
            return Trouble(f"the answers of batch {state.id} are not there yet")
        self._aside.unlink(missing_ok=True)
        for file in filter(None, (state.output, state.errors)):
            if trouble := await self._endpoint.download(file, self._aside):
                return trouble
        calls = self._book.calls(batch.name)
        all_under_way = self._book.under_way()
        others = UnderWay(all_under_way.batches - 1, all_under_way.calls - len(calls))
        self._recorder.tell(others, self._done, "")
        settling = Settling(calls, state, self._tries, self._retries)
        if state.output or state.errors:
            await self._keep(settling)
        self._book.end(batch.name, settling.lost())
        self._is_due = True
        if not state.crowded:
            self._judge(settling, state)
        return None

    async def _keep(self, settling: Settling) -> None:
        with self._aside.open("rb") as lines:
            written = filter(bytes.strip, lines)
            while chunk := list(islice(written, CHUNK)):
                entries, extras = settling.take(map(self._endpoint.read_line, chunk))
                await self._recorder.keep_entries(entries, extras)

    def _judge(self, settling: Settling, state: BatchState) -> None:
        """Go on where another batch may have better luck."""
        reason = state.problem or settling.trouble or "no reason given"
        # A few calls may fail again and again, and use up their tries.
        is_in_vain = not settling.answers and not 0 < settling.tries < PATIENCE
        self._empty = [*self._empty, f"{state.status}, {reason}"] if is_in_vain else []
        if settling.hopeless:
            raise settling.hopeless
        if state.status == "failed":
            raise TeacherError(
                f"{self._endpoint.address} turned batch {state.id} down ({reason}); mend the "
                "teacher section, then run again"
            )

    def _make_room(self, found: Sequence[tuple[int, BatchState]]) -> None:
        """Where an account lets only so many tokens wait: hand over later, or less at once."""
        self._room.look(state for _, state in found)
        if self._room.is_too_small:
            largest, state = max((pair for pair in found if pair[1].crowded), key=lambda p: p[0])
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
    """What hands the calls of an experiment over; None where its teacher is no endpoint."""
    config = experiment.config.teacher
    if not isinstance(config, HttpTeacherConfig):
        return None
    means = Means(
        BatchEndpoint(config),
        teacher,
        recorder,
        ledger,
        experiment.folder.path / ".batch.jsonl",
        experiment.config.price_list,
        guard,
    )
    return Batching(means)


def forget(ledger: Ledger) -> None:
    """Let go of all batches; what they may have cost stays counted."""
    book = BatchBook(ledger)
    for batch in book.all():
        worst = (call.worst for call in book.calls(batch.name).values())
        total = sum(worst, Usage(batch=True))
        book.end(batch.name, [Charge("a batch that was given up", total, certain=False)])
