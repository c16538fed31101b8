"""How a person sees what the teacher said: an overview, and rows whole."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict

from rich.console import Console
from rich.table import Table
from rich.text import Text

from distilwhy.cli.confirm import describe_spending
from distilwhy.cli.tables import print_json, print_line
from distilwhy.core.exported_answer import ExportedAnswer
from distilwhy.core.parsing.completion import OUTCOMES
from distilwhy.core.persisted import to_plain
from distilwhy.core.splits import SplitName
from distilwhy.core.stats.comparisons import OutcomeCounts
from distilwhy.core.wording import counted, duration, interval, percent
from distilwhy.pipeline.annotate.overview import LabelCount, Overview, Problem
from distilwhy.pipeline.annotate.records import AnnotatedRow, AnsweredCall

NARROW, WIDE = 80, 110
PROBLEMS, LABELS, FEW, MODELS = 12, 20, 5, 3
SNIPPET, EXCERPT = 160, 400


def show_overview(found: Overview, currency: str, as_json: bool) -> None:
    """Everything that is counted, as a person reads it or as a script does."""
    if as_json:
        print_json(to_plain(found))
        return
    console = _console()
    _print_outcomes(console, found.tallies)
    _show_facts(console, found, currency)
    _show_problems(console, found.problems)
    _show_labels(console, found)


def show_outcomes(tallies: Mapping[SplitName, OutcomeCounts]) -> None:
    """The rows of each split by outcome, and how many agree with gold."""
    _print_outcomes(_console(), tallies)


def show_rows(rows: Iterable[AnnotatedRow], limit: int, *, whole: bool) -> None:
    """Rows, one below the other, and how many more there are.

    Args:
        limit: Show so many.
        whole: Cut nothing short.
    """
    console, count = _console(), 0
    for count, row in enumerate(rows, 1):
        if count <= limit:
            _show_row(console, row, whole=whole)
    if count > limit:
        print_line(f"{limit:,} of {count:,} rows; --limit {count} shows all of them")
    else:
        print_line(counted(count, "row"))


def print_answers(answers: Iterable[ExportedAnswer]) -> None:
    """A JSON array of answers, as ``--export`` writes them, printed as they come."""
    opening = "["
    for answer in answers:
        print_line(opening + json.dumps(asdict(answer), ensure_ascii=False))
        opening = ","
    print_line("[]" if opening == "[" else "]")


def _print_outcomes(console: Console, tallies: Mapping[SplitName, OutcomeCounts]) -> None:
    table = Table.grid(padding=(0, 3))
    table.add_column()
    for _ in tallies:
        table.add_column(justify="right")
    table.add_row(Text("Rows", style="bold"), *tallies)
    for name, cells in _outcome_rows(list(tallies.values())):
        table.add_row(name, *cells)
    console.print(table)


def _outcome_rows(tallies: list[OutcomeCounts]) -> Iterator[tuple[str, list[str]]]:
    yield "all", [f"{tally.rows:,}" for tally in tallies]
    counts: dict[str, list[int]] = {
        outcome: [tally.outcomes[outcome] for tally in tallies] for outcome in OUTCOMES
    }
    counts["not asked"] = [tally.rows - tally.asked for tally in tallies]
    counts["saw gold"] = [tally.saw_gold for tally in tallies]
    counts["no rationale"] = [tally.without_rationale for tally in tallies]
    for name, numbers in counts.items():
        if name == "ok" or any(numbers):
            yield name, [f"{number:,}" for number in numbers]
    if any(tally.score for tally in tallies):
        scores = [tally.score for tally in tallies]
        none = ["no gold" if tally.asked else "" for tally in tallies]
        yield (
            "agrees with gold",
            [percent(s.accuracy) if s else why for s, why in zip(scores, none, strict=True)],
        )
        yield (
            "  95 % interval",
            [interval(s.low, s.high) if s else "" for s in scores],
        )


def _show_facts(console: Console, found: Overview, currency: str) -> None:
    """Single figures, a line each."""
    table = Table.grid(padding=(0, 3))
    for name, value in _facts(found, currency):
        table.add_row(name, Text(_plain(value)))
    if table.row_count:
        console.print()
        console.print(table)


def _facts(found: Overview, currency: str) -> Iterator[tuple[str, str]]:
    if found.spending:
        yield "cost so far", describe_spending(found.spending, currency)
    read, cached, written = found.tokens
    if read or written:
        from_cache = f" ({cached:,} from a cache)" if cached else ""
        yield "tokens", f"{read:,} read{from_cache}, {written:,} written"
    if found.latency:
        took = found.latency
        each = ", ".join(
            f"{share} {duration(s)}"
            for share, s in (("p50", took.p50), ("p90", took.p90), ("p99", took.p99))
        )
        yield "time a call", f"{each} of {took.calls:,} calls"
    if found.first:
        times = dict.fromkeys([_minute(found.first), _minute(found.last)])
        yield "answered", f"{' to '.join(times)} UTC"
    if found.models:
        shown = [f"{model} ({count:,})" for model, count in list(found.models.items())[:MODELS]]
        more = len(found.models) - MODELS
        yield "by", ", ".join(shown) + (f", and {more} more" if more > 0 else "")
    if found.votes:
        votes = found.votes
        yield (
            "votes",
            f"the label that wins has {percent(votes.mean)} of them; in {votes.unanimous:,} of "
            f"{votes.rows:,} rows all",
        )
    if found.explained:
        yield "explained", f"{found.explained:,} rows have reasons for the gold label"


def _show_problems(console: Console, problems: list[Problem]) -> None:
    if not problems:
        return
    console.print()
    console.print(Text("Problems", style="bold"))
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for found in problems[:PROBLEMS]:
        kind = Text(f"{found.outcome}: {_plain(found.problem)}")
        table.add_row(f"{found.count:,}", kind)
        said = f": {_line(found.shown, SNIPPET)}" if found.shown.strip() else ""
        table.add_row("", Text(_plain(f"e.g. {found.split} {found.row}{said}"), style="dim"))
    console.print(table)
    if len(problems) > PROBLEMS:
        left = sum(found.count for found in problems[PROBLEMS:])
        print_line(f"and {left:,} of {len(problems) - PROBLEMS:,} further kinds")
    print_line("--problem any lists these rows, --problem TEXT those of one kind")


def _show_labels(console: Console, found: Overview) -> None:
    if not found.labels:
        return
    console.print()
    table = Table.grid(padding=(0, 3))
    table.add_column(max_width=40, no_wrap=True, overflow="ellipsis")
    for _ in range(4):
        table.add_column(justify="right", no_wrap=True)
    title = "Place of the label" if found.by_place else "Labels"
    table.add_row(Text(title, style="bold"), "teacher", "", "gold", "")
    totals = sum(c.teacher for c in found.labels), sum(c.gold for c in found.labels)
    # Of answers that are not chosen among a few, hardly any comes twice.
    shown = found.labels[: LABELS if len(found.labels) <= 2 * LABELS else FEW]
    for count in shown:
        table.add_row(Text(_line(count.label, 80)), *_label_cells(count, totals))
    console.print(table)
    if left := len(found.labels) - len(shown):
        print_line(f"and {left:,} more; --json has them all")


def _label_cells(count: LabelCount, totals: tuple[int, int]) -> Iterator[str]:
    for number, total in zip((count.teacher, count.gold), totals, strict=True):
        yield f"{number:,}" if total else ""
        yield percent(number / total) if total else ""


def _show_row(console: Console, row: AnnotatedRow, *, whole: bool) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column()
    for name, value in _row_lines(row, whole=whole):
        shown = _plain(value.strip()) if whole else _excerpt(value)
        table.add_row(name, Text(shown))
    outcome = row.annotation.outcome if row.annotation else "not asked"
    console.print(Text(_plain(f"{row.split} {row.example.id}: {outcome}"), style="bold"))
    console.print(table)
    console.print()


def _row_lines(row: AnnotatedRow, *, whole: bool) -> Iterator[tuple[str, str]]:
    example, found = row.example, row.annotation
    yield "input", example.text
    if example.gold is not None:
        yield "gold", example.gold
    if found is not None and found.label is not None:
        yield "label", found.label
        if found.votes:
            yield "votes", ", ".join(f"{label} {share:.0%}" for label, share in found.votes)
        for rationale in found.rationales:
            yield "because", rationale
    if found is not None and found.explanation:
        yield "gold because", found.explanation
    for answer in row.calls:
        yield from _answer_lines(answer, whole=whole)


def _answer_lines(answer: AnsweredCall, *, whole: bool) -> Iterator[tuple[str, str]]:
    """Of an answer that was read, only where all is wanted, more than what was read."""
    said, read = answer.entry.completion, answer.annotation
    if read.outcome != "ok":
        which = "" if read.outcome in read.problem else f"{read.outcome}: "
        yield "problem", which + read.problem
    if (whole or read.outcome != "ok") and said.error is None:
        yield "reply", said.text or "(nothing)"
    if whole and said.error is None:
        if said.thinking:
            yield "thinking", said.thinking
        yield "answered", _circumstances(answer)


def _circumstances(answer: AnsweredCall) -> str:
    said, entry = answer.entry.completion, answer.entry
    parts = [f"{_minute(entry.at)} UTC"]
    parts += [f"by {said.model}"] if said.model else []
    parts += [f"in {duration(entry.seconds)}"] if entry.seconds is not None else []
    if said.input_tokens is not None:
        parts.append(f"{said.input_tokens:,} tokens read")
    if said.output_tokens is not None:
        parts.append(f"{said.output_tokens:,} written")
    return ", ".join(parts)


def _excerpt(text: str) -> str:
    """The beginning of a long text, and how much more there is."""
    shown = _plain(text.strip())
    if len(shown) <= EXCERPT:
        return shown
    return f"{shown[:EXCERPT].rstrip()} … ({len(shown) - EXCERPT:,} more characters)"


def _line(text: str, longest: int) -> str:
    """The beginning of a text, on one line."""
    shown = " ".join(_plain(text).split())
    return shown if len(shown) <= longest else shown[:longest].rstrip() + " …"


def _plain(text: str) -> str:
    """Text that cannot steer a terminal, whatever a teacher wrote."""
    spaced = text.expandtabs(4)
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in spaced)


def _minute(at: str) -> str:
    """``2026-01-31T09:05:00+00:00`` → ``2026-01-31 09:05``."""
    return at[:16].replace("T", " ")


def _console() -> Console:
    console = Console(highlight=False)
    width = min(console.width, WIDE) if console.is_terminal else NARROW
    return Console(highlight=False, width=width, file=sys.stdout)
