"""Printing text and tables by rich, without characters that could control the terminal."""

import sys
from collections.abc import Iterable

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from distilwhy.cli.output import print_line, printable
from distilwhy.core.wording import counted

UNWRAPPED = 10_000


class SafeConsole(Console):
    """A console whose only control codes are rich's own, whatever text it is given."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for found in super().render(renderable, options):
            yield found if found.control else found._replace(text=printable(found.text))


def open_console(*, widest: int | None = None, piped: int = UNWRAPPED) -> Console:
    """A console for standard output, which wraps lines at words on a terminal.

    It uses at most ``widest`` columns of a terminal, and ``piped`` columns where there is none; by
    default it does not wrap there.
    """
    found = SafeConsole(highlight=False, file=sys.stdout)
    width = min(found.width, widest or found.width) if found.is_terminal else piped
    return SafeConsole(highlight=False, file=sys.stdout, width=width)


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
        for name, value in found:
            print_line(f"{name:<{width}}{value}")
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields:
        table.add_row(name, Text(value))
    console.print(table)


def excerpt(text: str, longest: int) -> str:
    """The text's beginning, and how much was left out."""
    shown = text.strip()
    if len(shown) <= longest:
        return shown
    return f"{shown[:longest].rstrip()} … ({counted(len(shown) - longest, 'more character')})"


def minute(at: str) -> str:
    """``2026-01-31T09:05:00+00:00`` → ``2026-01-31 09:05``."""
    return at[:16].replace("T", " ")
