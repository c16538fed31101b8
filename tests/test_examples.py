"""The experiments in ``examples/``, if their rows are in a folder beside the clone."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from distilwhy.pipeline.annotate.annotations import read_annotations, read_outcomes
from distilwhy.pipeline.annotate.gate import require_parsed
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import Experiment, open_experiment
from distilwhy.pipeline.plan import plan
from distilwhy.store.run_folder import RunFolder

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data"

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="the rows (see examples/README.md) are not in ../shared/data"
)


@pytest.fixture
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Experiment:
    experiment = open_experiment(ROOT / "examples" / f"{request.param}.yaml")
    return replace(experiment, folder=RunFolder(tmp_path / "run"))


@pytest.mark.parametrize(
    ("opened", "rows", "read", "accuracy"),
    [("cqa", 9741 + 1221, 9452 + 1195, 0.785), ("svamp", 800 + 200, 767 + 193, 0.775)],
    indirect=["opened"],
)
def test_every_recorded_completion_has_an_outcome(
    opened: Experiment, rows: int, read: int, accuracy: float
):
    assert plan(opened).calls == rows
    assert annotate(opened).answered == rows
    tallies = read_outcomes(opened)
    outcomes = [dict(tally.outcomes) for tally in tallies.values()]
    assert sum(sum(outcome.values()) for outcome in outcomes) == rows
    assert sum(outcome["ok"] for outcome in outcomes) == read
    assert sum(outcome["failed"] for outcome in outcomes) == 0
    assert tallies["test"].score is not None
    assert tallies["test"].score.accuracy == pytest.approx(accuracy, abs=5e-4)
    require_parsed(read_annotations(opened))
    assert annotate(opened).from_ledger == rows


def test_the_benchmark_prints_both_accuracies_and_every_difference():
    printed = subprocess.run(
        [sys.executable, ROOT / "benchmarks/reading.py", DATA],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    heads = [line for line in printed.splitlines() if not line.startswith("  ")]
    assert "77.2% strict, 78.5% here" in heads[1]
    assert "74.0% strict, 77.5% here" in heads[3]
    assert printed.count("right here only") - printed.count("right strict only") == 15 + 7
