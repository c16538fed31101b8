"""The forecast of a whole study, from the times of its kinds of training."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import DROP, TRAIN, WriteExperiment, dump_rows
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.train.forecast import Forecast, forecast, total_seconds
from distilwhy.pipeline.train.jobs import TrainingJobs
from distilwhy.pipeline.train.run import train_students
from distilwhy.pipeline.train.study import list_students
from distilwhy.pipeline.train.watcher import Watcher
from distilwhy.pipeline.train.workers import Pool
from distilwhy.students.student import Student
from distilwhy.students.training import duration as timing
from distilwhy.students.training.duration import TrainingTime

SHORT, LONG = TrainingTime(10, 0.9, 1.0, 10), TrainingTime(10, 2.8, 2.0, 10)


def test_a_free_worker_takes_the_next_job():
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

    def estimate(student: Student, *_: object) -> TrainingTime:
        timed.append(student.spec.method.name)
        return LONG if student.spec.method.writes_rationales else SHORT

    monkeypatch.setattr(timing, "estimate_time", estimate)
    monkeypatch.setattr(
        "distilwhy.pipeline.train.run.train_student", lambda folder, job, send: None
    )
    return timed


def test_each_kind_of_method_is_timed_once(write_experiment: WriteExperiment, made_up: list[str]):
    methods = [
        *("label-distill", "finetune", "step-by-step", "blank-rationales"),
        *("word-shuffled-rationales", "keyword-rationales"),
    ]
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
    assert len(made_up) == 4
    assert {"blank-rationales", "keyword-rationales"} < set(made_up)
    each = dict(zip(methods, (SHORT, SHORT, *[LONG] * 4), strict=True))
    assert found.each == {("", method): taken for method, taken in each.items()}
    assert (found.trainings, found.seconds) == (12, 280.0)


@pytest.mark.usefixtures("made_up")
def test_the_forecast_counts_every_learning_rate_of_a_search(write_experiment: WriteExperiment):
    """The first seed tries three, and the others take what it found."""
    changes = {"methods": ["finetune"], "seeds": [0, 1, 2], "data.test": DROP}
    training = {"steps": 7, "lr": [1e-3, 2e-3, 3e-3]}
    found = forecast_of(write_experiment({**changes, "training": training}))
    assert found == Forecast({("", "finetune"): 5}, 1, {("", "finetune"): SHORT}, 50.0)


@pytest.mark.usefixtures("made_up")
def test_the_forecast_knows_whether_patience_may_end_a_training(write_experiment: WriteExperiment):
    changes = {"methods": ["finetune"], "data.test": DROP, "training": {"patience": 2}}
    assert forecast_of(write_experiment(changes)).has_patience


def test_a_kind_that_two_workers_timed_takes_as_long_as_where_the_machine_was_not_swamped(
    write_experiment: WriteExperiment, monkeypatch: pytest.MonkeyPatch
):
    """The other worker still loads torch while the first one runs its steps."""
    times = iter([replace(SHORT, step=500.0), SHORT])
    monkeypatch.setattr(timing, "estimate_time", lambda *_: next(times))
    experiment = open_experiment(
        write_experiment({"methods": ["finetune"], "seeds": [0, 1], "data.test": DROP})
    )
    jobs = TrainingJobs(experiment, read_annotations(experiment))
    found = forecast([jobs.of_all(list_students(experiment))], 2, Pool())
    assert found.seconds == 10.0


@pytest.mark.usefixtures("made_up")
def test_each_student_has_as_many_workers_as_fit_and_the_most_first(
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
