"""Choices and targets as tokens, and back."""

from pathlib import Path
from unicodedata import normalize

import pytest

import causal
from distilwhy.core.method import METHODS, RationalePlacement, Target
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.task import Example, RowFormat, Task
from distilwhy.errors import StudentError
from distilwhy.students.encoding import Truncator
from distilwhy.students.families.causal import scratch_causal
from distilwhy.students.families.causal_prompt import word_codec
from distilwhy.students.families.encoder import EncoderNetwork
from distilwhy.students.families.seq2seq import Seq2SeqNetwork
from distilwhy.students.network import Generated
from pretrained import TEXTS, save_bert
from tiny_students import CONFIG, OPTIONS, pretrained, scratch

EXAMPLES = [Example(str(i), text) for i, text in enumerate(TEXTS)]
PLACES = ["finetune", "rationale-then-label", "label-then-rationale"]


def choices(*labels: str) -> Task:
    return Task("", RowFormat("{{ x }}"), Answer("choice", labels))


@pytest.mark.parametrize("family", ["seq2seq", "causal", "encoder"])
@pytest.mark.parametrize("method", PLACES)
def test_a_choice_longer_than_max_label_tokens_is_not_cut(method: str, family: str):
    labels = [f"the very same beginning, and then {end}" for end in ("one", "two")]
    student = scratch(choices(*labels), method, family=family, max_label_tokens=3)
    assert {prediction.label for prediction in student.predict(EXAMPLES)} <= set(labels)


SPLIT = ("not_entailment", "front-end", "C++", "don't know", "U.S.", "<=50K", "the router")


@pytest.mark.parametrize("method", PLACES)
def test_a_choice_is_recognised_even_if_decoding_does_not_restore_its_text(
    tmp_path: Path, method: str
):
    """WordPiece decodes ``not_entailment`` as ``not _ entailment``, and C++ as [UNK]."""
    student = pretrained(save_bert(tmp_path), choices(*SPLIT), method, family="seq2seq")
    assert isinstance(student.network, Seq2SeqNetwork)
    codec, place = student.network.codec, METHODS[method]
    allowed = codec.allowed_labels(place, SPLIT)
    assert list(allowed.choices.values()) == list(SPLIT)
    for ids, choice in allowed.choices.items():
        before = [*codec.prefix, *codec.label_marker] if place.place == "before" else []
        assert codec.decode("label", place, [*before, *ids], allowed.choices).label == choice
    assert {prediction.label for prediction in student.predict(EXAMPLES)} <= set(SPLIT)


def test_choices_with_the_same_tokens_are_refused(tmp_path: Path):
    save_bert(tmp_path)
    said = "'½' and '¼' are the same to this model's tokenizer"
    with pytest.raises(StudentError, match=said):
        pretrained(tmp_path, choices("½", "¼"), family="seq2seq")
    student = pretrained(tmp_path, OPTIONS, family="seq2seq")
    with pytest.raises(StudentError, match=said):
        student.predict([Example("1", "the router", ("½", "¼"))])


ALIKE = [(":)", ":("), ("US", "us"), ("Polish", "polish"), ("C", "C++", "c"), ("The Who", "Who")]


@pytest.mark.parametrize("family", ["seq2seq", "causal", "encoder"])
@pytest.mark.parametrize("method", PLACES)
@pytest.mark.parametrize("labels", ALIKE)
def test_labels_that_differ_little_are_told_apart(
    labels: tuple[str, ...], method: str, family: str
):
    """By case, punctuation or article alone: each is decoded as itself."""
    for task, options in ((choices(*labels), ()), (OPTIONS, labels)):
        if family == "encoder" and method == "rationale-then-label":
            continue
        student = scratch(task, method, family=family)
        found = student.predict([Example(str(i), text, options) for i, text in enumerate(TEXTS)])
        assert {one.label for one in found} <= set(labels)
        assert [one.label for one in found] == [one.text for one in found]
        target = [
            student.network.encode_target(Target("label", one), options, Truncator(CONFIG))
            for one in labels
        ]
        assert len({(tuple(one.ids), one.choice) for one in target}) == len(labels)
        network = student.network
        if isinstance(network, EncoderNetwork):
            assert [one.choice for one in target] == [*range(len(labels))]
            continue
        allowed = network.codec.allowed_labels(METHODS[method], labels)
        assert list(allowed.choices.values()) == list(labels)


@pytest.mark.parametrize("family", ["seq2seq", "causal"])
def test_a_student_that_learnt_one_of_two_labels_alike_does_not_say_the_other(family: str):
    """Whichever a network prefers, its own spelling comes out."""
    student = scratch(choices(":)", ":("), "finetune", family=family)
    codec = student.network.codec  # type: ignore[attr-defined]
    allowed = codec.allowed_labels(METHODS["finetune"], (":)", ":("))
    for label in (":)", ":("):
        ids = [*codec.prefix, *codec.ids(label)]
        found = codec.decode("label", METHODS["finetune"], ids, allowed.choices).label
        assert found == label == student.spec.task.answer.canonical(found)


@pytest.mark.parametrize("labels", [("Calls", "calls"), ("the ½", "the ¼"), ("½", "!")])
def test_labels_that_a_tokenizer_cannot_tell_apart_are_refused_before_training(
    tmp_path: Path, labels: tuple[str, str]
):
    save_bert(tmp_path)
    said = f"{labels[0]!r} and {labels[1]!r} are the same to this model's tokenizer"
    with pytest.raises(StudentError, match=said):
        pretrained(tmp_path, choices(*labels), family="seq2seq")
    for family in ("seq2seq", "encoder"):
        network = pretrained(tmp_path, OPTIONS, "finetune", family=family).network
        with pytest.raises(StudentError, match=f"row '1': .*{said}"):
            network.check_rows([Example("1", "the router", labels)])
    # The head of an encoder has a place for each.
    student = pretrained(tmp_path, choices(*labels), "finetune", family="encoder")
    assert student.predict(EXAMPLES[:1])[0].label in labels


def test_two_unicode_forms_of_a_label_are_one_label(tmp_path: Path):
    forms = [normalize(form, "café") for form in ("NFC", "NFD")]
    assert forms[0] != forms[1]
    student = pretrained(save_bert(tmp_path), OPTIONS, "finetune", family="seq2seq")
    student.network.check_rows([Example("1", "the router", (*forms, "router"))])


def test_options_of_several_lines_need_a_marker_that_is_not_a_line():
    examples = [Example(e.id, e.text, ("a\nb", "b\nc")) for e in EXAMPLES]
    found = scratch(OPTIONS, "label-then-rationale").predict(examples)
    assert {prediction.label for prediction in found} <= {"a\nb", "b\nc"}
    student = scratch(OPTIONS, "label-then-rationale", family="causal")
    with pytest.raises(StudentError, match=r"'a\\nb' contains what ends a label .* on one line"):
        student.predict(examples)


@pytest.mark.parametrize("adds_space", [False, True])
@pytest.mark.parametrize("place", causal.PLACES)
def test_decoding_restores_what_was_encoded(place: RationalePlacement, adds_space: bool):
    texts = [*causal.TEXTS, *causal.RATIONALES, *causal.KINDS]
    own = scratch_causal(causal.LIMITS, texts)[1] if adds_space else causal.make_tokenizer()
    codec = word_codec(own)
    assert codec.space == ("" if adds_space else " ")
    assert own.decode(codec.label_marker) == "\nAnswer:"
    assert own.decode(codec.rationale_marker) == "\nRationale:"
    method = METHODS[causal.PLACES[place]]
    for number, kind in enumerate(causal.KINDS):
        target = causal.make_row(number, place).targets[0]
        *ids, end = codec.encode(target, Truncator(causal.LIMITS))
        assert end == own.eos_token_id
        why = causal.RATIONALES[number] if place in ("before", "after") else ""
        assert codec.decode("label", method, ids) == Generated(kind, why)
        assert own.decode([*codec.label_marker, *codec.ids(kind)]) == f"\nAnswer: {kind}"
