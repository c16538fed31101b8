"""What may still be spent on a run folder."""

from collections.abc import Callable
from decimal import Decimal

from distilwhy.config import HttpTeacherConfig, LocalTeacherConfig
from distilwhy.core.cost import NOTHING, Budget, Prices, Usage
from distilwhy.core.wording import money
from distilwhy.errors import BudgetError, ConfigError
from distilwhy.pipeline.annotate.calls import Call
from distilwhy.pipeline.annotate.retry import RetryPlan
from distilwhy.pipeline.annotate.spending import add_up
from distilwhy.pipeline.experiment import Experiment
from distilwhy.store.ledger import Ledger
from distilwhy.teachers.base import Teacher

UNBOUNDED = Decimal("Infinity")


class BudgetGuard:
    """A budget, what things cost, and where it is written down what is out.

    Args:
        write_reservation: Keeps, for good, what a run that is killed may owe.
    """

    def __init__(
        self, budget: Budget, prices: Prices, write_reservation: Callable[[Decimal], None]
    ) -> None:
        self.budget = budget
        self.prices = prices
        self._write_reservation = write_reservation

    def reserve(self, worst: Decimal) -> bool:
        """Put the worst case aside and write it down, if there is as much left."""
        if not self.budget.reserve(worst):
            return False
        if (reservation := self.budget.raise_reservation()) is not None:
            self._write_reservation(reservation)
        return True

    def close(self) -> None:
        """Write down that nothing is out any more."""
        self.budget.reservation = self.budget.reserved
        self._write_reservation(self.budget.reserved)

    def worst(self, teacher: Teacher, call: Call) -> tuple[Usage, Decimal]:
        """The most that a try can take, and what that costs."""
        tokens = self.prices.dearest(*teacher.longest(call.prompt))
        return tokens, self.prices.of(tokens)

    def used_up(self, cost: Decimal) -> BudgetError:
        """What to say when the next call, which may cost so much, cannot be afforded."""
        return BudgetError(
            f"the budget of {self.budget.cap} {self.prices.currency} is used up: "
            f"{round(self.budget.settled, 4)} is spent, and the next call may cost "
            f"{round(cost, 4)}; raise teacher.budget, or give --budget, to go on"
        )


def open_budget(
    experiment: Experiment, ledger: Ledger, budget: Decimal | None
) -> BudgetGuard | None:
    """What may be spent, less all that was ever billed and all that a killed run may owe.

    Without a budget there is no end to it, and what is lost on the way is counted all the same.

    Returns:
        None where nothing is billed, or nobody can tell how much: without prices, or without a
        bound on what a call may write.
    """
    config = experiment.config
    if budget is not None and isinstance(config.teacher, LocalTeacherConfig):
        raise ConfigError(
            f"{experiment.file}: teacher.kind 'local' bills nobody, so there is no budget to keep; "
            "leave --budget out"
        )
    if not isinstance(config.teacher, HttpTeacherConfig):
        return None
    prices = config.price_list
    if budget is None:
        budget = None if config.teacher.budget is None else Decimal(str(config.teacher.budget))
    if budget is None and (prices is None or config.teacher.max_tokens is None):
        return None
    if prices is None:
        raise ConfigError(
            f"{experiment.file}: a budget ({budget}) needs prices; "
            "write what a million tokens cost under 'prices'"
        )
    ledger.begin_run()
    spent = add_up(ledger, prices)
    cap = UNBOUNDED if budget is None else budget
    return BudgetGuard(Budget(cap, spent.certain + spent.possible), prices, ledger.set_reservation)


def need_enough(retry: RetryPlan, guard: BudgetGuard | None) -> None:
    """Refuse what the budget will not cover, before any answer is forgotten."""
    cost = retry.estimate.cost if retry.estimate else None
    if guard is None or cost is None or cost.low <= guard.budget.left:
        return
    left = money(max(guard.budget.left, NOTHING))
    raise BudgetError(
        f"asking again will cost {money(cost.low)} or more, and of the budget of "
        f"{guard.budget.cap} {guard.prices.currency} {left} is left, so nothing is forgotten; "
        "raise teacher.budget, or give --budget"
    )
