"""How long one training is estimated to take."""

import pytest

from distilwhy.config import ScratchConfig, TrainingConfig
from distilwhy.core.method import Target, TrainingRow
from distilwhy.students.encoding import DrawnRow
from distilwhy.students.training import duration as timing
from distilwhy.students.training.dry_run import DryRun
from distilwhy.students.training.duration import count_tokens, draw_batches, estimate_seconds
from footprint import make_examples, make_rows, make_student

SMALL = ScratchConfig(width=32, layers=2, heads=2, feedforward=48, vocabulary=300, dropout=0.1)
CONFIG = TrainingConfig(steps=200, batch_size=16, evaluate_every=50)
ROWS = make_rows(96, 30)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Passes take a millisecond per token, and answers a second per row. Returns the number of
    rows of each pass."""
    passes: list[int] = []

    def seconds(run: DryRun, rows: list[DrawnRow]) -> float:
        passes.append(len(rows))
        return count_tokens(rows) / 1000

    monkeypatch.setattr(DryRun, "seconds", seconds)
    monkeypatch.setattr(timing, "example_seconds", lambda student, validation: 1.0)
    return passes


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("accumulate", [1, 4])
def test_the_estimate_is_the_steps_times_a_typical_batch_and_the_evaluations(accumulate: int):
    """Here all rows are alike: 16 in a step, each with a source and two targets."""
    student = make_student("seq2seq", SMALL)
    ids = [len(student.network.tokenizer(t).input_ids) for t in ("the door", "red", "the sea")]
    targets = (Target("label", "red"), Target("rationale", "the sea"))
    rows = [TrainingRow("the door", targets)] * 20
    config = CONFIG.model_copy(update={"accumulate": accumulate})
    step = 16 * sum(ids) / 1000
    found = estimate_seconds(student, rows, make_examples(ROWS), config)
    assert found == pytest.approx(200 * step + 4 * (3 * 1.0 + 2 * step))


def test_one_long_row_does_not_double_the_estimate(clock: list[int]):
    student, config = make_student("seq2seq", SMALL), CONFIG
    long = TrainingRow("the door " * 60, ROWS[0].targets)
    plain = estimate_seconds(student, ROWS, make_examples(ROWS), config)
    found = estimate_seconds(student, [*ROWS, long], make_examples(ROWS), config)
    assert plain < found < 2 * plain


def test_a_dry_run_grows_to_the_rows_of_a_pass_and_stays_short(clock: list[int]):
    student = make_student("seq2seq", SMALL)
    estimate_seconds(student, ROWS, make_examples(ROWS), CONFIG)
    assert clock[:4] == [1, 1, 4, 16]
    batches = draw_batches(student, ROWS, CONFIG)
    assert len(batches) == 6
    assert all(len(batch) == 16 for batch in batches)
    clock.clear()
    estimate_seconds(student, ROWS, make_examples(ROWS), CONFIG.model_copy(update={"steps": 3}))
    assert clock == [1, 1, 4, 16]


def test_a_dry_run_of_slow_rows_stops_early(clock: list[int], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(timing, "DRY_RUN_S", 0.001)
    estimate_seconds(make_student("seq2seq", SMALL), ROWS, make_examples(ROWS), CONFIG)
    assert clock == [1, 1]


@pytest.mark.parametrize("family", ["seq2seq", "causal", "encoder"])
def test_every_family_can_be_timed(family: str):
    student = make_student(family, SMALL)
    assert estimate_seconds(student, ROWS, make_examples(ROWS), CONFIG) > 0
