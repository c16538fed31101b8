"""Every method with every family: trained, saved, loaded, asked."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from distilwhy.config import ScratchConfig, StudentConfig, TrainingConfig
from distilwhy.core.method import (
    METHODS,
    TargetOptions,
    TrainingRow,
    render_source,
    render_training_rows,
)
from distilwhy.core.parsing.completion import Annotation
from distilwhy.core.stats.comparisons import Prediction
from distilwhy.core.task import Example
from distilwhy.demo.helpdesk import generate_tickets, misread, solve
from distilwhy.errors import StudentError
from distilwhy.pipeline.task import read_task
from distilwhy.students.load import build_network
from distilwhy.students.spec import StudentSpec
from distilwhy.students.student import Student
from distilwhy.students.training.loop import train
from pretrained import save_bert
from routing import TASK

TICKETS = generate_tickets(20, seed=5)
ROUTING = read_task(TASK)
EXAMPLES = [Example(ticket.id, ticket.message, (), ticket.team) for ticket in TICKETS]
# The teacher misreads every fifth message, and is not understood in the last.
ANNOTATIONS = {
    t.id: Annotation(t.id, "ok", *(solve(t.message) if i % 5 else misread(t.message, 1)))
    for i, t in enumerate(TICKETS)
}
ANNOTATIONS[TICKETS[-1].id] = Annotation(TICKETS[-1].id, "unparsed", problem="no answer")
TEXTS = [text for e in EXAMPLES for text in (e.text, ANNOTATIONS[e.id].rationale)]
TEXTS += ROUTING.answer.labels
LIMITS = StudentConfig(
    scratch=ScratchConfig(width=16, layers=1, heads=2, feedforward=16, vocabulary=400),
    decoder_layers=1,
    max_input_tokens=96,
    max_label_tokens=8,
    max_rationale_tokens=12,
)
TRAINING = TrainingConfig(steps=3, batch_size=4, lr=1e-2, evaluate_every=3)


def rows_for(method: str) -> list[TrainingRow]:
    return render_training_rows(METHODS[method], EXAMPLES, ANNOTATIONS, TargetOptions())


def questions_for(method: str) -> list[Example]:
    """Some rows as a student of this method reads them when it is deployed."""
    return [
        replace(e, text=render_source(METHODS[method], e, ANNOTATIONS[e.id])) for e in EXAMPLES[:6]
    ]


def check(method: str, limits: StudentConfig, folder: Path, two_passes: bool = False) -> None:
    """Train a student, save it, load it, and ask both."""
    spec = StudentSpec(ROUTING, METHODS[method], limits, two_passes)
    student = Student(build_network(spec, TEXTS, seed=0))
    fresh = {name: weight.clone() for name, weight in student.network.state_dict().items()}
    questions = questions_for(method)
    config = TRAINING.model_copy(update={"two_passes": two_passes})
    done = train(student, rows_for(method), questions, config, 0, folder / "unfinished")
    learnt = student.network.state_dict()
    assert done.rows == len(EXAMPLES) - METHODS[method].needs_teacher
    assert any(not torch.equal(learnt[name], fresh[name]) for name in fresh)
    apart = METHODS[method].writes_rationales and METHODS[method].place == "apart"
    assert set(done.log[-1].losses) == ({"label", "rationale"} if apart else {"label"})
    if apart:
        assert min(done.log[-1].gradients.values()) > 0

    (folder / "student").mkdir()
    student.save(folder / "student")
    loaded = Student.load(folder / "student", "cpu")
    assert loaded.network.family == student.network.family
    assert (loaded.spec.method, loaded.spec.two_passes) == (METHODS[method], two_passes)
    answers = student.predict(questions)
    assert {answer.label for answer in answers} <= set(ROUTING.answer.labels)
    assert_same(loaded.predict(questions, batch_size=4), answers)
    check_reasons(student, loaded, questions)


def assert_same(found: list[Prediction], expected: list[Prediction]) -> None:
    """The same answers; confidences may differ in their last digits with the size of a batch."""
    bare = [[replace(one, confidence=None) for one in side] for side in (found, expected)]
    assert bare[0] == bare[1]
    sure = [[one.confidence for one in side] for side in (found, expected)]
    assert sure[0] == pytest.approx(sure[1], abs=1e-4)


def check_reasons(student: Student, loaded: Student, questions: list[Example]) -> None:
    """Both explain alike, or neither does and both say why."""
    method = student.spec.method
    if method.writes_rationales and (student.network.family != "encoder" or keeps(method.name)):
        assert loaded.explain(questions) == student.explain(questions)
        return
    if method.writes_rationales:
        reason = f"{method.name!r}: the decoder that wrote its rationales was thrown away"
    else:
        reason = f"{method.name!r}, which trains no rationales"
    for asked in (student, loaded):
        with pytest.raises(StudentError, match=reason):
            asked.explain(questions)


def keeps(method: str) -> bool:
    """Whether an encoder keeps its decoder: it cannot choose a label before it wrote why."""
    return method.startswith("rationale-then-label")


@pytest.mark.parametrize("family", ["seq2seq", "causal", "encoder"])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_with_every_family(method: str, family: str, tmp_path: Path):
    check(method, LIMITS.model_copy(update={"family": family}), tmp_path)


@pytest.mark.parametrize("two_passes", [False, True])
@pytest.mark.parametrize("method", [n for n, m in METHODS.items() if m.place in ("apart", "input")])
def test_every_method_that_trains_its_tasks_apart_with_a_label_head(
    method: str, two_passes: bool, tmp_path: Path
):
    limits = LIMITS.model_copy(update={"family": "causal", "label_head": True})
    check(method, limits, tmp_path, two_passes)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_with_a_pass_for_each_task(method: str, tmp_path: Path):
    check(method, LIMITS, tmp_path, two_passes=True)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bert(tmp_path_factory.mktemp("bert"))


@pytest.mark.parametrize("family", ["seq2seq", "encoder"])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_with_a_pretrained_encoder(
    method: str, family: str, bert: Path, tmp_path: Path
):
    limits = LIMITS.model_copy(
        update={"model": str(bert), "family": family, "max_input_tokens": 64}
    )
    check(method, limits, tmp_path)


def test_there_are_twenty_methods():
    """The matrix is as wide as the docs say."""
    assert len(METHODS) == 20
