"""What a run folder has cost, and the cap that it is kept within."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from distilwhy.core.cost import NOTHING, Prices, Usage
from distilwhy.core.wording import money
from distilwhy.errors import BudgetError, ConfigError
from distilwhy.pipeline.annotate.calls import Call
from distilwhy.pipeline.annotate.inspect.retry import RetryPlan
from distilwhy.pipeline.experiment import Experiment
from distilwhy.store.ledger import Ledger, read_ledger
from distilwhy.teachers.base import Teacher

# A call is assumed to cost at most this many times its worst case: at first, and after so many
# calls that cost no more than it.
OVERRUN = 64
LATER_OVERRUN = 16
TRUSTED_AFTER = 512


@dataclass(frozen=True)
class Spending:
    """What was billed to a run folder, by all experiments that ever used it.

    Attributes:
        certain: For tokens that the teacher counted.
        possible: What may have been billed besides: for replies that were lost or not counted, at
            their worst case, and for what is in flight or was when a run was killed.
    """

    certain: Decimal
    possible: Decimal

    @property
    def total(self) -> Decimal:
        """The most that can have been billed."""
        return self.certain + self.possible


def read_spending(experiment: Experiment) -> Spending | None:
    """What was spent, at the prices of the experiment file; None if it has none."""
    prices = experiment.config.price_list
    if prices is None:
        return None
    with read_ledger(experiment.folder.ledger) as ledger:
        return sum_spending(ledger, prices, in_flight=True)


def sum_spending(ledger: Ledger, prices: Prices, *, in_flight: bool = False) -> Spending:
    """The cost of all that a ledger lists as billed; ``in_flight`` is as for ``Ledger.owed``."""
    costs = [(prices.of(usage), certain) for usage, certain in ledger.billed()]
    certain = sum((cost for cost, is_certain in costs if is_certain), NOTHING)
    possible = sum((cost for cost, is_certain in costs if not is_certain), NOTHING)
    return Spending(certain, possible + ledger.owed(in_flight=in_flight))


@dataclass
class BudgetGuard:
    """Keeps spending within a cap.

    A call is sent only after ``reserve`` has set its worst case aside, and that stays reserved
    until its cost is settled. The cap therefore holds however many calls are under way. What is
    reserved is recorded on disk before it is sent, because a killed run is assumed to owe it.

    An endpoint may bill more than the worst case of a call: some ignore ``max_tokens``. So only as
    many calls are in flight as the rest of the budget covers even then; see ``max_in_flight``.

    Attributes:
        cap: The most that may be spent.
        settled: What was spent, or may have been.
        record: Records an amount on disk as reserved.
        largest: The most tokens that were read and written by calls billed beyond their worst
            case. From then on that is the least that is reserved.
        kept: How many calls cost no more than their worst case, since the last one that did.
        is_share: Whether the cap is a share of a budget, whose guard limits the calls in flight.
        reserved: The worst case of all calls under way.
    """

    prices: Prices
    cap: Decimal
    settled: Decimal = NOTHING
    record: Callable[[Decimal], None] = lambda amount: None
    largest: Usage = field(default_factory=Usage)
    kept: int = 0
    is_share: bool = False
    reserved: Decimal = field(default=NOTHING, init=False)
    _recorded: Decimal = field(default=NOTHING, init=False)

    @property
    def left(self) -> Decimal:
        """What is neither settled nor reserved."""
        return self.cap - self.settled - self.reserved

    def reserve(self, amount: Decimal) -> bool:
        """Set an amount aside, and record it; False if there is not enough left."""
        if amount > self.left:
            return False
        self._hold(amount)
        return True

    def _hold(self, amount: Decimal) -> None:
        self.reserved += amount
        if self.reserved > self._recorded:
            # Doubled, so that it is seldom written.
            self._recorded = max(self.reserved, min(2 * self.reserved, self.reserved + self.left))
            self.record(self._recorded)

    def max_in_flight(self, amount: Decimal) -> float:
        """How many calls with this worst case may be in flight at once.

        One, until a call has cost no more than its worst case. After that, the rest of the budget
        covers all but one of them, even if each costs ``OVERRUN`` times its worst case.
        """
        if self.cap.is_infinite() or self.is_share or not amount:
            return float("inf")
        if not self.kept:
            return 1
        overrun = OVERRUN if self.kept < TRUSTED_AFTER else LATER_OVERRUN
        return 1 + max(0, int((self.cap - self.settled) / (overrun * amount)))

    def observe(self, worst: Usage, billed: Usage) -> Decimal:
        """Learn from what a call was billed; returns what is now reserved for it."""
        self.learn(worst, billed)
        reserved, cost = self.prices.of(worst), self.prices.of(billed)
        self._hold(max(NOTHING, cost - reserved))
        return max(reserved, cost)

    def learn(self, worst: Usage, billed: Usage) -> None:
        """Learn from the bill of a call that was not reserved here."""
        if billed.input <= worst.input and billed.output <= worst.output:
            self.kept += 1
            return
        read = billed.input if billed.input > worst.input else 0
        written = billed.output if billed.output > worst.output else 0
        self.adopt(Usage(read, written), 0)

    def adopt(self, largest: Usage, kept: int) -> None:
        """Take over what another guard has learnt about the same endpoint."""
        known = self.largest
        more = Usage(max(known.input, largest.input), max(known.output, largest.output))
        self.kept = kept if more != known else self.kept + kept
        self.largest = more

    @property
    def notice(self) -> str:
        """What the user should know about the endpoint; "" if there is nothing."""
        found: list[str] = []
        if count := self.largest.output:
            found.append(
                f"the endpoint ignores teacher.max_tokens: it billed {count:,} tokens for a reply"
            )
        if count := self.largest.input:
            found.append(f"the endpoint billed {count:,} tokens for a prompt of fewer bytes")
        if found:
            found.append("every call now reserves as much, and fewer are in flight")
        return "; ".join(found)

    def settle(self, reserved: Decimal, cost: Decimal) -> None:
        """Replace a reserved amount by the actual cost."""
        self.reserved -= reserved
        self.settled += cost

    def close(self) -> None:
        """Record no more than what is still reserved."""
        self._recorded = self.reserved
        self.record(self.reserved)

    def worst(self, teacher: Teacher, call: Call) -> tuple[Usage, Decimal]:
        """The most tokens that one request can take, and their cost."""
        read, written = teacher.longest(call.prompt)
        read, written = max(read, self.largest.input), max(written, self.largest.output)
        usage = self.prices.dearest(read, written)
        return usage, self.prices.of(usage)

    def used_up(self, cost: Decimal) -> BudgetError:
        """The error to raise if the next call, which may cost so much, cannot be afforded."""
        return BudgetError(
            f"the budget of {self.cap} {self.prices.currency} is used up: "
            f"{round(self.settled, 4)} is spent, and the next call may cost "
            f"{round(cost, 4)}; raise teacher.budget, or give --budget, to go on"
            + (f" ({self.notice})" if self.notice else "")
        )


def find_cap(experiment: Experiment, budget: Decimal | None) -> Decimal | None:
    """The most that may be spent: ``budget``, or else ``teacher.budget``; None for no limit.

    Raises:
        ConfigError: if there is a budget, and no prices or a teacher that bills nobody.
    """
    config = experiment.config
    if not config.teacher.bills:
        if budget is not None:
            raise ConfigError(
                f"{experiment.file}: teacher.kind {config.teacher.kind!r} bills nobody, so there "
                "is no budget to keep; leave --budget out"
            )
        return None
    if budget is None and config.teacher.budget is not None:
        budget = Decimal(str(config.teacher.budget))
    if budget is not None and config.price_list is None:
        raise ConfigError(
            f"{experiment.file}: a budget ({budget}) needs prices; "
            "write what a million tokens cost under 'prices'"
        )
    return budget


def open_budget(
    experiment: Experiment, ledger: Ledger, budget: Decimal | None
) -> BudgetGuard | None:
    """The guard of a run folder, with all that was ever spent in it settled.

    Without a budget there is no cap, but lost calls are still charged. None if nothing is billed,
    or if the amount is unknown: without prices, or without a limit on the tokens of a reply.

    Raises:
        ConfigError: as ``find_cap``.
    """
    teacher, prices = experiment.config.teacher, experiment.config.price_list
    cap = find_cap(experiment, budget)
    if not teacher.bills or prices is None or (cap is None and teacher.max_tokens is None):
        return None
    ledger.begin_run()
    most = Decimal("Infinity") if cap is None else cap
    return BudgetGuard(prices, most, sum_spending(ledger, prices).total, ledger.set_reservation)


def require_enough(retry: RetryPlan, guard: BudgetGuard | None) -> None:
    """Raise a BudgetError, before any answer is forgotten, if even the low estimate of a retry is
    more than what is left."""
    cost = retry.estimate.cost if retry.estimate else None
    if guard is None or cost is None or cost.low <= guard.left:
        return
    raise BudgetError(
        f"asking again will cost {money(cost.low)} or more, and of the budget of {guard.cap} "
        f"{guard.prices.currency} {money(max(guard.left, NOTHING))} is left, so nothing is "
        "forgotten; raise teacher.budget, or give --budget"
    )
