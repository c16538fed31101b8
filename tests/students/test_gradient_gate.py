"""A decoder that begins at random beside a pretrained encoder: what its gradient does to that."""

from pathlib import Path
from typing import Any

import pytest
import torch

from distilwhy.config import TrainingConfig
from distilwhy.core.method import Target, TrainingRow
from distilwhy.core.task import Example, Task
from distilwhy.core.training_summary import Evaluation
from distilwhy.students.encoding import Truncator
from distilwhy.students.families.encoder import EncoderNetwork
from distilwhy.students.gradient_gate import SHARE, GradientGate, linear_norm
from distilwhy.students.training.checkpoint import TrainingState
from distilwhy.students.training.loop import TrainingLoop
from encoders import FIXED, KINDS, LIMITS, OWN, make_spec, pretrained, scratch

ROWS = [
    TrainingRow(text, (Target("label", label), Target("rationale", because)))
    for text, label, because in (
        ("the red door", "colour", "red is a colour"),
        ("a blue lamp", "thing", "a lamp is a thing"),
        ("green grass", "plant", "grass grows"),
    )
]
VALIDATION = [Example("1", "the red door", (), "colour")]
CONFIG = TrainingConfig(steps=10, batch_size=3, lr=1e-3, evaluate_every=5, rationale_gate=True)


def open_loop(folder: Path, task: Task = FIXED, kind: str = "bert", **config: object):
    """A training of a pretrained encoder, that has not taken a step yet."""
    limits = LIMITS.model_copy(update={"model": str(pretrained(kind, folder / "model"))})
    network = scratch(make_spec("step-by-step", task, limits))
    rows = ROWS
    if task is OWN:
        options = tuple(row.targets[0].text for row in ROWS)
        rows = [TrainingRow(row.source, row.targets, options) for row in ROWS]
    encoded = [network.encode(row, Truncator(limits)) for row in rows]
    training = CONFIG.model_copy(update=config)
    return TrainingLoop(network, encoded, VALIDATION, training, 0, folder / "checkpoint")


def gradient_of(loop: TrainingLoop, *tasks: str) -> dict[str, torch.Tensor]:
    """The gradient of these tasks' part of the loss in the next step, without dropout."""
    network = loop.network
    loop.loss.eval()
    loop._set_gate()
    losses = loop._losses(loop.loss, loop.order.draw(loop.state.step), len(ROWS))
    network.zero_grad()
    torch.stack([losses.tasks[task] for task in tasks]).sum().backward()
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
        for name, p in network.named_parameters()
    }


def encoder_part(gradient: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([g.flatten() for name, g in gradient.items() if name.startswith("model.")])


@pytest.mark.parametrize("task", [FIXED, OWN], ids=["labels", "options"])
@pytest.mark.parametrize("kind", KINDS)
def test_during_warm_up_the_decoder_learns_and_the_encoder_learns_from_the_label_alone(
    kind: str, task: Task, tmp_path: Path
):
    loop = open_loop(tmp_path, task, kind)
    both, label = gradient_of(loop, "label", "rationale"), gradient_of(loop, "label")
    assert torch.equal(encoder_part(both), encoder_part(label))
    assert encoder_part(label).any()
    assert all(both[name].any() for name in both if name.startswith("decoder.positions"))


@pytest.mark.parametrize("weight", [1.0, 0.1])
@pytest.mark.parametrize("task", [FIXED, OWN], ids=["labels", "options"])
@pytest.mark.parametrize("kind", KINDS)
def test_after_warm_up_the_rationale_s_gradient_has_a_fixed_share_of_the_label_s_norm(
    kind: str, task: Task, weight: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The share is times λ; the norms are those on a last linear layer."""
    loop = open_loop(tmp_path, task, kind, rationale_weight=weight)
    loop.state.step = 2
    found: list[torch.Tensor] = []
    balance = GradientGate._balance

    def spy(
        gate: GradientGate, label: torch.Tensor, held: Any, states: torch.Tensor
    ) -> torch.Tensor:
        both = balance(gate, label, held, states)
        found.extend(linear_norm(states, one) for one in (label, both - label))
        return both

    monkeypatch.setattr(GradientGate, "_balance", spy)
    gradient_of(loop, "label", "rationale")
    assert (found[1] / found[0]).item() == pytest.approx(weight * SHARE, rel=1e-3)


def test_the_logged_norms_are_those_on_the_encoder_with_the_gate_as_it_was(tmp_path: Path):
    loop = open_loop(tmp_path)
    loop.step()
    assert loop._gradient_norms()["rationale"] == 0.0
    while loop.state.step < 4:
        loop.step()
    norms = loop._gradient_norms()
    assert 0 < norms["rationale"] < norms["label"]


def test_the_embeddings_learn_only_what_the_encoder_reads(tmp_path: Path):
    """A decoder that shares them would move those of all words in every step."""
    loop = open_loop(tmp_path)
    loop.state.step = 5
    name = "model.bert.embeddings.word_embeddings.weight"
    moved = gradient_of(loop, "label", "rationale")[name].any(dim=1)
    read = {
        token for row in ROWS for token in loop.network.encode(row, Truncator(LIMITS)).sources[0]
    }
    assert set(moved.nonzero().flatten().tolist()) <= read


def test_without_the_gate_the_whole_gradient_reaches_the_encoder_from_the_first_step(
    tmp_path: Path,
):
    loop = open_loop(tmp_path, rationale_gate=False)
    both, label = gradient_of(loop, "label", "rationale"), gradient_of(loop, "label")
    rationale = gradient_of(loop, "rationale")
    assert rationale["model.bert.embeddings.word_embeddings.weight"].any()
    assert torch.allclose(
        encoder_part(both), encoder_part(label) + encoder_part(rationale), atol=1e-6
    )


@pytest.mark.parametrize("method", ["step-by-step", "rationale-then-label", "finetune"])
def test_students_from_scratch_and_those_that_keep_their_decoder_have_no_gate(
    method: str, tmp_path: Path
):
    assert not scratch(make_spec(method)).takes_gate
    limits = LIMITS.model_copy(update={"model": str(pretrained("bert", tmp_path))})
    network = scratch(make_spec(method, limits=limits))
    assert isinstance(network, EncoderNetwork)
    assert network.takes_gate is (method == "step-by-step")


def test_patience_begins_when_the_decoder_is_warm():
    """A label alone may stop gaining before the reasons have had their turn."""
    state = TrainingState()
    for step, accuracy in ((10, 0.9), (20, 0.8), (30, 0.8), (40, 0.8), (50, 0.8)):
        state.step = step
        state.add(Evaluation(step, 100, {}, {}, accuracy))
    assert state.has_converged(2)
    assert state.has_converged(2, 30)
    assert not state.has_converged(2, 40)
