"""The overview of ``distilwhy annotations``."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from distilwhy.cli.console import minute, open_console, print_fields
from distilwhy.cli.describe import describe_spending
from distilwhy.cli.output import print_json, print_line
from distilwhy.cli.views.outcomes import outcome_table
from distilwhy.core.persisted import to_plain
from distilwhy.core.wording import count, counted, duration, one_line, percent, text_range
from distilwhy.pipeline.annotate.inspect.overview import LabelCount, Overview, Problem
from distilwhy.report.sentences import parse_cautions

WIDEST, PIPED = 110, 80
PROBLEMS, MODELS, SNIPPET = 12, 3, 160
LABELS, FEW_LABELS = 20, 5


def print_overview(found: Overview, currency: str, as_json: bool) -> None:
    """Print outcomes, costs, problems and labels."""
    if as_json:
        print_json(to_plain(found))
        return
    console = open_console(widest=WIDEST, piped=PIPED)
    console.print(outcome_table(found.tallies))
    facts = list(_facts(found, currency))
    if facts:
        console.print()
        print_fields(console, facts)
    for caution in parse_cautions(found.tallies):
        console.print(caution, style="yellow", markup=False)
    _print_problems(console, found.problems)
    _print_labels(console, found)


def _facts(found: Overview, currency: str) -> Iterator[tuple[str, str]]:
    """Single figures: their names and values."""
    if found.spending:
        yield "cost so far", describe_spending(found.spending, currency)
    read, cached, written = found.tokens
    if read or written:
        from_cache = f" ({count(cached)} cached)" if cached else ""
        yield "tokens", f"{count(read)} input{from_cache}, {count(written)} output"
    if found.latency:
        took = found.latency
        quantiles = (("p50", took.p50), ("p90", took.p90), ("p99", took.p99))
        each = ", ".join(f"{name} {duration(seconds)}" for name, seconds in quantiles)
        yield "latency", f"{each} over {counted(took.calls, 'call')}"
    if found.first:
        yield "answered", f"{text_range(minute(found.first), minute(found.last))} UTC"
    if found.models:
        shown = [f"{name} ({count(number)})" for name, number in found.models.items()][:MODELS]
        more = len(found.models) - MODELS
        yield "models", ", ".join(shown) + (f", and {more} more" if more > 0 else "")
    if found.votes:
        yield (
            "votes",
            f"the winning label has {percent(found.votes.mean)} on average; unanimous in "
            f"{count(found.votes.unanimous)} of {counted(found.votes.rows, 'row')}",
        )
    if found.explained:
        yield "explained", f"{counted(found.explained, 'row')} with a rationale for the gold label"


def _print_problems(console: Console, problems: list[Problem]) -> None:
    if not problems:
        return
    console.print()
    console.print(Text("Problems", style="bold"))
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for found in problems[:PROBLEMS]:
        table.add_row(count(found.count), Text(f"{found.outcome}: {found.problem}"))
        shown = f": {one_line(found.shown, SNIPPET)}" if found.shown.strip() else ""
        table.add_row("", Text(f"e.g. {found.split} {found.row}{shown}", style="dim"))
    console.print(table)
    if len(problems) > PROBLEMS:
        left = sum(found.count for found in problems[PROBLEMS:])
        print_line(f"and {count(left)} more, of {counted(len(problems) - PROBLEMS, 'other kind')}")
    print_line("'--problem any' lists these rows, '--problem TEXT' those of one kind")


def _print_labels(console: Console, found: Overview) -> None:
    if not found.labels:
        return
    console.print()
    table = Table.grid(padding=(0, 3))
    table.add_column(max_width=40, no_wrap=True, overflow="ellipsis")
    for _ in range(4):
        table.add_column(justify="right", no_wrap=True)
    title = "Positions of the label" if found.by_place else "Labels"
    table.add_row(Text(title, style="bold"), "teacher", "", "gold", "")
    totals = sum(c.teacher for c in found.labels), sum(c.gold for c in found.labels)
    # If there are very many labels, hardly any occurs twice: a few show what they are like.
    shown = found.labels[: LABELS if len(found.labels) <= 2 * LABELS else FEW_LABELS]
    for label in shown:
        table.add_row(Text(one_line(label.label, 80)), *_label_cells(label, totals))
    console.print(table)
    if left := len(found.labels) - len(shown):
        print_line(f"and {count(left)} more; --json lists all")


def _label_cells(label: LabelCount, totals: tuple[int, int]) -> Iterator[str]:
    for number, total in zip((label.teacher, label.gold), totals, strict=True):
        yield count(number) if total else ""
        yield percent(number / total) if total else ""
