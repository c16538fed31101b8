"""Decoder-only students: prompts, answers, training."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
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
    outputs,
    own_loss,
)
from distilwhy.core.method import RationalePlacement
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.task import Example
from distilwhy.students.encoding import Truncator
from distilwhy.students.families.causal import CausalNetwork
from distilwhy.students.load import build_network
from distilwhy.students.student import Student


def test_the_source_is_the_user_s_turn_of_the_chat_template():
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


def test_only_the_text_is_cut_and_not_the_template():
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


@pytest.mark.parametrize("template", [CHAT, CHAT.replace("]\n{% endif", "]{% endif"), None])
def test_the_opening_of_a_task_is_tokenized_as_in_running_text(template: str | None):
    network = make_network(template=template)
    (drawn,) = draw(network, [make_row(0)])
    prompt = network.tokenizer.decode(drawn.row.sources[0])
    for target, word in zip(drawn.targets, ("Answer:", "Rationale:"), strict=True):
        whole = prompt + ("" if prompt.endswith("\n") else "\n") + word
        assert drawn.row.sources[0] + target.opening == network.tokenizer(whole).input_ids


def test_an_end_before_the_label_becomes_the_label_s_marker():
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
def test_a_choice_is_always_one_of_the_choices(kind: str, place: RationalePlacement):
    network = make_network(kind, make_spec(place))
    options = ("one", "two", "two and a half")
    given = [*EXAMPLES, Example("3", "Which?", options)]
    labels = [written.label for written in network.generate("label", given)]
    assert set(labels[:3]) <= set(KINDS)
    assert labels[3] in options


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bloom"])
def test_answers_do_not_depend_on_the_rest_of_the_batch(kind: str):
    network = make_network(kind, replace(make_spec(), task=replace(TASK, answer=Answer("text"))))
    for task in ("label", "rationale"):
        together = network.generate(task, EXAMPLES)
        assert together == [network.generate(task, [example])[0] for example in EXAMPLES]


def test_generation_stops_after_the_label():
    network = make_network(spec=make_spec("after"))
    steps = []
    network.model.register_forward_hook(lambda *_: steps.append(1))
    network.generate("label", EXAMPLES)
    longest = max(len(network.codec.ids(kind)) for kind in KINDS)
    assert len(steps) <= longest + 1


@pytest.mark.parametrize("place", PLACES)
def test_a_student_from_scratch_learns_saves_and_loads(place: RationalePlacement, tmp_path: Path):
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


def test_a_padding_token_without_an_embedding_is_replaced_by_the_end_token():
    tokenizer = make_tokenizer()
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    model = AutoModelForCausalLM.from_config(CONFIGS["llama"]())
    assert tokenizer.pad_token_id >= model.get_input_embeddings().num_embeddings
    network = CausalNetwork(model, tokenizer, make_spec()).eval()
    assert network.tokenizer.pad_token == network.tokenizer.eos_token
    assert all(written.label in KINDS for written in network.generate("label", EXAMPLES))


def test_a_tokenizer_without_a_padding_token_pads_with_its_end_token():
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
