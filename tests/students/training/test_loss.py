"""The loss: the two tasks and their weighting."""

from math import log

import pytest
import torch

from distilwhy.core.method import TrainingRow
from distilwhy.students.encoding import DrawnRow, EncodedRow, EncodedTarget, Truncator
from distilwhy.students.logits import TaskOutput
from distilwhy.students.student import Student
from distilwhy.students.training.loss import Losses, WeightedLoss, agreement, faded_factor
from fruit import TRAINING, fruit_rows, new_student


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
    """Compared with transformers' own loss, one row and one target at a time."""
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


def test_a_row_without_a_rationale_adds_only_its_label():
    rows = [fruit_rows()[0], fruit_rows(rationales=False)[1]]
    losses, means = measure(new_student(), rows)
    assert losses.total.item() == pytest.approx(means["label"] + means["rationale"] / 2)


def test_the_label_s_loss_does_not_depend_on_the_rationale():
    student = new_student()
    _, both = measure(student, fruit_rows()[:4])
    _, label_alone = measure(student, fruit_rows(rationales=False)[:4])
    assert both["label"] == pytest.approx(label_alone["label"], rel=1e-6)


def test_faded_weighting_trains_the_label_then_both_then_fades_the_rationale():
    """Label alone, then both, then the rationale fades to nothing."""
    factors = [faded_factor(step, 100) for step in range(101)]
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


def test_agreement_has_a_gradient_only_for_the_rationale():
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
