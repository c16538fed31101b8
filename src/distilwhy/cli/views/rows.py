"""Annotated rows, one below the other."""

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from distilwhy.cli.console import excerpt, minute, open_console
from distilwhy.cli.output import print_line
from distilwhy.core.exported_answer import ExportedAnswer
from distilwhy.core.persisted import to_plain
from distilwhy.core.wording import count, counted, duration
from distilwhy.pipeline.annotate.records import AnnotatedRow, AnsweredCall
from distilwhy.store.json_text import to_json

WIDEST, PIPED = 110, 80
EXCERPT = 400


def print_rows(rows: Iterable[AnnotatedRow], limit: int, *, whole: bool) -> None:
    """Print rows, and how many there are; ``whole``: with all text and how each call went."""
    console, number = open_console(widest=WIDEST, piped=PIPED), 0
    for number, row in enumerate(rows, 1):
        if number <= limit:
            _print_row(console, row, whole=whole)
    if number > limit:
        print_line(f"{count(limit)} of {counted(number, 'row')}; --limit {number} shows all")
    else:
        print_line(counted(number, "row"))


def print_answers(answers: Iterable[ExportedAnswer]) -> None:
    """Print answers as a JSON array, in the format of ``--export``, as they are read."""
    opening = "["
    for answer in answers:
        print_line(opening + to_json(to_plain(answer)))
        opening = ","
    print_line("[]" if opening == "[" else "]")


def _print_row(console: Console, row: AnnotatedRow, *, whole: bool) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _row_lines(row, whole=whole):
        table.add_row(name, Text(value.strip() if whole else excerpt(value, EXCERPT)))
    outcome = row.annotation.outcome if row.annotation else "not asked"
    console.print(Text(f"{row.split} {row.example.id}: {outcome}", style="bold"))
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
    completion, parsed = answer.entry.completion, answer.annotation
    if parsed.outcome != "ok":
        outcome = "" if parsed.outcome in parsed.problem else f"{parsed.outcome}: "
        yield "problem", outcome + parsed.problem
    if completion.error is not None:
        return
    if whole or parsed.outcome != "ok":
        yield "reply", completion.text or "(empty)"
    if whole:
        if completion.thinking:
            yield "thinking", completion.thinking
        yield "answered", _provenance(answer)


def _provenance(answer: AnsweredCall) -> str:
    """When, by which model, how fast and with how many tokens a call was answered."""
    completion, entry = answer.entry.completion, answer.entry
    parts = [f"{minute(entry.at)} UTC"]
    if completion.model:
        parts.append(f"by {completion.model}")
    if entry.seconds is not None:
        parts.append(f"in {duration(entry.seconds)}")
    if completion.input_tokens is not None:
        parts.append(f"{counted(completion.input_tokens, 'input token')}")
    if completion.output_tokens is not None:
        parts.append(f"{count(completion.output_tokens)} output")
    return ", ".join(parts)
