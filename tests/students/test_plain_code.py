"""The code that a student's README and the documentation show for plain transformers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from distilwhy.core.method import METHODS
from distilwhy.core.task import RowFormat, Task
from distilwhy.students.families.causal import CausalNetwork
from distilwhy.students.families.causal_head.network import CausalHeadNetwork
from distilwhy.students.plain_code import seq2seq_code
from distilwhy.students.student import README, Student
from pretrained import TEXTS, save_bert, save_pretrained
from snippets import code_in, execute
from tiny_students import CHOICE, OPTIONS, TEXT, pretrained, scratch

DOCS = Path(__file__).parents[2] / "docs/students.md"
GATE = Task("", RowFormat("{{ report }}"), CHOICE.answer)
CHATS = [
    "{% for m in messages %}[user] {{ m.content }}\n[bot]{% endfor %}",
    "{% for m in messages %}[user] {{ m.content }}\n[bot]\n{% endfor %}",
]


def save(student: Student, folder: Path) -> str:
    folder.mkdir()
    student.save(folder)
    [code] = code_in((folder / README).read_text())
    return code


KINDS = ["seq2seq", "causal", "chat", "chat-line", "bart", "warm"]


def make(kind: str, folder: Path, method: str) -> Student:
    if kind == "bart":
        return pretrained(save_pretrained("bart", folder), TEXT, method)
    if kind == "warm":
        return pretrained(save_bert(folder), TEXT, method, family="seq2seq")
    student = scratch(TEXT, method, family="seq2seq" if kind == "seq2seq" else "causal")
    if not kind.startswith("chat"):
        return student
    network = student.network
    network.tokenizer.chat_template = CHATS[kind == "chat-line"]
    return Student(CausalNetwork(network.model, network.tokenizer, student.spec).eval())


@pytest.mark.parametrize("method", ["finetune", "step-by-step", "label-then-rationale"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_answers_as_the_student_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, method: str
):
    code = save(make(kind, tmp_path / "model", method), tmp_path / "student")
    monkeypatch.chdir(tmp_path / "student")
    loaded = Student.load(".", "cpu")
    for text in ("The router drops calls.", "Line Desk: 42 </s> <label>"):
        assert execute(code, text) == loaded.predict([text])[0].text


@pytest.mark.parametrize("kind", ["scratch", "bert"])
@pytest.mark.parametrize("method", ["finetune", "label-then-rationale"])
def test_an_encoder_over_fixed_labels_answers_as_the_student_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, method: str
):
    if kind == "bert":
        student = pretrained(save_bert(tmp_path / "model"), CHOICE, method, family="encoder")
    else:
        student = scratch(CHOICE, method, family="encoder")
    code = save(student, tmp_path / "student")
    monkeypatch.chdir(tmp_path / "student")
    loaded = Student.load(".", "cpu")
    for text in ("The router drops calls.", "Line Desk: 42"):
        assert execute(code, text) == loaded.predict([text])[0].label


@pytest.mark.parametrize("template", [None, *CHATS])
def test_a_decoder_with_a_label_head_answers_as_the_student_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, template: str | None
):
    plain = scratch(CHOICE, family="causal", label_head=True).network
    plain.tokenizer.chat_template = template
    network = CausalHeadNetwork(plain.model, plain.tokenizer, plain.spec)
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    code = save(Student(network), tmp_path / "student")
    monkeypatch.chdir(tmp_path / "student")
    loaded = Student.load(".", "cpu")
    found = [loaded.predict([text])[0].label for text in TEXTS]
    assert [execute(code, text) for text in TEXTS] == found
    assert len(set(found)) > 1


def test_a_student_with_parts_of_its_own_says_so(tmp_path: Path):
    for number, student in enumerate(
        (
            scratch(OPTIONS, "finetune", family="encoder"),
            scratch(OPTIONS, "finetune", family="causal", label_head=True),
            scratch(CHOICE, "rationale-then-label", family="encoder"),
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        student.save(folder)
        readme = (folder / README).read_text()
        assert "Only distilwhy can run it" in readme
        assert code_in(readme) == []


@pytest.mark.parametrize("family", ["seq2seq", "causal"])
def test_a_label_behind_its_rationale_is_cut_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str
):
    """Whatever an untrained student writes, the label that follows the words is printed."""
    student = scratch(TEXT, "rationale-then-label", family=family)
    code = save(student, tmp_path / "student")
    monkeypatch.chdir(tmp_path / "student")
    codec = student.network.codec  # type: ignore[attr-defined]
    written = [*codec.ids("It drops."), *codec.label_marker, *codec.ids("the router"), codec.end]

    def write(model: Any, input_ids: torch.Tensor, **_: Any) -> torch.Tensor:
        start = input_ids if family == "causal" else torch.tensor([[0]])
        return torch.cat([start, torch.tensor([written])], dim=1)

    monkeypatch.setattr(type(student.network.model), "generate", write)
    assert execute(code, "x") == "the router"


def test_two_passes_and_a_rationale_in_the_input_are_part_of_the_text():
    network = scratch(TEXT, "rationale-input", family="causal").network
    assert r'text = "The gate is stuck.\nRationale: Stuck' in str(network.plain_code("."))
    spec = replace(network.spec, two_passes=True, method=METHODS["finetune"])
    assert 'text = "predict: The gate' in seq2seq_code(spec, ".")


def test_the_documentation_shows_the_code_of_every_family():
    shown = code_in(DOCS.read_text(encoding="utf-8"))
    folder, task = "runs/experiment/students/step-by-step-seed0", GATE
    for family in ("seq2seq", "causal", "encoder", "head"):
        own = {"family": "causal", "label_head": True} if family == "head" else {"family": family}
        code = scratch(task, max_input_tokens=512, **own).network.plain_code(folder)
        assert code in shown, code
