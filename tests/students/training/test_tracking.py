"""What trackers log of a training, read back from TensorBoard's files."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from annotating import training_jobs
from conftest import DROP, WriteExperiment
from distilwhy.core.student_id import StudentId
from distilwhy.core.training_summary import Evaluation
from distilwhy.errors import ConfigError, StudentError
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.plan import plan
from distilwhy.pipeline.train.run import train_students
from distilwhy.students.training import tracking
from distilwhy.students.training.optimizer import learning_rate
from distilwhy.students.training.tracking import INSTALL, TrackedRun, open_trackers
from fruit import TRAINING, train_fruit, train_with_kills

Curves = dict[str, list[tuple[int, float]]]


def small(write_experiment: WriteExperiment, **training: object) -> Path:
    """An experiment with one student that trains in a moment."""
    scratch = {"width": 16, "layers": 1, "heads": 2, "feedforward": 16, "vocabulary": 300}
    short = {"steps": 4, "batch_size": 4, "evaluate_every": 2, "report_to": ["tensorboard"]}
    return write_experiment(
        {
            "student": {"scratch": scratch},
            "training": {**short, **training},
            "methods": ["finetune"],
            "data.test": DROP,
        }
    )


def read_curves(folder: Path) -> Curves:
    """Every point of every curve, as TensorBoard draws it."""
    events = EventAccumulator(str(folder)).Reload()
    return {
        tag: [(point.step, point.value) for point in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def expected_curves(log: list[Evaluation], **changed: object) -> Curves:
    config = TRAINING.model_copy(update=changed)
    return {
        "loss/label": [(r.step, r.losses["label"]) for r in log],
        "loss/rationale": [(r.step, r.losses["rationale"]) for r in log],
        "gradient/label": [(r.step, r.gradients["label"]) for r in log],
        "gradient/rationale": [(r.step, r.gradients["rationale"]) for r in log],
        "learning_rate": [(r.step, learning_rate(config, r.step - 1)) for r in log],
        "validation_accuracy": [(r.step, r.validation_accuracy) for r in log],
    }


def tracked(folder: Path, *trackers: str) -> TrackedRun:
    return TrackedRun(trackers, "colours", "step-by-step-seed0", folder / "logs", {"lr": 0.1})


def assert_same(found: Curves, expected: Curves) -> None:
    assert set(found) == set(expected)
    for tag, points in expected.items():
        assert [step for step, _ in found[tag]] == [step for step, _ in points], tag
        assert [value for _, value in found[tag]] == pytest.approx([v for _, v in points]), tag


def test_tensorboard_shows_every_evaluation(tmp_path: Path):
    done = train_fruit(tmp_path / "checkpoint", tracked=tracked(tmp_path, "tensorboard"))
    place = tmp_path / "logs/step-by-step-seed0"
    assert_same(read_curves(place), expected_curves(done.log))
    events = EventAccumulator(str(place)).Reload()
    [text] = events.Tensors("settings/text_summary")
    assert b"| lr | 0.1 |" in text.tensor_proto.string_val[0]


@pytest.mark.parametrize("kills", [[5], [10], [11, 25], [39]])
def test_a_resumed_training_logs_nothing_twice(tmp_path: Path, kills: list[int]):
    run = tracked(tmp_path, "tensorboard")
    done = train_with_kills(tmp_path / "checkpoint", kills, tracked=run)
    assert_same(read_curves(tmp_path / "logs/step-by-step-seed0"), expected_curves(done.log))


def test_a_new_training_replaces_the_log_of_the_one_before(tmp_path: Path):
    run = tracked(tmp_path, "tensorboard")
    train_fruit(tmp_path / "one", tracked=run, evaluate_every=5)
    done = train_fruit(tmp_path / "two", tracked=run, evaluate_every=20)
    assert [line.step for line in done.log] == [20, 40]
    assert_same(read_curves(tmp_path / "logs/step-by-step-seed0"), expected_curves(done.log))


def test_only_the_main_process_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RANK", "1")
    with open_trackers(tracked(tmp_path, "tensorboard"), 0, tmp_path) as log:
        log(1, {"loss/label": 1.0})
    assert not (tmp_path / "logs").exists()


def test_a_run_has_the_name_of_its_student(write_experiment: WriteExperiment):
    file = small(write_experiment)
    train_students(open_experiment(file))
    assert [path.name for path in (file.parent / "run/logs").glob("*/")] == ["finetune-seed0"]
    curves = read_curves(file.parent / "run/logs/finetune-seed0")
    assert set(curves) == {"loss/label", "learning_rate", "validation_accuracy"}
    assert [step for step, _ in curves["loss/label"]] == [2, 4]


def test_the_name_has_the_learning_rate_where_several_are_tried(
    write_experiment: WriteExperiment,
):
    file = small(write_experiment, lr=[1e-3, 1e-2])
    train_students(open_experiment(file))
    names = {path.name for path in (file.parent / "run/logs").glob("*/")}
    assert names == {"finetune-seed0-lr0.001", "finetune-seed0-lr0.01"}


def test_report_to_is_not_fingerprinted(write_experiment: WriteExperiment):
    cell = StudentId("finetune", 0)
    told = training_jobs(open_experiment(small(write_experiment))).of(cell)
    untold = training_jobs(open_experiment(small(write_experiment, report_to=[]))).of(cell)
    assert told.fingerprint == untold.fingerprint


def test_trackers_are_not_imported_unless_configured(write_experiment: WriteExperiment):
    file = small(write_experiment, report_to=[])
    script = (
        "import sys; from distilwhy import open_experiment, train_students; "
        f"train_students(open_experiment({str(file)!r})); "
        "print([name for name in %s if name in sys.modules])" % list(INSTALL)
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert found.stdout.strip() == "[]", found.stderr
    assert not (file.parent / "run/logs").exists()


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which no tracker is installed."""
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)


@pytest.mark.parametrize(
    ("name", "install"),
    [("tensorboard", "pip install 'distilwhy[track]'"), ("wandb", "pip install wandb")],
)
@pytest.mark.usefixtures("bare")
def test_a_tracker_that_is_not_installed_stops_training_before_it_starts(
    write_experiment: WriteExperiment, name: str, install: str
):
    file = small(write_experiment, report_to=[name])
    said = f"training.report_to: {name!r} is not installed; {install}, or remove it"
    for step in (plan, train_students):
        with pytest.raises(ConfigError) as caught:
            step(open_experiment(file))
        assert str(caught.value) == said
    assert not (file.parent / "run").exists()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (["comet"], "training.report_to.0: 'comet': input should be 'tensorboard'"),
        (["wandb", "wandb"], "training.report_to: 'wandb' is listed twice; list each once"),
    ],
)
def test_an_unknown_tracker_is_an_error(
    write_experiment: WriteExperiment, value: list[str], said: str
):
    with pytest.raises(ConfigError) as caught:
        open_experiment(small(write_experiment, report_to=value))
    assert said in str(caught.value)


def test_a_tracker_that_cannot_be_opened_is_a_one_line_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail() -> None:
        raise RuntimeError("no key is set\nsee the manual")

    broken = SimpleNamespace(start=fail, finish=lambda: None)
    monkeypatch.setattr(tracking, "make_tracker", lambda *_: broken)
    with (
        pytest.raises(StudentError) as caught,
        open_trackers(tracked(tmp_path, "wandb"), 0, tmp_path),
    ):
        pass
    assert str(caught.value) == (
        "training.report_to: 'wandb' cannot be opened (no key is set); fix that, or remove it"
    )
