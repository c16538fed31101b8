"""What a node of a cluster does: it asks the calls of one shard after the other."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from distilwhy._version import __version__
from distilwhy.config import HttpTeacherConfig
from distilwhy.core.cost import NOTHING, Budget, Prices
from distilwhy.errors import BudgetError, DistilwhyError
from distilwhy.pipeline.annotate.budget import BudgetGuard
from distilwhy.pipeline.annotate.calls import Call
from distilwhy.pipeline.annotate.recorder import Patience, entry
from distilwhy.pipeline.annotate.transports.dispatcher import CallResult, Dispatcher, Limits
from distilwhy.store.ledger import Charge, Entry
from distilwhy.teachers.replicas import reach


@dataclass(frozen=True)
class Shard:
    """Calls that are asked on one node, and handed in together.

    Attributes:
        failed_before: The keys of those that failed in an earlier run.
        cap: The most that they may cost; None: any amount.
    """

    calls: Sequence[Call]
    failed_before: frozenset[bytes] = frozenset()
    cap: Decimal | None = None


@dataclass
class ShardResult:
    """What came of a shard.

    Attributes:
        entries: The calls that were answered, or failed for good; the others are still to be asked.
        extras: What was billed beside them.
        spent: All of it in money, as far as there is a cap.
        error: What ended the asking before its time.
    """

    entries: list[Entry] = field(default_factory=list)
    extras: list[Charge] = field(default_factory=list)
    spent: Decimal = NOTHING
    error: DistilwhyError | None = None


class Worker:
    """Asks a teacher on behalf of a driver elsewhere, which keeps what is heard.

    Args:
        prices: What things cost, for shards with a cap.
        workers: How many share the teacher's limits.
    """

    def __init__(self, config: HttpTeacherConfig, prices: Prices | None, workers: int) -> None:
        self._config = config
        self._prices = prices
        self._limits = Limits.of(config, askers=workers)
        self._asking: asyncio.Future[None] | None = None

    async def version(self) -> str:
        """Of the distilwhy that is installed here."""
        return __version__

    async def ask(self, shard: Shard) -> ShardResult:
        """Ask all of a shard. It returns what it has, whatever ends it; it raises nothing."""
        teacher = reach(self._config)
        gathered = _Gathering(shard.failed_before, teacher.patience)
        guard = None
        if shard.cap is not None and self._prices is not None:
            guard = BudgetGuard(Budget(shard.cap), self._prices, lambda reservation: None)
        asking = Dispatcher(teacher, iter(shard.calls), gathered, self._limits, guard)
        await self.stop()  # a driver that lost touch has given up what was asked before
        self._asking = asyncio.ensure_future(asking.run())
        try:
            await self._asking
        except asyncio.CancelledError:
            pass  # by ``stop``
        except BudgetError:
            pass  # lost replies took the part of others, which get one of their own next
        except DistilwhyError as error:
            gathered.harvest.error = error
        if guard:
            gathered.harvest.spent = guard.budget.settled
        return gathered.harvest

    async def stop(self) -> None:
        """Break off what is under way; ``ask`` returns what it has."""
        if self._asking:
            self._asking.cancel()


class _Gathering:
    """Keeps what is heard until it is handed in."""

    def __init__(self, failed_before: frozenset[bytes], patience: int | None) -> None:
        self.harvest = ShardResult()
        self._failed_before = failed_before
        self._patience = Patience(patience)

    def hear(self, heard: CallResult) -> None:
        is_news = heard.call.key not in self._failed_before
        self._patience.hear(heard.completion, is_news=is_news)

    async def keep(self, heard: list[CallResult], extras: list[Charge]) -> None:
        self.harvest.entries += map(entry, heard)
        self.harvest.extras += extras
