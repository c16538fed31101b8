"""Operations that are faster on a CPU: they equal torch's."""

from contextlib import AbstractContextManager

import pytest
import torch
from torch.nn import functional
from transformers import T5Config, T5EncoderModel

from distilwhy.students.cpu.quick import QuickOnCpu

CPU, WIDE = torch.device("cpu"), 384


def quick_on_cpu(width: int = WIDE) -> AbstractContextManager[None]:
    return QuickOnCpu(torch.nn.Identity(), CPU, width)()


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_drops_as_often_as_asked_and_keeps_the_mean(p: float):
    torch.manual_seed(0)
    values = torch.ones(200_003, requires_grad=True)
    with quick_on_cpu():
        found = functional.dropout(values, p)
    kept = found > 0
    assert kept.float().mean().item() == pytest.approx(1 - p, abs=0.005)
    assert found.mean().item() == pytest.approx(1, abs=0.02)
    # Four values share 64 bits; none decides on another.
    for step in (1, 2, 3, 4):
        both = (kept[step:] & kept[:-step]).float().mean().item()
        assert both == pytest.approx((1 - p) ** 2, abs=0.005)
    found.sum().backward()
    assert values.grad is not None
    assert torch.equal(values.grad, found.detach())


@pytest.mark.parametrize(("p", "training"), [(0.0, True), (1.0, True), (0.3, False)])
def test_dropout_of_nothing_or_all_is_torch_own(p: float, training: bool):
    values = torch.randn(7)
    with quick_on_cpu():
        found = functional.dropout(values, p, training=training)
    assert torch.equal(found, functional.dropout(values, p, training=training))


def test_dropout_is_that_of_the_seed():
    values, found = torch.ones(64), []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        with quick_on_cpu():
            found.append(functional.dropout(values))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_layers_that_read_the_same_give_the_same_under_autocast(dtype: torch.dtype):
    torch.manual_seed(0)
    layers = [torch.nn.Linear(8, 8) for _ in range(2)]

    def run() -> tuple[torch.Tensor, torch.Tensor]:
        values = torch.linspace(-1, 1, 40).view(5, 8).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype is torch.bfloat16):
            found = layers[0](values) + layers[1](values) * layers[0](values * 2)
        found.float().sum().backward()
        assert values.grad is not None
        return found.detach(), values.grad

    expected, slope = run()
    with quick_on_cpu():
        found, own = run()
    assert torch.equal(found, expected)
    torch.testing.assert_close(own, slope, rtol=2e-2, atol=2e-2)


def test_what_a_layer_reads_may_change_between_layers():
    layer, values = torch.nn.Linear(4, 4), torch.ones(2, 4)
    with quick_on_cpu(), torch.autocast("cpu", torch.bfloat16):
        with torch.no_grad():
            before = layer(values)
        assert layer(values).requires_grad
        after = layer(values.mul_(2))
        deeper = layer(values.requires_grad_())
    assert not torch.equal(after, before)
    deeper.sum().backward()
    assert values.grad is not None


def test_layers_that_run_again_drop_the_same():
    def gradients(checkpoints: bool) -> list[torch.Tensor]:
        torch.manual_seed(0)
        sizes = {"d_model": WIDE, "d_kv": 8, "num_heads": 2, "d_ff": 32, "num_layers": 2}
        model = T5EncoderModel(T5Config(vocab_size=20, dropout_rate=0.5, **sizes)).train()
        quick = QuickOnCpu(model, CPU, WIDE)
        if checkpoints:
            quick.checkpoint_activations(model)
        with quick():
            found = model(input_ids=torch.arange(20)[None]).last_hidden_state
            found.pow(2).sum().backward()
        return [p.grad for p in model.parameters() if p.grad is not None]

    plain, checkpointed = gradients(False), gradients(True)
    assert len(plain) == len(checkpointed) > 5
    for expected, own in zip(plain, checkpointed, strict=True):
        torch.testing.assert_close(own, expected)


def test_narrow_students_keep_torch_own_numbers():
    values, found = torch.ones(64), []
    for width in (0, WIDE - 1):
        torch.manual_seed(3)
        with quick_on_cpu(width):
            found.append(functional.dropout(values))
    torch.manual_seed(3)
    expected = functional.dropout(values)
    assert all(torch.equal(one, expected) for one in found)
