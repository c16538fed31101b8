"""Encoder students: learnt, asked, saved and loaded."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from distilwhy.core.method import METHODS, Target, TrainingRow
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.task import Example, RowFormat, Task
from distilwhy.errors import StudentError
from distilwhy.students.encoding import DrawnRow, Truncator
from distilwhy.students.families.encoder import EncoderNetwork
from distilwhy.students.load import load_network
from distilwhy.students.student import Student
from encoders import (
    FIXED,
    KINDS,
    LIMITS,
    OWN,
    TEXTS,
    count_passes,
    losses,
    make_spec,
    pretrained,
    row,
    scratch,
)


@pytest.mark.parametrize("task", [FIXED, OWN], ids=["fixed", "own"])
@pytest.mark.parametrize("method", ["step-by-step", "rationale-then-label"])
def test_an_answer_takes_one_pass_of_the_encoder(method: str, task: Task):
    network = scratch(make_spec(method, task))
    calls = count_passes(network)
    options = () if task is FIXED else ("red", "blue")
    network.generate("label", [Example(str(i), "the red door " * i, options) for i in range(1, 5)])
    assert len(calls) == 1


COLOURS = ("red", "blue", "green")


def toy_rows(method: str, own: bool) -> tuple[list[TrainingRow], list[Example]]:
    """Texts that name a colour; the label is the colour, and the rationale says so."""
    place, rows, examples = METHODS[method].place, [], []
    for index in range(12):
        colour = COLOURS[index % 3]
        options = COLOURS[: 2 + (index % 2 or index % 3 == 2)] if own else ()
        text, why = f"the {colour} door {index}", f"it says {colour}"
        targets = {
            "apart": (Target("label", colour), Target("rationale", why)),
            "input": (Target("label", colour),),
            "after": (Target("label", colour, after=why),),
            "before": (Target("label", colour, before=why),),
        }[place]
        source = f"{text}\nRationale: {why}" if place == "input" else text
        rows.append(TrainingRow(source, targets, options))
        examples.append(Example(str(index), source, options, colour))
    return rows, examples


def fit(network: EncoderNetwork, rows: Sequence[TrainingRow], steps: int) -> float:
    """Train on all the rows at once; the last loss."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    network.train()
    for _ in range(steps):
        found = losses(network, *rows).values()
        loss = sum((o.weights * o.losses).sum() for o in found) / len(rows)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network.eval()
    return loss.item()


@pytest.mark.parametrize("own", [False, True], ids=["fixed", "own"])
@pytest.mark.parametrize(
    "method",
    ["step-by-step", "rationale-input", "label-then-rationale", "rationale-then-label"],
)
def test_every_method_learns_saves_and_loads(method: str, own: bool, tmp_path: Path):
    task = OWN if own else Task("", RowFormat("{{ x }}"), Answer("choice", COLOURS))
    network = scratch(make_spec(method, task))
    rows, examples = toy_rows(method, own)
    assert fit(network, rows, 80) < 0.5
    student = Student(network)
    before = student.predict(examples)
    assert [p.label for p in before] == [example.gold for example in examples]
    student.save(tmp_path)
    loaded = Student.load(tmp_path, "cpu")
    # Padding to another length changes the last digits of the confidences.
    again = loaded.predict(examples, batch_size=5)
    assert [(p.label, p.rationale) for p in again] == [(p.label, p.rationale) for p in before]
    keeps = method == "rationale-then-label"
    assert isinstance(loaded.network, EncoderNetwork)
    assert (loaded.network.decoder is not None) == keeps
    assert loaded.network.size == network.size
    assert (tmp_path / "decoder.safetensors").exists() == keeps
    assert (tmp_path / "head.safetensors").exists() == own
    if keeps:
        assert loaded.explain(examples[:2]) == ["it says red", "it says blue"]
        assert loaded.network.generate("label", examples[:1])[0].rationale == "it says red"


def checkpoint_activations(network: EncoderNetwork) -> None:
    # transformers renamed it between 5.20 and 5.23.
    enable = getattr(network.model, "activation_checkpointing_enable", None)
    (enable or network.model.gradient_checkpointing_enable)({"use_reentrant": False})


@pytest.mark.parametrize("kind", KINDS)
def test_the_decoder_attends_to_the_last_hidden_states(kind: str, tmp_path: Path):
    limits = LIMITS.model_copy(update={"model": str(pretrained(kind, tmp_path))})
    network = scratch(make_spec(limits=limits))
    truncator = Truncator(limits)
    encoded = network.encode(row("the red door", Target("rationale", "it is")), truncator)
    batch = network.collate([DrawnRow(encoded, encoded.variants[0])])
    body, calls = network.model.base_model, count_passes(network)
    last = body(input_ids=batch.source).last_hidden_state
    calls.clear()
    seen = network.run_encoder(batch.source, batch.parts)
    assert len(calls) == 1
    torch.testing.assert_close(seen.states, last)
    view = seen.classify(last.mean(dim=1), torch.tensor([0]))
    assert view.shape == seen.logits.shape == (1, 3)
    if network.model.config.to_dict().get("classifier_pooling") != "mean":
        torch.testing.assert_close(seen.classify(last[:, 0], torch.tensor([0])), seen.logits)


@pytest.mark.parametrize("own", [False, True], ids=["fixed", "own"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_architecture_learns_saves_and_loads(kind: str, own: bool, tmp_path: Path):
    limits = LIMITS.model_copy(update={"model": str(pretrained(kind, tmp_path / "p"))})
    task = OWN if own else Task("", RowFormat("{{ x }}"), Answer("choice", COLOURS))
    network = scratch(make_spec("step-by-step", task, limits))
    rows, examples = toy_rows("step-by-step", own)
    checkpoint_activations(network)
    start = fit(network, rows, 1)
    assert fit(network, rows, 3) < start
    (tmp_path / "s").mkdir()
    network.save(tmp_path / "s")
    loaded = load_network(tmp_path / "s", network.family, network.spec).eval()
    answers = [
        [one.label for one in answering.generate("label", examples)]
        for answering in (loaded, network.eval())
    ]
    assert answers[0] == answers[1]
    assert loaded.size == network.size


def test_plain_transformers_answers_as_the_student_does(tmp_path: Path):
    student = Student(scratch(make_spec()))
    examples = [Example(str(i), text) for i, text in enumerate(TEXTS[:3])]
    student.save(tmp_path)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    found = tokenizer([e.text for e in examples], padding=True, return_tensors="pt")
    logits = model(found["input_ids"], attention_mask=found["attention_mask"]).logits
    labels = [model.config.id2label[int(best)] for best in logits.argmax(dim=-1)]
    assert labels == [prediction.label for prediction in student.predict(examples)]
    assert model.config.label2id == {"colour": 0, "thing": 1, "plant": 2}
    assert sum(p.numel() for p in model.parameters()) == student.network.size


def test_a_head_for_other_labels_is_replaced(tmp_path: Path):
    limits = LIMITS.model_copy(update={"model": str(pretrained("bert", tmp_path))})
    task = Task("", RowFormat("{{ x }}"), Answer("choice", tuple("abcde")))
    network = scratch(make_spec("finetune", task, limits))
    assert losses(network, row("x", Target("label", "e")))["label"].pooled.shape == (1, 5)


@pytest.mark.parametrize("method", ["step-by-step", "rationale-then-label"])
@pytest.mark.parametrize("own", [False, True], ids=["fixed", "own"])
def test_answers_do_not_depend_on_the_rest_of_the_batch(method: str, own: bool):
    network = scratch(make_spec(method, OWN if own else FIXED))
    asked = [
        Example(str(i), "red door " * (1 + i % 4), ("red", "a blue", "c d", "e")[: 2 + i % 3])
        for i in range(8)
    ]
    examples = asked if own else [Example(e.id, e.text) for e in asked]
    together = network.generate("label", examples)
    assert together == [network.generate("label", [example])[0] for example in examples]
    choices = [network.spec.task.answer.choices(example.options) for example in examples]
    assert all(w.label in c for w, c in zip(together, choices, strict=True))


def test_a_long_text_is_cut_and_its_options_are_not():
    network = scratch(make_spec(task=OWN))
    truncator = Truncator(LIMITS)
    options = ("red", "blue lamp")
    label, why = Target("label", "red"), Target("rationale", "because " * 30)
    cut = network.encode(row("door " * 100, label, why, options=options), truncator)
    short = network.encode(row("a door", label, options=options), truncator)
    assert cut.length == LIMITS.max_input_tokens
    assert cut.options == short.options
    end = network.tokenizer.sep_token_id
    assert cut.sources[0][-1] == short.sources[0][-1] == end
    assert [option[-1] for option in cut.options] == [end, end]
    found = truncator.counts()
    assert (found["input"].cut, found["input"].texts, found["input"].limit) == (1, 2, 48)
    assert found["rationale"].cut == 1
    assert len(cut.variants[0][1].ids) == LIMITS.max_rationale_tokens + 1
    losses(network, row("door " * 100, label, why, options=options))


def test_a_rationale_that_never_ends_stops_at_the_limit():
    decoder = scratch(make_spec("rationale-then-label")).decoder
    assert decoder is not None
    states, mask, words = torch.randn(2, 4, 32), torch.ones(2, 4), torch.randn(20, 32)
    written = decoder.generate(3, -1, 12, states, mask, words)
    assert [len(ids) for ids in written] == [12, 12]


def test_a_discarded_decoder_does_not_count_as_deployed():
    plain, taught = scratch(make_spec("finetune")), scratch(make_spec())
    assert plain.decoder is None
    assert taught.decoder is not None
    assert taught.size == plain.size < sum(p.numel() for p in taught.parameters())
    assert scratch(make_spec("rationale-then-label")).size > plain.size
    assert taught.width == 32


def test_an_answer_that_is_not_a_choice_is_refused():
    text = Task("", RowFormat("{{ x }}"), Answer("number"))
    with pytest.raises(StudentError, match=r"cannot write a number; set student\.family to seq2s"):
        scratch(make_spec(task=text))


def test_a_label_that_is_not_a_choice_is_refused():
    network = scratch(make_spec())
    with pytest.raises(StudentError, match="'animal' is none of the row's choices, colour, thing"):
        losses(network, row("a cat", Target("label", "animal")))


def test_a_student_without_its_decoder_cannot_explain():
    with pytest.raises(
        StudentError, match=r"'step-by-step': the decoder that wrote .* thrown away"
    ):
        Student(scratch(make_spec())).explain([Example("1", "a cat")])


def test_options_that_leave_no_space_for_text_are_refused():
    network = scratch(make_spec(task=OWN))
    options = ("a", "door " * 50)
    with pytest.raises(StudentError, match=r"tokens long, .*raise student\.max_input_tokens, .*48"):
        network.generate("label", [Example("1", "which", options)])


def test_limits_beyond_the_encoder_s_positions_are_refused(tmp_path: Path):
    pretrained("roberta", tmp_path)
    limits = LIMITS.model_copy(update={"model": str(tmp_path), "max_input_tokens": 64})
    with pytest.raises(StudentError, match="is 64, and roberta has positions for 49; lower it"):
        scratch(make_spec(limits=limits))
