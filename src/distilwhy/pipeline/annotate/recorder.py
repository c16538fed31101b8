"""Which calls are missing, and what becomes of the answers to them."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from distilwhy.core.parsing.completion import Completion
from distilwhy.errors import TeacherError
from distilwhy.pipeline.annotate.calls import Call
from distilwhy.pipeline.annotate.transports.dispatcher import CallResult
from distilwhy.store.batches import UnderWay
from distilwhy.store.ledger import Charge, Entry, Ledger

CHUNK = 500


@dataclass(frozen=True)
class Progress:
    """How far an annotation is.

    Attributes:
        total: The calls that annotate all rows; rows with one and the same prompt share a call.
            It grows when the answers are there and some are to be explained.
        from_ledger: Those that were answered before it began.
        answered: Those answered since.
        failed: Those whose call failed for good.
        lost: Those that were under way on a worker that died, and are asked again.
        batches: How many batches the endpoint has under way.
        in_batches: The calls in them.
        done_in_batches: Those of them that it says it has answered.
        trouble: Why it cannot be asked how its batches are, just now; "" where it can.
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


Watch = Callable[[Progress], None]


class Recorder:
    """Says which calls are missing, writes answers down as they come in, and ends an annotation
    that leads nowhere.

    Failures of calls that failed before are no news: they are written down and never end it, so
    that running again always gets further.
    """

    def __init__(self, ledger: Ledger, watch: Watch, patience: int | None) -> None:
        self.progress = Progress(total=0, from_ledger=0)
        self._ledger = ledger
        self._watch = watch
        self._patience = Patience(patience)
        self._failed_before: set[bytes] = set()
        self._failed_now: set[bytes] = set()
        self._under_way: set[bytes] = set()
        self._settled_since: set[bytes] = set()

    @property
    def made(self) -> int:
        """How many calls have been made, answered or not."""
        return self.progress.answered + self.progress.failed

    def count_in(self, calls: int, answered: int) -> None:
        """Count further calls, some of them answered."""
        self.progress = replace(
            self.progress,
            total=self.progress.total + calls,
            from_ledger=self.progress.from_ledger + answered,
        )
        if calls:
            self._watch(self.progress)

    def missing(self, list_calls: Callable[[], Iterator[Call]], ledger: Ledger) -> Iterator[Call]:
        """The calls without an answer, each once; ones that failed in earlier runs come last."""
        for again in (False, True):
            if again and not self._failed_before:
                return
            for call in self._unanswered(list_calls(), ledger):
                if (call.key in self._failed_before) == again:
                    self._under_way.add(call.key)
                    yield call

    def _unanswered(self, calls: Iterator[Call], ledger: Ledger) -> Iterator[Call]:
        """The calls that are neither answered nor under way, here or in a batch, and have not
        failed in this run.

        Looked up when they are needed and not before: of two calls with one key the second may
        be answered by then. What is answered after it was looked up is remembered until the next
        look.
        """
        while chunk := list(islice(calls, CHUNK)):
            self._settled_since.clear()
            answered, failed = ledger.settled(call.key for call in chunk)
            self._failed_before |= failed - self._failed_now
            batched = ledger.batched(call.key for call in chunk)
            gone = answered | batched
            for call in chunk:
                # The larger sets are looked into one by one: joining them takes too long.
                known = gone, self._under_way, self._settled_since, self._failed_now
                if not any(call.key in keys for keys in known):
                    yield call

    def release(self, keys: Iterable[bytes]) -> None:
        """Calls that were missing are under way no more, or in a batch."""
        released = set(keys)
        self._settled_since |= released
        self._under_way -= released

    async def keep(self, heard: list[CallResult], extras: list[Charge]) -> None:
        """Keep answers in one transaction, then count them."""
        await self.keep_entries(list(map(entry, heard)), extras)

    async def keep_entries(self, entries: list[Entry], extras: list[Charge]) -> None:
        """The same, whichever way they came."""
        await asyncio.to_thread(self._ledger.put, entries, extras)
        self._count(entries)

    def keep_shard(self, entries: list[Entry], extras: list[Charge], shard: str) -> None:
        """The same with what a worker brings, which stands in a file as well."""
        self._ledger.put(entries, extras, shard)
        self._count(entries)

    def lose(self, calls: Sequence[Call], extras: list[Charge]) -> None:
        """Count calls that are to be asked again, and what they may have cost."""
        self._ledger.put([], extras)
        self.progress = replace(self.progress, lost=self.progress.lost + len(calls))
        self._watch(self.progress)

    def _count(self, entries: list[Entry]) -> None:
        if not entries:
            return
        self.release(entry.key for entry in entries)
        failed = {entry.key for entry in entries if entry.completion.error is not None}
        self._failed_now |= failed
        self.progress = replace(
            self.progress,
            answered=self.progress.answered + len(entries) - len(failed),
            failed=self.progress.failed + len(failed),
        )
        self._watch(self.progress)

    def tell(self, under_way: UnderWay, done: int, trouble: str) -> None:
        """Say how batches get on."""
        self.progress = replace(
            self.progress,
            batches=under_way.batches,
            in_batches=under_way.calls,
            done_in_batches=done,
            trouble=trouble,
        )
        self._watch(self.progress)

    def failed_before(self, call: Call) -> bool:
        """Whether a call failed in an earlier run."""
        return call.key in self._failed_before

    def hear(self, heard: CallResult) -> None:
        """Lose patience where call after call fails.

        Raises:
            TeacherError: if the last new calls have all failed.
        """
        self._patience.hear(heard.completion, is_news=not self.failed_before(heard.call))


class Patience:
    """Ends an asking of which call after call fails.

    Args:
        most: How many new calls may fail in a row; None: any number.
    """

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._failures_in_a_row = 0

    def hear(self, completion: Completion, *, is_news: bool) -> None:
        """Take notice of what comes of a call.

        Raises:
            TeacherError: if the last new calls have all failed.
        """
        if completion.error is None:
            self._failures_in_a_row = 0
        elif is_news:
            self._failures_in_a_row += 1
        if self._failures_in_a_row == self._most:
            raise TeacherError(
                f"the last {self._most} calls have all failed ({completion.error}); "
                "check the teacher section, and that the endpoint is up, then run again to go on"
            )


def entry(heard: CallResult) -> Entry:
    """What the ledger keeps of what was heard."""
    return Entry(heard.call.key, heard.completion, heard.call.prompt.example_id, heard.seconds)
