"""Fused layers compute what a model's own do."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    GemmaConfig,
    LlamaConfig,
    Qwen3Config,
    T5Config,
    T5EncoderModel,
)

from distilwhy.students.cpu.fused_layers import find_fused
from distilwhy.students.forwards import using_forwards

SIZES: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
}
T5_SIZES: dict[str, Any] = {"d_model": 16, "d_kv": 8, "num_heads": 2, "d_ff": 24, "num_layers": 2}
MODELS: dict[str, Callable[[], Any]] = {
    "llama": lambda: AutoModelForCausalLM.from_config(LlamaConfig(**SIZES)),
    "qwen3": lambda: AutoModelForCausalLM.from_config(Qwen3Config(**SIZES)),
    "gemma": lambda: AutoModelForCausalLM.from_config(GemmaConfig(**SIZES)),
    "t5": lambda: T5EncoderModel(
        T5Config(vocab_size=40, feed_forward_proj="gated-gelu", dropout_rate=0.0, **T5_SIZES)
    ),
}
# Norms and feed-forward layers. Gemma's norm adds 1 to its weights, so it has none.
COUNTS = {"llama": 5 + 2, "qwen3": 5 + 4 + 2, "gemma": 2, "t5": 5 + 2}


def make_model(kind: str) -> Any:
    torch.manual_seed(0)
    model = MODELS[kind]().train()
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape)
    return model


def run(model: Any, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """What a model returns, and its gradients."""
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        found = model(input_ids=torch.arange(30).view(3, 10))[0].float()
    found.pow(2).mean().backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {"": found.detach(), **gradients}


@pytest.mark.parametrize("kind", MODELS)
def test_values_and_gradients_are_those_of_the_model(kind: str):
    model = make_model(kind)
    expected = run(model, torch.float32)
    forwards = find_fused(model)
    assert len(forwards) == COUNTS[kind]
    with using_forwards(forwards):
        found = run(model, torch.float32)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("kind", MODELS)
def test_in_bf16_they_are_as_close(kind: str):
    model = make_model(kind)
    exact, plain = run(model, torch.float32), run(model, torch.bfloat16)
    with using_forwards(find_fused(model)):
        found = run(model, torch.bfloat16)

    def distance(other: dict[str, torch.Tensor]) -> float:
        return sum(float((other[n] - v).norm() / v.norm()) for n, v in exact.items()) / len(exact)

    # The last norm already gives the 16 bits that an output layer reads.
    assert distance(found) <= 1.5 * distance(plain)


def test_a_model_has_its_own_layers_again():
    model = make_model("llama")
    expected = run(model, torch.float32)[""]
    forwards = find_fused(model)
    assert forwards
    with pytest.raises(ValueError, match="stop"), using_forwards(forwards):
        raise ValueError("stop")
    assert not any("forward" in vars(layer) for layer in model.modules())
    assert torch.equal(run(model, torch.float32)[""], expected)


def test_less_is_kept_for_the_backward_pass():
    def kept(forwards: dict[torch.nn.Module, Callable[..., Any]]) -> int:
        found: dict[int, int] = {}

        def note(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            found[storage.data_ptr()] = storage.nbytes()
            return tensor

        hooks = torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor)
        with using_forwards(forwards), hooks:
            logits = model(input_ids=torch.arange(30).view(3, 10)).logits
        del logits
        return sum(found.values())

    model = make_model("llama")
    assert kept(find_fused(model)) < 0.9 * kept({})


def test_layers_that_cannot_be_tried_stay_as_they_are():
    """An fp32 input does not go through weights of 16 bits."""
    found = find_fused(make_model("llama").to(torch.bfloat16))
    assert not any("MLP" in type(layer).__name__ for layer in found)
