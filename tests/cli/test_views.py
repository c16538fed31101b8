"""What a command prints to stdout when it ends."""

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from distilwhy.cli.screen import Screen
from distilwhy.cli.training_progress import TrainingProgress
from distilwhy.cli.views.outcomes import print_outcomes
from distilwhy.cli.views.results import print_results
from distilwhy.store.run_folder import RunFolder
from result_variants import parse_few
from results import THREE, make_results

if TYPE_CHECKING:
    from distilwhy.pipeline.experiment import Experiment


def test_results_with_one_seed_come_with_a_caution_and_any_folder_prints_as_it_is(
    capsys: pytest.CaptureFixture[str],
):
    results = make_results(("finetune", "step-by-step"), sizes=(1000,))
    first, second = results.methods
    single = replace(second, score=replace(second.score, seeds=1))
    experiment = cast("Experiment", SimpleNamespace(folder=RunFolder("r[1]/x[red]y")))
    print_results(replace(results, methods=[first, single]), experiment)
    printed = capsys.readouterr().out
    assert "One seed of step-by-step: the intervals leave out the variance between" in printed
    assert "Report: r[1]/x[red]y/report/report.html" in printed
    print_results(replace(results, methods=[single]), experiment)
    assert "One seed each: " in capsys.readouterr().out


def test_accuracy_is_told_over_all_rows_and_over_the_parsed_ones_with_a_warning_if_these_are_few(
    capsys: pytest.CaptureFixture[str],
):
    print_outcomes(parse_few(make_results(THREE)).teacher)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "parsed 70.0% 70.0% 70.0%" in lines
    assert "accuracy 57.5% no gold 57.5%" in lines
    assert "accuracy if parsed 82.1% no gold 82.1%" in lines
    assert (
        "Of the teacher's answers, only 70.0% to train rows, 70.0% to validation rows and 70.0% to "
        "test rows could be parsed. The others train nothing, and count as wrong in its accuracy. "
        "'annotations --problem any' lists them."
    ) in lines
    print_outcomes(make_results(THREE).teacher)
    assert "could be parsed" not in capsys.readouterr().out


def test_training_says_that_validation_accuracy_is_agreement_with_the_teacher(
    capsys: pytest.CaptureFixture[str],
):
    training, counts = (
        TrainingProgress(Screen()),
        parse_few(make_results(THREE)).teacher,
    )
    training.on_annotations(counts)
    training.on_annotations({"validation": replace(counts["validation"], without_gold=30)})
    training.on_annotations({"train": counts["train"]})
    assert capsys.readouterr().err == (
        "Validation accuracy is agreement with the teacher: no validation row has a gold label.\n"
        "Validation accuracy is agreement with the teacher on 30 of 100 validation rows, without a "
        "gold label.\n"
    )
