"""Several samples that would all be the same are refused."""

import pytest

from distilwhy.errors import ConfigError
from distilwhy.pipeline.experiment import open_experiment

FIXED = [
    {"seed": 3},
    {"random_seed": 0},
    {"top_k": 1},
    {"top_p": 0},
    {"generationConfig": {"seed": 3}},
    {"generationConfig": {"topK": 1}},
]
FREE = [{}, {"seed": None}, {"top_k": 40}, {"top_p": 0.9}, {"generationConfig": {"topK": 40}}]


@pytest.mark.parametrize("extra", FIXED, ids=str)
def test_samples_that_would_all_be_the_same_are_refused(write_experiment, extra):
    changes = {"teacher.samples": 3, "teacher.temperature": 0.7, "teacher.extra": extra}
    with pytest.raises(ConfigError, match=r"teacher.samples: 3: with '\w+' in teacher.extra all"):
        open_experiment(write_experiment(changes))


@pytest.mark.parametrize("extra", FREE, ids=str)
def test_samples_that_can_differ_are_taken(write_experiment, extra):
    changes = {"teacher.samples": 3, "teacher.temperature": 0.7, "teacher.extra": extra}
    assert open_experiment(write_experiment(changes)).config.teacher.samples == 3


@pytest.mark.parametrize("extra", FIXED, ids=str)
def test_one_sample_may_be_fixed(write_experiment, extra):
    open_experiment(write_experiment({"teacher.extra": extra}))
