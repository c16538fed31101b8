"""The budget of a study is for all of its teachers together."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from conftest import WriteExperiment, many
from distilwhy.errors import BudgetError
from distilwhy.pipeline.annotate.budget import read_spending
from distilwhy.pipeline.annotate.run import annotate, annotate_study
from distilwhy.pipeline.experiment import Experiment, open_experiment
from endpoint import Endpoint, says

# Each answer costs 0.002 EUR, and may cost 0.004.
PRICES = {"currency": "EUR", "input": 10.0, "output": 50.0}
RIGHT = says("Why. So the answer is damage.", usage={"prompt_tokens": 100, "completion_tokens": 20})


@pytest.fixture
def two_teachers(write_experiment: WriteExperiment, endpoint: Endpoint) -> Callable[[], Experiment]:
    """Opens an experiment of ten rows with two teachers."""
    endpoint.otherwise = [RIGHT]
    teacher = {
        "kind": "chat",
        "base_url": endpoint.url,
        "model": "m",
        "max_tokens": 60,
        "concurrency": 1,
        "gate": {"rows": 0},
    }
    file = write_experiment(
        {
            "data.test": None,
            "data.validation": 0.1,
            "prices": PRICES,
            "methods": ["step-by-step"],
            "teacher": teacher,
            "study": {"annotations": {"other": {**teacher, "model": "n"}}},
        },
        train=many(10),
    )
    return lambda: open_experiment(file)


def total(experiment: Experiment) -> Decimal:
    spent = [read_spending(one) for one in (experiment, *experiment.other_teachers.values())]
    return sum((one.total for one in spent if one), Decimal(0))


def test_the_teachers_of_a_study_share_the_budget(two_teachers: Callable[[], Experiment]):
    with pytest.raises(BudgetError):
        annotate_study(two_teachers(), budget=Decimal("0.030"))
    spent = total(two_teachers())
    assert Decimal("0.020") < spent <= Decimal("0.030")
    with pytest.raises(BudgetError):
        annotate_study(two_teachers(), budget=Decimal("0.030"))
    assert total(two_teachers()) == spent
    annotate_study(two_teachers(), budget=Decimal("0.060"))
    assert total(two_teachers()) == Decimal("0.040")


def test_each_teacher_is_asked_by_itself(two_teachers: Callable[[], Experiment]):
    experiment = two_teachers()
    annotate(experiment.of_teacher("other"))
    assert total(experiment) == Decimal("0.020")
    assert read_spending(experiment.other_teachers["other"]) is not None
    annotate_study(two_teachers())
    assert total(experiment) == Decimal("0.040")
