"""Numbers and names as people read them, the same in reports, tables and messages."""

import difflib
from collections.abc import Iterable, Sequence
from decimal import Decimal

MINUTE, HOUR = 60, 3600


def percent(share: float) -> str:
    """``93.1%``."""
    return f"{share:.1%}"


def interval(low: float, high: float) -> str:
    """Two shares: ``91.0% to 94.2%``."""
    return f"{low:.1%} to {high:.1%}"


def points(share: float, *, signed: bool = True) -> str:
    """A difference of shares in percentage points, with a true minus sign: ``−1.2``."""
    return f"{100 * share:{'+' if signed else ''}z.1f}".replace("-", "−")


def count(number: float) -> str:
    """``4,000``."""
    return f"{number:,.0f}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 row``, ``4,000 rows``; the plural takes an s, unless it is given."""
    return f"{count(number)} {noun if number == 1 else plural or f'{noun}s'}"


def rough_count(number: float) -> str:
    """A number to two digits: ``4,100``."""
    return count(float(f"{number:.2g}"))


def large(number: float) -> str:
    """A number to three digits, with a unit: ``60.5 M``."""
    rounded = float(f"{number:.3g}")
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if rounded >= size:
            return f"{_three_digits(rounded / size)} {unit}"
    return f"{rounded:g}"


def train_rows(rows: int | None, all_rows: int | None = None) -> str:
    """A number of train rows; None stands for all of them."""
    if rows is not None:
        return count(rows)
    return "all" if all_rows is None else f"all {count(all_rows)}"


def counted_train_rows(rows: int | None, all_rows: int | None = None) -> str:
    """``1 train row``, ``all 4,000 train rows``."""
    is_one = (all_rows if rows is None else rows) == 1
    return f"{train_rows(rows, all_rows)} train row{'' if is_one else 's'}"


def file_size(size: float) -> str:
    """Bytes on disk: ``17.4 MB``."""
    return f"{_three_digits(size / 1e6)} MB"


def memory_size(size: float) -> str:
    """Bytes of memory: ``1.5 GiB``, ``90 MiB``."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def duration(seconds: float) -> str:
    """A time that was measured: ``3.20 s``, ``6 min 31 s``, ``2 h 1 min``."""
    if seconds < MINUTE:
        return f"{_three_digits(seconds)} s"
    whole = round(seconds)
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"


def rough_duration(seconds: float) -> str:
    """A time that is estimated, in one unit: ``45 s``, ``12 min``, ``2.5 h``."""
    if seconds < 1.5 * MINUTE:
        return f"{max(1, round(seconds))} s"
    if seconds < 1.5 * HOUR:
        return f"{seconds / MINUTE:.0f} min"
    return f"{seconds / HOUR:.1f} h"


def money(amount: float | Decimal, currency: str = "") -> str:
    """An amount with two decimals, or two significant digits if it is small: ``0.00012 USD``."""
    value = float(amount)
    decimals = 2
    while 0 < abs(value) < 0.1 and decimals < 9 and abs(value) * 10**decimals < 10:
        decimals += 1
    while decimals > 2 and f"{value:.{decimals}f}".endswith("0"):
        decimals -= 1
    return f"{value:,.{decimals}f} {currency}".rstrip()


def probability(p: float, level: float) -> str:
    """A p-value with three decimals, or as many as show that it is below the level."""
    decimals = 3
    while p < level <= round(p, decimals):
        decimals += 1
    return "p < 0.001" if p < 0.001 else f"p = {p:.{decimals}f}"


def text_range(low: str, high: str) -> str:
    """``low to high``; just one of them if they read the same."""
    return low if low == high else f"{low} to {high}"


def listed(names: Iterable[str]) -> str:
    """``a, b and c``."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def one_line(text: str, longest: int) -> str:
    """The beginning of a text, on one line."""
    shown = " ".join(text.split())
    return shown if len(shown) <= longest else shown[:longest].rstrip() + " …"


def suggest(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'kind'?``; "" if the name is known, or near to none that is."""
    names = {other.casefold(): other for other in known}
    close = difflib.get_close_matches(name.casefold(), names, n=1)
    found = names[close[0]] if close else name
    return "" if found == name else f"; did you mean {found!r}?"


def unknown(what: str, name: str, known: Sequence[str]) -> str:
    """Says that a name is unknown, with the nearest known one."""
    return f"unknown {what} {name!r}" + (
        suggest(name, known) or f"; it must be one of {', '.join(known)}"
    )


def _three_digits(number: float) -> str:
    decimals = 2 if number < 10 else 1 if number < 100 else 0
    return f"{number:,.{decimals}f}"
