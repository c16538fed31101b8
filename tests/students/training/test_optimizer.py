"""Learning rates, and what is trained at which."""

from pathlib import Path

import pytest

from distilwhy.config import StudentConfig, TrainingConfig
from distilwhy.core.method import METHODS, Target, TrainingRow
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.task import Example, RowFormat, Task
from distilwhy.students.load import build_network
from distilwhy.students.network import Network
from distilwhy.students.spec import StudentSpec
from distilwhy.students.student import Student
from distilwhy.students.training.loop import train
from distilwhy.students.training.optimizer import learning_rate
from encoders import FIXED, LABELS, LIMITS, OWN, make_spec, scratch
from encoders import pretrained as save_encoder


def test_the_learning_rate_warms_up_and_then_decays_linearly():
    config = TrainingConfig(steps=100, lr=1.0, warmup=0.1)
    rates = [learning_rate(config, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == 1.0
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert 0 < rates[-1] < 0.02


# A gate makes some gradients so small that Adam's first step is shorter.
ONE_STEP = TrainingConfig(
    steps=1,
    batch_size=2,
    lr=1e-4,
    weight_decay=0,
    evaluate_every=1,
    precision="fp32",
    rationale_gate=False,
)
ROWS = [
    TrainingRow("the red door", (Target("label", "thing"), Target("rationale", "it is a door"))),
    TrainingRow("green grass", (Target("label", "plant"), Target("rationale", "grass grows"))),
]


def build(folder: Path, task: Task = FIXED, **limits: object) -> Network:
    wanted = LIMITS.model_copy(update={"model": str(folder), **limits})
    return build_network(StudentSpec(task, METHODS["step-by-step"], wanted), [], 0)


def after_one_step(network: Network, factor: float, folder: Path) -> dict[str, int]:
    """How far each weight has gone at the most, in learning rates: with Adam's first step,
    lr · g / |g|, that is the factor of its rate."""
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    config = ONE_STEP.model_copy(update={"fresh_lr_factor": factor})
    train(Student(network), ROWS, [Example("1", "the red door", (), "thing")], config, 0, folder)
    gone = {
        name: ((p.detach() - before[name]).abs().max() / config.rates[0]).item()
        for name, p in network.named_parameters()
    }
    # A bias of attention's keys changes nothing, so it has no gradient but rounding.
    # Adam goes a little less far where a gradient is almost as small as its ε.
    return {name: round(far) for name, far in gone.items() if far and "key.bias" not in name}


def test_a_new_head_and_decoder_learn_faster_than_a_pretrained_encoder(tmp_path: Path):
    network = build(save_encoder("bert", tmp_path / "pretrained"))
    fresh = network.fresh
    assert {"model.classifier.weight", "model.classifier.bias"} <= fresh
    assert {n for n, _ in network.named_parameters() if n.startswith("decoder.")} <= fresh
    assert not any(name.startswith("model.bert.encoder") for name in fresh)
    gone = after_one_step(network, 7.0, tmp_path / "run")
    assert gone == {name: 7 if name in fresh else 1 for name in gone}
    assert {"model.classifier.weight", "decoder.norm.weight"} <= set(gone)
    assert "model.bert.encoder.layer.0.output.dense.weight" in gone


def test_a_factor_of_1_gives_all_weights_the_same_rate(tmp_path: Path):
    network = build(save_encoder("bert", tmp_path / "pretrained"))
    gone = after_one_step(network, 1.0, tmp_path / "run")
    assert set(gone.values()) == {1}


@pytest.mark.parametrize("decoder", ["fresh", "copied"])
def test_fresh_in_a_warm_started_decoder_is_what_the_encoder_did_not_have(
    tmp_path: Path, decoder: str
):
    text = Task("", RowFormat("{{ x }}"), Answer("text"))
    folder = save_encoder("bert", tmp_path / "pretrained")
    network = build(folder, text, family="seq2seq", decoder=decoder)
    fresh, names = network.fresh, {name for name, _ in network.named_parameters()}
    assert all(name.startswith("model.decoder.") for name in fresh)
    assert "model.decoder.bert.embeddings.word_embeddings.weight" in names - fresh
    assert {name for name in names if "crossattention" in name} <= fresh
    attention = {name for name in names if "decoder" in name and "attention.self" in name}
    attention -= {name for name in attention if "crossattention" in name}
    assert attention
    assert attention <= (fresh if decoder == "fresh" else names - fresh)


def test_nothing_is_fresh_from_scratch_or_in_a_saved_student(tmp_path: Path):
    assert not scratch(make_spec()).fresh
    own = build(save_encoder("bert", tmp_path / "pretrained"), OWN)
    assert {name.split(".")[0] for name in own.fresh} == {"decoder"}
    folder = tmp_path / "student"
    folder.mkdir()
    Student(build(tmp_path / "pretrained")).save(folder)
    again = build_network(
        StudentSpec(FIXED, METHODS["finetune"], StudentConfig(model=str(folder), family="encoder")),
        LABELS, 0,
    )  # fmt: skip
    assert not again.fresh
