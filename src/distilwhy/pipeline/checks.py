"""Checks of an experiment's rows and settings against one another."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from distilwhy.core.method import Method
from distilwhy.core.splits import check_splits
from distilwhy.core.task import Example
from distilwhy.errors import ConfigError, DataError

if TYPE_CHECKING:
    from distilwhy.pipeline.experiment import Experiment


def check_experiment(experiment: "Experiment") -> None:
    """Check that rows are valid, and that every method can be trained on them.

    Raises:
        ConfigError: if a method cannot be trained on these rows.
        DataError: if ids are duplicated, rows are shared between train and test, or a test row
            has no gold label.
    """
    check_splits(experiment.splits, experiment.sources)
    _check_test_gold(experiment)
    _check_teacher(experiment)
    has_gold = _any_gold(experiment.splits.train)
    for method in experiment.methods:
        _check_method(experiment, method, has_gold=has_gold)
    _check_selection(experiment)


def _check_test_gold(experiment: "Experiment") -> None:
    field = experiment.task.row_format.gold
    for example in experiment.splits.test:
        if example.gold is None:
            named = f"field {field!r}" if field else "the task names no 'gold' field"
            raise DataError(
                f"{experiment.sources['test']}: test row {example.id!r} has no gold label "
                f"({named}); a score needs one on every test row, so write it there"
            )


def _check_teacher(experiment: "Experiment") -> None:
    file, teacher = experiment.file, experiment.config.teacher
    if teacher.exemplars.draw != "fixed" and not experiment.task.exemplars:
        raise ConfigError(
            f"{file}: teacher.exemplars draws from the task's exemplars, and there are none; "
            "write some, or leave it out"
        )
    explains = teacher.explain_wrong or teacher.strategy == "explain-label"
    if experiment.config.training.wrong_rationales == "explain" and not explains:
        raise ConfigError(
            f"{file}: training.wrong_rationales is 'explain', and the teacher is not asked for "
            "explanations; set teacher.explain_wrong to true"
        )


def _check_method(experiment: "Experiment", method: Method, *, has_gold: bool) -> None:
    annotated, where = set(experiment.config.teacher.annotate), f"{experiment.file}: method"
    if method.labels == "gold" and not has_gold:
        raise ConfigError(
            f"{where} {method.name!r} learns gold labels, and no train row has one; give rows "
            "their gold label, or take it out of 'methods'"
        )
    if method.needs_teacher and "train" not in annotated:
        raise ConfigError(
            f"{where} {method.name!r} learns from the teacher, and teacher.annotate leaves out "
            "'train'; add it there"
        )
    if method.asks_teacher and not {"validation", "test"} <= annotated:
        raise ConfigError(
            f"{where} {method.name!r} reads the teacher's rationale with every input, and "
            "teacher.annotate leaves out 'validation' or 'test'; add them"
        )


def _check_selection(experiment: "Experiment") -> None:
    """Check that there are labels to choose a checkpoint by."""
    annotated = experiment.config.teacher.annotate
    if "validation" not in annotated and not _any_gold(experiment.splits.validation):
        raise ConfigError(
            f"{experiment.file}: no validation row has a gold label to choose a checkpoint by, and "
            "teacher.annotate leaves out 'validation'; add it there, or give rows their gold label"
        )


def _any_gold(rows: Iterable[Example]) -> bool:
    return any(example.gold is not None for example in rows)
