"""How long training is said to take, against how long it then takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import DROP, TRAIN, WriteExperiment, dump_rows
from distilwhy.config import ScratchConfig, TrainingConfig
from distilwhy.core.method import Target, TrainingRow
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.train.forecast import Forecast, total_seconds
from distilwhy.pipeline.train.run import train_students
from distilwhy.pipeline.train.watcher import Watcher
from distilwhy.pipeline.train.workers import Pool
from distilwhy.students.encoding import DrawnRow
from distilwhy.students.student import Student
from distilwhy.students.training import duration as timing
from distilwhy.students.training.dry_run import DryRun
from distilwhy.students.training.duration import count_tokens, draw_batches, estimate_seconds
from footprint import make_examples, make_rows, make_student

SMALL = ScratchConfig(width=32, layers=2, heads=2, feedforward=48, vocabulary=300, dropout=0.1)
CONFIG = TrainingConfig(steps=200, batch_size=16, evaluate_every=50)
ROWS = make_rows(96, 30)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Passes that take a millisecond a token, and answers a second a row; how many rows each pass
    had."""
    passes: list[int] = []

    def seconds(run: DryRun, rows: list[DrawnRow]) -> float:
        passes.append(len(rows))
        return count_tokens(rows) / 1000

    monkeypatch.setattr(DryRun, "seconds", seconds)
    monkeypatch.setattr(timing, "example_seconds", lambda student, validation: 1.0)
    return passes


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("accumulate", [1, 4])
def test_steps_take_what_typical_batches_take(accumulate: int):
    """All rows alike: 16 of them a step, with a text and two targets each."""
    student = make_student("seq2seq", SMALL)
    ids = [len(student.network.tokenizer(t).input_ids) for t in ("the door", "red", "the sea")]
    targets = (Target("label", "red"), Target("rationale", "the sea"))
    rows = [TrainingRow("the door", targets)] * 20
    config = CONFIG.model_copy(update={"accumulate": accumulate})
    step = 16 * sum(ids) / 1000
    found = estimate_seconds(student, rows, make_examples(ROWS), config)
    assert found == pytest.approx(200 * step + 4 * (3 * 1.0 + 2 * step))


def test_one_long_row_does_not_make_all_of_them_long(clock: list[int]):
    student, config = make_student("seq2seq", SMALL), CONFIG
    long = TrainingRow("the door " * 60, ROWS[0].targets)
    plain = estimate_seconds(student, ROWS, make_examples(ROWS), config)
    found = estimate_seconds(student, [*ROWS, long], make_examples(ROWS), config)
    assert plain < found < 2 * plain


def test_a_trial_grows_to_what_is_learnt_from_at_once_and_stays_short(clock: list[int]):
    student = make_student("seq2seq", SMALL)
    estimate_seconds(student, ROWS, make_examples(ROWS), CONFIG)
    assert clock[:4] == [1, 1, 4, 16]
    batches = draw_batches(student, ROWS, CONFIG)
    assert len(batches) == 6
    assert all(len(batch) == 16 for batch in batches)
    clock.clear()
    estimate_seconds(student, ROWS, make_examples(ROWS), CONFIG.model_copy(update={"steps": 3}))
    assert clock == [1, 1, 4, 16]


def test_a_trial_of_slow_rows_stops_before_it_takes_long(
    clock: list[int], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(timing, "DRY_RUN_S", 0.001)
    estimate_seconds(make_student("seq2seq", SMALL), ROWS, make_examples(ROWS), CONFIG)
    assert clock == [1, 1]


@pytest.mark.parametrize("family", ["seq2seq", "causal", "encoder"])
def test_every_family_is_timed(family: str):
    student = make_student(family, SMALL)
    assert estimate_seconds(student, ROWS, make_examples(ROWS), CONFIG) > 0


def test_jobs_are_taken_up_in_turn():
    assert total_seconds([3.0, 1.0, 1.0, 1.0, 5.0], 2) == 8.0
    assert total_seconds([3.0, 1.0], 1) == 4.0
    assert total_seconds([], 3) == 0.0


class Planned(Watcher):
    """Keeps the forecasts of a training."""

    def __init__(self) -> None:
        self.forecasts: list[Forecast] = []

    def on_plan(self, forecast: Forecast) -> None:
        self.forecasts.append(forecast)


def forecast_of(file: Path) -> Forecast:
    planned = Planned()
    train_students(open_experiment(file), watcher=planned)
    [found] = planned.forecasts
    return found


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No student is trained, and one that writes rationales is said to take 30 s, any other 10;
    the methods that were timed."""
    timed: list[str] = []

    def estimate(student: Student, *_: object) -> float:
        timed.append(student.spec.method.name)
        return 30.0 if student.spec.method.writes_rationales else 10.0

    monkeypatch.setattr(timing, "estimate_seconds", estimate)
    monkeypatch.setattr(
        "distilwhy.pipeline.train.run.train_student", lambda folder, job, send: None
    )
    return timed


def test_each_kind_of_method_is_timed_once(write_experiment: WriteExperiment, made_up: list[str]):
    methods = ["label-distill", "finetune", "step-by-step", "blank-rationales"]
    teacher = {"kind": "recorded", "completions": ["said.jsonl"]}
    file = write_experiment(
        {"methods": methods, "seeds": [0, 1], "teacher": teacher, "data.test": DROP}
    )
    said = [
        {"id": row["id"], "completion": f"It says so. So the answer is {row['kind']}."}
        for row in TRAIN
    ]
    file.with_name("said.jsonl").write_text(dump_rows(said))
    annotate(open_experiment(file))
    found = forecast_of(file)
    assert len(made_up) == 3
    assert {"step-by-step", "blank-rationales"} < set(made_up)
    each = dict(zip(methods, (10.0, 10.0, 30.0, 30.0), strict=True))
    assert found.each == {("", method): seconds for method, seconds in each.items()}
    assert (found.trainings, found.seconds) == (8, 160.0)


@pytest.mark.usefixtures("made_up")
def test_the_whole_is_told_once_with_every_learning_rate(write_experiment: WriteExperiment):
    """The first seed tries three, and the others take what it found."""
    changes = {"methods": ["finetune"], "seeds": [0, 1, 2], "data.test": DROP}
    training = {"steps": 7, "lr": [1e-3, 2e-3, 3e-3]}
    found = forecast_of(write_experiment({**changes, "training": training}))
    assert found == Forecast(5, 1, 7, {("", "finetune"): 10.0}, 50.0)


@pytest.mark.usefixtures("made_up")
def test_students_are_trained_as_many_side_by_side_as_fit_of_each(
    write_experiment: WriteExperiment, monkeypatch: pytest.MonkeyPatch
):
    """Of the first one fits, of the others two: these share their pool, and are trained first."""
    small = {"scratch": {"width": 16, "layers": 1, "heads": 2, "feedforward": 16}}
    students = {name: {"family": name} for name in ("causal", "encoder")}
    study = {"students": students}
    changes = {"methods": ["finetune"], "data.test": DROP, "student": small, "study": study}
    counts = iter([1, 2, 2])
    opened: list[int] = []

    @contextmanager
    def open_pool(workers: int) -> Iterator[Pool]:
        opened.append(workers)
        yield Pool()

    monkeypatch.setattr("distilwhy.pipeline.train.run.count_workers", lambda *_: next(counts))
    monkeypatch.setattr("distilwhy.pipeline.train.run.open_pool", open_pool)
    planned = Planned()
    train_students(open_experiment(write_experiment(changes)), watcher=planned, study=True)
    assert opened == [2, 1]
    assert [(found.workers, found.trainings, found.seconds) for found in planned.forecasts] == [
        (2, 2, 10.0),
        (1, 1, 10.0),
    ]
    assert [list(found.each) for found in planned.forecasts] == [
        [("causal", "finetune"), ("encoder", "finetune")],
        [("", "finetune")],
    ]
