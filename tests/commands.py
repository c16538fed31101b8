"""Calls the command line in this process."""

from click.testing import Result
from typer.testing import CliRunner

from distilwhy.cli.app import app
from distilwhy.pipeline.experiment import Experiment

# The commands that train students or ask them.
STUDENTS = ("run", "train", "compare", "evaluate", "demo")


def call(*arguments: object, fails: bool = False) -> Result:
    """The result of a command, which must succeed unless ``fails``.

    It works in this process if ``--workers`` is not given: a worker takes seconds to start. A
    comparison of several files trains nothing.
    """
    words = [str(argument) for argument in arguments]
    files = [word for word in words if word.endswith(".yaml")]
    if words[0] in STUDENTS and "--workers" not in words and len(files) < 2:
        words += ["--workers", "1"]
    result = CliRunner().invoke(app, words)
    if not fails and result.exit_code != 0:
        raise AssertionError(f"{result.output}\n{result.exception!r}")
    return result


def print_plan(experiment: Experiment) -> str:
    """What ``distilwhy plan`` prints."""
    return call("plan", experiment.file).stdout
