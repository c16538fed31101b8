"""Ask the teacher about every row that the ledger does not answer yet."""

import asyncio
from array import array
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from typing import Any

import numpy as np

from distilwhy.config import HttpTeacherConfig
from distilwhy.core.cost import Budget, Prices
from distilwhy.core.pace import Bucket
from distilwhy.errors import ConfigError, TeacherError
from distilwhy.flows.asking import Asking, Heard, Limits, Purse
from distilwhy.flows.call import Call
from distilwhy.flows.experiment import Experiment
from distilwhy.flows.spending import add_up
from distilwhy.store.ledger import Entry, Extra, Ledger, open_ledger
from distilwhy.students.processes import refuse_company

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
    """

    total: int
    from_ledger: int
    answered: int = 0
    failed: int = 0


Watch = Callable[[Progress], None]


def annotate(
    experiment: Experiment,
    limit: int | None = None,
    watch: Watch = lambda progress: None,
    *,
    budget: Decimal | None = None,
) -> Progress:
    """Ask what is missing, keep every answer, and say how it went.

    Rows whose call failed for good before are asked again; rows with an answer never are. Once
    all answers are asked for, the teacher is asked to explain the gold labels that it missed.

    Args:
        limit: Ask no more calls than this.
        watch: Called whenever answers have been kept.
        budget: Spend no more than this on the run folder, ever, rather than ``teacher.budget``.

    Raises:
        TeacherError: if the endpoint is dead, refuses the key, or fails call after call; what
            was answered is kept.
        BudgetError: if what is left would not cover the worst case of the next call.
        ConfigError: if there is a budget and no prices.
        RunError: if another process works in the run folder, or was started with this one.
    """
    refuse_company()
    folder, inquiry = experiment.folder, experiment.inquiry
    with (
        folder.lock(),
        open_ledger(folder.ledger) as ledger,
        open_ledger(folder.ledger) as looked_up,
    ):
        experiment.write_resolved()
        limits, purse = _limits(experiment), _open_purse(experiment, ledger, budget)
        keeper = _Keeper(ledger, watch, experiment.teacher.patience)
        try:
            # Which rows need an explanation is known when the answers are there, and no sooner.
            for list_calls in (inquiry.answer_calls, inquiry.explanation_calls):
                count = _count(list_calls(), looked_up)
                keeper.count_in(count)
                calls = keeper.missing(list_calls, looked_up)
                if limit is not None:
                    calls = islice(calls, max(0, limit - keeper.made))
                if count.answered < count.calls:
                    _run(Asking(experiment.teacher, calls, keeper, limits, purse).run())
        finally:
            if purse:
                ledger.set_advance(purse.budget.out)
        return keeper.progress


@dataclass(frozen=True)
class _Count:
    """Calls, each but once: all, and those that are answered."""

    calls: int
    answered: int


def _count(calls: Iterator[Call], ledger: Ledger) -> _Count:
    """Count calls by eight bytes of each key: a million take a few megabytes."""
    every, found = array("Q"), array("Q")
    while chunk := list(islice(calls, CHUNK)):
        every.extend(_short(call.key) for call in chunk)
        found.extend(map(_short, ledger.answered(call.key for call in chunk)))
    return _Count(len(np.unique(every)), len(np.unique(found)))


def _short(key: bytes) -> int:
    return int.from_bytes(key[:8])


class _Keeper:
    """Says which calls are missing, writes answers down as they come in, and ends an annotation
    that leads nowhere.

    Failures of calls that failed before are no news: they are written down and never end it, so
    that running again always gets further.
    """

    def __init__(self, ledger: Ledger, watch: Watch, patience: int | None) -> None:
        self.progress = Progress(total=0, from_ledger=0)
        self._ledger = ledger
        self._watch = watch
        self._patience = patience
        self._failed_before: set[bytes] = set()
        self._failed_now: set[bytes] = set()
        self._under_way: set[bytes] = set()
        self._failures_in_a_row = 0

    @property
    def made(self) -> int:
        """How many calls have been made, answered or not."""
        return self.progress.answered + self.progress.failed

    def count_in(self, count: _Count) -> None:
        """Count further calls."""
        self.progress = replace(
            self.progress,
            total=self.progress.total + count.calls,
            from_ledger=self.progress.from_ledger + count.answered,
        )
        if count.calls:
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
        """The calls that are neither answered nor under way, and have not failed in this run.

        Looked up when they are needed and not before: of two calls with one key the second may
        be answered by then.
        """
        while chunk := list(islice(calls, CHUNK)):
            answered, failed = ledger.settled(call.key for call in chunk)
            self._failed_before |= failed - self._failed_now
            for call in chunk:
                if call.key not in answered | self._under_way | self._failed_now:
                    yield call

    async def keep(self, heard: list[Heard], extras: list[Extra]) -> None:
        """Keep answers in one transaction, then count them."""
        await asyncio.to_thread(self._ledger.put, list(map(_entry, heard)), extras)
        if not heard:
            return
        self._under_way -= {answer.call.key for answer in heard}
        failed = {a.call.key for a in heard if a.completion.error is not None}
        self._failed_now |= failed
        self.progress = replace(
            self.progress,
            answered=self.progress.answered + len(heard) - len(failed),
            failed=self.progress.failed + len(failed),
        )
        self._watch(self.progress)

    def hear(self, heard: Heard) -> None:
        """Lose patience where call after call fails.

        Raises:
            TeacherError: if the last new calls have all failed.
        """
        if heard.completion.error is None:
            self._failures_in_a_row = 0
        elif heard.call.key not in self._failed_before:
            self._failures_in_a_row += 1
        if self._failures_in_a_row == self._patience:
            raise TeacherError(
                f"the last {self._patience} calls have all failed ({heard.completion.error}); "
                "check the teacher section, and that the endpoint is up, then run again to go on"
            )


def _entry(heard: Heard) -> Entry:
    return Entry(heard.call.key, heard.completion, heard.call.prompt.example_id, heard.seconds)


def _limits(experiment: Experiment) -> Limits:
    config = experiment.config.teacher
    if not isinstance(config, HttpTeacherConfig):
        return Limits()
    a_minute = config.requests_per_minute, config.tokens_per_minute
    return Limits(*(Bucket(float(rate)) if rate else None for rate in a_minute))


def _open_purse(experiment: Experiment, ledger: Ledger, budget: Decimal | None) -> Purse | None:
    """What may be spent, less all that was ever billed and all that a killed run may owe."""
    config = experiment.config
    if not isinstance(config.teacher, HttpTeacherConfig):
        return None
    if budget is None:
        budget = None if config.teacher.budget is None else Decimal(str(config.teacher.budget))
    if budget is None:
        return None
    if config.prices is None:
        raise ConfigError(
            f"{experiment.file}: a budget of {budget} needs prices to be kept; "
            "write what a million tokens cost under 'prices'"
        )
    prices = Prices(**config.prices.model_dump())
    ledger.begin_run()
    spent = add_up(ledger, prices)
    return Purse(Budget(budget, spent.certain + spent.possible), prices, ledger.set_advance)


def _run(asking: Coroutine[Any, Any, None]) -> None:
    """Run to the end, in a thread of its own where a loop runs already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(asking)
        return
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, asking).result()


def refuse_unreadable(experiment: Experiment) -> None:
    """Stop before training when more than half of what the teacher said cannot be read.

    Raises:
        TeacherError: with the commonest outcome and a row that has it.
    """
    annotations = list(experiment.read_annotations().values())
    unread = [a for a in annotations if a.outcome != "ok"]
    if len(unread) * 2 > len(annotations):
        [(commonest, _)] = Counter(a.outcome for a in unread).most_common(1)
        worst = next(a for a in unread if a.outcome == commonest)
        raise TeacherError(
            f"{len(unread)} of {len(annotations)} answers cannot be read, so nothing is trained; "
            f"row {worst.example_id!r} is {worst.outcome}: {worst.problem}; "
            "mend the prompt or the answer kind, or ask a better teacher"
        )
