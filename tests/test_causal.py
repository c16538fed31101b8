"""Decoder-only students: targets that branch off one prompt, chat templates, adapters."""

from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import processors
from torch.nn import functional
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BloomConfig,
    Gemma2Config,
    GPT2Config,
    GraniteConfig,
    LlamaConfig,
    MambaConfig,
    MistralConfig,
    MptConfig,
    Qwen2Config,
    Qwen3Config,
)

from distilwhy.config import LoraConfig, ScratchConfig, StudentConfig
from distilwhy.core.answer import Answer
from distilwhy.core.method import METHODS, Place, Target, TargetTask, TrainingRow
from distilwhy.core.task import Example, Task, Wording
from distilwhy.errors import StudentError
from distilwhy.students.branches import fork_mask
from distilwhy.students.build import build_network, load_network
from distilwhy.students.causal import CausalNetwork, scratch_causal, spell_by_words
from distilwhy.students.network import Brief, DrawnRow, Lengths, TaskOutput, Written, move
from distilwhy.students.student import Student
from distilwhy.students.tokenizer import train_tokenizer

KINDS = ("damage", "question", "very high praise")
RATIONALES = ("Something is broken.", "They ask 12 things.", "They are glad,\nand say so.")
TEXTS = ("The swing broke.", "Where is gate 7?", "What a lovely park, thank you!")
SMALL = ScratchConfig(width=32, layers=2, heads=2, feedforward=64, vocabulary=400, dropout=0.0)
LIMITS = StudentConfig(
    family="causal",
    scratch=SMALL,
    max_input_tokens=64,
    max_label_tokens=20,
    max_rationale_tokens=24,
)
TASK = Task("", Wording("{{ x }}"), Answer("choice", KINDS))
PLACES: dict[Place, str] = {
    "apart": "step-by-step",
    "input": "rationale-input",
    "before": "rationale-then-label",
    "after": "label-then-rationale",
}
EXAMPLES = [Example(str(i), text) for i, text in enumerate(TEXTS)]
CHAT = (
    "{% for message in messages %}[{{ message.role }}] {{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]\n{% endif %}"
)
SHAPE = {
    "vocab_size": 400,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "bos_token_id": None,
    "eos_token_id": 1,
    "pad_token_id": 0,
}
GPT = {"vocab_size": 400, "bos_token_id": None, "eos_token_id": 1}
CONFIGS: dict[str, Any] = {
    "llama": lambda: LlamaConfig(**SHAPE),
    "qwen2": lambda: Qwen2Config(**SHAPE),
    "qwen3": lambda: Qwen3Config(**SHAPE, head_dim=8),
    "gpt2": lambda: GPT2Config(**GPT, n_embd=32, n_layer=2, n_head=4, n_positions=256),
    "granite": lambda: GraniteConfig(**SHAPE, logits_scaling=3.0),
    "gemma2": lambda: Gemma2Config(**SHAPE, head_dim=8, final_logit_softcapping=0.05),
    "mistral": lambda: MistralConfig(**SHAPE, sliding_window=6),
    "bloom": lambda: BloomConfig(**GPT, hidden_size=32, n_layer=2, n_head=4),
    "mpt": lambda: MptConfig(vocab_size=400, d_model=32, n_layers=2, n_heads=4, max_seq_len=256),
    "mamba": lambda: MambaConfig(vocab_size=400, hidden_size=32, num_hidden_layers=1),
}
FORKING = ("llama", "qwen2", "qwen3", "gpt2", "granite", "gemma2")


def make_brief(place: Place = "apart", limits: StudentConfig = LIMITS, **changes: Any) -> Brief:
    return Brief(TASK, METHODS[PLACES[place]], limits, **changes)


def make_tokenizer(template: str | None = None) -> Any:
    """One that puts nothing before or after a text, and so no space either."""
    tokenizer = train_tokenizer([*TEXTS, *RATIONALES, *KINDS, CHAT] * 3, 400)
    tokenizer.backend_tokenizer.normalizer = None
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A", special_tokens=[]
    )
    tokenizer.chat_template = template
    return tokenizer


def make_network(kind: str = "llama", brief: Brief | None = None, **changes: Any) -> CausalNetwork:
    """A small random network whose weights are large enough for its logits to differ."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(CONFIGS[kind]())
    for name, weight in model.named_parameters():
        if weight.dim() == 2 and "A_log" not in name:
            torch.nn.init.normal_(weight, std=0.2)
    tokenizer = make_tokenizer(changes.get("template"))
    network = CausalNetwork(model, tokenizer, brief or make_brief()).eval()
    network.pools = True
    return network


def make_row(number: int, place: Place = "apart") -> TrainingRow:
    text, kind, why = TEXTS[number], KINDS[number], RATIONALES[number]
    if place == "apart":
        return TrainingRow(text, (Target("label", kind), Target("rationale", why, 0.5)))
    if place == "input":
        return TrainingRow(f"{text}\nRationale: {why}", (Target("label", kind),))
    told = {"before": why} if place == "before" else {"after": why}
    return TrainingRow(text, (Target("label", kind, **told),))


def draw(network: CausalNetwork, rows: Sequence[TrainingRow]) -> list[DrawnRow]:
    lengths = Lengths(network.brief.limits)
    encoded = [network.encode(row, lengths) for row in rows]
    return [DrawnRow(row, row.variants[0]) for row in encoded]


def outputs(network: CausalNetwork, drawn: Sequence[DrawnRow]) -> dict[TargetTask, TaskOutput]:
    batch = move(network.collate(drawn), network.device)
    return {output.task: output for output in network(batch)}


def own_loss(network: CausalNetwork, drawn: DrawnRow, index: int) -> torch.Tensor:
    """What transformers makes of the prompt with one target after it, and nothing else."""
    target = drawn.targets[index]
    given = [*drawn.row.sources[target.source], *target.opening]
    labels = torch.tensor([[-100] * len(given) + target.ids])
    ids = torch.tensor([given + target.ids])
    loss: torch.Tensor = network.model(input_ids=ids, labels=labels, use_cache=False).loss
    return loss


def fit(
    network: CausalNetwork, rows: Sequence[TrainingRow], steps: int = 60, lr: float = 1e-2
) -> list[float]:
    """The losses on the way."""
    drawn = draw(network, rows)
    batch = move(network.collate(drawn), network.device)
    trained = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=lr)
    network.train()
    losses = []
    for _ in range(steps):
        loss = sum((o.weights * o.losses).sum() for o in network(batch)) / len(rows)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    network.eval()
    return losses


# --- losses


@pytest.mark.parametrize("kind", FORKING)
def test_a_branch_has_the_loss_it_has_alone_after_the_prompt(kind: str):
    network = make_network(kind)
    drawn = draw(network, [make_row(i) for i in range(3)])
    batch = network.collate(drawn)
    assert batch.forked
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
    assert not batch.forked
    assert len(batch.ids) == 4
    network.eval()
    found = {output.task: output for output in network(batch)}
    for index, task in enumerate(("label", "rationale")):
        wanted = torch.stack([own_loss(network, row, index) for row in drawn])
        torch.testing.assert_close(found[task].losses, wanted, rtol=1e-4, atol=1e-4)
        assert found[task].rows.tolist() == [0, 1]


def test_the_mask_by_hand():
    mask = fork_mask(torch.tensor([[0, 0, 1, 1, 2, -1]]), torch.float32)
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
    assert batch.branches.tolist() == [[0, 0, 1, 1, 2, 2, 2]]
    first, second = batch.targets
    assert (first.places.tolist(), first.labels.tolist()) == ([[2, 3]], [[31, 1]])
    assert (second.places.tolist(), second.labels.tolist()) == ([[5, 6]], [[42, 1]])
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
    network = make_network(brief=make_brief(two_passes=True))
    drawn = draw(network, [make_row(0), make_row(1)])
    batch = network.collate(drawn)
    assert (len(batch.ids), batch.forked) == (4, False)
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
        template=CHAT, brief=make_brief(limits=LIMITS.model_copy(update={"max_input_tokens": 40}))
    )
    lengths = Lengths(network.brief.limits)
    row = replace(make_row(0), source="broken swings " * 40)
    (source,) = network.encode(row, lengths).sources
    text = network.tokenizer.decode(source)
    assert len(source) == 40
    assert text.startswith("[user] broken swings")
    assert text.endswith("\n[assistant]\n")
    cut = lengths.truncation()["input"]
    assert (cut.cut, cut.texts, cut.limit) == (1, 1, 40)
    assert cut.longest > 40


@pytest.mark.parametrize("prepends", [False, True])
@pytest.mark.parametrize("place", PLACES)
def test_what_is_spelt_is_read_again(place: Place, prepends: bool):
    tokenizer = (
        scratch_causal(LIMITS, [*TEXTS, *RATIONALES, *KINDS])[1] if prepends else make_tokenizer()
    )
    spelling = spell_by_words(tokenizer)
    assert spelling.space == ("" if prepends else " ")
    assert tokenizer.decode(spelling.label) == "\nAnswer:"
    assert tokenizer.decode(spelling.rationale) == "\nRationale:"
    for number in range(3):
        target = make_row(number, place).targets[0]
        *ids, end = spelling.spell(target, Lengths(LIMITS))
        assert end == tokenizer.eos_token_id
        why = RATIONALES[number] if place in ("before", "after") else ""
        assert spelling.read("label", METHODS[PLACES[place]], ids) == Written(KINDS[number], why)
        text = tokenizer.decode([*spelling.label, *spelling.ids(KINDS[number])])
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
    network = make_network(brief=make_brief("before"))
    end = network.tokenizer.eos_token_id
    ends = torch.nn.functional.one_hot(torch.tensor(end), 400) * 1e4
    network.model.get_output_embeddings().register_forward_hook(
        lambda layer, given, made: made + ends
    )
    written = network.write("label", EXAMPLES)
    assert all(one.label in KINDS and not one.rationale for one in written)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_choice_is_always_one_of_the_choices(kind: str, place: Place):
    network = make_network(kind, make_brief(place))
    options = ("one", "two", "two and a half")
    given = [*EXAMPLES, Example("3", "Which?", options)]
    labels = [written.label for written in network.write("label", given)]
    assert set(labels[:3]) <= set(KINDS)
    assert labels[3] in options


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bloom"])
def test_answers_do_not_depend_on_what_is_answered_beside_them(kind: str):
    network = make_network(kind, replace(make_brief(), task=replace(TASK, answer=Answer("text"))))
    for task in ("label", "rationale"):
        together = network.write(task, EXAMPLES)
        assert together == [network.write(task, [example])[0] for example in EXAMPLES]


def test_a_label_costs_no_rationale():
    network = make_network(brief=make_brief("after"))
    steps = []
    network.model.register_forward_hook(lambda *_: steps.append(1))
    network.write("label", EXAMPLES)
    longest = max(len(network._spelling.ids(kind)) for kind in KINDS)
    assert len(steps) <= longest + 1


# --- training, saving, loading


@pytest.mark.parametrize("place", PLACES)
def test_a_student_from_scratch_learns_is_saved_and_answers_the_same(place: Place, tmp_path: Path):
    network = build_network(make_brief(place), [*TEXTS, *RATIONALES, *KINDS], seed=0)
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
    network = build_network(make_brief(limits=limits), [], seed=0)
    assert fit(network, [make_row(i) for i in range(3)])[-1] < 0.1
    assert [w.label for w in network.write("label", EXAMPLES)] == list(KINDS)
    assert [w.rationale for w in network.write("rationale", EXAMPLES)] == list(RATIONALES)


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
    network = CausalNetwork(model, tokenizer, make_brief()).eval()
    assert network.tokenizer.pad_token == network.tokenizer.eos_token
    assert all(written.label in KINDS for written in network.write("label", EXAMPLES))


def test_a_tokenizer_without_padding_pads_with_its_end():
    tokenizer = make_tokenizer()
    tokenizer.pad_token = None
    network = CausalNetwork(
        AutoModelForCausalLM.from_config(CONFIGS["gpt2"]()), tokenizer, make_brief()
    )
    assert tokenizer.pad_token_id == tokenizer.eos_token_id == 1
    network.eval()
    drawn = draw(network, [make_row(i) for i in range(3)])
    wanted = torch.stack([own_loss(network, row, 0) for row in drawn])
    torch.testing.assert_close(outputs(network, drawn)["label"].losses, wanted)


# --- adapters

LORA = LoraConfig(rank=8, alpha=16, dropout=0.0)


def adapted(kind: str, folder: Path, lora: LoraConfig = LORA) -> CausalNetwork:
    make_network(kind, template=CHAT).save(folder / "pretrained")
    limits = LIMITS.model_copy(update={"model": str(folder / "pretrained"), "lora": lora})
    network = build_network(make_brief(limits=limits), [], seed=0)
    assert isinstance(network, CausalNetwork)
    return network.eval()


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_adapters_alone_are_trained_and_merged_when_saved(kind: str, tmp_path: Path):
    network = adapted(kind, tmp_path)
    frozen = {n: p.clone() for n, p in network.named_parameters() if not p.requires_grad}
    trained = [n for n, p in network.named_parameters() if p.requires_grad]
    assert all("lora_" in name for name in trained)
    first, *_, last = fit(network, [make_row(i) for i in range(3)])
    assert last < first / 3
    assert network.width == 32
    answers = Student(network).predict(EXAMPLES, explain=True)
    assert [answer.label for answer in answers] == list(KINDS)
    Student(network).save(tmp_path / "student")
    for name, weight in network.named_parameters():
        assert name in trained or torch.equal(weight, frozen[name])

    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "student").eval()
    names = set(plain.state_dict())
    assert names == set(AutoModelForCausalLM.from_pretrained(tmp_path / "pretrained").state_dict())
    assert not list((tmp_path / "student").glob("adapter*"))
    ids = torch.arange(3, 40)[None]
    torch.testing.assert_close(plain(ids).logits, network.model(ids).logits, rtol=1e-4, atol=1e-4)
    assert Student.load(tmp_path / "student", "cpu").predict(EXAMPLES, explain=True) == answers
    assert Student(network).predict(EXAMPLES, explain=True) == answers


def test_a_checkpoint_holds_the_adapters_alone_and_is_loaded_again(tmp_path: Path):
    network = adapted("llama", tmp_path)
    fit(network, [make_row(0)], steps=3, lr=1e-2)
    state = {name: weight.clone() for name, weight in network.state_dict().items()}
    assert state
    assert all("lora_" in name for name in state)
    ids = torch.arange(3, 20)[None]
    logits = network.model(ids).logits
    fit(network, [make_row(1)], steps=3, lr=1e-2)
    assert not torch.allclose(network.model(ids).logits, logits)
    network.load_state_dict(state)
    torch.testing.assert_close(network.model(ids).logits, logits)
    holder = torch.nn.ModuleDict({"network": network, "more": torch.nn.Linear(2, 2)})
    kept = holder.state_dict()
    assert {name for name in kept if "lora_" not in name} == {"more.weight", "more.bias"}
    holder.load_state_dict(kept)
    del kept["more.bias"]
    with pytest.raises(RuntimeError, match=r"Missing key.*more.bias"):
        holder.load_state_dict(kept)


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing_enable`:FutureWarning")
def test_adapters_learn_through_checkpointed_activations(tmp_path: Path):
    network = adapted("llama", tmp_path)
    batch = network.collate(draw(network, [make_row(0)]))
    network.train()
    found = []
    for checkpointed in (False, True):
        if checkpointed:
            network.model.gradient_checkpointing_enable({"use_reentrant": False})
        network.zero_grad()
        sum(output.losses.sum() for output in network(batch)).backward()
        found.append([p.grad.clone() for p in network.parameters() if p.requires_grad])
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two)
    assert any(gradient.any() for gradient in found[1])


# --- errors


def test_adapters_need_peft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make_network().save(tmp_path)
    limits = LIMITS.model_copy(update={"model": str(tmp_path), "lora": LORA})
    monkeypatch.setattr(
        "distilwhy.students.lora.find_spec",
        lambda name: None if name == "peft" else find_spec(name),
    )
    with pytest.raises(StudentError, match=r"needs peft.*pip install 'distilwhy\[lora\]'"):
        build_network(make_brief(limits=limits), [], seed=0)


def test_four_bits_need_a_gpu_and_bitsandbytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    quantized = LORA.model_copy(update={"quantize": "4bit"})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(StudentError, match="'4bit' needs a CUDA GPU; set it to 'none'"):
        adapted("llama", tmp_path, quantized)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(
        "distilwhy.students.lora.find_spec",
        lambda name: None if name == "bitsandbytes" else find_spec(name),
    )
    with pytest.raises(StudentError, match=r"needs bitsandbytes.*pip install bitsandbytes"):
        adapted("llama", tmp_path, quantized)


def test_a_student_from_scratch_has_no_adapters():
    limits = LIMITS.model_copy(update={"lora": LORA})
    with pytest.raises(StudentError, match=r"student\.lora adapts a pretrained model"):
        build_network(make_brief(limits=limits), TEXTS, seed=0)


def test_heads_of_an_odd_width_are_refused():
    shape = ScratchConfig(width=30, heads=2, vocabulary=400)
    limits = LIMITS.model_copy(update={"scratch": shape})
    with pytest.raises(StudentError, match=r"width 30 .* odd width 15; take a multiple of 4"):
        build_network(make_brief(limits=limits), TEXTS, seed=0)


def test_lengths_that_the_model_does_not_see_are_refused():
    limits = LIMITS.model_copy(update={"max_input_tokens": 250})
    with pytest.raises(StudentError, match=r"max_input_tokens 250 .* than the 256 .*; lower it"):
        make_network("gpt2", make_brief(limits=limits))


def test_a_template_that_leaves_no_room_is_refused():
    limits = LIMITS.model_copy(update={"max_input_tokens": 10})
    with pytest.raises(
        StudentError, match=r"max_input_tokens 10 has no room .* template; raise it"
    ):
        make_network(brief=make_brief(limits=limits), template=CHAT)


def test_a_tokenizer_without_an_end_is_refused():
    tokenizer = make_tokenizer()
    tokenizer.eos_token = None
    model = AutoModelForCausalLM.from_config(CONFIGS["llama"]())
    with pytest.raises(StudentError, match=r"has no eos_token.*tokenizer_config.json"):
        CausalNetwork(model, tokenizer, make_brief())


def test_a_folder_without_a_model_is_one_line(tmp_path: Path):
    with pytest.raises(StudentError, match="cannot be loaded") as caught:
        load_network(tmp_path, "causal", make_brief())
    assert "\n" not in str(caught.value)
