"""Training: what it learns, keeps and resumes."""

from pathlib import Path

import pytest
import torch

from distilwhy.core.training_summary import Evaluation
from distilwhy.errors import StudentError
from distilwhy.students.training.loop import train
from fruit import (
    COLOURS,
    LIMITS,
    TRAINING,
    are_equal,
    fruit_examples,
    fruit_rows,
    new_student,
    train_fruit,
    train_with_kills,
    weights_of,
)

Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """The weights of a training without a kill."""
    student = new_student()
    train_fruit(tmp_path_factory.mktemp("uninterrupted"), student)
    return weights_of(student)


def test_training_learns_and_logs_both_tasks(tmp_path: Path):
    student, log = new_student(), list[Evaluation]()
    longer = TRAINING.model_copy(update={"steps": 160, "evaluate_every": 40})
    summary = train(
        student, fruit_rows(), fruit_examples(), longer, 0, tmp_path, on_evaluation=log.append
    )
    assert summary.validation_accuracy == 1.0
    assert [answer.label for answer in student.predict(fruit_examples())] == [*COLOURS.values()]
    assert summary.log == log
    assert [line.step for line in log] == [40, 80, 120, 160]
    for task in ("label", "rationale"):
        assert log[-1].losses[task] < log[0].losses[task]
    assert (summary.rows, summary.steps) == (40, 160)


def test_the_best_weights_on_validation_are_kept(tmp_path: Path):
    student, states = new_student(), dict[int, Weights]()

    def keep(evaluation: Evaluation) -> None:
        states[evaluation.step] = weights_of(student)

    summary = train(
        student, fruit_rows(), fruit_examples(), TRAINING, 1, tmp_path, on_evaluation=keep
    )
    best = max(summary.log, key=lambda line: (line.validation_accuracy, line.step))
    assert summary.best_step == best.step
    assert are_equal(weights_of(student), states[best.step])


@pytest.mark.parametrize("kills", [[3], [10], [11, 25], [5, 15, 39]])
def test_a_killed_training_resumes_to_the_same_weights(
    uninterrupted: Weights, tmp_path: Path, kills: list[int]
):
    student = new_student()
    summary = train_with_kills(tmp_path, kills, student)
    assert [line.step for line in summary.log] == [10, 20, 30, 40]
    assert are_equal(weights_of(student), uninterrupted)


@pytest.mark.parametrize("weighting", ["faded", "uncertainty"])
def test_every_weighting_trains_and_resumes(tmp_path: Path, weighting: str):
    whole, resumed = new_student(), new_student()
    settings = {"weighting": weighting, "steps": 20, "agreement": 0.1}
    train_fruit(tmp_path / "whole", whole, **settings)
    train_with_kills(tmp_path / "resumed", [15], resumed, **settings)
    assert are_equal(weights_of(resumed), weights_of(whole))


def test_gradient_checkpointing_does_not_change_the_weights(tmp_path: Path):
    plain, checkpointed = new_student(), new_student()
    train_fruit(tmp_path / "plain", plain, steps=10)
    train_fruit(tmp_path / "checkpointed", checkpointed, steps=10, gradient_checkpointing=True)
    expected, found = weights_of(plain), weights_of(checkpointed)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-5)


def test_accumulation_gives_the_losses_of_the_whole_batch(tmp_path: Path):
    shape = LIMITS.scratch.model_copy(update={"dropout": 0.0})
    limits = LIMITS.model_copy(update={"scratch": shape})
    one, four = (
        train_fruit(tmp_path / str(parts), new_student(limits=limits), steps=10, accumulate=parts)
        for parts in (1, 4)
    )
    assert one.log[0].losses == pytest.approx(four.log[0].losses, rel=1e-4)


def test_training_stops_early_without_improvement(tmp_path: Path):
    summary = train_fruit(tmp_path, lr=1e-9, steps=400, patience=2)
    assert summary.steps == 30
    assert len(summary.log) == 3


def test_gradient_norms_show_a_weight_too_small_to_matter(tmp_path: Path):
    tiny, plain = (
        train_fruit(tmp_path / str(weight), rows=fruit_rows(weight=weight), steps=10)
        for weight in (1e-9, 1.0)
    )
    small, large = tiny.log[0].gradients, plain.log[0].gradients
    assert small["rationale"] < 1e-6 < 1e-3 < large["rationale"]
    assert min(small["label"], large["label"]) > 1e-3


def test_a_model_that_was_loaded_to_answer_trains_with_dropout(tmp_path: Path):
    student = new_student()
    student.network.model.eval()
    modes = []

    def note(step: int, steps: int) -> None:
        modes.append(all(module.training for module in student.network.modules()))

    config = TRAINING.model_copy(update={"steps": 3, "evaluate_every": 2})
    train(
        student, fruit_rows(rationales=False), fruit_examples(), config, 0, tmp_path, on_step=note
    )
    assert modes == [True] * 3


def test_no_rows_is_an_error(tmp_path: Path):
    with pytest.raises(StudentError, match="no rows to train on; annotate first"):
        train(new_student(), [], fruit_examples(), TRAINING, 0, tmp_path)


def test_a_loss_of_nan_is_an_error(tmp_path: Path):
    student = new_student()
    with torch.no_grad():
        student.network.model.get_input_embeddings().weight.fill_(float("nan"))
    with pytest.raises(StudentError, match=r"the loss is nan at step 1; lower training.lr"):
        train_fruit(tmp_path, student)


def test_a_batch_that_cannot_be_split_is_an_error(tmp_path: Path):
    with pytest.raises(StudentError, match="a batch of 8 rows cannot be split into 9 parts"):
        train_fruit(tmp_path, accumulate=9)


@pytest.mark.parametrize("kill", [5, 15, 25])
def test_patience_ends_a_training_that_was_killed_at_the_same_step_with_the_same_weights(
    kill: int, tmp_path: Path
):
    settings = {"steps": 400, "patience": 2, "lr": 1e-2}
    whole, resumed = new_student(), new_student()
    straight = train_fruit(tmp_path / "straight", whole, **settings)
    again = train_with_kills(tmp_path / "killed", [kill], resumed, **settings)
    assert straight.steps == again.steps < 400
    assert straight.log == again.log
    assert straight.log[-1].tokens == again.log[-1].tokens > 0
    assert are_equal(weights_of(whole), weights_of(resumed))
    last = [line.validation_accuracy for line in straight.log]
    assert max(last[-2:]) <= max(last[:-2])
