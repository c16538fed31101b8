"""The confidence that comes with each label."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from distilwhy.core.stats.calibration import Calibration
from distilwhy.core.stats.cascade import Cascade
from distilwhy.core.stats.deployment import Deployment
from distilwhy.core.task import Example
from distilwhy.errors import StudentError
from distilwhy.students.encoding import Truncator
from distilwhy.students.student import Student
from tiny_students import CHOICE, OPTIONS, TEXT, scratch

FAMILIES = ["seq2seq", "causal", "encoder"]
METHODS = ["finetune", "step-by-step", "rationale-then-label", "label-then-rationale"]
ROWS = [Example(str(i), "router " * (1 + 3 * i)) for i in range(5)]
DEPLOYED = Deployment(Calibration("temperature", 100, 2.0), "gold", Cascade(0.9, 0.6))


def next_log_probabilities(student: Student, example: Example, written: list[int]) -> torch.Tensor:
    """``[vocabulary]``: of the token that follows, by one pass of the model."""
    network = student.network
    [(source, _)] = network.encode_examples("label", [example], Truncator(student.spec.config))
    if network.family == "seq2seq":
        ids, start = torch.tensor([source]), network.decoder_start("label")
        logits = network.model(input_ids=ids, decoder_input_ids=torch.tensor([[start, *written]]))
    else:
        prompt = [*source, *network._opening("label"), *written]
        logits = network.model(input_ids=torch.tensor([prompt]))
    return logits.logits[0, -1].double()


def reference(student: Student, example: Example) -> dict[str, float]:
    """The probability of every label of a row, each token's among those that lead to a label."""
    labels = student.spec.task.answer.choices(example.options)
    allowed = student.network.codec.allowed_labels(student.spec.method, labels)
    found = {}
    for ids, label in allowed.choices.items():
        log, node, written = 0.0, allowed.trie, []
        while node:
            scores = next_log_probabilities(student, example, written)
            token = (
                ids[len(written)] if len(written) < len(ids) else next(iter(set(node) - set(ids)))
            )
            open_tokens = list(node)
            log += float(scores[open_tokens].log_softmax(-1)[open_tokens.index(token)])
            node, written = node[token], [*written, token]
        found[label] = float(torch.tensor(log).exp())
    return found


@pytest.mark.parametrize("family", ["seq2seq", "causal"])
@torch.inference_mode()
def test_the_confidence_of_a_written_choice_is_its_probability_among_the_choices(family: str):
    student = scratch(CHOICE, "finetune", family=family)
    for example, found in zip(ROWS, student.predict(ROWS), strict=True):
        known = reference(student, example)
        assert sum(known.values()) == pytest.approx(1)
        assert found.confidence == pytest.approx(known[found.label], abs=1e-5)


@torch.inference_mode()
def test_the_confidence_of_a_text_is_the_probability_of_all_its_tokens():
    student = scratch(TEXT, "finetune", family="causal", max_label_tokens=3)
    [found] = student.predict(ROWS[:1])
    log, written = 0.0, []
    # It writes one token more than a label may have, which leaves space for its end.
    for _ in range(4):
        scores = next_log_probabilities(student, ROWS[0], written).log_softmax(-1)
        log += float(scores.max())
        written.append(int(scores.argmax()))
    assert found.confidence == pytest.approx(float(torch.tensor(log).exp()), rel=1e-3)


@torch.inference_mode()
def test_the_confidence_of_an_encoder_is_the_softmax_of_its_head():
    student = scratch(CHOICE, "finetune", family="encoder")
    student.network.model.classifier.weight.mul_(400)
    network = student.network
    for example, found in zip(ROWS, student.predict(ROWS), strict=True):
        [(source, _)] = network.encode_examples("label", [example], Truncator(student.spec.config))
        chances = network.model(input_ids=torch.tensor([source])).logits[0].softmax(-1)
        assert found.confidence == pytest.approx(float(chances.max()), abs=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", METHODS)
def test_every_choice_has_a_confidence_that_its_batch_does_not_change(family: str, method: str):
    student = scratch(CHOICE, method, family=family)
    found = student.predict(ROWS, batch_size=3)
    for one, example in zip(found, ROWS, strict=True):
        assert 1 / len(CHOICE.answer.labels) - 0.2 < one.confidence <= 1
        assert one.confidence == pytest.approx(student.predict([example])[0].confidence, abs=1e-4)
        assert one.alone is None


@pytest.mark.parametrize("family", FAMILIES)
def test_the_only_option_of_a_row_is_certain(family: str):
    student = scratch(OPTIONS, "finetune", family=family)
    [one, two] = student.predict([Example("1", "x", ("a",)), Example("2", "x", ("a", "b"))])
    assert one.confidence == 1
    assert 0.3 < two.confidence < 1


def test_a_text_that_is_no_answer_has_no_confidence_and_never_stands_alone():
    student = scratch(TEXT, "finetune")
    always = replace(DEPLOYED, cascade=Cascade(0.9, 0.0))
    for one in (student, replace(student, deployment=always)):
        [found] = one.predict(ROWS[:1])
        assert (found.label, found.confidence) == (None, 0)
    assert found.alone is False


def test_an_evaluated_student_gives_calibrated_confidences_and_says_where_it_stands_alone():
    student = scratch(CHOICE, "finetune")
    own = student.predict(ROWS)
    found = replace(student, deployment=DEPLOYED).predict(ROWS)
    wanted = DEPLOYED.calibration.apply([one.confidence for one in own])
    assert [one.confidence for one in found] == pytest.approx(wanted.tolist())
    assert [one.alone for one in found] == [one.confidence >= 0.6 for one in own]
    assert [one.label for one in found] == [one.label for one in own]
    without = replace(DEPLOYED, cascade=Cascade(0.9, None, "because"))
    assert replace(student, deployment=without).predict(ROWS)[0].alone is None


@pytest.mark.parametrize(
    "calibration",
    [
        Calibration("temperature", 100, 2.5, -0.1),
        Calibration("isotonic", 2000, knots=[(0.5, 0.4), (0.9, 0.8)]),
    ],
)
def test_calibration_and_cascade_are_saved_with_the_student(tmp_path: Path, calibration):
    student = replace(scratch(), deployment=replace(DEPLOYED, calibration=calibration))
    student.save(tmp_path)
    loaded = Student.load(tmp_path)
    assert [one.confidence for one in loaded.predict(ROWS)] == pytest.approx(
        [one.confidence for one in student.predict(ROWS)]
    )
    assert loaded.deployment.cascade == DEPLOYED.cascade


def test_a_student_of_an_older_version_is_loaded_without_a_calibration(tmp_path: Path):
    scratch().save(tmp_path)
    assert not (tmp_path / "deploy.json").exists()
    assert Student.load(tmp_path).deployment is None


def test_a_broken_calibration_is_named_with_the_remedy(tmp_path: Path):
    scratch().save(tmp_path)
    (tmp_path / "deploy.json").write_text('{"calibration": 3}')
    with pytest.raises(StudentError, match=r"deploy.json: cannot be read .*run 'evaluate' again"):
        Student.load(tmp_path)
