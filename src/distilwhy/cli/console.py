"""Printing to standard output: text, tables and JSON."""

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

    Args:
        widest: The most columns to use of a terminal; None for all of them.
        piped: The columns to use where there is no terminal; by default lines are not wrapped.
    """
    found = Console(highlight=False, file=sys.stdout)
    width = min(found.width, widest or found.width) if found.is_terminal else piped
    return Console(highlight=False, file=sys.stdout, width=width)


def make_table(title: str, *columns: str, names: int = 1) -> Table:
    """A table of numbers.

    Args:
        title: Printed above it.
        columns: The headings.
        names: The number of leading columns that hold names; they are aligned left.
    """
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
