"""The memory that a training is estimated to take."""

import re
from pathlib import Path

import pytest
import torch

from causal import save_llama
from distilwhy.config import LoraConfig, ScratchConfig, StudentConfig, TrainingConfig
from distilwhy.core.method import METHODS, Target, TrainingRow
from distilwhy.errors import StudentError
from distilwhy.students.load import build_network, outline_network
from distilwhy.students.network import Network
from distilwhy.students.spec import StudentSpec
from distilwhy.students.training import memory as preflight
from distilwhy.students.training.duration import estimate_time
from distilwhy.students.training.memory import (
    check_fit,
    estimate_memory,
    fixed_bytes,
    least_accumulate,
    measure_size,
    rows_per_pass,
)
from footprint import TASK, TEXTS, learn, make_examples, make_rows, make_student
from pretrained import save_bert

FAMILIES = ["seq2seq", "causal", "encoder"]
SMALL = ScratchConfig(width=32, layers=2, heads=2, feedforward=48, vocabulary=300, dropout=0.1)
CONFIG = TrainingConfig(steps=10, batch_size=16)
ROWS = make_rows(48, 30)


def change(**changes: object) -> TrainingConfig:
    return CONFIG.model_copy(update=changes)


def peak(network: Network, config: TrainingConfig, rows: list[TrainingRow] = ROWS) -> int:
    return estimate_memory(network, rows, config).peak(rows_per_pass(rows, config))


def set_available(available: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the machine have this many free bytes."""
    monkeypatch.setattr(preflight, "read_available", lambda: int(available))


def pretrained(folder: Path, **limits: object) -> Network:
    wanted = StudentConfig(model=str(folder)).model_copy(update=limits)
    return build_network(StudentSpec(TASK, METHODS["step-by-step"], wanted), TEXTS, 0)


def test_parameters_are_counted_once():
    """A Llama's by hand, whose output layer is its embeddings."""
    network = make_student("causal", SMALL).network
    width, wide = SMALL.width, SMALL.feedforward
    layer = 4 * width**2 + 3 * width * wide + 2 * width
    expected = len(network.tokenizer) * width + SMALL.layers * layer + width
    found = check_fit(network, ROWS, CONFIG)
    assert (found.parameters, found.trainable) == (expected, expected)
    assert fixed_bytes(network) == 16 * expected


def test_only_adapters_count_as_trained(tmp_path: Path):
    """rank · (in + out) for each matrix but the embeddings and the output layer."""
    plain = pretrained(save_llama(tmp_path))
    adapted = pretrained(tmp_path, lora=LoraConfig(rank=4))
    whole = sum(p.numel() for p in plain.parameters())
    trained = 4 * sum(
        sum(module.weight.shape)
        for name, module in plain.model.named_modules()
        if isinstance(module, torch.nn.Linear) and name != "lm_head"
    )
    found = check_fit(adapted, ROWS, CONFIG)
    assert (found.trainable, found.parameters) == (trained, whole + trained)
    assert fixed_bytes(adapted) == 4 * (whole + trained) + 12 * trained


def test_sharded_weights_count_as_a_share_beside_a_whole_copy(monkeypatch: pytest.MonkeyPatch):
    network = make_student("causal", SMALL).network
    weights = 4 * network.size
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert fixed_bytes(network) == weights + 16 * network.size // 4
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "false")
    assert fixed_bytes(network) == 16 * network.size


@pytest.mark.parametrize("family", FAMILIES)
def test_memory_grows_with_the_rows_in_a_pass(family: str):
    network = make_student(family, SMALL).network
    few, many = peak(network, change(batch_size=8)), peak(network, change(batch_size=32))
    fixed = fixed_bytes(network)
    assert 3.5 < (many - fixed) / (few - fixed) < 4.5
    assert peak(network, change(batch_size=32, accumulate=4)) == few
    assert peak(network, change(batch_size=32, accumulate=5)) < few
    assert peak(network, change(batch_size=480)) == peak(network, change(batch_size=48))


@pytest.mark.parametrize("family", FAMILIES)
def test_memory_is_that_of_the_longest_rows(family: str):
    """One long row pads the others of its batch."""
    network = make_student(family, SMALL).network
    label = Target("label", "red")
    long = TrainingRow("the door " * 30, (label, Target("rationale", "a")))
    wordy = TrainingRow("a", (label, Target("rationale", "the door " * 20)))
    short = make_rows(48, 4)
    assert peak(network, CONFIG, [*short, long]) > 3 * peak(network, CONFIG, short)
    assert peak(network, CONFIG, [*short, wordy]) > 1.5 * peak(network, CONFIG, short)


@pytest.mark.parametrize("kind", [*FAMILIES, "warm-started", "adapted"])
@pytest.mark.filterwarnings("ignore:`gradient_checkpointing_enable`:FutureWarning")
def test_gradient_checkpointing_lowers_memory(kind: str, tmp_path: Path):
    if kind == "warm-started":
        network = pretrained(
            save_bert(tmp_path), family="seq2seq", max_input_tokens=64, max_rationale_tokens=32
        )
    elif kind == "adapted":
        network = pretrained(save_llama(tmp_path), lora=LoraConfig())
    else:
        network = make_student(kind, SMALL).network
    assert peak(network, change(gradient_checkpointing=True)) < 0.85 * peak(network, CONFIG)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_dry_run_leaves_no_trace(family: str):
    """A student trains to the same weights with and without a dry run before."""
    config = change(steps=3, gradient_checkpointing=True)
    tried, untried = (make_student(family, SMALL) for _ in range(2))
    tried.network.eval()
    before = {name: weight.clone() for name, weight in tried.network.state_dict().items()}
    check_fit(tried.network, ROWS, config)
    estimate_time(tried, ROWS, make_examples(ROWS), config)
    assert not tried.network.training
    assert not tried.network.model.is_activation_checkpointing
    assert all(p.grad is None for p in tried.network.parameters())
    assert all(torch.equal(before[name], w) for name, w in tried.network.state_dict().items())
    for student in (tried, untried):
        learn(student, ROWS, config)
    learnt = untried.network.state_dict()
    assert all(torch.equal(learnt[name], w) for name, w in tried.network.state_dict().items())
    assert any(not torch.equal(learnt[name], before[name]) for name in before)


def complaint(network: Network, config: TrainingConfig) -> str:
    with pytest.raises(StudentError, match="training takes about") as caught:
        check_fit(network, ROWS, config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_accumulate_that_is_suggested_is_the_least_that_fits(
    family: str, monkeypatch: pytest.MonkeyPatch
):
    network = make_student(family, SMALL).network
    available = peak(network, change(batch_size=5)) + 1
    set_available(available, monkeypatch)
    said = complaint(network, CONFIG)
    found = re.search(r"set training\.accumulate to (\d+)", said)
    assert found, said
    parts = int(found[1])
    assert peak(network, change(accumulate=parts)) <= available
    assert peak(network, change(accumulate=parts - 1)) > available
    check_fit(network, ROWS, change(accumulate=parts))


def test_no_part_of_a_batch_is_less_than_a_row(monkeypatch: pytest.MonkeyPatch):
    """Each of two processes has 8 of 16 rows."""
    network = make_student("causal", SMALL).network
    memory = estimate_memory(network, ROWS, CONFIG)
    monkeypatch.setenv("WORLD_SIZE", "2")
    found = [least_accumulate(ROWS, CONFIG, memory, memory.peak(rows)) for rows in (8, 1, 0)]
    assert found == [1, 8, None]


def test_activations_are_checkpointed_only_where_they_do_not_fit_otherwise(
    monkeypatch: pytest.MonkeyPatch,
):
    network = make_student("causal", SMALL).network
    plain, thrifty = peak(network, CONFIG), peak(network, change(gradient_checkpointing=True))
    set_available(plain, monkeypatch)
    found = check_fit(network, ROWS, CONFIG)
    assert (found.checkpoints, found.memory) == (False, plain)
    for available in (plain - 1, thrifty):
        set_available(available, monkeypatch)
        found = check_fit(network, ROWS, CONFIG)
        assert (found.checkpoints, found.memory) == (True, thrifty)
    set_available(thrifty - 1, monkeypatch)
    assert "set training.accumulate to 2" in complaint(network, CONFIG)


def test_a_model_that_cannot_checkpoint_activations_does_not(monkeypatch: pytest.MonkeyPatch):
    network = make_student("causal", SMALL).network
    network.model.supports_gradient_checkpointing = False
    set_available(peak(network, CONFIG) - 1, monkeypatch)
    assert "set training.accumulate to 2" in complaint(network, CONFIG)


def test_both_settings_are_suggested_where_only_both_are_enough(monkeypatch: pytest.MonkeyPatch):
    network = make_student("causal", SMALL).network
    one = {"accumulate": CONFIG.batch_size}
    available = peak(network, change(**one, gradient_checkpointing=True)) + 1
    assert available < peak(network, change(**one))
    set_available(available, monkeypatch)
    found = re.search(
        r"set training\.accumulate to (\d+) and training\.gradient_checkpointing to true",
        complaint(network, CONFIG),
    )
    assert found
    check_fit(network, ROWS, change(accumulate=int(found[1]), gradient_checkpointing=True))


def test_shorter_inputs_are_suggested_where_a_single_row_does_not_fit(
    monkeypatch: pytest.MonkeyPatch,
):
    network = make_student("causal", SMALL).network
    set_available(fixed_bytes(network) + 1, monkeypatch)
    said = complaint(network, change(gradient_checkpointing=True))
    assert said.endswith("; lower student.max_input_tokens, or use a smaller model")


def test_a_smaller_model_is_suggested_where_the_weights_do_not_fit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    scratch = make_student("seq2seq", SMALL).network
    set_available(fixed_bytes(scratch) - 1, monkeypatch)
    assert complaint(scratch, CONFIG).endswith("; make student.scratch smaller")
    encoder = pretrained(save_bert(tmp_path), max_input_tokens=64)
    set_available(fixed_bytes(encoder) - 1, monkeypatch)
    assert complaint(encoder, CONFIG).endswith("; use a smaller student.model")


@pytest.mark.parametrize("lora", [None, LoraConfig(rank=4)])
def test_a_student_is_sized_without_its_weights(tmp_path: Path, lora: LoraConfig | None):
    network = pretrained(save_llama(tmp_path), lora=lora)
    outline = outline_network(network.spec, str(tmp_path))
    assert {p.device.type for p in outline.parameters()} == {"meta"}
    found, real = measure_size(outline), measure_size(network)
    assert (found.trainable, found.memory) == (real.trainable, real.memory)


def test_adapters_are_suggested_where_they_fit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    network = pretrained(save_llama(tmp_path, width=512))
    adapted = pretrained(tmp_path, lora=LoraConfig())
    set_available(fixed_bytes(network) - 1, monkeypatch)
    said = complaint(network, CONFIG)
    assert said.endswith("; use a smaller student.model or set student.lora")
    assert fixed_bytes(adapted) < fixed_bytes(network) / 3
    check_fit(adapted, ROWS, change(batch_size=1))
    set_available(fixed_bytes(adapted) - 1, monkeypatch)
    assert complaint(adapted, CONFIG).endswith("; use a smaller student.model")
    assert complaint(network, CONFIG).endswith("; use a smaller student.model")
