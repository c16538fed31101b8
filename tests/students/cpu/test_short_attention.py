"""Attention for answers in 16 bits: it equals torch's, whatever a model asks of it."""

from typing import Any

import pytest
import torch
from torch.nn import functional

from distilwhy.core.task import Example
from distilwhy.students.cpu import short_attention
from distilwhy.students.cpu.short_attention import use_short_attention
from tiny_students import CHOICE, scratch

ROWS = [Example(str(i), "the door of a house " * (1 + i % 4)) for i in range(12)]


@pytest.mark.parametrize("family", ["seq2seq", "causal", "encoder"])
def test_students_of_all_families_answer_as_with_torch_attention(
    family: str, monkeypatch: pytest.MonkeyPatch
):
    network = scratch(CHOICE, "finetune", family=family).network
    calls = []

    def counted(*args: Any, **given: Any) -> Any:
        calls.append(1)
        return functional.scaled_dot_product_attention(*args, **given)

    monkeypatch.setattr(short_attention, "attention", counted)

    def answers() -> list[Any]:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            return [one.confidence for one in network.generate("label", ROWS)]

    plain = answers()
    assert not calls
    use_short_attention(network.model)
    assert answers() == pytest.approx(plain, abs=1e-6)
    assert calls
    monkeypatch.undo()
    assert answers() == pytest.approx(plain, abs=0.02)


def test_attention_of_many_weights_is_torch_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(short_attention, "_MOST", 0)
    monkeypatch.setattr(short_attention, "attention", None)
    network = scratch(CHOICE, "finetune", family="causal").network
    use_short_attention(network.model)
    assert len(network.generate("label", ROWS)) == len(ROWS)


def test_only_the_copy_in_bf16_answers_so():
    network = scratch(CHOICE, "finetune", family="causal").network
    narrow = network.in_bf16()
    assert network.model.config._attn_implementation == "sdpa"
    assert narrow.model.config._attn_implementation != "sdpa"


@pytest.mark.parametrize("model", [torch.nn.Identity(), None])
def test_what_is_no_model_of_transformers_is_left_as_it_is(model: Any):
    use_short_attention(model)


def test_a_model_with_attention_of_its_own_keeps_it():
    model: Any = scratch(CHOICE, "finetune", family="causal").network.model
    model.set_attn_implementation("eager")
    use_short_attention(model)
    assert model.config._attn_implementation == "eager"
