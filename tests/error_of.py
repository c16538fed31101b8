"""The error that an experiment is refused with."""

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
