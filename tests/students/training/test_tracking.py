"""What trackers are told of a training, read back from TensorBoard's own files."""

import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

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
from distilwhy.students.training.loop import learning_rate, train
from distilwhy.students.training.tracking import INSTALL, Tracked, check_trackers, open_trackers
from fruit import TRAINING, Killed, fruit_examples, fruit_rows, new_student

Curves = dict[str, list[tuple[int, float]]]


def small(write_experiment: WriteExperiment, **training: object) -> Path:
    """An experiment of one student that is trained in a moment."""
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
    """Every point of every curve, as TensorBoard would draw it."""
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


def tracked(folder: Path, *trackers: str) -> Tracked:
    return Tracked(trackers, "colours", "step-by-step-seed0", folder / "logs", {"lr": 0.1})


def same(found: Curves, expected: Curves) -> bool:
    assert set(found) == set(expected)
    for tag, points in expected.items():
        assert [step for step, _ in found[tag]] == [step for step, _ in points], tag
        assert [value for _, value in found[tag]] == pytest.approx([v for _, v in points]), tag
    return True


def test_tensorboard_shows_every_validation(tmp_path: Path):
    done = train(
        new_student(), fruit_rows(), fruit_examples(), TRAINING, 0, tmp_path / "checkpoint",
        tracked=tracked(tmp_path, "tensorboard"),
    )  # fmt: skip
    place = tmp_path / "logs/step-by-step-seed0"
    assert same(read_curves(place), expected_curves(done.log))
    events = EventAccumulator(str(place)).Reload()
    [text] = events.Tensors("settings/text_summary")
    assert b"| lr | 0.1 |" in text.tensor_proto.string_val[0]


@pytest.mark.parametrize("moments", [[5], [10], [11, 25], [39]])
def test_nothing_is_logged_twice_when_a_killed_training_goes_on(tmp_path: Path, moments: list[int]):
    def go(tick: Any = lambda step, steps: None) -> Any:
        return train(
            new_student(), fruit_rows(), fruit_examples(), TRAINING, 0, tmp_path / "checkpoint",
            tracked=tracked(tmp_path, "tensorboard"), tick=tick,
        )  # fmt: skip

    for moment in moments:

        def die(step: int, steps: int, moment: int = moment) -> None:
            if step == moment:
                raise Killed

        with pytest.raises(Killed):
            go(die)
    done = go()
    assert same(read_curves(tmp_path / "logs/step-by-step-seed0"), expected_curves(done.log))


def test_a_training_that_begins_anew_leaves_nothing_of_the_one_before(tmp_path: Path):
    for folder, every in (("one", 5), ("two", 20)):
        config = TRAINING.model_copy(update={"evaluate_every": every})
        done = train(
            new_student(), fruit_rows(), fruit_examples(), config, 0, tmp_path / folder,
            tracked=tracked(tmp_path, "tensorboard"),
        )  # fmt: skip
    assert [report.step for report in done.log] == [20, 40]
    assert same(read_curves(tmp_path / "logs/step-by-step-seed0"), expected_curves(done.log))


def test_only_the_main_process_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RANK", "1")
    with open_trackers(tracked(tmp_path, "tensorboard"), 0, tmp_path) as log:
        log(1, {"loss/label": 1.0})
    assert not (tmp_path / "logs").exists()


def test_a_run_is_named_by_its_student(write_experiment: WriteExperiment):
    file = small(write_experiment)
    train_students(open_experiment(file))
    assert [path.name for path in (file.parent / "run/logs").glob("*/")] == ["finetune-seed0"]
    curves = read_curves(file.parent / "run/logs/finetune-seed0")
    assert set(curves) == {"loss/label", "learning_rate", "validation_accuracy"}
    assert [step for step, _ in curves["loss/label"]] == [2, 4]


def test_a_run_is_named_by_its_learning_rate_where_several_are_tried(
    write_experiment: WriteExperiment,
):
    file = small(write_experiment, lr=[1e-3, 1e-2])
    train_students(open_experiment(file))
    names = {path.name for path in (file.parent / "run/logs").glob("*/")}
    assert names == {"finetune-seed0-lr0.001", "finetune-seed0-lr0.01"}


def test_who_is_told_decides_nothing(write_experiment: WriteExperiment):
    """A student is not trained again for it, and has the same weights."""
    cell = StudentId("finetune", 0)
    told = training_jobs(open_experiment(small(write_experiment))).of(cell)
    untold = training_jobs(open_experiment(small(write_experiment, report_to=[]))).of(cell)
    assert told.fingerprint == untold.fingerprint


def test_a_tracker_is_not_imported_when_not_asked_for(write_experiment: WriteExperiment):
    file = small(write_experiment, report_to=[])
    script = (
        "import sys; from distilwhy import open_experiment, train_students; "
        f"train_students(open_experiment({str(file)!r})); "
        "print([name for name in %s if name in sys.modules])" % list(INSTALL)
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert found.stdout.strip() == "[]", found.stderr
    assert not (file.parent / "run/logs").exists()


# --- what stands in the way


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which no tracker is installed."""
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)


@pytest.mark.parametrize(
    ("name", "install"),
    [("tensorboard", "pip install 'distilwhy[track]'"), ("wandb", "pip install wandb")],
)
@pytest.mark.usefixtures("bare")
def test_a_tracker_that_is_not_installed_is_named_before_anything_is_trained(
    write_experiment: WriteExperiment, name: str, install: str
):
    file = small(write_experiment, report_to=[name])
    said = f"training.report_to: {name!r} is not installed; {install}, or take it out"
    for step in (plan, train_students):
        with pytest.raises(ConfigError) as caught:
            step(open_experiment(file))
        assert str(caught.value) == said
    assert not (file.parent / "run").exists()


def test_what_is_installed_may_be_asked_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tracking, "find_spec", lambda name: ModuleSpec(name, None))
    check_trackers(list(INSTALL))


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


def test_a_tracker_that_cannot_be_opened_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail() -> None:
        raise RuntimeError("no key is set\nsee the manual")

    broken = SimpleNamespace(start=fail, finish=lambda: None)
    monkeypatch.setattr(tracking, "_make", lambda *_: broken)
    with (
        pytest.raises(StudentError) as caught,
        open_trackers(tracked(tmp_path, "wandb"), 0, tmp_path),
    ):
        pass
    assert str(caught.value) == (
        "training.report_to: 'wandb' cannot be opened (no key is set); mend that, or take it out"
    )
