"""What runs on a node of a cluster: it makes the calls of one shard after another."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from distilwhy._version import __version__
from distilwhy.config import HttpTeacherConfig
from distilwhy.core.cost import NOTHING, Prices, Usage
from distilwhy.errors import BudgetError, DistilwhyError
from distilwhy.pipeline.annotate.budget import BudgetGuard
from distilwhy.pipeline.annotate.calls import Call
from distilwhy.pipeline.annotate.recorder import FailureLimit
from distilwhy.pipeline.annotate.transports.dispatcher import Dispatcher, Limits
from distilwhy.store.ledger import Charge, Entry
from distilwhy.teachers.replicas import open_http_teacher


@dataclass(frozen=True)
class Shard:
    """Calls that are made on one node, and returned together.

    Attributes:
        failed_before: The keys of those that failed in an earlier run.
        cap: The most that they may cost, which the driver reserved; None: any amount.
        worst: The most tokens that they can take, for the driver to charge if the shard is lost.
        largest: What the driver's budget knows of calls beyond their worst case.
        at_once: How many of them may be under way at once.
    """

    calls: Sequence[Call]
    failed_before: frozenset[bytes] = frozenset()
    cap: Decimal | None = None
    worst: Usage = field(default_factory=Usage)
    largest: Usage = field(default_factory=Usage)
    at_once: int = 1

    @property
    def reserved(self) -> Decimal:
        """What the driver's budget holds back for it."""
        return NOTHING if self.cap is None else self.cap


@dataclass
class ShardResult:
    """What became of a shard.

    Attributes:
        entries: The calls that were answered, or failed for good; the others are still to be made.
        charges: What was billed besides.
        spent: The cost of all of it, if there is a cap.
        largest: What was learnt of calls beyond their worst case.
        kept: How many calls have kept to it since the last that did not.
        notice: The latest message about the endpoint for the user; "" if there is none.
        error: What ended the work early.
    """

    entries: list[Entry] = field(default_factory=list)
    charges: list[Charge] = field(default_factory=list)
    spent: Decimal = NOTHING
    largest: Usage = field(default_factory=Usage)
    kept: int = 0
    notice: str = ""
    error: DistilwhyError | None = None

    def notify(self, line: str) -> None:
        """Have the driver tell the user something."""
        self.notice = line

    async def record(self, entries: list[Entry], charges: list[Charge]) -> None:
        """Add results."""
        self.entries += entries
        self.charges += charges


class Worker:
    """Makes calls for a driver elsewhere, which records the results.

    Args:
        prices: What tokens cost, for shards with a cap.
        workers: How many workers share the teacher's limits.
    """

    def __init__(self, config: HttpTeacherConfig, prices: Prices | None, workers: int) -> None:
        self._config = config
        self._prices = prices
        self._limits = Limits.of(config.pace, workers)
        self._work: asyncio.Future[None] | None = None

    async def version(self) -> str:
        """The version of distilwhy installed here."""
        return __version__

    async def ask(self, shard: Shard) -> ShardResult:
        """Make the calls of a shard. It returns what it has, whatever ends it; it never raises."""
        config = self._config.model_copy(update={"concurrency": shard.at_once})
        teacher, result = open_http_teacher(config), ShardResult()
        failures = FailureLimit(teacher.failure_limit, shard.failed_before)
        guard = None
        if shard.cap is not None and self._prices is not None:
            guard = BudgetGuard(self._prices, shard.cap, largest=shard.largest, is_share=True)
        dispatcher = Dispatcher(
            teacher,
            iter(shard.calls),
            result.record,
            failures,
            self._limits,
            guard,
            result.notify,
        )
        await self.stop()  # A driver that lost its connection has given up the earlier shard.
        self._work = asyncio.ensure_future(dispatcher.run())
        try:
            await self._work
        except asyncio.CancelledError:
            pass  # By ``stop``.
        except BudgetError:
            pass  # Lost replies took the share of other calls, which the driver budgets for again.
        except DistilwhyError as error:
            result.error = error
        if guard:
            result.spent, result.largest = guard.settled, guard.largest
            result.kept = guard.kept
        return result

    async def stop(self) -> None:
        """Cancel the calls under way; ``ask`` returns what it has."""
        if self._work:
            self._work.cancel()
