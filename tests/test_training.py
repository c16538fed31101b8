"""The training loop: its loss, its batches, its checkpoints."""

from math import log
from pathlib import Path

import pytest
import torch

from distilwhy.config import ScratchConfig, StudentConfig, TrainingConfig
from distilwhy.core.answer import Answer
from distilwhy.core.method import Target, TrainingRow
from distilwhy.core.task import Example, Task, Wording
from distilwhy.errors import StudentError
from distilwhy.students.batches import BatchOrder, build_batch, encode_rows
from distilwhy.students.seq2seq import build_backbone
from distilwhy.students.student import Student
from distilwhy.students.training import (
    Report,
    TwoTask,
    accuracy,
    choose_precision,
    learning_rate,
    target_losses,
    train,
)

COLOURS = {"apple": "red", "lemon": "yellow", "lime": "green", "plum": "blue"}
TASK = Task("", Wording("{{ x }}"), Answer("choice", tuple(COLOURS.values())))
LIMITS = StudentConfig(
    scratch=ScratchConfig(width=32, layers=1, heads=2, feedforward=32, vocabulary=300),
    max_label_tokens=8,
    max_rationale_tokens=16,
)
TRAINING = TrainingConfig(steps=40, batch_size=8, learning_rate=5e-3, evaluate_every=10)


def fruit_rows(rationales: bool = True, weight: float = 1.0) -> list[TrainingRow]:
    rows = []
    for count in range(10):
        for fruit, colour in COLOURS.items():
            targets = [Target("label", colour)]
            if rationales:
                targets.append(Target("rationale", f"{fruit} means {colour}", weight))
            rows.append(TrainingRow(f"{count} of {fruit}", tuple(targets)))
    return rows


def fruit_examples() -> list[Example]:
    return [Example(f, f"{n} of {f}", (), c) for n, (f, c) in enumerate(COLOURS.items())]


def new_student(seed: int = 0) -> Student:
    texts = [text for row in fruit_rows() for text in (row.source, row.targets[1].text)]
    return Student(build_backbone(LIMITS, texts, seed), TASK, "step-by-step", LIMITS)


class Killed(Exception):
    """Stands for a kill in the middle of a training."""


def test_target_losses_by_hand():
    """Two targets over a vocabulary of two: log-odds 0 and ln 3 give ln 2, ln 4/3 and ln 4."""
    even, sure = [0.0, 0.0], [log(3.0), 0.0]
    logits = torch.tensor([[even, sure], [sure, even]])
    labels = torch.tensor([[0, 1], [0, -100]])
    expected = torch.tensor([(log(2) + log(4)) / 2, log(4 / 3)])
    torch.testing.assert_close(target_losses(logits, labels), expected)


@pytest.mark.parametrize("weight", [0.0, 0.5, 2.0])
def test_the_loss_is_label_plus_weighted_rationale(weight: float):
    """Against transformers' own loss, one row and one target at a time, in two full passes."""
    student = new_student()
    network = TwoTask(student.backbone.model).eval()
    rows = fruit_rows(weight=weight)[:5]
    encoded, _ = encode_rows(rows, student.backbone, LIMITS)
    total, means = network(build_batch(encoded, student.backbone))
    alone: dict[str, list[float]] = {"label": [], "rationale": []}
    for row in encoded:
        for target in row.targets:
            inputs = [student.backbone.opens(target.task), *target.ids[:-1]]
            loss = student.backbone.model(
                input_ids=torch.tensor([row.source]),
                decoder_input_ids=torch.tensor([inputs]),
                labels=torch.tensor([target.ids]),
            ).loss
            alone[target.task].append(loss.item())
    label, rationale = (sum(alone[task]) / len(rows) for task in ("label", "rationale"))
    assert means["label"].item() == pytest.approx(label, rel=1e-5)
    assert means["rationale"].item() == pytest.approx(rationale, rel=1e-5)
    assert total.item() == pytest.approx(label + weight * rationale, rel=1e-5)


def test_a_row_without_a_rationale_adds_its_label_alone():
    student = new_student()
    network = TwoTask(student.backbone.model).eval()
    rows = [fruit_rows()[0], fruit_rows(rationales=False)[1]]
    encoded, _ = encode_rows(rows, student.backbone, LIMITS)
    total, means = network(build_batch(encoded, student.backbone))
    expected = means["label"] + means["rationale"] / 2
    torch.testing.assert_close(total, expected)


def test_the_two_targets_cannot_see_one_another():
    student = new_student()
    network = TwoTask(student.backbone.model).eval()
    both, alone = fruit_rows()[:4], fruit_rows(rationales=False)[:4]
    losses = []
    for rows in (both, alone):
        encoded, _ = encode_rows(rows, student.backbone, LIMITS)
        losses.append(network(build_batch(encoded, student.backbone))[1]["label"])
    torch.testing.assert_close(losses[0], losses[1])


def test_truncation_is_counted_and_keeps_the_end():
    student = new_student()
    short = LIMITS.model_copy(update={"max_rationale_tokens": 3})
    encoded, found = encode_rows(fruit_rows()[:4], student.backbone, short)
    ids = encoded[0].targets[1].ids
    assert len(ids) == 3
    assert ids[-1] == student.backbone.tokenizer.eos_token_id
    assert (found["rationale"].cut, found["rationale"].texts) == (4, 4)
    assert found["rationale"].longest > found["rationale"].limit == 3
    assert found["input"].cut == found["label"].cut == 0


def test_batch_order_is_a_function_of_seed_and_step():
    lengths = [i % 13 for i in range(100)]
    forward = [BatchOrder(lengths, 8, seed=3).at(step) for step in range(30)]
    order = BatchOrder(lengths, 8, seed=3)
    assert [order.at(step) for step in reversed(range(30))] == forward[::-1]
    assert [BatchOrder(lengths, 8, seed=4).at(step) for step in range(30)] != forward


def test_an_epoch_takes_no_row_twice():
    order = BatchOrder([1] * 100, 8, seed=0)
    epoch = [index for step in range(12) for index in order.at(step)]
    assert len(set(epoch)) == len(epoch) == 96


def test_fewer_rows_than_a_batch_are_one_batch():
    assert sorted(BatchOrder([1, 2, 3], 8, seed=0).at(5)) == [0, 1, 2]


def test_learning_rate_rises_then_falls_to_nothing():
    config = TrainingConfig(steps=100, learning_rate=1.0, warmup=0.1)
    rates = [learning_rate(config, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == 1.0
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert 0 < rates[-1] < 0.02


def test_training_learns_and_logs_each_task_apart(tmp_path: Path):
    student, reports = new_student(), list[Report]()
    longer = TRAINING.model_copy(update={"steps": 160, "evaluate_every": 40})
    done = train(student, fruit_rows(), fruit_examples(), longer, 0, tmp_path, watch=reports.append)
    assert done.validation_accuracy == accuracy(student, fruit_examples()) == 1.0
    assert done.log == reports
    assert [report.step for report in reports] == [40, 80, 120, 160]
    for task in ("label", "rationale"):
        assert reports[-1].losses[task] < reports[0].losses[task]
    assert (done.rows, done.steps) == (40, 160)


def test_the_weights_that_are_kept_did_best_on_validation(tmp_path: Path):
    student, states = new_student(), {}

    def keep(report: Report) -> None:
        states[report.step] = {k: v.clone() for k, v in student.backbone.model.state_dict().items()}

    done = train(student, fruit_rows(), fruit_examples(), TRAINING, 1, tmp_path, watch=keep)
    best = max(done.log, key=lambda r: (r.validation_accuracy, r.step))
    assert done.best_step == best.step
    kept = student.backbone.model.state_dict()
    assert all(torch.equal(kept[name], states[best.step][name]) for name in kept)


@pytest.mark.parametrize("moments", [[3], [10], [11, 25], [5, 15, 39]])
def test_a_killed_training_ends_with_the_same_weights(tmp_path: Path, moments: list[int]):
    undisturbed, lesson = new_student(), (fruit_rows(), fruit_examples(), TRAINING, 0)
    train(undisturbed, *lesson, tmp_path / "one")
    for moment in moments:

        def die(step: int, steps: int, moment: int = moment) -> None:
            if step == moment:
                raise Killed

        with pytest.raises(Killed):
            train(new_student(), *lesson, tmp_path / "two", tick=die)
    resumed = new_student()
    done = train(resumed, *lesson, tmp_path / "two")
    assert [report.step for report in done.log] == [10, 20, 30, 40]
    expected, found = (s.backbone.model.state_dict() for s in (undisturbed, resumed))
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_bf16_computes_and_is_named(tmp_path: Path):
    config = TRAINING.model_copy(update={"precision": "bf16", "steps": 10})
    done = train(new_student(), fruit_rows(), fruit_examples(), config, 0, tmp_path)
    assert done.precision == "bf16"


@pytest.mark.parametrize(
    ("wanted", "native", "width", "expected"),
    [
        ("auto", {"avx512_bf16": True}, 512, "bf16"),
        ("auto", {"amx_bf16": True}, 768, "bf16"),
        ("auto", {"avx512_bf16": True}, 128, "fp32"),
        ("auto", {"avx512_bf16": False}, 512, "fp32"),
        ("auto", {}, 512, "fp32"),
        ("bf16", {}, 128, "bf16"),
        ("fp32", {"amx_bf16": True}, 768, "fp32"),
    ],
)
def test_auto_is_bf16_where_a_cpu_gains_from_it(wanted, native, width, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: native, raising=False)
    assert choose_precision(wanted, torch.device("cpu"), width) == expected


def test_no_rows_is_an_error(tmp_path: Path):
    with pytest.raises(StudentError, match="no rows to train on; annotate first"):
        train(new_student(), [], fruit_examples(), TRAINING, 0, tmp_path)


def test_a_loss_that_is_no_number_is_an_error(tmp_path: Path):
    student = new_student()
    with torch.no_grad():
        student.backbone.model.get_input_embeddings().weight.fill_(float("nan"))
    with pytest.raises(StudentError, match=r"the loss is nan at step 1; lower training"):
        train(student, fruit_rows(), fruit_examples(), TRAINING, 0, tmp_path)
