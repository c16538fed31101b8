"""Decoder-only students: targets that branch off one prompt, chat templates."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer

from causal import (
    CHAT,
    CONFIGS,
    EXAMPLES,
    KINDS,
    LIMITS,
    PLACES,
    RATIONALES,
    TASK,
    TEXTS,
    draw,
    fit,
    make_network,
    make_row,
    make_spec,
    make_tokenizer,
)
from distilwhy.core.method import METHODS, Place, TargetTask
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.task import Example
from distilwhy.students.batch import to_device
from distilwhy.students.encoding import DrawnRow, Truncator
from distilwhy.students.families.causal import CausalNetwork, scratch_causal, word_codec
from distilwhy.students.families.prefix_sharing import segment_mask
from distilwhy.students.load import build_network
from distilwhy.students.logits import TaskOutput
from distilwhy.students.network import Generated
from distilwhy.students.student import Student

FORKING = ("llama", "qwen2", "qwen3", "gpt2", "granite", "gemma2")


def outputs(network: CausalNetwork, drawn: Sequence[DrawnRow]) -> dict[TargetTask, TaskOutput]:
    batch = to_device(network.collate(drawn), network.device)
    return {output.task: output for output in network(batch)}


def own_loss(network: CausalNetwork, drawn: DrawnRow, index: int) -> torch.Tensor:
    """What transformers makes of the prompt with one target after it, and nothing else."""
    target = drawn.targets[index]
    given = [*drawn.row.sources[target.source], *target.opening]
    labels = torch.tensor([[-100] * len(given) + target.ids])
    ids = torch.tensor([given + target.ids])
    loss: torch.Tensor = network.model(input_ids=ids, labels=labels, use_cache=False).loss
    return loss


# --- losses


@pytest.mark.parametrize("kind", FORKING)
def test_a_branch_has_the_loss_it_has_alone_after_the_prompt(kind: str):
    network = make_network(kind)
    drawn = draw(network, [make_row(i) for i in range(3)])
    batch = network.collate(drawn)
    assert batch.is_shared
    assert len(batch.ids) == 3
    found = {output.task: output for output in network(batch)}
    for index, task in enumerate(("label", "rationale")):
        wanted = torch.stack([own_loss(network, row, index) for row in drawn])
        torch.testing.assert_close(found[task].losses, wanted, rtol=1e-5, atol=1e-5)
        assert found[task].rows.tolist() == [0, 1, 2]
    assert found["label"].weights.tolist() == [1.0] * 3
    assert found["rationale"].weights.tolist() == [0.5] * 3


@pytest.mark.parametrize("kind", FORKING)
def test_branches_do_not_see_one_another(kind: str):
    network = make_network(kind)
    (drawn,) = draw(network, [make_row(0)])
    label, rationale = drawn.targets
    both = outputs(network, [drawn])
    other = replace(rationale, ids=[7, 8, 9, 10, 11, 12, 13])
    changed = outputs(network, [replace(drawn, targets=(label, other))])
    turned = outputs(network, [replace(drawn, targets=(rationale, label))])
    alone = outputs(network, [replace(drawn, targets=(label,))])
    for found in (changed, turned, alone):
        torch.testing.assert_close(found["label"].losses, both["label"].losses)
        torch.testing.assert_close(found["label"].pooled, both["label"].pooled)
    torch.testing.assert_close(turned["rationale"].losses, both["rationale"].losses)
    assert not torch.isclose(changed["rationale"].losses, both["rationale"].losses)
    assert "rationale" not in alone


def test_gradients_are_those_of_two_sequences():
    network = make_network("llama")
    drawn = draw(network, [make_row(0), make_row(1)])
    sum(o.losses.sum() for o in network(network.collate(drawn))).backward()
    packed = [p.grad.clone() for p in network.parameters()]
    network.zero_grad()
    sum(own_loss(network, row, index) for row in drawn for index in (0, 1)).backward()
    for one, two in zip(packed, (p.grad for p in network.parameters()), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", ["bloom", "mpt", "mamba", "mistral"])
def test_a_model_that_cannot_fork_gets_a_sequence_for_each_target(kind: str):
    network = make_network(kind).train()
    drawn = draw(network, [make_row(0), make_row(1)])
    batch = network.collate(drawn)
    assert network.training
    assert not batch.is_shared
    assert len(batch.ids) == 4
    network.eval()
    found = {output.task: output for output in network(batch)}
    for index, task in enumerate(("label", "rationale")):
        wanted = torch.stack([own_loss(network, row, index) for row in drawn])
        torch.testing.assert_close(found[task].losses, wanted, rtol=1e-4, atol=1e-4)
        assert found[task].rows.tolist() == [0, 1]


def test_the_mask_by_hand():
    mask = segment_mask(torch.tensor([[0, 0, 1, 1, 2, -1]]), torch.float32)
    seen = (mask[0, 0] == 0).int().tolist()
    assert seen == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [1, 1, 0, 0, 0, 1],
    ]
    assert mask.min() == torch.finfo(torch.float32).min


def test_a_batch_by_hand():
    network = make_network()
    (drawn,) = draw(network, [make_row(0)])
    row = replace(drawn.row, sources=([20, 21],))
    label = replace(drawn.targets[0], opening=[30], ids=[31, 1])
    why = replace(drawn.targets[1], opening=[40, 41], ids=[42, 1], temperature=2.0)
    batch = network.collate([DrawnRow(row, (label, why))])
    assert batch.ids.tolist() == [[20, 21, 30, 31, 40, 41, 42]]
    assert batch.positions.tolist() == [[0, 1, 2, 3, 2, 3, 4]]
    assert batch.segments.tolist() == [[0, 0, 1, 1, 2, 2, 2]]
    first, second = batch.targets
    assert (first.columns.tolist(), first.labels.tolist()) == ([[2, 3]], [[31, 1]])
    assert (second.columns.tolist(), second.labels.tolist()) == ([[5, 6]], [[42, 1]])
    ids = torch.tensor([[20, 21, 40, 41, 42]])
    logits = network.model(ids).logits[0, -2:]
    found = {output.task: output for output in network(batch)}["rationale"]
    wanted = functional.cross_entropy(logits / 2.0, torch.tensor([42, 1]))
    torch.testing.assert_close(found.losses[0], wanted)
    torch.testing.assert_close(found.pooled[0], logits.mean(dim=0))


def test_logits_are_made_where_targets_are_alone():
    network = make_network()
    batch = network.collate(draw(network, [make_row(0), make_row(1)]))
    seen = []
    head = network.model.get_output_embeddings()
    head.register_forward_hook(lambda layer, given, made: seen.append(made.shape))
    network(batch)
    assert seen == [(1, sum(int((t.labels != -100).sum()) for t in batch.targets), 400)]
    full = network.model(input_ids=batch.ids[:, :4]).logits
    assert full.shape == (2, 4, 400)


def test_logits_are_pooled_where_that_is_asked_for_alone():
    network = make_network()
    batch = network.collate(draw(network, [make_row(0)]))
    assert all(output.pooled is not None for output in network(batch))
    network.pools = False
    assert all(output.pooled is None for output in network(batch))


def test_each_task_has_a_pass_of_its_own():
    network = make_network(spec=make_spec(two_passes=True))
    drawn = draw(network, [make_row(0), make_row(1)])
    batch = network.collate(drawn)
    assert (len(batch.ids), batch.is_shared) == (4, False)
    texts = network.tokenizer.batch_decode(batch.ids)
    assert texts[0].startswith("predict: The swing broke.\nAnswer: damage")
    assert texts[1].startswith("explain: The swing broke.\nRationale: Something")
    for index, output in enumerate(network(batch)):
        wanted = torch.stack([own_loss(network, row, index) for row in drawn])
        torch.testing.assert_close(output.losses, wanted, rtol=1e-5, atol=1e-5)


def test_losses_in_bf16_are_near_those_in_fp32():
    network = make_network()
    batch = network.collate(draw(network, [make_row(0), make_row(2)]))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = network(batch)
    for one, two in zip(network(batch), rough, strict=True):
        torch.testing.assert_close(one.losses, two.losses, rtol=0.1, atol=0.1)
        assert two.losses.dtype == torch.float32


# --- what is read and written


def test_a_source_is_the_users_turn_of_the_chat_template():
    network = make_network(template=CHAT)
    (drawn,) = draw(network, [make_row(0)])
    assert network.tokenizer.decode(drawn.row.sources[0]) == (
        "[user] The swing broke.\n[assistant]\n"
    )
    turns = [{"role": "user", "content": TEXTS[0]}]
    own = network.tokenizer.apply_chat_template(turns, add_generation_prompt=True)
    assert drawn.row.sources[0] == own["input_ids"]
    plain = draw(make_network(), [make_row(0)])[0].row.sources[0]
    assert network.tokenizer.decode(plain) == "The swing broke."


def test_what_is_cut_is_the_text_and_not_the_template():
    network = make_network(
        template=CHAT, spec=make_spec(limits=LIMITS.model_copy(update={"max_input_tokens": 40}))
    )
    truncator = Truncator(network.spec.config)
    row = replace(make_row(0), source="broken swings " * 40)
    (source,) = network.encode(row, truncator).sources
    text = network.tokenizer.decode(source)
    assert len(source) == 40
    assert text.startswith("[user] broken swings")
    assert text.endswith("\n[assistant]\n")
    cut = truncator.counts()["input"]
    assert (cut.cut, cut.texts, cut.limit) == (1, 1, 40)
    assert cut.longest > 40


@pytest.mark.parametrize("prepends", [False, True])
@pytest.mark.parametrize("place", PLACES)
def test_what_is_spelt_is_read_again(place: Place, prepends: bool):
    tokenizer = (
        scratch_causal(LIMITS, [*TEXTS, *RATIONALES, *KINDS])[1] if prepends else make_tokenizer()
    )
    codec = word_codec(tokenizer)
    assert codec.space == ("" if prepends else " ")
    assert tokenizer.decode(codec.label_marker) == "\nAnswer:"
    assert tokenizer.decode(codec.rationale_marker) == "\nRationale:"
    for number in range(3):
        target = make_row(number, place).targets[0]
        *ids, end = codec.encode(target, Truncator(LIMITS))
        assert end == tokenizer.eos_token_id
        why = RATIONALES[number] if place in ("before", "after") else ""
        assert codec.decode("label", METHODS[PLACES[place]], ids) == Generated(KINDS[number], why)
        text = tokenizer.decode([*codec.label_marker, *codec.ids(KINDS[number])])
        assert text == f"\nAnswer: {KINDS[number]}"


@pytest.mark.parametrize("template", [CHAT, CHAT.replace("]\n{% endif", "]{% endif"), None])
def test_a_task_is_opened_as_its_words_are_spelt_there(template: str | None):
    network = make_network(template=template)
    (drawn,) = draw(network, [make_row(0)])
    prompt = network.tokenizer.decode(drawn.row.sources[0])
    for target, word in zip(drawn.targets, ("Answer:", "Rationale:"), strict=True):
        whole = prompt + ("" if prompt.endswith("\n") else "\n") + word
        assert drawn.row.sources[0] + target.opening == network.tokenizer(whole).input_ids


def test_who_would_end_without_a_label_begins_it():
    network = make_network(spec=make_spec("before"))
    end = network.tokenizer.eos_token_id
    ends = torch.nn.functional.one_hot(torch.tensor(end), 400) * 1e4
    network.model.get_output_embeddings().register_forward_hook(
        lambda layer, given, made: made + ends
    )
    written = network.generate("label", EXAMPLES)
    assert all(one.label in KINDS and not one.rationale for one in written)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_choice_is_always_one_of_the_choices(kind: str, place: Place):
    network = make_network(kind, make_spec(place))
    options = ("one", "two", "two and a half")
    given = [*EXAMPLES, Example("3", "Which?", options)]
    labels = [written.label for written in network.generate("label", given)]
    assert set(labels[:3]) <= set(KINDS)
    assert labels[3] in options


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bloom"])
def test_answers_do_not_depend_on_what_is_answered_beside_them(kind: str):
    network = make_network(kind, replace(make_spec(), task=replace(TASK, answer=Answer("text"))))
    for task in ("label", "rationale"):
        together = network.generate(task, EXAMPLES)
        assert together == [network.generate(task, [example])[0] for example in EXAMPLES]


def test_a_label_costs_no_rationale():
    network = make_network(spec=make_spec("after"))
    steps = []
    network.model.register_forward_hook(lambda *_: steps.append(1))
    network.generate("label", EXAMPLES)
    longest = max(len(network.codec.ids(kind)) for kind in KINDS)
    assert len(steps) <= longest + 1


# --- training, saving, loading


@pytest.mark.parametrize("place", PLACES)
def test_a_student_from_scratch_learns_is_saved_and_answers_the_same(place: Place, tmp_path: Path):
    network = build_network(make_spec(place), [*TEXTS, *RATIONALES, *KINDS], seed=0)
    assert isinstance(network, CausalNetwork)
    rows = [make_row(i, place) for i in range(3)]
    examples = [Example(str(i), row.source) for i, row in enumerate(rows)]
    assert fit(network, rows)[-1] < 0.1
    student = Student(network)
    answers = student.predict(examples)
    assert [answer.label for answer in answers] == list(KINDS)
    student.save(tmp_path)
    loaded = Student.load(tmp_path, "cpu")
    assert loaded.predict(examples) == answers
    if place != "input":
        assert student.explain(examples) == list(RATIONALES)
        assert loaded.explain(examples) == list(RATIONALES)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_pretrained_student_learns_both_tasks(kind: str, tmp_path: Path):
    made = make_network(kind, template=CHAT)
    made.save(tmp_path / "pretrained")
    limits = LIMITS.model_copy(update={"model": str(tmp_path / "pretrained"), "family": "auto"})
    network = build_network(make_spec(limits=limits), [], seed=0)
    assert fit(network, [make_row(i) for i in range(3)])[-1] < 0.1
    assert [w.label for w in network.generate("label", EXAMPLES)] == list(KINDS)
    assert [w.rationale for w in network.generate("rationale", EXAMPLES)] == list(RATIONALES)


def test_plain_transformers_answers_as_the_student_does(tmp_path: Path):
    network = make_network(template=CHAT)
    fit(network, [make_row(i) for i in range(3)])
    network.save(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    turns = [[{"role": "user", "content": text}] for text in TEXTS]
    prompts = [
        tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)
        for turn in turns
    ]
    batch = tokenizer([p + "Answer:" for p in prompts], padding=True, return_tensors="pt")
    written = model.generate(batch["input_ids"], attention_mask=batch["attention_mask"])
    new = written[:, batch["input_ids"].shape[1] :]
    assert [t.strip() for t in tokenizer.batch_decode(new, skip_special_tokens=True)] == list(KINDS)
    config = model.generation_config
    assert config.max_new_tokens == LIMITS.max_label_tokens + 1
    assert (config.eos_token_id, config.pad_token_id) == (1, 0)
    assert not config.do_sample


def test_a_tokenizer_whose_padding_the_model_never_saw_pads_with_its_end():
    tokenizer = make_tokenizer()
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    model = AutoModelForCausalLM.from_config(CONFIGS["llama"]())
    assert tokenizer.pad_token_id >= model.get_input_embeddings().num_embeddings
    network = CausalNetwork(model, tokenizer, make_spec()).eval()
    assert network.tokenizer.pad_token == network.tokenizer.eos_token
    assert all(written.label in KINDS for written in network.generate("label", EXAMPLES))


def test_a_tokenizer_without_padding_pads_with_its_end():
    tokenizer = make_tokenizer()
    tokenizer.pad_token = None
    network = CausalNetwork(
        AutoModelForCausalLM.from_config(CONFIGS["gpt2"]()), tokenizer, make_spec()
    )
    assert tokenizer.pad_token_id == tokenizer.eos_token_id == 1
    network.eval()
    drawn = draw(network, [make_row(i) for i in range(3)])
    wanted = torch.stack([own_loss(network, row, 0) for row in drawn])
    torch.testing.assert_close(outputs(network, drawn)["label"].losses, wanted)
