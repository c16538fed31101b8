"""How long one training is estimated to take."""

import pytest

from distilwhy.config import ScratchConfig, TrainingConfig
from distilwhy.core.method import Target, TrainingRow
from distilwhy.core.task import Example
from distilwhy.students.encoding import DrawnRow
from distilwhy.students.student import Student
from distilwhy.students.training import duration as timing
from distilwhy.students.training.dry_run import DryRun
from distilwhy.students.training.duration import count_tokens, draw_batches, estimate_time
from footprint import LABELS, make_examples, make_rows, make_student

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
    monkeypatch.setattr(timing, "example_seconds", lambda student, validation, runs: 1.0)
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
    found = estimate_time(student, rows, make_examples(ROWS), config)
    assert found.seconds == pytest.approx(200 * step + 4 * (3 * 1.0 + 2 * step))


def seconds_of(rows: list[TrainingRow], config: TrainingConfig = CONFIG) -> float:
    return estimate_time(make_student("seq2seq", SMALL), rows, make_examples(ROWS), config).seconds


@pytest.mark.usefixtures("clock")
def test_one_long_row_does_not_double_the_estimate():
    long = TrainingRow("the door " * 60, ROWS[0].targets)
    plain = seconds_of(ROWS)
    assert plain < seconds_of([*ROWS, long]) < 2 * plain


def test_a_dry_run_grows_to_the_rows_of_a_pass_and_stays_short(clock: list[int]):
    seconds_of(ROWS)
    assert clock[:5] == [1, 2, 1, 4, 16]
    batches = draw_batches(make_student("seq2seq", SMALL), ROWS, CONFIG)
    assert len(batches) == 6
    assert all(len(batch) == 16 for batch in batches)
    clock.clear()
    seconds_of(ROWS, CONFIG.model_copy(update={"steps": 3}))
    assert clock == [1, 2, 1, 4, 16, 16, 16]


def test_a_dry_run_of_slow_rows_stops_early(clock: list[int], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(timing, "DRY_RUN_S", 0.001)
    seconds_of(ROWS)
    assert clock == [1, 2, 1, 1, 1]


def test_a_pass_that_takes_long_whatever_its_rows_is_timed_with_all_of_them(
    clock: list[int], monkeypatch: pytest.MonkeyPatch
):
    """A large student reads all its weights, be it for one row or for many."""

    def seconds(run: DryRun, rows: list[DrawnRow]) -> float:
        clock.append(len(rows))
        return 0.7 + 0.3 * len(rows)

    monkeypatch.setattr(DryRun, "seconds", seconds)
    config = CONFIG.model_copy(update={"steps": 3})
    step = 0.7 + 0.3 * 16
    evaluation = 1.0 * 3 + 2 * step
    assert seconds_of(ROWS, config) == pytest.approx(3 * step + evaluation, rel=0.2)
    assert clock == [1, 2, 1, 4, 16, 16, 16]


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("swamped", [0, 1, 2, 3, 4, 5])
def test_a_pass_during_which_the_machine_is_swamped_hardly_changes_the_estimate(
    swamped: int, monkeypatch: pytest.MonkeyPatch
):
    """It takes a minute, at any of the first passes, of one row or of many."""
    plain = seconds_of(ROWS)
    seconds, passes = DryRun.seconds, [0]

    def slow(run: DryRun, rows: list[DrawnRow]) -> float:
        passes[0] += 1
        return seconds(run, rows) + 60.0 * (passes[0] == swamped + 1)

    monkeypatch.setattr(DryRun, "seconds", slow)
    assert seconds_of(ROWS) == pytest.approx(plain, rel=0.3)


def test_predictions_are_timed_without_the_first_and_without_one_outlier(
    monkeypatch: pytest.MonkeyPatch,
):
    """A second a row; the first takes ten seconds more, and another one thirty."""
    now, calls = [0.0], [0]

    def predict(student: Student, examples: list[Example]) -> None:
        calls[0] += 1
        now[0] += len(examples) + {1: 10.0, 3: 30.0}.get(calls[0], 0.0)

    monkeypatch.setattr(Student, "predict", predict)
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    student = make_student("encoder", SMALL)
    assert timing.example_seconds(student, make_examples(ROWS, 32), 3) == 1.0


def test_untrained_students_are_timed_on_answers_as_long_as_the_gold_labels(
    monkeypatch: pytest.MonkeyPatch,
):
    """They do not know yet where to stop."""
    limits: list[int] = []

    def example_seconds(student: Student, validation: list[Example], runs: int) -> float:
        limits.append(student.spec.config.max_label_tokens)
        return 1.0

    monkeypatch.setattr(timing, "example_seconds", example_seconds)
    student = make_student("seq2seq", SMALL)
    estimate_time(student, ROWS, make_examples(ROWS), CONFIG)
    longest = max(len(student.network.tokenizer(label).input_ids) for label in LABELS)
    assert limits == [longest]
    assert student.spec.config.max_label_tokens == 32


@pytest.mark.parametrize("family", ["seq2seq", "causal", "encoder"])
def test_every_family_can_be_timed(family: str):
    student = make_student(family, SMALL)
    assert estimate_time(student, ROWS, make_examples(ROWS), CONFIG).seconds > 0
