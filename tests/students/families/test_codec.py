"""Choices and targets as tokens, and back."""

from pathlib import Path

import pytest

import causal
from distilwhy.core.method import METHODS, RationalePlacement
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.task import Example, RowFormat, Task
from distilwhy.errors import StudentError
from distilwhy.students.encoding import Truncator
from distilwhy.students.families.causal import scratch_causal
from distilwhy.students.families.causal_prompt import word_codec
from distilwhy.students.families.seq2seq import Seq2SeqNetwork
from distilwhy.students.network import Generated
from pretrained import TEXTS, save_bert
from tiny_students import OPTIONS, pretrained, scratch

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
    [found] = student.predict([Example("1", "the router", ("Calls", "calls"))])
    assert found.label == "Calls"


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
