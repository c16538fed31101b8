"""Pretrained weights are saved in the precision that they came in."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from causal import save_llama
from distilwhy.core.task import Example
from distilwhy.students.student import Student
from pretrained import save_bert, save_pretrained
from tiny_students import CHOICE, TEXT, pretrained, scratch

KINDS = {
    "t5": (lambda folder: save_pretrained("t5", folder), AutoModelForSeq2SeqLM, TEXT),
    "llama": (save_llama, AutoModelForCausalLM, TEXT),
    "bert": (save_bert, AutoModel, CHOICE),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_a_model_is_saved_in_the_precision_it_came_in(tmp_path: Path, kind: str, dtype):
    save, auto_class, task = KINDS[kind]
    source = save(tmp_path / "source")
    auto_class.from_pretrained(source, dtype=dtype).save_pretrained(source)
    student = pretrained(source, task)
    assert student.network.model.dtype == torch.float32
    (tmp_path / "saved").mkdir()
    student.save(tmp_path / "saved")
    weights = load_file(tmp_path / "saved/model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {dtype}
    assert student.network.model.dtype == torch.float32
    size = (source / "model.safetensors").stat().st_size
    assert (tmp_path / "saved/model.safetensors").stat().st_size < 1.5 * size
    again = Student.load(tmp_path / "saved", "cpu")
    (tmp_path / "again").mkdir()
    again.save(tmp_path / "again")
    assert load_file(tmp_path / "again/model.safetensors").keys() == weights.keys()
    assert again.predict([Example("1", "Line Desk")])
    assert {w.dtype for w in load_file(tmp_path / "again/model.safetensors").values()} == {dtype}


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_all_files_of_a_student_follow_the_umask(tmp_path: Path, umask: int):
    student = scratch()
    before = os.umask(umask)
    try:
        student.save(tmp_path)
    finally:
        os.umask(before)
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o666 & ~umask}
