"""What the teacher behind a served student may cost in a day."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Self

from distilwhy.errors import ConfigError
from distilwhy.pipeline.annotate.budget import BudgetGuard, open_budget
from distilwhy.pipeline.experiment import Experiment
from distilwhy.store.files import publish_json, read_json
from distilwhy.store.ledger import Ledger


@dataclass
class DailyBudget:
    """Keeps a guard within an amount for each day, UTC, and within ``teacher.budget`` over all.

    What was spent before the day is kept in a file, so a restart allows nothing more. All that
    is spent in the run folder on that day counts.

    Attributes:
        most: The cap of the guard over all days.
    """

    guard: BudgetGuard
    amount: Decimal
    file: Path
    most: Decimal
    _day: str = field(default="", init=False)

    @classmethod
    def open(cls, experiment: Experiment, ledger: Ledger, amount: Decimal | None) -> Self | None:
        """The budget of a run folder; None if its teacher bills nobody.

        Raises:
            ConfigError: if a teacher that bills has no amount, or what that needs.
        """
        teacher, file = experiment.config.teacher, experiment.file
        if not teacher.bills:
            if amount is not None:
                raise ConfigError(
                    f"--daily-budget: {file}: teacher.kind {teacher.kind!r} bills nobody, so there "
                    "is no budget to keep; leave it out"
                )
            return None
        if amount is None:
            raise ConfigError(
                f"--teacher {file}: its calls are billed; give --daily-budget, the most to spend "
                "in a day"
            )
        guard = open_budget(experiment, ledger, None)
        if guard is None or teacher.max_tokens is None:
            raise ConfigError(
                f"--daily-budget: {file}: needs to know what a call may cost; write what a "
                "million tokens cost under 'prices', and set teacher.max_tokens"
            )
        budget = cls(guard, amount, experiment.folder.daily_budget, guard.cap)
        budget.open_day()
        return budget

    def open_day(self) -> bool:
        """Set the cap of today; returns whether a new day has begun."""
        day = datetime.now(UTC).date().isoformat()
        if day == self._day:
            return False
        before, kept = self.guard.settled, read_json(self.file) or {}
        if kept.get("day") == day:
            before = min(before, Decimal(kept["spent_before"]))
        publish_json(self.file, {"day": day, "spent_before": str(before)})
        self.guard.cap, self._day = min(self.most, before + self.amount), day
        return True
