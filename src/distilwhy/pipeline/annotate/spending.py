"""What the teacher has cost so far."""

from dataclasses import dataclass
from decimal import Decimal

from distilwhy.core.cost import NOTHING, Prices
from distilwhy.pipeline.experiment import Experiment
from distilwhy.store.ledger import Ledger, read_ledger


@dataclass(frozen=True)
class Spending:
    """What was billed to a run folder, all experiments that ever worked in it together.

    Attributes:
        certain: For tokens that the teacher counted.
        possible: What may have been billed beside it: for replies that never came or were not
            counted, at their worst case, and for what killed runs had under way.
    """

    certain: Decimal
    possible: Decimal


def spending(experiment: Experiment) -> Spending | None:
    """What was spent, at the prices of the experiment file; None where it has none."""
    prices = experiment.config.price_list
    if prices is None:
        return None
    with read_ledger(experiment.folder.ledger) as ledger:
        return add_up(ledger, prices)


def add_up(ledger: Ledger, prices: Prices) -> Spending:
    """What a ledger has on its books."""
    costs = [(prices.of(tokens), certain) for tokens, certain in ledger.billed()]
    certain = sum((cost for cost, is_certain in costs if is_certain), NOTHING)
    possible = sum((cost for cost, is_certain in costs if not is_certain), ledger.debts())
    return Spending(certain, possible)
