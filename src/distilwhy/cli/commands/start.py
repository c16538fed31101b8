"""The commands to start with: ``demo``, ``init`` and ``import``."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distilwhy.cli.context import showing_progress
from distilwhy.cli.options import Workers
from distilwhy.cli.output import print_line
from distilwhy.core.wording import counted

if TYPE_CHECKING:
    from distilwhy.demo.run import Variant
    from distilwhy.pipeline.importing.new_experiment import Imported
    from distilwhy.pipeline.importing.prompt_parts import Choose

NewFolder = Annotated[Path, typer.Argument(metavar="FOLDER", help="A new or empty folder.")]


def demo(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="The folder to write to.")] = Path(
        "demo-run"
    ),
    task: Annotated[
        str, typer.Option(metavar="TASK", help="helpdesk, arithmetic or korean.")
    ] = "helpdesk",
    full: Annotated[
        bool, typer.Option("--full", help="All methods and controls, five seeds; over an hour.")
    ] = False,
    study: Annotated[
        bool,
        typer.Option(
            "--study", help="Three methods on three numbers of rows, five seeds; about an hour."
        ),
    ] = False,
    workers: Workers = None,
) -> None:
    """Run a shipped task offline with a scripted teacher.

    It annotates, trains and evaluates on the CPU, without an API key and without a network.
    """
    if full and study:
        raise typer.BadParameter("give --full or --study, one after the other in the same folder")
    from distilwhy.cli.views.next_steps import print_next_steps
    from distilwhy.cli.views.results import print_results
    from distilwhy.demo.run import run_demo

    variant: Variant = "full" if full else "study" if study else "short"
    with showing_progress() as progress:
        results, experiment = run_demo(
            out,
            task=task,
            variant=variant,
            workers=workers,
            say=progress.say,
            watch=progress.watch(),
        )
    print_results(results, experiment)
    print_next_steps(results, experiment)


Answer = Annotated[
    str | None,
    typer.Option(metavar="KIND", help="number, equation, text, or labels separated by commas."),
]


def init(
    directory: NewFolder,
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Your rows: CSV, TSV, JSONL, JSON, Parquet."),
    ] = None,
    gold: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The column of FILE with the labels.")
    ] = None,
    answer: Answer = None,
) -> None:
    """Write a new experiment, on your own rows or on a few to edit.

    With --from, it detects the columns, the labels, the separator and the encoding.
    """
    if source is None:
        if gold or answer:
            raise typer.BadParameter("--gold and --answer need --from")
        from distilwhy.pipeline.importing.scaffold import init as write

        for path in write(directory):
            print_line(f"wrote {path}")
        print_line(f"next: distilwhy plan {directory / 'experiment.yaml'}")
        return
    from distilwhy.pipeline.importing.own_rows import init_from

    _print_imported(init_from(source, directory, gold=gold, answer=answer, choose=_chooser()))


def import_(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="A log of requests and replies, a folder of them, or a data set's folder.",
        ),
    ],
    directory: NewFolder,
    row: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN",
            help="Where the row is in the last turn: a template such as 'Message: {message}', a "
            "regular expression with a group, or last or all turns.",
        ),
    ] = None,
    gold: Annotated[
        str | None,
        typer.Option(metavar="FIELD", help="The field of a log's line with the gold label."),
    ] = None,
    answer: Answer = None,
    mask: Annotated[
        bool, typer.Option("--mask", help="Mask e-mail addresses, phone and card numbers.")
    ] = False,
    llm: Annotated[
        str,
        typer.Option(
            metavar="LLM", help="For a data set: the answers in llm (palm) or gpt-neox (gpt)."
        ),
    ] = "palm",
) -> None:
    """Import a log of requests and replies, or the paper's data.

    Writes an experiment with the rows and the teacher's recorded completions. Logs are JSONL or
    JSON of chats, requests with replies, fine-tuning files, or batch output beside its input.
    """
    from distilwhy.pipeline.importing.logs import import_log
    from distilwhy.pipeline.importing.paper import import_paper, is_paper_data

    if is_paper_data(source):
        if mask or row or gold or answer:
            raise typer.BadParameter("--row, --gold, --answer and --mask are for logs")
        found = import_paper(source, directory, llm)
    else:
        found = import_log(
            source, directory, row=row, gold=gold, answer=answer, mask=mask, choose=_chooser()
        )
    _print_imported(found)


def _chooser() -> "Choose":
    return _choose if sys.stdin.isatty() else None


def _choose(question: str, choices: Sequence[str]) -> int:
    """Ask the user which of some choices is meant."""
    for number, choice in enumerate(choices, 1):
        print_line(f"{number}  {choice}")
    chosen = 0
    while not 1 <= chosen <= len(choices):
        chosen = typer.prompt(f"{question} (1 to {len(choices)})", type=int)
    return chosen - 1


def _print_imported(found: "Imported") -> None:
    lines = [*found.found.items()]
    lines += [(split, counted(number, "row")) for split, number in found.rows.items()]
    lines += [("left out", f"{why}: {number:,}") for why, number in found.left_out.items()]
    for name, text in lines:
        print_line(f"{name:<11}{text}" if len(name) < 11 else f"{name}  {text}")
    print_line(f"next: distilwhy plan {found.file}")
