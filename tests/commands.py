"""The command line, called in this process."""

import re

from click.testing import Result
from typer.testing import CliRunner

from distilwhy.cli.app import app


def call(*arguments: object, fails: bool = False) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if not fails and result.exit_code != 0:
        raise AssertionError(f"{result.output}\n{result.exception!r}")
    return result


def without_line(error: Exception) -> str:
    """A message about a file, without the number of the line."""
    return re.sub(r"^(\S+) line \d+:", r"\1:", str(error))
