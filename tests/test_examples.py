"""The experiments in ``examples/``, if their rows are in a folder beside the clone."""

import runpy
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

from distilwhy.pipeline.annotate.annotations import read_annotations, read_outcomes
from distilwhy.pipeline.annotate.gate import require_parsed
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import Experiment, open_experiment
from distilwhy.pipeline.plan import plan
from distilwhy.pipeline.train.study import list_students
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
    [
        ("cqa", 9741 + 1221, 9443 + 1192, 0.784),
        ("svamp", 800 + 200, 767 + 193, 0.775),
        ("esnli", 9842 + 9824, 9838 + 9824, 0.730),
    ],
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


@pytest.mark.parametrize(
    ("name", "students"),
    [
        ("svamp-smollm2", 15),
        ("svamp-smollm2-third", 15),
        ("esnli-minilm", 63),
        ("esnli-gate", 6),
        ("esnli-smollm2", 12),
        ("cqa-teachers", 15),
    ],
)
def test_a_study_of_the_proof_can_be_opened(name: str, students: int):
    experiment = open_experiment(ROOT / "examples/proof" / f"{name}.yaml")
    assert len(list_students(experiment, study=True)) == students
    assert [len(experiment.config.training.rates), len(experiment.config.seeds)] == [3, 3]


@pytest.mark.parametrize(
    ("name", "published", "second"), [("cqa", 0.772, 0.784), ("svamp", 0.74, 0.775)]
)
def test_the_benchmark_of_reading_finds_the_published_accuracy(
    name: str, published: float, second: float
):
    benchmark = runpy.run_path(str(ROOT / "benchmarks/reading.py"))
    rows = list(benchmark["recorded_rows"](DATA, name, "test", "palm540b"))
    assert fmean(row.published for row in rows) == pytest.approx(published, abs=5e-4)
    assert fmean(row.is_gold(row.stated) for row in rows) == pytest.approx(second, abs=5e-4)
