"""The training loop: its loss, its batches, its checkpoints."""

from math import log
from pathlib import Path
from typing import Any

import pytest
import torch

from distilwhy.config import TrainingConfig
from distilwhy.core.method import METHODS, Target, TrainingRow
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.task import Example, Task, Wording
from distilwhy.core.training_summary import Evaluation
from distilwhy.errors import StudentError
from distilwhy.hardware import choose_precision
from distilwhy.students.encoding import DrawnRow, EncodedRow, EncodedTarget, Truncator
from distilwhy.students.load import build_network
from distilwhy.students.logits import TaskOutput, pooled_logits, target_losses
from distilwhy.students.spec import StudentSpec
from distilwhy.students.student import Student
from distilwhy.students.training.loop import train
from distilwhy.students.training.loss import Losses, WeightedLoss, agreement, staged_factor
from distilwhy.students.training.optimizer import learning_rate
from distilwhy.students.training.sampler import BatchOrder, split_batch
from fruit import COLOURS, LIMITS, TASK, TRAINING, Killed, fruit_examples, fruit_rows, new_student


def encode(student: Student, rows: list[TrainingRow]) -> list[EncodedRow]:
    truncator = Truncator(student.spec.config)
    return [student.network.encode(row, truncator) for row in rows]


def measure(
    student: Student, rows: list[TrainingRow], factor: float = 1.0, **training: object
) -> tuple[Losses, dict[str, float]]:
    """The losses of rows as one batch without dropout, and the mean loss of each task."""
    drawn = [DrawnRow(row, row.variants[0]) for row in encode(student, rows)]
    objective = WeightedLoss(student.network, TRAINING.model_copy(update=training)).eval()
    losses = objective(student.network.collate(drawn), factor, len(rows), 1.0)
    return losses, {task: (s[0] / s[1]).item() for task, s in losses.sums.items()}


def test_target_losses_by_hand():
    """Two targets over a vocabulary of two: log-odds 0 and ln 3 give ln 2, ln 4/3 and ln 4."""
    even, sure = [0.0, 0.0], [log(3.0), 0.0]
    logits = torch.tensor([even, sure, sure])
    labels = torch.tensor([[0, 1], [0, -100]])
    expected = torch.tensor([(log(2) + log(4)) / 2, log(4 / 3)])
    torch.testing.assert_close(target_losses(logits, labels), expected)


def test_temperatures_divide_logits_by_hand():
    """Log-odds 2 ln 3 at temperature 2 are ln 3."""
    logits = torch.tensor([[2 * log(3.0), 0.0], [log(3.0), 0.0]])
    found = target_losses(logits, torch.tensor([[1], [1]]), torch.tensor([2.0, 1.0]))
    torch.testing.assert_close(found, torch.tensor([log(4), log(4)]))


def alone(student: Student, row: EncodedRow, target: EncodedTarget) -> float:
    """transformers' own loss of one target of one row, in a full pass."""
    loss = student.network.model(
        input_ids=torch.tensor([row.sources[target.source]]),
        decoder_input_ids=torch.tensor([[*target.opening, *target.ids[:-1]]]),
        labels=torch.tensor([target.ids]),
    ).loss
    return float(loss.detach())


@pytest.mark.parametrize("two_passes", [False, True])
@pytest.mark.parametrize("weight", [0.5, 2.0])
def test_the_loss_is_label_plus_weighted_rationale(weight: float, two_passes: bool):
    """Against transformers' own loss, one row and one target at a time, in two full passes."""
    student = new_student(two_passes=two_passes)
    student.network.eval()
    rows = fruit_rows(weight=weight)[:5]
    losses, means = measure(student, rows)
    expected: dict[str, list[float]] = {"label": [], "rationale": []}
    for row in encode(student, rows):
        assert len(row.sources) == (2 if two_passes else 1)
        for target in row.variants[0]:
            expected[target.task].append(alone(student, row, target))
    label, rationale = (sum(expected[task]) / len(rows) for task in ("label", "rationale"))
    assert means["label"] == pytest.approx(label, rel=1e-5)
    assert means["rationale"] == pytest.approx(rationale, rel=1e-5)
    assert losses.total.item() == pytest.approx(label + weight * rationale, rel=1e-5)
    assert losses.tasks["rationale"].item() == pytest.approx(weight * rationale, rel=1e-5)


def test_the_papers_prefixes_name_the_task_before_the_source():
    student = new_student(two_passes=True)
    [row] = encode(student, fruit_rows()[:1])
    decode = student.network.tokenizer.decode
    read = [decode(ids, skip_special_tokens=True).strip() for ids in row.sources]
    assert read == ["predict: 0 of apple", "explain: 0 of apple"]
    assert len({tuple(target.opening) for target in row.variants[0]}) == 1


@pytest.mark.parametrize("family", ["seq2seq", "causal"])
@pytest.mark.parametrize("method", ["rationale-then-label", "label-then-rationale"])
def test_one_sequence_is_asked_for_as_it_was_learnt(family: str, method: str):
    limits = LIMITS.model_copy(update={"family": family})
    spec = StudentSpec(TASK, METHODS[method], limits, two_passes=True)
    student = Student(build_network(spec, ["predict: explain: 1 of plum"], 0).eval())
    told = {"before": "it is"} if method == "rationale-then-label" else {"after": "it is"}
    [row] = encode(student, [TrainingRow("plum", (Target("label", "blue", **told),))])
    learnt = row.sources[row.variants[0][0].source]
    asked: list[list[int]] = []
    ask = student.network.model.generate

    def listen(**given: Any) -> Any:
        asked.append(given["input_ids"][0].tolist())
        return ask(**given)

    student.network.model.generate = listen
    student.predict([Example("1", "plum")], explain=True)
    assert len(asked) == 2
    assert all(ids[: len(learnt)] == learnt for ids in asked)


def test_a_row_without_a_rationale_adds_its_label_alone():
    rows = [fruit_rows()[0], fruit_rows(rationales=False)[1]]
    losses, means = measure(new_student(), rows)
    assert losses.total.item() == pytest.approx(means["label"] + means["rationale"] / 2)


def test_the_two_targets_cannot_see_one_another():
    student = new_student()
    _, both = measure(student, fruit_rows()[:4])
    _, label_alone = measure(student, fruit_rows(rationales=False)[:4])
    assert both["label"] == pytest.approx(label_alone["label"], rel=1e-6)


def test_the_schedule_of_the_rationale():
    """Label alone, then both, then the rationale fades to nothing."""
    factors = [staged_factor(step, 100) for step in range(101)]
    assert factors[:10] == [0.0] * 10
    assert factors[10:51] == [1.0] * 41
    assert factors[75] == pytest.approx(0.5)
    assert factors[100] == 0.0
    losses, means = measure(new_student(), fruit_rows()[:4], factor=0.25)
    assert losses.total.item() == pytest.approx(means["label"] + 0.25 * means["rationale"])


def test_uncertainty_by_hand():
    """exp(−s)·L + s/2 for each task; at s = 0 the plain sum, whose gradient in s is 1/2 − L."""
    student, rows = new_student(), fruit_rows()[:4]
    drawn = [DrawnRow(row, row.variants[0]) for row in encode(student, rows)]
    config = TRAINING.model_copy(update={"weighting": "uncertainty"})
    objective = WeightedLoss(student.network, config).eval()
    batch = student.network.collate(drawn)
    plain, means = measure(student, rows)
    losses = objective(batch, 1.0, 4, 1.0)
    assert losses.total.item() == pytest.approx(plain.total.item())
    losses.total.backward()
    for task in ("label", "rationale"):
        grown = objective.log_variances[task].grad.item()
        assert grown == pytest.approx(0.5 - means[task], rel=1e-5)
    with torch.no_grad():
        objective.log_variances["rationale"].fill_(log(4.0))
    found = objective(batch, 1.0, 4, 1.0).total.item()
    assert found == pytest.approx(means["label"] + means["rationale"] / 4 + log(4.0) / 2)


def output(task: str, rows: list[int], pooled: list[list[float]]) -> TaskOutput:
    ones = torch.ones(len(rows))
    logits = torch.tensor(pooled, requires_grad=True)
    return TaskOutput(task, torch.tensor(rows), ones, ones, logits)  # type: ignore[arg-type]


def test_agreement_by_hand():
    """p = (3/4, 1/4), q = (1/2, 1/2): H(p, q) = ln 2; q = (1/4, 3/4): 3/4 ln 4 + 1/4 ln 4/3."""
    label = output("label", [0, 1], [[log(3.0), 0.0], [log(3.0), 0.0]])
    even, against = [0.0, 0.0], [0.0, log(3.0)]
    cross = 0.75 * log(4) + 0.25 * log(4 / 3)
    found = agreement([label, output("rationale", [0, 1], [even, against])])
    assert found.item() == pytest.approx(log(2) + cross)
    several = agreement([label, output("rationale", [1, 1], [even, against])])
    assert several.item() == pytest.approx((log(2) + cross) / 2)
    assert agreement([label]).item() == 0.0


def test_agreement_pulls_the_rationales_side_alone():
    label, rationale = output("label", [0], [[1.0, 0.0]]), output("rationale", [0], [[0.0, 1.0]])
    agreement([label, rationale]).backward()
    assert label.pooled is not None
    assert rationale.pooled is not None
    assert label.pooled.grad is None
    torch.testing.assert_close(
        rationale.pooled.grad, torch.softmax(torch.tensor([[0.0, 1.0]]), 1)
        - torch.softmax(torch.tensor([[1.0, 0.0]]), 1),
    )  # fmt: skip


def test_agreement_is_added_with_its_weight():
    student, rows = new_student(), fruit_rows()[:4]
    plain, with_it = measure(student, rows)[0], measure(student, rows, agreement=0.5)[0]
    drawn = [DrawnRow(row, row.variants[0]) for row in encode(student, rows)]
    student.network.pools = True
    apart = agreement(student.network(student.network.collate(drawn))).item() / 4
    assert with_it.total.item() == pytest.approx(plain.total.item() + 0.5 * apart)
    assert apart > 0


def test_pooled_logits_by_hand():
    logits = torch.tensor([[[1.0, 2.0], [3.0, 6.0]], [[5.0, 7.0], [9.0, 9.0]]])
    labels = torch.tensor([[0, 1], [1, -100]])
    expected = torch.tensor([[2.0, 4.0], [5.0, 7.0]])
    torch.testing.assert_close(pooled_logits(logits, labels), expected)


def test_truncation_is_counted_and_keeps_the_end():
    student = new_student()
    truncator = Truncator(LIMITS.model_copy(update={"max_rationale_tokens": 2}))
    [first, *_] = [student.network.encode(row, truncator) for row in fruit_rows()[:4]]
    ids = first.variants[0][1].ids
    assert len(ids) == 3
    assert ids[-1] == student.network.tokenizer.eos_token_id
    found = truncator.counts()
    assert (found["rationale"].cut, found["rationale"].texts) == (4, 4)
    assert found["rationale"].longest > found["rationale"].limit == 2
    assert found["input"].cut == found["label"].cut == 0


def test_labels_that_are_choices_are_learnt_whole():
    labels = tuple(f"the very same beginning, and then {end}" for end in ("one", "two"))
    task = Task("", Wording("{{ x }}"), Answer("choice", labels))
    for family in ("seq2seq", "causal"):
        limits = LIMITS.model_copy(update={"family": family, "max_label_tokens": 3})
        network = build_network(StudentSpec(task, METHODS["finetune"], limits), labels, 0)
        truncator = Truncator(limits)
        rows = [
            network.encode(TrainingRow("x", (Target("label", one),)), truncator) for one in labels
        ]
        first, second = (row.variants[0][0].ids for row in rows)
        assert first != second
        assert truncator.counts()["label"].cut == 0
        assert truncator.counts()["label"].longest > 3


def bare_rows(lengths: list[int], variants: int = 1) -> list[EncodedRow]:
    def targets(index: int) -> tuple[EncodedTarget, ...]:
        return (EncodedTarget("label", [0], [index]),)

    return [EncodedRow(([1] * n,), tuple(map(targets, range(variants)))) for n in lengths]


def test_batch_order_is_a_function_of_seed_and_step():
    rows = bare_rows([i % 13 for i in range(100)])
    forward = [BatchOrder(rows, 8, seed=3).indices(step) for step in range(30)]
    order = BatchOrder(rows, 8, seed=3)
    assert [order.indices(step) for step in reversed(range(30))] == forward[::-1]
    assert [BatchOrder(rows, 8, seed=4).indices(step) for step in range(30)] != forward


def test_an_epoch_takes_no_row_twice():
    order = BatchOrder(bare_rows([1] * 100), 8, seed=0)
    epoch = [index for step in range(12) for index in order.indices(step)]
    assert len(set(epoch)) == len(epoch) == 96


def test_fewer_rows_than_a_batch_are_one_batch():
    assert sorted(BatchOrder(bare_rows([1, 2, 3]), 8, seed=0).indices(5)) == [0, 1, 2]


def test_each_epoch_draws_one_of_the_targets():
    order = BatchOrder(bare_rows([1] * 4, variants=3), 4, seed=0)
    drawn = [[row.targets[0].ids[0] for row in order.draw(epoch)] for epoch in range(40)]
    assert {token for epoch in drawn for token in epoch} == {0, 1, 2}
    assert len({tuple(epoch) for epoch in drawn}) > 5
    again = BatchOrder(bare_rows([1] * 4, variants=3), 4, seed=0)
    assert [row.targets[0].ids[0] for row in again.draw(17)] == drawn[17]


def test_a_batch_is_split_without_loss():
    rows = [DrawnRow(row, ()) for row in bare_rows([1, 2, 3, 4, 5])]
    parts = split_batch(rows, 2)
    assert [len(part) for part in parts] == [3, 2]
    assert {id(row) for part in parts for row in part} == set(map(id, rows))


def test_learning_rate_rises_then_falls_to_nothing():
    config = TrainingConfig(steps=100, lr=1.0, warmup=0.1)
    rates = [learning_rate(config, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == 1.0
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert 0 < rates[-1] < 0.02


def test_training_learns_and_logs_each_task_apart(tmp_path: Path):
    student, reports = new_student(), list[Evaluation]()
    longer = TRAINING.model_copy(update={"steps": 160, "evaluate_every": 40})
    done = train(
        student, fruit_rows(), fruit_examples(), longer, 0, tmp_path, on_evaluation=reports.append
    )
    assert done.validation_accuracy == 1.0
    assert [answer.label for answer in student.predict(fruit_examples())] == [*COLOURS.values()]
    assert done.log == reports
    assert [report.step for report in reports] == [40, 80, 120, 160]
    for task in ("label", "rationale"):
        assert reports[-1].losses[task] < reports[0].losses[task]
    assert (done.rows, done.steps) == (40, 160)


def test_the_weights_that_are_kept_did_best_on_validation(tmp_path: Path):
    student, states = new_student(), {}

    def keep(report: Evaluation) -> None:
        states[report.step] = {k: v.clone() for k, v in student.network.state_dict().items()}

    done = train(student, fruit_rows(), fruit_examples(), TRAINING, 1, tmp_path, on_evaluation=keep)
    best = max(done.log, key=lambda r: (r.validation_accuracy, r.step))
    assert done.best_step == best.step
    kept = student.network.state_dict()
    assert all(torch.equal(kept[name], states[best.step][name]) for name in kept)


@pytest.mark.parametrize("moments", [[3], [10], [11, 25], [5, 15, 39]])
def test_a_killed_training_ends_with_the_same_weights(tmp_path: Path, moments: list[int]):
    undisturbed, job = new_student(), (fruit_rows(), fruit_examples(), TRAINING, 0)
    train(undisturbed, *job, tmp_path / "one")
    for moment in moments:

        def die(step: int, steps: int, moment: int = moment) -> None:
            if step == moment:
                raise Killed

        with pytest.raises(Killed):
            train(new_student(), *job, tmp_path / "two", on_step=die)
    resumed = new_student()
    done = train(resumed, *job, tmp_path / "two")
    assert [report.step for report in done.log] == [10, 20, 30, 40]
    expected, found = (s.network.state_dict() for s in (undisturbed, resumed))
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
        student.network.model.get_input_embeddings().weight.fill_(float("nan"))
    with pytest.raises(StudentError, match=r"the loss is nan at step 1; lower training.lr"):
        train(student, fruit_rows(), fruit_examples(), TRAINING, 0, tmp_path)


def weights_after(config: TrainingConfig, folder: Path) -> dict[str, torch.Tensor]:
    student = new_student()
    train(student, fruit_rows(), fruit_examples(), config, 0, folder)
    return student.network.state_dict()


def test_accumulated_parts_are_one_batch(tmp_path: Path):
    """Without dropout, four parts of a batch give the gradient of the whole."""
    config = TRAINING.model_copy(update={"steps": 10})
    shape = LIMITS.scratch.model_copy(update={"dropout": 0.0})
    limits = LIMITS.model_copy(update={"scratch": shape})
    losses = []
    for parts in (1, 4):
        spec = StudentSpec(TASK, METHODS["step-by-step"], limits)
        student = Student(build_network(spec, [r.source for r in fruit_rows()], 0))
        cut = config.model_copy(update={"accumulate": parts})
        done = train(student, fruit_rows(), fruit_examples(), cut, 0, tmp_path / str(parts))
        losses.append(done.log[0].losses)
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_a_batch_that_cannot_be_split_is_an_error(tmp_path: Path):
    config = TRAINING.model_copy(update={"accumulate": 9})
    with pytest.raises(StudentError, match="a batch of 8 rows cannot be split into 9 parts"):
        train(new_student(), fruit_rows(), fruit_examples(), config, 0, tmp_path)


def test_training_stops_when_nothing_gets_better(tmp_path: Path):
    config = TRAINING.model_copy(update={"lr": 1e-9, "steps": 400, "patience": 2})
    done = train(new_student(), fruit_rows(), fruit_examples(), config, 0, tmp_path)
    assert done.steps == 30
    assert len(done.log) == 3


def test_both_gradient_norms_are_logged_and_a_weight_that_does_nothing_is_seen(tmp_path: Path):
    config, norms = TRAINING.model_copy(update={"steps": 10}), []
    for weight in (1e-9, 1.0):
        rows = fruit_rows(weight=weight)
        done = train(new_student(), rows, fruit_examples(), config, 0, tmp_path / str(weight))
        norms.append(done.log[0].gradients)
    assert norms[0]["rationale"] < 1e-6 < 1e-3 < norms[1]["rationale"]
    assert min(norms[0]["label"], norms[1]["label"]) > 1e-3


@pytest.mark.parametrize("weighting", ["staged", "uncertainty"])
def test_every_weighting_trains_and_resumes(tmp_path: Path, weighting: str):
    config = TRAINING.model_copy(update={"weighting": weighting, "steps": 20, "agreement": 0.1})
    whole = weights_after(config, tmp_path / "one")

    def die(step: int, steps: int) -> None:
        if step == 15:
            raise Killed

    with pytest.raises(Killed):
        train(
            new_student(), fruit_rows(), fruit_examples(), config, 0, tmp_path / "two", on_step=die
        )
    resumed = weights_after(config, tmp_path / "two")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_gradient_checkpointing_changes_nothing(tmp_path: Path):
    config = TRAINING.model_copy(update={"steps": 10})
    plain = weights_after(config, tmp_path / "plain")
    thrifty = config.model_copy(update={"gradient_checkpointing": True})
    found = weights_after(thrifty, tmp_path / "thrifty")
    for name in plain:
        torch.testing.assert_close(plain[name], found[name], rtol=1e-4, atol=1e-5)


def test_fp16_needs_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    config = TRAINING.model_copy(update={"precision": "fp16"})
    with pytest.raises(StudentError, match="fp16 needs a GPU; use auto, bf16 or fp32"):
        train(new_student(), fruit_rows(), fruit_examples(), config, 0, tmp_path)
