"""Calls the command line in this process."""

from click.testing import Result
from typer.testing import CliRunner

from distilwhy.cli.app import app
from distilwhy.pipeline.experiment import Experiment


def call(*arguments: object, fails: bool = False) -> Result:
    """The result of a command, which must succeed unless ``fails``."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if not fails and result.exit_code != 0:
        raise AssertionError(f"{result.output}\n{result.exception!r}")
    return result


def print_plan(experiment: Experiment) -> str:
    """What ``distilwhy plan`` prints."""
    return call("plan", experiment.file).stdout
