"""Low-rank adapters: trained alone, kept alone, merged when the student is saved."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from causal import (
    CHAT,
    EXAMPLES,
    KINDS,
    LIMITS,
    LORA,
    draw,
    fit,
    make_network,
    make_row,
    make_spec,
)
from distilwhy.config import LoraConfig
from distilwhy.errors import StudentError
from distilwhy.students.families.causal import CausalNetwork
from distilwhy.students.load import build_network
from distilwhy.students.student import Student


def adapted(kind: str, folder: Path, lora: LoraConfig = LORA) -> CausalNetwork:
    make_network(kind, template=CHAT).save(folder / "pretrained")
    limits = LIMITS.model_copy(update={"model": str(folder / "pretrained"), "lora": lora})
    network = build_network(make_spec(limits=limits), [], seed=0)
    assert isinstance(network, CausalNetwork)
    return network.eval()


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_only_adapters_are_trained_and_saving_merges_them(kind: str, tmp_path: Path):
    network = adapted(kind, tmp_path)
    frozen = {n: p.clone() for n, p in network.named_parameters() if not p.requires_grad}
    trained = [n for n, p in network.named_parameters() if p.requires_grad]
    assert all("lora_" in name for name in trained)
    first, *_, last = fit(network, [make_row(i) for i in range(3)])
    assert last < first / 3
    assert network.width == 32
    answers = Student(network).predict(EXAMPLES, explain=True)
    assert [answer.label for answer in answers] == list(KINDS)
    Student(network).save(tmp_path / "student")
    for name, weight in network.named_parameters():
        assert name in trained or torch.equal(weight, frozen[name])

    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "student").eval()
    names = set(plain.state_dict())
    assert names == set(AutoModelForCausalLM.from_pretrained(tmp_path / "pretrained").state_dict())
    assert not list((tmp_path / "student").glob("adapter*"))
    ids = torch.arange(3, 40)[None]
    torch.testing.assert_close(plain(ids).logits, network.model(ids).logits, rtol=1e-4, atol=1e-4)
    for student in (Student.load(tmp_path / "student", "cpu"), Student(network)):
        again = student.predict(EXAMPLES, explain=True)
        # Merging rounds, which changes the last digits of the confidences.
        assert [(p.label, p.rationale) for p in again] == [(p.label, p.rationale) for p in answers]


def test_the_state_dict_holds_only_adapters_and_loads_again(tmp_path: Path):
    network = adapted("llama", tmp_path)
    fit(network, [make_row(0)], steps=3, lr=1e-2)
    state = {name: weight.clone() for name, weight in network.state_dict().items()}
    assert state
    assert all("lora_" in name for name in state)
    ids = torch.arange(3, 20)[None]
    logits = network.model(ids).logits
    fit(network, [make_row(1)], steps=3, lr=1e-2)
    assert not torch.allclose(network.model(ids).logits, logits)
    network.load_state_dict(state)
    torch.testing.assert_close(network.model(ids).logits, logits)
    holder = torch.nn.ModuleDict({"network": network, "more": torch.nn.Linear(2, 2)})
    kept = holder.state_dict()
    assert {name for name in kept if "lora_" not in name} == {"more.weight", "more.bias"}
    holder.load_state_dict(kept)
    del kept["more.bias"]
    with pytest.raises(RuntimeError, match=r"Missing key.*more.bias"):
        holder.load_state_dict(kept)


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing_enable`:FutureWarning")
def test_adapters_learn_with_gradient_checkpointing(tmp_path: Path):
    network = adapted("llama", tmp_path)
    batch = network.collate(draw(network, [make_row(0)]))
    network.train()
    found = []
    for checkpointed in (False, True):
        if checkpointed:
            network.model.gradient_checkpointing_enable({"use_reentrant": False})
        network.zero_grad()
        sum(output.losses.sum() for output in network(batch)).backward()
        found.append([p.grad.clone() for p in network.parameters() if p.requires_grad])
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two)
    assert any(gradient.any() for gradient in found[1])


def test_adapters_need_peft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make_network().save(tmp_path)
    limits = LIMITS.model_copy(update={"model": str(tmp_path), "lora": LORA})
    monkeypatch.setattr(
        "distilwhy.students.lora.find_spec",
        lambda name: None if name == "peft" else find_spec(name),
    )
    with pytest.raises(StudentError, match=r"needs peft.*pip install 'distilwhy\[lora\]'"):
        build_network(make_spec(limits=limits), [], seed=0)


def test_four_bits_need_a_gpu_and_bitsandbytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    quantized = LORA.model_copy(update={"quantize": "4bit"})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(StudentError, match="'4bit' needs a CUDA GPU; set it to 'none'"):
        adapted("llama", tmp_path, quantized)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(
        "distilwhy.students.lora.find_spec",
        lambda name: None if name == "bitsandbytes" else find_spec(name),
    )
    with pytest.raises(StudentError, match=r"needs bitsandbytes.*pip install bitsandbytes"):
        adapted("llama", tmp_path, quantized)
