"""Cross-entropy by chunks equals that of all logits, and never holds them."""

from typing import Any

import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from causal import draw, make_row
from causal import make_network as make_causal
from distilwhy.config import ScratchConfig
from distilwhy.students import linear_cross_entropy as chunked
from distilwhy.students.encoding import DrawnRow, Truncator
from distilwhy.students.linear_cross_entropy import linear_cross_entropy
from distilwhy.students.network import Network
from footprint import make_rows, make_student

SMALL = ScratchConfig(width=32, layers=2, heads=2, feedforward=48, vocabulary=300)
POSITIONS, WIDTH, VOCABULARY = 37, 8, 50


def set_chunk(values: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunked, "CHUNK", values)


def make_layer() -> tuple[torch.Tensor, ...]:
    """Hidden states, weight, bias, labels, temperatures, and the gradient of each loss."""
    torch.manual_seed(0)
    hidden = torch.randn(POSITIONS, WIDTH, requires_grad=True)
    weight = torch.randn(VOCABULARY, WIDTH, requires_grad=True)
    bias = torch.randn(VOCABULARY, requires_grad=True)
    labels = torch.randint(VOCABULARY, (POSITIONS,))
    return hidden, weight, bias, labels, torch.rand(POSITIONS) + 0.5, torch.rand(POSITIONS)


@pytest.mark.parametrize("chunk", [1, VOCABULARY * 5, VOCABULARY * POSITIONS, 10**6])
@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("has_temperatures", [True, False])
def test_losses_and_gradients_are_those_of_all_logits(
    chunk: int, has_bias: bool, has_temperatures: bool, monkeypatch: pytest.MonkeyPatch
):
    set_chunk(chunk, monkeypatch)
    hidden, weight, bias, labels, temperatures, scales = make_layer()
    logits = functional.linear(hidden, weight, bias if has_bias else None)
    logits = logits / temperatures[:, None] if has_temperatures else logits
    wanted = functional.cross_entropy(logits, labels, reduction="none")
    found = linear_cross_entropy(
        hidden,
        weight,
        bias if has_bias else None,
        labels,
        temperatures if has_temperatures else None,
    )
    torch.testing.assert_close(found, wanted)
    inputs = (hidden, weight, bias) if has_bias else (hidden, weight)
    wanted_grads = torch.autograd.grad(wanted @ scales, inputs)
    torch.testing.assert_close(torch.autograd.grad(found @ scales, inputs), wanted_grads)


def test_a_frozen_output_layer_gets_no_gradient(monkeypatch: pytest.MonkeyPatch):
    set_chunk(100, monkeypatch)
    hidden, weight, bias, labels, *_ = make_layer()
    linear_cross_entropy(hidden, weight.detach(), bias, labels).sum().backward()
    assert weight.grad is None
    assert bias.grad is not None


def test_in_bf16_losses_and_gradients_are_as_close_as_those_of_all_logits(
    monkeypatch: pytest.MonkeyPatch,
):
    set_chunk(VOCABULARY * 4, monkeypatch)
    hidden, weight, bias, labels, *_ = make_layer()
    exact = functional.cross_entropy(functional.linear(hidden, weight, bias), labels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        plain = functional.cross_entropy(functional.linear(hidden, weight, bias).float(), labels)
        found = linear_cross_entropy(hidden, weight, bias, labels).mean()
    assert found.dtype == torch.float32
    inputs = (hidden, weight, bias)
    gradients = [torch.autograd.grad(loss, inputs) for loss in (exact, plain, found)]
    for wanted, rough, close in zip(*gradients, strict=True):
        assert close.dtype == torch.float32
        assert (close - wanted).norm() <= 1.1 * (rough - wanted).norm()
    assert (found - exact).abs() <= 2e-2


class SeenShapes(TorchDispatchMode):
    """Notes the shape of all that operations return."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: set[torch.Size] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if isinstance(found, torch.Tensor):
            self.shapes.add(found.shape)
        return found


def test_no_tensor_is_larger_than_a_chunk(monkeypatch: pytest.MonkeyPatch):
    set_chunk(VOCABULARY * WIDTH, monkeypatch)
    hidden, weight, bias, labels, *_ = make_layer()
    with SeenShapes() as seen:
        linear_cross_entropy(hidden, weight, bias, labels).sum().backward()
    assert max(shape.numel() for shape in seen.shapes) == VOCABULARY * WIDTH


def learn(network: Network, rows: list[DrawnRow]) -> dict[str, torch.Tensor]:
    """The losses of both tasks, and the gradients of their sum."""
    network.pools = False
    network.zero_grad()
    outputs = network.eval()(network.collate(rows))
    sum(output.losses.sum() for output in outputs).backward()
    found = {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}
    return found | {output.task: output.losses.detach() for output in outputs}


CAUSAL = ("llama", "gpt2", "qwen3", "granite", "gemma2", "bloom", "mamba")


@pytest.mark.parametrize("kind", [*CAUSAL, "seq2seq", "encoder"])
def test_students_of_all_families_learn_the_same_by_chunks(
    kind: str, monkeypatch: pytest.MonkeyPatch
):
    """Granite scales its logits and Gemma 2 caps them, so theirs are computed all at once."""
    if kind in CAUSAL:
        network = make_causal(kind)
        rows = draw(network, [make_row(i) for i in range(3)])
    else:
        network = make_student(kind, SMALL).network
        truncator = Truncator(network.spec.config)
        encoded = [network.encode(row, truncator) for row in make_rows(8, 8)]
        rows = [DrawnRow(row, row.variants[0]) for row in encoded]
    wanted = learn(network, rows)
    set_chunk(1000, monkeypatch)
    with SeenShapes() as seen:
        found = learn(network, rows)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5, msg=name)
    written = sum(len(t.ids) for row in rows for t in row.targets if t.task == "rationale")
    words = network.model.get_input_embeddings().num_embeddings
    counts = {shape.numel() // words for shape in seen.shapes if shape[-1:] == (words,)}
    assert any(count >= written for count in counts - {32}) == (kind in ("granite", "gemma2"))
