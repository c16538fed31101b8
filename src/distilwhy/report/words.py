"""Numbers as a person reads them."""

from collections.abc import Iterable

from distilwhy.core.stats.scores import LEVEL, Score

MINUTE, HOUR = 60, 3600


def percent(share: float) -> str:
    return f"{share:.1%}"


def interval(score: Score) -> str:
    return f"{score.low:.1%} to {score.high:.1%}"


def points(share: float) -> str:
    """A difference of shares, signed, in points; with a true minus sign."""
    return f"{100 * share:+z.1f}".replace("-", "−")


def count(number: float) -> str:
    return f"{number:,.0f}"


def counted(number: int, noun: str) -> str:
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def train_rows(rows: int | None, all_rows: int | None = None) -> str:
    """A number of train rows, None being all of them."""
    if rows is not None:
        return count(rows)
    return "all" if all_rows is None else f"all {count(all_rows)}"


def large(number: float) -> str:
    """A large number to three digits, such as ``60.5 M``."""
    rounded = float(f"{number:.3g}")
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if rounded >= size:
            return f"{_three_digits(rounded / size)} {unit}"
    return f"{rounded:g}"


def megabytes(size: float) -> str:
    return f"{_three_digits(size / 1e6)} MB"


def duration(seconds: float) -> str:
    if seconds < MINUTE:
        return f"{_three_digits(seconds)} s"
    if seconds < HOUR:
        return f"{int(seconds // MINUTE)} min {int(seconds % MINUTE)} s"
    return f"{int(seconds // HOUR)} h {int(seconds % HOUR // MINUTE)} min"


def money(amount: float, currency: str) -> str:
    """An amount with two decimals, or where it is small with two digits that say something."""
    small = 0 < abs(amount) < 0.1
    return f"{currency} {_two_digits(amount) if small else f'{amount:,.2f}'}"


def probability(p: float) -> str:
    """With three decimals, or as many as it takes to see that it is below the level."""
    decimals = 3
    while p < LEVEL <= round(p, decimals):
        decimals += 1
    return "p < 0.001" if p < 0.001 else f"p = {p:.{decimals}f}"


def listed(names: Iterable[str]) -> str:
    """``a, b and c``."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def mean(numbers: Iterable[float]) -> float:
    values = list(numbers)
    return sum(values) / len(values) if values else 0.0


def _three_digits(number: float) -> str:
    decimals = 2 if number < 10 else 1 if number < 100 else 0
    return f"{number:,.{decimals}f}"


def _two_digits(number: float) -> str:
    places = 2
    while places < 9 and abs(number) * 10**places < 10:
        places += 1
    return f"{number:.{places}f}"
