"""Decoder-only students whose label is chosen by a head."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM

from causal import (
    CHAT,
    CONFIGS,
    EXAMPLES,
    KINDS,
    LIMITS,
    LORA,
    PLACES,
    RATIONALES,
    TASK,
    TEXTS,
    draw,
    fit,
    make_network,
    make_row,
    outputs,
    own_loss,
    save_llama,
)
from distilwhy.config import StudentConfig
from distilwhy.core.method import METHODS, RationalePlacement, Target, TrainingRow
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.task import Example, RowFormat, Task
from distilwhy.errors import StudentError
from distilwhy.students.encoding import DrawnRow
from distilwhy.students.families.causal import CausalNetwork
from distilwhy.students.families.causal_head.network import HEAD, CausalHeadNetwork
from distilwhy.students.linear_cross_entropy import chunks_of
from distilwhy.students.load import build_network
from distilwhy.students.spec import StudentSpec
from distilwhy.students.student import Student
from distilwhy.students.training.select import rank_surprisal_ratios

HEADED = LIMITS.model_copy(update={"label_head": True})
OWN = Task("", RowFormat("{{ x }}", options="among"), Answer("choice"))
CHOICES = (("a swing", "gate 7"), ("gate 7", "a lovely park", "the swing"), ("thanks", "no"))
OWN_EXAMPLES = [
    Example(str(i), text, options=options)
    for i, (text, options) in enumerate(zip(TEXTS, CHOICES, strict=True))
]


def make_headed(
    kind: str = "llama",
    task: Task = TASK,
    place: RationalePlacement = "apart",
    limits: StudentConfig = HEADED,
    *,
    template: str | None = None,
    two_passes: bool = False,
) -> CausalHeadNetwork:
    """A small random network whose head tells states apart."""
    spec = StudentSpec(task, METHODS[PLACES[place]], limits, two_passes)
    plain = make_network(kind, template=template)
    network = CausalHeadNetwork(plain.model, plain.tokenizer, spec)
    for weight in network.head.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return network.eval()


def own_row(number: int) -> TrainingRow:
    options = CHOICES[number]
    targets = Target("label", options[-1]), Target("rationale", RATIONALES[number], 0.5)
    return TrainingRow(TEXTS[number], targets, options)


def scores_at_end(network: CausalHeadNetwork, ids: Sequence[int]) -> torch.Tensor:
    """The head's scores of the last of some tokens, by plain transformers."""
    found = network.model.base_model(torch.tensor([list(ids)]), use_cache=False)
    state = found.last_hidden_state[0, -1]
    normed = (state - state.mean()) / (state.var(unbiased=False) + 1e-5).sqrt()
    return network.head.weight @ normed + network.head.bias


def plain_scores(network: CausalHeadNetwork, drawn: DrawnRow) -> torch.Tensor:
    """A row's scores, each option in a sequence of its own."""
    prompt, options = drawn.row.sources[0], drawn.row.options
    if not options:
        return scores_at_end(network, prompt)
    return torch.cat([scores_at_end(network, [*prompt, *option]) for option in options])


@pytest.mark.parametrize("task", [TASK, OWN], ids=["fixed", "own"])
@pytest.mark.parametrize("kind", CONFIGS)
@torch.no_grad()
def test_each_task_s_loss_is_that_of_a_plain_implementation(kind: str, task: Task):
    network = make_headed(kind, task)
    drawn = draw(network, [make_row(i) if task is TASK else own_row(i) for i in range(3)])
    found = outputs(network, drawn)
    for number, row in enumerate(drawn):
        label, _ = row.targets
        expected = functional.cross_entropy(plain_scores(network, row), torch.tensor(label.choice))
        assert found["label"].losses[number].item() == pytest.approx(expected.item(), rel=1e-4)
        rationale = own_loss(network, row, 1).item()
        assert found["rationale"].losses[number].item() == pytest.approx(rationale, rel=1e-4)
    assert found["rationale"].weights.tolist() == [0.5] * 3


@pytest.mark.parametrize("place", ["apart", "input"])
@torch.no_grad()
def test_a_vocabulary_too_large_for_logits_at_once_gives_the_same_losses(place: RationalePlacement):
    rows = [make_row(i) for i in range(3)]
    whole = make_headed(place=place)
    expected = outputs(whole, draw(whole, rows))
    chunked = make_headed(place=place)
    chunked.load_state_dict(whole.state_dict())
    with chunks_of(64):
        found = outputs(chunked, draw(chunked, rows))
    assert found.keys() == expected.keys()
    for task, output in found.items():
        assert output.losses.tolist() == pytest.approx(expected[task].losses.tolist(), rel=1e-4)


@pytest.mark.parametrize("task", [TASK, OWN], ids=["fixed", "own"])
@pytest.mark.parametrize("template", [None, CHAT])
@torch.no_grad()
def test_the_answer_is_the_choice_with_the_highest_score(task: Task, template: str | None):
    network = make_headed(task=task, template=template)
    rows = [make_row(i) if task is TASK else own_row(i) for i in range(3)]
    scores = [plain_scores(network, row) for row in draw(network, rows)]
    expected = [int(score.argmax()) for score in scores]
    choices = [KINDS] * 3 if task is TASK else CHOICES
    examples = EXAMPLES if task is TASK else OWN_EXAMPLES
    answers = network.generate("label", examples)
    sure = [float(score.softmax(-1).max()) for score in scores]
    assert [answer.confidence for answer in answers] == pytest.approx(sure, rel=1e-4)
    found = [answer.label for answer in answers]
    assert found == [some[best] for some, best in zip(choices, expected, strict=True)]
    alone = [network.generate("label", [example])[0].label for example in examples]
    assert alone == found


@pytest.mark.parametrize("task", [TASK, OWN], ids=["fixed", "own"])
def test_an_answer_takes_one_pass_of_the_model(task: Task, monkeypatch: pytest.MonkeyPatch):
    network = make_headed(task=task)
    examples = EXAMPLES if task is TASK else OWN_EXAMPLES
    network.generate("label", examples)  # Finds whether options can share their prompt.
    passes: list[Any] = []
    network.model.register_forward_hook(lambda *_: passes.append(None))
    monkeypatch.setattr(type(network.model), "generate", None)
    network.generate("label", examples)
    assert len(passes) == 1


def test_the_prompt_is_read_once_for_label_and_rationale():
    network = make_headed()
    batch = network.collate(draw(network, [make_row(i) for i in range(3)]))
    assert len(batch.packed.ids) == 3
    assert not batch.packed.is_shared
    own = make_headed(task=OWN)
    assert len(own.collate(draw(own, [own_row(i) for i in range(3)])).packed.ids) == 3


def test_two_passes_give_each_task_its_prompt():
    network = make_headed(two_passes=True)
    [drawn] = draw(network, [make_row(0)])
    batch = network.collate([drawn])
    assert len(batch.packed.ids) == 2
    found = outputs(network, [drawn])
    expected = functional.cross_entropy(
        scores_at_end(network, drawn.row.sources[0]), torch.tensor(drawn.targets[0].choice)
    )
    assert found["label"].losses.item() == pytest.approx(expected.item(), rel=1e-4)
    assert found["rationale"].losses.item() == pytest.approx(own_loss(network, drawn, 1).item())


@torch.no_grad()
def test_the_order_of_options_has_no_effect():
    network = make_headed(task=OWN)
    [drawn] = draw(network, [own_row(1)])
    turned = replace(own_row(1), options=CHOICES[1][::-1])
    found = [outputs(network, draw(network, [row])) for row in (own_row(1), turned)]
    loss, other = (output["label"].losses.item() for output in found)
    assert loss == pytest.approx(other, rel=1e-4)
    assert len(set(plain_scores(network, drawn).tolist())) == 3


def test_a_prompt_is_not_answered_by_what_stands_behind_it():
    network = make_headed()
    label, rationale = Target("label", KINDS[0]), Target("rationale", "why " * 9)
    rows = [TrainingRow(TEXTS[0], (label, rationale)), TrainingRow(TEXTS[0], (label,))]
    found = [outputs(network, draw(network, [row]))["label"].losses.item() for row in rows]
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_soft_labels_weigh_the_losses_of_several_labels():
    network = make_headed()
    targets = (Target("label", KINDS[0], 0.25, temperature=2.0), Target("label", KINDS[2], 0.75))
    [drawn] = draw(network, [TrainingRow(TEXTS[0], targets)])
    scores = plain_scores(network, drawn)
    found = outputs(network, [drawn])["label"]
    expected = [-(scores / 2).log_softmax(-1)[0].item(), -scores.log_softmax(-1)[2].item()]
    assert found.losses.tolist() == pytest.approx(expected, rel=1e-4)
    assert (found.rows.tolist(), found.weights.tolist()) == ([0, 0], [0.25, 0.75])


def test_all_choices_start_alike():
    spec = StudentSpec(TASK, METHODS["finetune"], HEADED)
    network = build_network(spec, TEXTS, 0)
    assert isinstance(network, CausalHeadNetwork)
    losses = outputs(network, draw(network, [make_row(i) for i in range(3)]))["label"].losses
    assert losses.tolist() == pytest.approx([torch.tensor(3.0).log().item()] * 3)
    assert network.fresh == frozenset()


@pytest.mark.parametrize("task", [TASK, OWN], ids=["fixed", "own"])
@pytest.mark.parametrize("kind", ["scratch", "pretrained", "lora"])
def test_it_learns_and_is_saved_with_its_head(tmp_path: Path, task: Task, kind: str):
    changes: dict[str, object] = {"model": str(save_llama(tmp_path / "model")), "family": "auto"}
    changes |= {"lora": LORA} if kind == "lora" else {}
    limits = HEADED.model_copy(update={} if kind == "scratch" else changes)
    spec = StudentSpec(task, METHODS["step-by-step"], limits)
    network = build_network(spec, [*TEXTS, *RATIONALES] * 3, 0)
    assert isinstance(network, CausalHeadNetwork)
    rows = [make_row(i) if task is TASK else own_row(i) for i in range(3)]
    losses = fit(network, rows, steps=40)
    assert losses[-1] < losses[0] * (0.7 if kind == "lora" else 0.3)
    student = Student(network)
    saved = tmp_path / "saved"
    saved.mkdir()
    student.save(saved)
    examples = EXAMPLES if task is TASK else OWN_EXAMPLES
    loaded = Student.load(saved, "cpu")
    found = loaded.predict(examples, explain=True)
    assert [answer.label for answer in found] == [row.targets[0].text for row in rows]
    # Merging adapters rounds.
    again = [replace(answer, confidence=None) for answer in student.predict(examples, explain=True)]
    assert [replace(answer, confidence=None) for answer in found] == again
    assert (saved / HEAD).exists()
    AutoModelForCausalLM.from_pretrained(saved)


def test_a_student_without_rationales_is_trained_on_its_label_alone():
    network = make_headed()
    row = TrainingRow(TEXTS[0], (Target("label", KINDS[1]),))
    found = outputs(network, draw(network, [row]))
    assert list(found) == ["label"]


@pytest.mark.parametrize("task", [TASK, OWN], ids=["fixed", "own"])
def test_only_options_of_a_row_must_have_tokens_of_their_own(
    task: Task, monkeypatch: pytest.MonkeyPatch
):
    network = make_headed(task=task)
    monkeypatch.setattr("distilwhy.literal_text.TextEncoder.ids", lambda *_, **__: [5])
    for check in (network.check_apart, network.check_choices):
        with pytest.raises(StudentError) if task is OWN else nullcontext():
            check(KINDS)


@pytest.mark.parametrize(
    ("task", "method", "changes", "message"),
    [
        (TASK, "rationale-then-label", {}, "chooses the label in one pass, and 'rationale-then-la"),
        (TASK, "label-then-rationale", {}, "writes it in one sequence with the rationale; set it"),
        (replace(TASK, answer=Answer("number")), "finetune", {}, "and cannot write a number; set"),
        (TASK, "finetune", {"family": "auto"}, "'scratch' is an encoder–decoder; set student.fam"),
        (TASK, "finetune", {"family": "encoder"}, "and student.family is 'encoder'; remove one of"),
    ],
)
def test_what_a_head_cannot_do_is_refused(
    task: Task, method: str, changes: dict[str, object], message: str
):
    spec = StudentSpec(task, METHODS[method], HEADED.model_copy(update=changes))
    with pytest.raises(StudentError, match=message):
        build_network(spec, TEXTS, 0)


@pytest.mark.parametrize("task", [TASK, OWN], ids=["fixed", "own"])
def test_a_rationale_alone_is_scored_as_by_the_decoder_without_a_head(task: Task):
    network = make_headed(task=task)
    plain = CausalNetwork(network.model, network.tokenizer, replace(network.spec, config=LIMITS))
    rows = [make_row(i) if task is TASK else own_row(i) for i in range(3)]
    found, expected = (
        rank_surprisal_ratios(one, [DrawnRow(d.row, d.targets[-1:]) for d in draw(one, rows)])
        for one in (network, plain.eval())
    )
    assert found == pytest.approx(expected, rel=1e-4)


def test_a_label_that_is_none_of_the_choices_is_refused():
    row = TrainingRow(TEXTS[0], (Target("label", "nonsense"),))
    with pytest.raises(StudentError, match="'nonsense' is none of the row's choices, damage,"):
        draw(make_headed(), [row])
