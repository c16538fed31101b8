"""Printing to standard output: text, tables and JSON, and a teacher's text made safe to print."""

import json
import sys
from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

UNWRAPPED = 10_000


def open_console(*, widest: int | None = None, piped: int = UNWRAPPED) -> Console:
    """A console for standard output, which wraps lines at words on a terminal.

    It uses at most ``widest`` columns of a terminal, and ``piped`` columns where there is none; by
    default it does not wrap there.
    """
    found = Console(highlight=False, file=sys.stdout)
    width = min(found.width, widest or found.width) if found.is_terminal else piped
    return Console(highlight=False, file=sys.stdout, width=width)


def make_table(title: str, *columns: str, names: int = 1) -> Table:
    """A table of numbers; its first ``names`` columns hold names, aligned left."""
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    table.pad_edge, table.collapse_padding = False, False
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index < names else "right", no_wrap=True)
    return table


def print_fields(console: Console, fields: Iterable[tuple[str, str]]) -> None:
    """Print names and values, one a line, with the values below one another."""
    if console.width >= UNWRAPPED:
        found = list(fields)
        width = max((len(name) for name, _ in found), default=0) + 2
        sys.stdout.writelines(f"{name:<{width}}{value}\n" for name, value in found)
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields:
        table.add_row(name, Text(value))
    console.print(table)


def print_line(line: str) -> None:
    """Print a line as it is, without wrapping or markup."""
    sys.stdout.write(line + "\n")


def print_json(value: object) -> None:
    """Print a value as JSON; amounts of money become numbers."""
    print_line(json.dumps(value, indent=2, ensure_ascii=False, default=float))


def printable(text: str) -> str:
    """The text without characters that could control the terminal."""
    spaced = text.expandtabs(4)
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in spaced)


def excerpt(text: str, longest: int) -> str:
    """The text's beginning, and how much was left out."""
    shown = printable(text.strip())
    if len(shown) <= longest:
        return shown
    return f"{shown[:longest].rstrip()} … ({len(shown) - longest:,} more characters)"


def one_line(text: str, longest: int) -> str:
    """The text's beginning, on one line."""
    shown = " ".join(printable(text).split())
    return shown if len(shown) <= longest else shown[:longest].rstrip() + " …"


def minute(at: str) -> str:
    """``2026-01-31T09:05:00+00:00`` → ``2026-01-31 09:05``."""
    return at[:16].replace("T", " ")
