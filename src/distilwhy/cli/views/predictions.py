"""A student's answers: printed, or written to a file with the columns of its rows."""

from collections.abc import Iterable
from pathlib import Path
from textwrap import indent

from distilwhy.cli.output import print_json, print_line
from distilwhy.core.stats.comparisons import Prediction
from distilwhy.core.wording import counted
from distilwhy.pipeline.predict_file.columns import Fields, describe_answer
from distilwhy.store.files import publish_text
from distilwhy.store.json_text import to_json
from distilwhy.store.table_files import render_csv, to_plain


def show_one(found: Prediction, output: Path | None, as_json: bool) -> None:
    """Print a label, and its rationale if there is one; or write it to a file."""
    fields = describe_answer(found, "text")
    if output is not None:
        as_csv = output.suffix == ".csv"
        publish_text(
            output, render_csv(list(fields), [fields]) if as_csv else f"{to_json(fields)}\n"
        )
        show_written(1, output)
    elif as_json:
        print_json(fields)
    else:
        print_line(found.label or f"not a valid answer: {found.text!r}")
        if found.rationale is not None:
            print_line(f"because: {found.rationale}")


def show_written(rows: int, output: Path) -> None:
    """Print how many answers were written where."""
    print_line(f"wrote {counted(rows, 'prediction')} to {output}")


def show_rows(found: Iterable[Fields], as_json: bool) -> None:
    """Print rows with their answers as they come, as JSONL or as one JSON list."""
    if not as_json:
        for row in found:
            print_line(to_json(to_plain(row)))
        return
    last = "["
    for row in found:
        print_line(last if last == "[" else f"{last},")
        last = indent(to_json(to_plain(row), 2), "  ")
    print_line(f"{last}\n]")
