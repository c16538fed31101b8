"""Options that several commands share, and what may be typed for them."""

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from distilwhy.core.parsing.completion import Outcome


def parse_budget(text: str) -> Decimal:
    """An amount of money, typed."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount >= 0 or not amount.is_finite():
        raise typer.BadParameter(f"{text!r} is no amount of money, such as 2.50")
    return amount


def parse_outcomes(text: str) -> "tuple[Outcome, ...]":
    """Names of outcomes, typed with commas between them. An answer that is ``ok`` is paid for and
    good: it is asked for again by nobody."""
    from distilwhy.core.parsing.completion import OUTCOMES

    bad = tuple(outcome for outcome in OUTCOMES if outcome != "ok")
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in bad:
            raise typer.BadParameter(f"--retry {name!r}: must be among {', '.join(bad)}")
    return tuple(outcome for outcome in bad if outcome in names)


ExperimentFile = Annotated[Path, typer.Argument(metavar="EXP.yaml", help="The experiment file.")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Students trained side by side; by default what fits.")
]
Yes = Annotated[
    bool, typer.Option("--yes", "-y", help="Agree to the price, and to the first answers.")
]
Budget = Annotated[
    Decimal | None,
    typer.Option(
        parser=parse_budget, metavar="AMOUNT", help="Spend no more on the run folder, ever."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for a script.")]
