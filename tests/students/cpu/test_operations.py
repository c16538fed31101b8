"""Attention for training on a CPU: it equals torch's."""

import pytest
import torch
from torch.nn import functional

from distilwhy.students.cpu.operations import attention

# Of a few hundred values so rare a dropout hits none.
RARE = 2e-5
OPENED = torch.ones(6, 6, dtype=torch.bool).tril(2)
MASKS = {
    "none": None,
    "causal": None,
    "bool": OPENED,
    "float": torch.linspace(-1, 1, 36).view(6, 6).masked_fill(~OPENED, -1e30),
    "of each row": torch.linspace(-1, 1, 24).view(2, 1, 2, 6).repeat(1, 1, 3, 1),
}


@pytest.mark.parametrize("mask", MASKS)
def test_attention_with_hardly_any_dropout_is_that_without(mask: str):
    torch.manual_seed(0)
    inputs = torch.randn(3, 2, 4, 6, 8)
    scales = torch.randn(2, 4, 6, 8)

    def run(attend: object, p: float) -> list[torch.Tensor]:
        query, key, value = (each.clone().requires_grad_() for each in inputs)
        own = MASKS[mask]
        biases = own if own is None or own.dtype == torch.bool else own.clone().requires_grad_()
        found = attend(  # type: ignore[operator]
            query, key, value, biases, p, is_causal=mask == "causal", scale=0.3
        )
        (found * scales).sum().backward()
        leaves = [query, key, value, *([biases] if biases is not None else [])]
        return [found.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]

    expected = run(functional.scaled_dot_product_attention, 0.0)
    found = run(attention, RARE)
    assert len(expected) == len(found) == 4 + (mask in ("float", "of each row"))
    for own, other in zip(found, expected, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-5)


def test_under_autocast_attention_is_as_close_as_16_bits_allow():
    torch.manual_seed(0)
    inputs, scales = torch.randn(3, 2, 4, 40, 16), torch.randn(2, 4, 40, 16)

    def run(attend: object, dtype: torch.dtype) -> list[torch.Tensor]:
        leaves = [each.clone().requires_grad_() for each in inputs]
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            found = attend(*leaves, is_causal=True)  # type: ignore[operator]
        assert found.dtype == dtype
        (found.float() * scales).sum().backward()
        return [found.detach().float(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]

    expected = run(functional.scaled_dot_product_attention, torch.float32)
    for own, other in zip(run(attention, torch.bfloat16), expected, strict=True):
        assert (own - other).norm() <= 1e-2 * other.norm()


def test_long_attention_without_dropout_is_torch_own():
    """Its weights would take much memory."""
    query = torch.randn(1, 1, 600, 8)
    with torch.autocast("cpu", torch.bfloat16):
        found = attention(query, query, query)
        assert torch.equal(found, functional.scaled_dot_product_attention(query, query, query))


def test_attention_drops_weights_and_their_gradients():
    value = torch.eye(500)[None, None].requires_grad_()
    weights = attention(torch.zeros(1, 1, 500, 8), torch.zeros(1, 1, 500, 8), value, dropout_p=0.25)
    assert (weights == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert weights.max().item() == pytest.approx(1 / 500 / 0.75)
    weights.sum().backward()
    assert value.grad is not None
    torch.testing.assert_close(value.grad[0, 0, :, 0], weights.detach()[0, 0].sum(dim=0))


def test_dropout_of_attention_reaches_queries_as_it_does_when_written_plainly():
    torch.manual_seed(0)
    query, key = torch.randn(2, 1, 1, 6, 8)
    values = torch.eye(6)[None, None]
    leaf = query.clone().requires_grad_()
    torch.manual_seed(3)
    found = attention(leaf, key, values, dropout_p=0.5)
    scales = torch.randn(found.shape)
    (found * scales).sum().backward()
    plain = query.clone().requires_grad_()
    weights = functional.softmax(plain @ key.mT / 8**0.5, dim=-1)
    factors = found.detach() / weights.detach()
    assert {round(one, 4) for one in factors.flatten().tolist()} == {0.0, 2.0}
    (weights * factors * scales).sum().backward()
    torch.testing.assert_close(leaf.grad, plain.grad)
