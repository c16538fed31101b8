"""Options that several commands share, and the parsing of their values."""

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from distilwhy.core.parsing.completion import Outcome


def parse_budget(text: str) -> Decimal:
    """Parse an amount of money.

    Raises:
        BadParameter: If it is not a finite number of at least 0.
    """
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount >= 0 or not amount.is_finite():
        raise typer.BadParameter(f"{text!r} is not an amount of money, such as 2.50")
    return amount


def parse_outcomes(text: str) -> "tuple[Outcome, ...]":
    """Parse the outcomes to retry, separated by commas; ``ok`` is not among them.

    Raises:
        BadParameter: If one is unknown.
    """
    from distilwhy.core.parsing.completion import OUTCOMES

    retried = tuple(outcome for outcome in OUTCOMES if outcome != "ok")
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in retried:
            raise typer.BadParameter(f"--retry {name!r}: must be one of {', '.join(retried)}")
    return tuple(outcome for outcome in retried if outcome in names)


def parse_fields(given: list[str]) -> dict[str, str]:
    """Parse fields of the form ``NAME=VALUE``.

    Raises:
        BadParameter: If one has another form, or a name is given twice.
    """
    found: dict[str, str] = {}
    for field in given:
        name, is_pair, value = field.partition("=")
        if not is_pair or not name.strip():
            raise typer.BadParameter(f"--field {field!r}: write it as NAME=VALUE")
        if name.strip() in found:
            raise typer.BadParameter(f"--field {name.strip()!r} is given twice; give it once")
        found[name.strip()] = value
    return found


ExperimentFile = Annotated[Path, typer.Argument(metavar="EXP.yaml", help="The experiment file.")]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", show_default="as many as fit", help="Students to train at once."
    ),
]
TeacherName = Annotated[
    str | None,
    typer.Option("--teacher", metavar="NAME", help="A teacher of study.annotations, by its name."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
Budget = Annotated[
    Decimal | None,
    typer.Option(
        parser=parse_budget,
        metavar="AMOUNT",
        help="Spend at most this on the run folder, over all runs.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
