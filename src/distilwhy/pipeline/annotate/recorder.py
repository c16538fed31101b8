"""Lists the calls that are still to be made, and records what comes of them."""

import asyncio
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from distilwhy.errors import TeacherError
from distilwhy.pipeline.annotate.calls import Call
from distilwhy.store.batches import UnderWay
from distilwhy.store.ledger import Charge, Entry, Ledger
from distilwhy.store.shards import AnswerWriter

CHUNK = 500


@dataclass(frozen=True)
class AnnotationProgress:
    """How far an annotation is.

    Attributes:
        total: The calls that annotate all rows; rows with the same prompt share a call. It grows
            when the answers are there and some need an explanation.
        from_ledger: The calls that were answered before this run.
        answered: The calls answered since.
        failed: The calls that failed for good.
        lost: The calls under way on a worker that died, which are made again.
        in_batches: The calls in the batches under way.
        done_in_batches: Those of them that the endpoint has answered, as it reports.
        trouble: Why the state of the batches is unknown at present; "" if it is known.
        notice: The latest message about the endpoint for the user; "" if there is none.
    """

    total: int
    from_ledger: int
    answered: int = 0
    failed: int = 0
    lost: int = 0
    batches: int = 0
    in_batches: int = 0
    done_in_batches: int = 0
    trouble: str = ""
    notice: str = ""


OnProgress = Callable[[AnnotationProgress], None]


class Recorder:
    """Lists missing calls, writes their results to the ledger, and reports progress.

    Args:
        on_progress: Called whenever results have been recorded.
        failure_limit: How many new calls may fail in a row; None: any number.
    """

    def __init__(
        self,
        ledger: Ledger,
        writer: AnswerWriter,
        on_progress: OnProgress,
        failure_limit: int | None,
    ) -> None:
        self.progress = AnnotationProgress(total=0, from_ledger=0)
        self._ledger = ledger
        self._writer = writer
        self._on_progress = on_progress
        self._failed_before: set[bytes] = set()
        self._failed_now: set[bytes] = set()
        self._under_way: set[bytes] = set()
        self._settled_since: set[bytes] = set()
        self.failures = FailureLimit(failure_limit, self._failed_before)

    @property
    def made(self) -> int:
        """How many calls this run has made, answered or not."""
        return self.progress.answered + self.progress.failed

    def add_calls(self, calls: int, answered: int) -> None:
        """Count further calls, some of them answered already."""
        before = self.progress
        self.progress = replace(
            before, total=before.total + calls, from_ledger=before.from_ledger + answered
        )
        if calls:
            self._on_progress(self.progress)

    def missing(self, list_calls: Callable[[], Iterator[Call]], ledger: Ledger) -> Iterator[Call]:
        """The calls without an answer, each once; calls that failed in earlier runs come last."""
        for again in (False, True):
            if again and not self._failed_before:
                return
            for call in self._unanswered(list_calls(), ledger):
                if (call.key in self._failed_before) == again:
                    self._under_way.add(call.key)
                    yield call

    def _unanswered(self, calls: Iterator[Call], ledger: Ledger) -> Iterator[Call]:
        """The calls that are not answered, not under way, here or in a batch, and have not failed
        in this run.

        The ledger is read when calls are needed and not before: of two calls with the same key
        the second may be answered by then. Calls recorded after a read are remembered until the
        next one.
        """
        while chunk := list(islice(calls, CHUNK)):
            self._settled_since.clear()
            answered, failed = ledger.settled(call.key for call in chunk)
            self._failed_before |= failed - self._failed_now
            batched = ledger.batched(call.key for call in chunk)
            gone = answered | batched
            for call in chunk:
                # Joining the larger sets would take too long.
                known = gone, self._under_way, self._settled_since, self._failed_now
                if not any(call.key in keys for keys in known):
                    yield call

    def release(self, keys: Iterable[bytes]) -> None:
        """Calls from ``missing`` are no longer under way, or are in a batch now."""
        released = set(keys)
        self._settled_since |= released
        self._under_way -= released

    async def record(self, entries: list[Entry], charges: list[Charge]) -> None:
        """Write results in one transaction, then count them."""
        await asyncio.to_thread(self._writer.put, entries, charges)
        self._count(entries)

    def record_shard(self, entries: list[Entry], charges: list[Charge], shard: str) -> None:
        """Write the results of a cluster's worker, which are also in the file of that shard."""
        self._ledger.put(entries, charges, shard)
        self._count(entries)

    def record_lost(self, calls: Sequence[Call], charges: list[Charge]) -> None:
        """Count calls that are made again, and write what they may have cost."""
        self._ledger.put([], charges)
        self._show(lost=self.progress.lost + len(calls))

    def _count(self, entries: list[Entry]) -> None:
        if not entries:
            return
        self.release(entry.key for entry in entries)
        failed = {entry.key for entry in entries if entry.completion.error is not None}
        self._failed_now |= failed
        answered = self.progress.answered + len(entries) - len(failed)
        self._show(answered=answered, failed=self.progress.failed + len(failed))

    def notify(self, line: str) -> None:
        """Tell the user something about the endpoint, once."""
        if line != self.progress.notice:
            self._show(notice=line)

    def show_batches(self, under_way: UnderWay, done: int, trouble: str = "") -> None:
        """Report the state of the batches."""
        batches, calls = under_way.batches, under_way.calls
        self._show(batches=batches, in_batches=calls, done_in_batches=done, trouble=trouble)

    def _show(self, **changed: Any) -> None:
        self.progress = replace(self.progress, **changed)
        self._on_progress(self.progress)

    def failed_before(self, call: Call) -> bool:
        """Whether a call failed in an earlier run."""
        return call.key in self._failed_before


@dataclass
class FailureLimit:
    """Counts failed calls in a row.

    Attributes:
        limit: How many stop it; None: any number is allowed.
        failed_before: The keys of calls that failed in an earlier run. Their failing again is not
            counted, so that running again always gets further.
    """

    limit: int | None
    failed_before: Container[bytes]
    _in_a_row: int = field(default=0, init=False)

    def count(self, entry: Entry) -> None:
        """Count one call, and raise a TeacherError if the limit is reached."""
        if entry.completion.error is None:
            self._in_a_row = 0
        elif entry.key not in self.failed_before:
            self._in_a_row += 1
        if self._in_a_row == self.limit:
            raise TeacherError(
                f"the last {self.limit} calls have all failed ({entry.completion.error}); "
                "check the teacher section, and that the endpoint is up, then run again to go on"
            )
