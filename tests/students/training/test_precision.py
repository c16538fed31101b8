"""The precision that a training uses."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from accelerate.utils import DistributedType

from distilwhy.errors import StudentError
from distilwhy.hardware import choose_precision
from distilwhy.students.training.precision import open_accelerator
from fruit import train_fruit


def test_training_in_bf16_is_reported(tmp_path: Path):
    assert train_fruit(tmp_path, precision="bf16", steps=10).precision == "bf16"


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
def test_auto_chooses_bf16_where_the_cpu_is_faster_in_it(
    wanted, native, width, expected, monkeypatch
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: native, raising=False)
    assert choose_precision(wanted, torch.device("cpu"), width) == expected


def test_fp16_needs_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(StudentError, match="fp16 needs a GPU; use auto, bf16 or fp32"):
        train_fruit(tmp_path, precision="fp16")


def test_fsdp_of_version_1_is_refused(monkeypatch: pytest.MonkeyPatch):
    found = SimpleNamespace(distributed_type=DistributedType.FSDP, is_fsdp2=False)
    monkeypatch.setattr("distilwhy.students.training.precision.Accelerator", lambda **_: found)
    with pytest.raises(StudentError, match="set fsdp_version to 2 in accelerate's config"):
        open_accelerator("fp32", 32)
