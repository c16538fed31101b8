"""The ``distilwhy`` command: registers the commands and turns errors into one line."""

import signal
import sys
from typing import Annotated

import typer

from distilwhy._version import __version__
from distilwhy.cli.commands import annotate, deploy, predict, results, serve, start, train
from distilwhy.cli.context import say_stopped
from distilwhy.cli.output import print_line, print_notice
from distilwhy.environment import set_defaults
from distilwhy.errors import DistilwhyError

app = typer.Typer(
    name="distilwhy",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(start.demo)
app.command()(start.init)
app.command("import")(start.import_)
app.command()(annotate.plan)
app.command()(annotate.annotate)
app.command()(annotate.annotations)
app.command()(train.train)
app.command()(train.evaluate)
app.command()(train.run)
app.command()(train.compare)
app.command()(results.report)
app.command()(results.status)
app.command()(predict.predict)
app.command()(deploy.export)
app.command()(deploy.card)
app.command()(deploy.push)
app.command()(deploy.drift)
app.command()(serve.serve)


INTERRUPTED = 130


def main() -> None:
    """Run the command line. A ``DistilwhyError`` or ``OSError`` is one line and exit status 1."""
    set_defaults()
    try:
        _call()
    except KeyboardInterrupt:  # pressed again while the first press was handled
        _exit_interrupted()


def _call() -> None:
    try:
        app()
    except KeyboardInterrupt:
        _exit_interrupted()
    except SystemExit as end:
        if end.code == INTERRUPTED:
            _exit_interrupted()
        raise
    except DistilwhyError as error:
        print_notice(f"error: {error}")
        sys.exit(1)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        reason = error.strerror or str(error) or type(error).__name__
        print_notice(f"error: {place}{reason}; check the disk, then run the command again")
        sys.exit(1)


def _exit_interrupted() -> None:
    # As Python ends it gives signals their default action: another Ctrl-C would change the exit
    # status.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    say_stopped()
    sys.exit(INTERRUPTED)


def _print_version(wanted: bool) -> None:
    if wanted:
        print_line(f"distilwhy {__version__}")
        raise typer.Exit


@app.callback()
def _distilwhy(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Distil an LLM's answers and its reasons into a small model you own."""
