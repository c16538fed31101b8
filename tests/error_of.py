"""The error that an experiment is refused with."""

import re

import pytest

from distilwhy.errors import DistilwhyError
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.plan import plan


def error_of(path: object) -> DistilwhyError:
    """The error of planning an experiment; it must be one line."""
    with pytest.raises(DistilwhyError) as caught:
        plan(open_experiment(path))
    assert "\n" not in str(caught.value)
    return caught.value


def without_line(error: Exception) -> str:
    """A message about a file, without the number of the line."""
    return re.sub(r"^(\S+) line \d+:", r"\1:", str(error))
