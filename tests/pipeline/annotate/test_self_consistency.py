"""A teacher that is right in 70 % of its samples, each drawn by itself, asked over HTTP: its
votes are as good as the multinomial says, and their shares tell how far to trust them."""

import importlib.util
from math import sqrt
from pathlib import Path
from types import ModuleType

import pytest

from distilwhy.core.stats.scores import compare

SCRIPT = Path(__file__).parents[3] / "benchmarks/self_consistency.py"
ROWS = 300


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("self_consistency", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def asked(benchmark: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an experiment whose rows were asked about five times each."""
    folder = tmp_path_factory.mktemp("votes")
    benchmark.ask(folder, ROWS, 5)
    return folder


def error(share: float) -> float:
    """Three standard errors of a share of the rows."""
    return 3 * sqrt(share * (1 - share) / ROWS)


def test_what_is_expected_of_a_vote(benchmark: ModuleType):
    """Of two labels, the binomial; of five that are as likely as each other, no gain."""
    assert benchmark.expect_accuracy(1) == pytest.approx(0.7)
    assert benchmark.expect_accuracy(3, wrong=1) == pytest.approx(0.7**3 + 3 * 0.7**2 * 0.3)
    assert benchmark.expect_accuracy(2, wrong=1) == pytest.approx(0.7)
    assert benchmark.expect_accuracy(5, right=0.2) == pytest.approx(0.2)
    assert sum(mass for mass, _ in benchmark.expect(5).values()) == pytest.approx(1)
    assert benchmark.expect_accuracy(5) == pytest.approx(0.924, abs=0.001)


def test_five_votes_are_as_good_as_expected_and_better_than_one(benchmark: ModuleType, asked: Path):
    single, voted = (benchmark.judge(benchmark.read(asked, samples)) for samples in (1, 5))
    assert len(single) == len(voted) == ROWS
    assert sum(single) / ROWS == pytest.approx(0.7, abs=error(0.7))
    expected = benchmark.expect_accuracy(5)
    assert sum(voted) / ROWS == pytest.approx(expected, abs=error(expected))
    gain = compare([voted], [single])
    assert gain.low > 0.1
    assert gain.p < 0.05


def test_the_share_of_the_votes_tells_how_far_to_trust_a_label(benchmark: ModuleType, asked: Path):
    said = benchmark.read(asked, 5)
    found, expected = benchmark.by_share(said), benchmark.expect(5)
    assert sum(score.rows for score in found.values()) == ROWS
    for share, score in found.items():
        assert score.low - 0.05 <= expected[share][1] <= score.high + 0.05
    assert found[0.4].high < found[0.8].low
    assert all(len(annotation.rationales) >= 1 for _, annotation in said)
