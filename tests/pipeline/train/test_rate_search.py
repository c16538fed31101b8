"""Several learning rates or λ: each tried once, the best on validation kept."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import Result
from typer.testing import CliRunner

from commands import call
from conftest import DROP, WriteExperiment
from distilwhy.cli.app import app
from distilwhy.core.method import TrainingRow
from distilwhy.core.student_id import StudentId
from distilwhy.core.training_summary import TrainingSummary
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.status import status
from distilwhy.pipeline.train.run import train_students
from distilwhy.students.student import Student
from studies import PAIR, STUDENT, TRAINING, list_written, open_study, training_of


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """Two methods with two seeds, and two learning rates to choose from."""
    with open_study(
        tmp_path_factory.mktemp("rates"), training={**TRAINING, "lr": [1e-3, 3e-3]}, seeds=[4, 2]
    ) as file:
        return file, call("run", file)


@pytest.mark.parametrize("method", PAIR)
def test_the_first_seed_tries_every_rate_and_the_others_use_the_best(
    searched: tuple[Path, Result], method: str
):
    file, said = searched
    first, second = (training_of(file, StudentId(method, seed)) for seed in (4, 2))
    assert [tried["lr"] for tried in first["search"]] == [1e-3, 3e-3]
    best = max(tried["validation_accuracy"] for tried in first["search"])
    kept = next(tried for tried in first["search"] if tried["lr"] == first["lr"])
    assert kept["validation_accuracy"] == first["validation_accuracy"] == best
    assert [tried["lr"] for tried in second["search"]] == [second["lr"]] == [first["lr"]]
    assert said.stderr.count(f"{method} seed 4: validation") == 2
    assert said.stderr.count(f"{method} seed 2: validation") == 1


def test_a_finished_search_is_not_repeated(searched: tuple[Path, Result]):
    file, said = searched
    assert "6 to train" in said.stderr
    before = list_written(file)
    assert "Already trained: 4 of 4 students" in call("run", file).stderr
    assert list_written(file) == before


Accuracies = dict[float, float]


def fake_training(
    monkeypatch: pytest.MonkeyPatch, accuracies: Accuracies, killed_at: float | None = None
) -> list[float]:
    """Training that takes no time: the weights tell which learning rate they are of. Gives the
    learning rates that are trained with, as they come."""
    tried: list[float] = []

    def train(
        student: Student,
        rows: Sequence[object],
        validation: Sequence[object],
        config: Any,
        seed: int,
        folder: Path,
        **hooks: Callable[..., None],
    ) -> TrainingSummary:
        [rate] = config.rates
        tried.append(rate)
        if rate == killed_at:
            raise KeyboardInterrupt
        with torch.no_grad():
            for weight in student.network.parameters():
                weight.fill_(rate)
        student.network.eval()
        return TrainingSummary(8, 1, 1, accuracies[rate], rate, 0, "fp32", 1, 0.0, {}, [])

    monkeypatch.setattr("distilwhy.students.training.loop.train", train)
    return tried


def search(write_experiment: WriteExperiment, rates: Sequence[float]) -> Path:
    """An experiment that chooses a learning rate for two seeds, and needs no teacher."""
    return write_experiment(
        {
            "methods": ["finetune"],
            "seeds": [0, 1],
            "student": STUDENT,
            "training": {**TRAINING, "lr": list(rates)},
            "data.test": DROP,
        }
    )


@pytest.mark.parametrize("rates", [(1e-3, 3e-3, 9e-3), (9e-3, 3e-3, 1e-3)])
def test_the_rate_with_the_best_validation_accuracy_is_kept(
    write_experiment: WriteExperiment, monkeypatch: pytest.MonkeyPatch, rates: Sequence[float]
):
    accuracies = {1e-3: 0.2, 3e-3: 0.7, 9e-3: 0.4}
    tried = fake_training(monkeypatch, accuracies)
    file = search(write_experiment, rates)
    train_students(open_experiment(file))
    assert tried == [*rates, 3e-3]
    for seed in (0, 1):
        summary = training_of(file, StudentId("finetune", seed))
        assert (summary["lr"], summary["validation_accuracy"]) == (3e-3, 0.7)
        student = Student.load(
            file.parent / "run/students" / StudentId("finetune", seed).name, "cpu"
        )
        assert {w for p in student.network.parameters() for w in p.unique().tolist()} == {
            torch.tensor(3e-3).item()
        }
    found = training_of(file, StudentId("finetune", 0))["search"]
    assert {tried["lr"]: tried["validation_accuracy"] for tried in found} == accuracies


def test_a_killed_search_continues_with_the_next_rate(
    write_experiment: WriteExperiment, monkeypatch: pytest.MonkeyPatch
):
    accuracies = {1e-3: 0.8, 3e-3: 0.7, 9e-3: 0.4}
    fake_training(monkeypatch, accuracies, killed_at=3e-3)
    file = search(write_experiment, list(accuracies))
    with pytest.raises(KeyboardInterrupt):
        train_students(open_experiment(file))
    assert training_of(file, StudentId("finetune", 0)) == {}
    tried = fake_training(monkeypatch, accuracies)
    train_students(open_experiment(file))
    assert tried == [3e-3, 9e-3, 1e-3]
    found = training_of(file, StudentId("finetune", 0))
    assert [one["lr"] for one in found["search"]] == list(accuracies)
    assert found["lr"] == 1e-3


def test_students_that_use_an_outdated_rate_are_trained_again_in_the_same_command(
    write_experiment: WriteExperiment, monkeypatch: pytest.MonkeyPatch
):
    fake_training(monkeypatch, {1e-3: 0.8, 3e-3: 0.7})
    file = search(write_experiment, [1e-3, 3e-3])
    train_students(open_experiment(file))
    file.write_text(file.read_text().replace("0.003", "0.009"))
    assert [one.state for one in status(open_experiment(file)).students] == ["out of date"] * 2
    tried = fake_training(monkeypatch, {1e-3: 0.2, 9e-3: 0.7})
    train_students(open_experiment(file))
    assert tried == [1e-3, 9e-3, 9e-3]
    assert [one.state for one in status(open_experiment(file)).students] == ["trained"] * 2


def test_a_killed_search_starts_over_if_the_settings_have_changed(
    write_experiment: WriteExperiment, monkeypatch: pytest.MonkeyPatch
):
    accuracies = {1e-3: 0.8, 3e-3: 0.7}
    fake_training(monkeypatch, accuracies, killed_at=3e-3)
    file = search(write_experiment, list(accuracies))
    with pytest.raises(KeyboardInterrupt):
        train_students(open_experiment(file))
    file.write_text(file.read_text().replace("batch_size: 8", "batch_size: 4"))
    tried = fake_training(monkeypatch, accuracies)
    train_students(open_experiment(file))
    assert tried == [1e-3, 3e-3, 1e-3]


def weigh(weights: object) -> dict[str, object]:
    """The settings of a study that tries several λ at one learning rate."""
    return {"training": {**TRAINING, "rationale_weight": weights}, "seeds": [4, 2]}


@pytest.fixture(scope="module")
def weighed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """Two methods with two seeds, and three λ to choose from."""
    with open_study(tmp_path_factory.mktemp("weights"), **weigh([0.1, 0.3, 1])) as file:
        return file, call("run", file)


def test_the_first_seed_tries_every_weight_of_the_rationale_and_the_others_use_the_best(
    weighed: tuple[Path, Result],
):
    file, said = weighed
    first, second = (training_of(file, StudentId("step-by-step", seed)) for seed in (4, 2))
    assert [tried["rationale_weight"] for tried in first["search"]] == [0.1, 0.3, 1.0]
    best = max(tried["validation_accuracy"] for tried in first["search"])
    kept = next(t for t in first["search"] if t["rationale_weight"] == first["rationale_weight"])
    assert kept["validation_accuracy"] == first["validation_accuracy"] == best
    assert second["inputs"]["training"]["rationale_weight"] == first["rationale_weight"]
    assert len(second["search"]) == 1
    assert said.stderr.count("step-by-step seed 4: validation") == 3
    assert said.stderr.count("step-by-step seed 2: validation") == 1


def test_a_method_without_a_rationale_s_loss_is_trained_once_whatever_weights_are_tried(
    weighed: tuple[Path, Result],
):
    file, said = weighed
    for seed in (4, 2):
        found = training_of(file, StudentId("finetune", seed))
        assert len(found["search"]) == 1
        assert "rationale_weight" not in found
    assert "6 to train" in said.stderr
    before = list_written(file)
    assert "Already trained: 4 of 4 students" in call("run", file).stderr
    assert list_written(file) == before


def test_trying_several_weights_trains_only_methods_that_have_one_again(tmp_path: Path):
    with open_study(tmp_path, **weigh(1.0)) as file:
        call("run", file)
        file.write_text(
            file.read_text().replace("rationale_weight: 1.0", "rationale_weight: [1, 2]")
        )
        assert "Already trained: 2 of 4 students" in call("run", file).stderr


@pytest.mark.parametrize("weights", [(0.1, 0.3, 1.0), (1.0, 0.3, 0.1)])
def test_the_weight_with_the_best_validation_accuracy_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: Sequence[float]
):
    """Each is trained on rows with its own weight, the other seeds with the best one."""
    learnt: list[tuple[float, set[float]]] = []

    def train(
        student: Student, rows: Sequence[TrainingRow], validation: object, config: Any, *_: object,
        **hooks: object,
    ) -> TrainingSummary:  # fmt: skip
        found = {t.weight for row in rows for t in row.targets if t.task == "rationale"}
        learnt.append((config.rationale_weight, found))
        student.network.eval()
        accuracy = 0.9 if config.rationale_weight == 0.3 else 0.5
        return TrainingSummary(8, 1, 1, accuracy, config.lr, 0, "fp32", 1, 0.0, {}, [])

    monkeypatch.setattr("distilwhy.students.training.loop.train", train)
    with open_study(tmp_path, **weigh(list(weights)), methods=["step-by-step"]) as file:
        assert CliRunner().invoke(app, ["annotate", str(file)]).exit_code == 0
    train_students(open_experiment(file))
    assert learnt == [(weight, {weight}) for weight in (*weights, 0.3)]
    assert training_of(file, StudentId("step-by-step", 4))["rationale_weight"] == 0.3


def test_the_report_says_that_some_methods_had_more_tries(weighed: tuple[Path, Result]):
    _, said = weighed
    shown = " ".join(said.stdout.split())
    assert "unequal numbers of trainings: finetune from 1; step-by-step from 3." in shown


def test_equal_numbers_of_tries_need_no_warning(searched: tuple[Path, Result]):
    assert "unequal" not in searched[1].stdout
