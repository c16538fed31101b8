"""Answers in bf16 have the labels that fp32 gives, or are made in fp32."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from distilwhy.core.task import Example
from distilwhy.students import answering
from distilwhy.students.answering import Answering
from distilwhy.students.network import Generated
from tiny_students import CHOICE, OPTIONS, TEXT, scratch

EXAMPLES = [Example(str(i), f"{i}" * (1 + i % 7)) for i in range(200)]


class Rounding:
    """A network with two labels, and logits that bf16 changes by ``error`` at most.

    Attributes:
        asked: How many examples it was asked about in fp32, and in bf16.
    """

    device, width, is_full = torch.device("cpu"), 1024, True

    def __init__(self, error: float, scale: float = 1.0) -> None:
        torch.manual_seed(0)
        self.exact = torch.randn(len(EXAMPLES)) * scale
        self.rounded = self.exact + error * (2 * torch.rand(len(EXAMPLES)) - 1)
        self.asked = [0, 0]

    def in_bf16(self) -> "Rounding":
        return self

    def generate(self, task: str, examples: Sequence[Example]) -> list[Generated]:
        is_narrow = torch.is_autocast_enabled("cpu")
        self.asked[is_narrow] += len(examples)
        logits = self.rounded if is_narrow else self.exact
        found = [float(logits[int(example.id)]) for example in examples]
        return [Generated("yes" if one > 0 else "no", margin=abs(one)) for one in found]


@pytest.fixture
def has_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine is fast in bf16."""
    monkeypatch.setattr(answering, "choose_precision", lambda *given: "bf16")


def labels(found: Sequence[Generated]) -> list[str]:
    return [one.label for one in found]


def ask(network: Any, count: int = 200) -> list[Generated]:
    return Answering(network, "label", 16).answer(EXAMPLES[:count])


@pytest.mark.parametrize("error", [0.0, 0.01, 0.05, 0.3])
def test_every_label_is_that_of_fp32(error: float, has_bf16: None):
    network = Rounding(error)
    assert labels(ask(network)) == ["yes" if one > 0 else "no" for one in network.exact]


def test_only_close_choices_are_made_again(has_bf16: None):
    network = Rounding(0.02)
    ask(network)
    exact, narrow = network.asked
    assert narrow == 200
    assert answering.TRIED <= exact < 20


def test_where_all_choices_are_close_all_are_made_again(has_bf16: None):
    network = Rounding(0.3, scale=0.1)
    ask(network)
    assert network.asked == [200, 200]


def test_few_examples_and_other_machines_are_answered_in_fp32(monkeypatch: pytest.MonkeyPatch):
    network = Rounding(0.0)
    monkeypatch.setattr(answering, "choose_precision", lambda *given: "bf16")
    ask(network, 10)
    monkeypatch.setattr(answering, "choose_precision", lambda *given: "fp32")
    ask(network)
    assert network.asked == [210, 0]


@pytest.mark.parametrize("family", ["seq2seq", "causal", "encoder"])
@pytest.mark.parametrize("task", [CHOICE, OPTIONS, TEXT])
def test_students_of_all_families_give_the_labels_of_fp32(
    family: str, task: Any, has_bf16: None, monkeypatch: pytest.MonkeyPatch
):
    if (family, task) == ("encoder", TEXT):
        pytest.skip("an encoder writes no text")
    student = scratch(task, "finetune", family=family)
    with torch.no_grad():
        for parameter in student.network.parameters():
            parameter.mul_(1.5)
    options = ("a b", "a c", "b") if task is OPTIONS else ()
    rows = [Example(str(i), f"the door {i} " * (1 + i % 5), options) for i in range(80)]
    found = student.predict(rows)
    monkeypatch.setattr(answering, "choose_precision", lambda *given: "fp32")
    exact = student.predict(rows)
    assert [one.text for one in found] == [one.text for one in exact]
    assert [one.confidence for one in found] == pytest.approx(
        [one.confidence for one in exact], abs=0.05
    )


@pytest.mark.parametrize("family", ["seq2seq", "causal", "encoder"])
def test_a_copy_in_bf16_answers_and_leaves_the_network_as_it_is(family: str):
    network = scratch(CHOICE, "finetune", family=family).network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    narrow = network.in_bf16()
    assert {p.dtype for p in narrow.parameters()} == {torch.bfloat16}
    assert narrow.tokenizer is network.tokenizer
    rows = [Example("1", "the door"), Example("2", "a window")]
    with torch.inference_mode():
        found, exact = (each.generate("label", rows) for each in (narrow, network))
    for one, two in zip(found, exact, strict=True):
        assert one.confidence == pytest.approx(two.confidence, abs=0.02)
    assert network.is_full
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
