"""Encoder–decoder students."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModel,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
)

from distilwhy.core.method import Target, TrainingRow
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.task import Example, RowFormat, Task
from distilwhy.students.encoding import DrawnRow, Truncator
from distilwhy.students.families.seq2seq import Seq2SeqNetwork
from distilwhy.students.families.tokenizer import LABEL_TOKEN, RATIONALE_TOKEN
from distilwhy.students.student import Student
from pretrained import save_bert, save_pretrained
from tiny_students import CONFIG, TEXT, pretrained, scratch


@pytest.mark.parametrize("kind", ["t5", "bart", "scratch"])
def test_plain_transformers_answers_as_a_saved_seq2seq_does(kind: str, tmp_path: Path):
    if kind == "scratch":
        student = scratch(TEXT)
    else:
        student = pretrained(save_pretrained(kind, tmp_path / "pretrained"))
    (tmp_path / "student").mkdir()
    student.save(tmp_path / "student")
    model = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "student").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "student")
    batch = tokenizer("The router drops calls.", return_tensors="pt")
    written = model.generate(batch["input_ids"], attention_mask=batch["attention_mask"])
    text = tokenizer.decode(written[0], skip_special_tokens=True).strip()
    assert text == student.predict([Example("1", "The router drops calls.")])[0].text


def test_a_pretrained_model_gets_the_two_task_tokens(tmp_path: Path):
    folder = save_pretrained("bart", tmp_path / "pretrained")
    end = AutoTokenizer.from_pretrained(folder).eos_token_id
    network = pretrained(folder).network
    assert isinstance(network, Seq2SeqNetwork)
    tokens = network.tokenizer.convert_tokens_to_ids([LABEL_TOKEN, RATIONALE_TOKEN])
    assert len({*tokens, network.tokenizer.unk_token_id}) == 3
    assert network.decoder_start("rationale") == tokens[1]
    assert network.decoder_start("label") == end
    embeddings = network.model.get_input_embeddings().num_embeddings
    assert embeddings >= len(network.tokenizer)


@pytest.mark.parametrize("kind", ["t5", "bart", "scratch"])
def test_a_rationale_is_written_behind_the_token_that_training_puts_before_it(
    kind: str, tmp_path: Path
):
    model = "scratch" if kind == "scratch" else save_pretrained(kind, tmp_path / "pretrained")
    student = pretrained(model, TEXT)
    network, read = student.network, list[torch.Tensor]()
    assert isinstance(network, Seq2SeqNetwork)
    network.model.get_decoder().register_forward_pre_hook(
        lambda _, __, given: read.append(given["input_ids"]), with_kwargs=True
    )
    student.explain([Example("1", "The router drops calls.")])
    target = network.encode_target(Target("rationale", "why"), (), Truncator(CONFIG))
    assert read[0].tolist() == [target.opening]


@pytest.mark.parametrize("decoder", ["fresh", "copied"])
def test_a_warm_started_student_has_the_encoder_s_weights_and_saves_like_any_other(
    tmp_path: Path, decoder: str
):
    """Its encoder is the pretrained one; plain transformers loads what is saved."""
    folder = save_bert(tmp_path / "pretrained")
    student = pretrained(folder, family="seq2seq", decoder=decoder, decoder_layers=1)
    before = AutoModel.from_pretrained(folder, add_pooling_layer=False).state_dict()
    found = student.network.model.encoder.state_dict()
    rows = before["embeddings.word_embeddings.weight"].shape[0]
    for name, value in before.items():
        torch.testing.assert_close(found[name][:rows], value)
    decoding = student.network.model.decoder
    assert decoding.config.num_hidden_layers == (2 if decoder == "copied" else 1)
    words = decoding.get_input_embeddings().weight[:rows]
    torch.testing.assert_close(words, before["embeddings.word_embeddings.weight"])
    if decoder == "copied":
        layer = "encoder.layer.0.attention.self.query.weight"
        torch.testing.assert_close(decoding.bert.state_dict()[layer], before[layer])
    examples = [Example("1", "the router"), Example("2", "calls the router 42")]
    answers = student.predict(examples, explain=True)
    (tmp_path / "student").mkdir()
    student.save(tmp_path / "student")
    assert Student.load(tmp_path / "student", "cpu").predict(examples, explain=True) == answers
    plain = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "student").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "student")
    batch = tokenizer("the router", return_tensors="pt")
    written = plain.generate(batch["input_ids"], attention_mask=batch["attention_mask"])
    assert tokenizer.decode(written[0], skip_special_tokens=True).strip() == answers[0].text


def test_decimal_points_survive_wordpiece_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """WordPiece decodes 1.5 as ``1. 5``: that must not cost the answer."""
    equation = Task("", RowFormat("{{ x }}"), Answer("equation"))
    student = pretrained(save_bert(tmp_path / "pretrained"), equation, family="seq2seq")
    tokenizer = student.network.tokenizer
    ids = tokenizer("( 1.5 + 12 ) / 3", add_special_tokens=False).input_ids
    start, end = tokenizer.cls_token_id, tokenizer.sep_token_id
    told = torch.tensor([[start, *ids, end]])
    monkeypatch.setattr(student.network.model, "generate", lambda **_: told)
    [found] = student.predict([Example("1", "the router")])
    assert found.label == "( 1.5 + 12 ) / 3"


@pytest.mark.parametrize("kind", ["t5", "bart", "bert"])
def test_targets_share_a_pass_of_a_decoder_with_relative_positions(kind: str, tmp_path: Path):
    """Whether they do or not, the losses and gradients are those of each task alone."""
    if kind == "bert":
        student = pretrained(save_bert(tmp_path / "pretrained"), family="seq2seq")
    else:
        student = pretrained(save_pretrained(kind, tmp_path / "pretrained"))
    network, rows = student.network.eval(), list[DrawnRow]()
    for text, why in (("the router", "it drops calls"), ("calls the router 42", "so it does")):
        targets = (Target("label", "network"), Target("rationale", why))
        row = network.encode(TrainingRow(text, targets), Truncator(CONFIG))
        rows.append(DrawnRow(row, row.variants[0]))
    rows.append(DrawnRow(rows[0].row, rows[0].targets[:1]))

    def learn(some: list[DrawnRow]) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        network.zero_grad()
        losses = {one.task: one.losses for one in network(network.collate(some))}
        torch.cat(list(losses.values())).sum().backward()
        slopes = {n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None}
        return {task: one.detach() for task, one in losses.items()}, slopes

    assert len(network.collate(rows).passes) == (1 if kind == "t5" else 2)
    losses, slopes = learn(rows)
    expected: dict[str, torch.Tensor] = {}
    for task in ("label", "rationale"):
        own = [
            replace(one, targets=tuple(t for t in one.targets if t.task == task)) for one in rows
        ]
        alone, parts = learn([one for one in own if one.targets])
        torch.testing.assert_close(losses[task], alone[task])
        expected = {n: expected.get(n, 0) + part for n, part in parts.items()}
    for name, slope in expected.items():
        torch.testing.assert_close(slopes[name], slope, rtol=1e-4, atol=1e-6, msg=name)
