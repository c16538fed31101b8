"""What a command prints to stdout when it ends."""

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from distilwhy.cli.views.results import print_results
from distilwhy.store.run_folder import RunFolder
from results import make_results

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
