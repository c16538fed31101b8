"""Compiled layers: they give the losses and gradients of plain ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from distilwhy.students.encoding import DrawnRow, Truncator
from distilwhy.students.student import Student
from distilwhy.students.training import loop
from distilwhy.students.training.compiled_layers import FROM_STEPS, CompiledLayers, repeated_layers
from distilwhy.students.training.loss import WeightedLoss
from fruit import LIMITS, TRAINING, fruit_rows, new_student, train_fruit, weights_of

# A device that layers are compiled for; all here runs on the CPU.
GPU = torch.device("cuda")
SHAPE = LIMITS.scratch.model_copy(update={"layers": 3})
DEEP = LIMITS.model_copy(update={"family": "causal", "scratch": SHAPE})
LONG = TRAINING.model_copy(update={"steps": FROM_STEPS})
Gradients = dict[str, torch.Tensor]


def compiled(
    student: Student, backend: Any = "eager", said: list[str] | None = None
) -> CompiledLayers:
    say = (lambda line: None) if said is None else said.append
    return CompiledLayers(student.network, GPU, LONG, say, backend)


def learner(student: Student) -> Callable[[int], Gradients]:
    """Gives the gradients of so many rows."""
    network, truncator = student.network, Truncator(student.spec.config)
    loss = WeightedLoss(network, TRAINING).train()
    encoded = [network.encode(row, truncator) for row in fruit_rows()]

    def work(count: int) -> Gradients:
        torch.manual_seed(0)
        loss.zero_grad()
        drawn = [DrawnRow(row, row.variants[0]) for row in encoded[:count]]
        loss(network.collate(drawn), 1.0, count, 1.0).total.backward()
        return {n: p.grad.clone() for n, p in loss.named_parameters() if p.grad is not None}

    return work


def are_close(one: Gradients, other: Gradients) -> bool:
    largest = max(float(gradient.abs().max()) for gradient in one.values())
    return one.keys() == other.keys() and all(
        torch.allclose(one[name], other[name], atol=1e-5 * largest) for name in one
    )


def counting(graphs: list[torch.nn.Module]) -> Callable[..., Any]:
    """A backend that notes what it compiles."""

    def backend(graph: torch.fx.GraphModule, inputs: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    return backend


def failing(graph: Any, inputs: Any) -> Any:
    raise NotImplementedError("no compiler\nand more")


def test_gradients_are_those_of_plain_layers():
    student = new_student(limits=DEEP)
    work, layers = learner(student), compiled(student, "aot_eager")
    for count in (6, 9):
        plain = work(count)
        assert are_close(plain, layers.run(lambda count=count: work(count)))


def test_layers_share_what_is_compiled_for_any_batch():
    graphs = list[torch.nn.Module]()
    student = new_student(limits=DEEP)
    work, layers = learner(student), compiled(student, counting(graphs))
    for count in (6, 9, 4, 11):
        layers.run(lambda count=count: work(count))
    assert len(list(repeated_layers(student.network))) == 3
    assert len(graphs) == 1


def test_layers_that_cannot_be_compiled_run_as_they_are():
    said, done = list[str](), list[int]()
    student = new_student(limits=DEEP)
    work, layers = learner(student), compiled(student, failing, said)

    def note(count: int) -> Gradients:
        done.append(count)
        return work(count)

    assert are_close(work(6), layers.run(lambda: note(6)))
    assert len(said) == 1
    assert "cannot be compiled" in said[0]
    assert "no compiler" in said[0]
    assert "and more" not in said[0]
    layers.run(lambda: note(7))
    assert done == [6, 6, 6, 7]
    assert len(said) == 1


def test_a_later_batch_that_cannot_be_compiled_ends_no_training():
    """A single row is compiled as a case of its own."""
    said, compiled_before = list[str](), list[torch.nn.Module]()
    once = counting(compiled_before)

    def backend(graph: Any, inputs: Any) -> Any:
        return failing(graph, inputs) if compiled_before else once(graph, inputs)

    student = new_student(limits=DEEP)
    work, layers = learner(student), compiled(student, backend, said)
    layers.run(lambda: work(6))
    assert said == []
    assert are_close(work(1), layers.run(lambda: work(1)))
    assert len(said) == 1


def test_a_lack_of_memory_is_not_blamed_on_compiling():
    said, done = list[str](), list[int]()

    def work() -> None:
        done.append(1)
        if len(done) == 2:
            raise torch.cuda.OutOfMemoryError("out of memory")

    with pytest.raises(torch.cuda.OutOfMemoryError):
        compiled(new_student(limits=DEEP), said=said).run(work)
    assert said == []


def test_errors_of_the_work_are_its_own():
    said = list[str]()
    layers = compiled(new_student(limits=DEEP), said=said)

    def work() -> None:
        raise ValueError("a loss of nan")

    with pytest.raises(ValueError, match="a loss of nan"):
        layers.run(work)
    assert said == []


@pytest.mark.parametrize(
    ("family", "device", "training"),
    [
        ("seq2seq", "cuda", {}),
        ("causal", "cpu", {}),
        ("causal", "cuda", {"steps": FROM_STEPS - 1}),
        ("causal", "cuda", {"gradient_checkpointing": True}),
    ],
)
def test_nothing_is_compiled_where_it_does_not_pay(
    family: str, device: str, training: dict[str, Any]
):
    student = new_student(limits=DEEP.model_copy(update={"family": family}))
    graphs = list[torch.nn.Module]()
    config = LONG.model_copy(update=training)
    layers = CompiledLayers(student.network, torch.device(device), config, backend=counting(graphs))
    work = learner(student)
    layers.run(lambda: work(4))
    assert graphs == []


@pytest.mark.parametrize("backend", ["eager", failing])
def test_a_training_with_compiled_layers_learns_the_same(
    backend: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    plain, other, said = new_student(limits=DEEP), new_student(limits=DEEP), list[str]()
    training = {"steps": 6, "evaluate_every": 3}
    train_fruit(tmp_path / "plain", plain, **training)

    def layers(network: Any, device: Any, config: Any, say: Any) -> CompiledLayers:
        return CompiledLayers(network, GPU, LONG, say, backend)

    monkeypatch.setattr(loop, "CompiledLayers", layers)
    train_fruit(tmp_path / "compiled", other, say=said.append, **training)
    assert len(said) == (backend is failing)
    weights = weights_of(plain)
    for name, weight in weights_of(other).items():
        assert torch.allclose(weight, weights[name], atol=1e-4), name
