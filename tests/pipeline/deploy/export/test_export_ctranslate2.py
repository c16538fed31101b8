"""Students that write their answers, run by CTranslate2."""

from pathlib import Path

import pytest
import torch

from causal import LORA, make_network, make_spec, save_llama
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.task import RowFormat, Task
from distilwhy.errors import RunError, StudentError
from distilwhy.students.student import README, Student
from exports import ROWS, export_to, vary
from pretrained import save_bert, save_pretrained
from snippets import code_in, execute
from tiny_students import CHOICE, OPTIONS, TEXT, pretrained, scratch

NUMBER = Task("", RowFormat("{{ x }}"), Answer("number"))
METHODS = ("finetune", "step-by-step", "rationale-then-label", "label-then-rationale")
DECODERS = ("llama", "qwen2", "qwen3", "gpt2", "bloom")


def make(kind: str, folder: Path, task: Task = CHOICE, method: str = "step-by-step") -> Student:
    if kind in DECODERS:
        network = make_network(kind)
        network.pools = False
        return Student(network)
    if kind in ("seq2seq", "causal"):
        return vary(scratch(task, method, family=kind))
    return vary(pretrained(save_pretrained(kind, folder / "pretrained"), task, method))


def require_same(student: Student, exported: Student, rows=ROWS) -> None:
    """Labels, and confidences but for rounding."""
    wanted, found = student.predict(rows), exported.predict(rows)
    assert [one.text for one in found] == [one.text for one in wanted]
    assert [one.confidence for one in found] == pytest.approx(
        [one.confidence for one in wanted], abs=1e-5
    )


@pytest.mark.parametrize("kind", ["seq2seq", "t5", "t5-v1_1", "mt5", "bart", "causal", *DECODERS])
def test_every_architecture_answers_with_the_students_labels_and_confidences(
    kind: str, tmp_path: Path
):
    student = make(kind, tmp_path)
    exported = Student.load(export_to("ctranslate2", student, tmp_path))
    require_same(student, exported)
    assert {p.device.type for p in exported.network.parameters()} == {"meta"}


@pytest.mark.parametrize("task", [CHOICE, TEXT, NUMBER], ids=lambda task: task.answer.kind)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["t5", "bart", "causal"])
def test_labels_and_rationales_are_those_of_the_student(
    kind: str, method: str, task: Task, tmp_path: Path
):
    if kind == "causal" and method == "rationale-then-label":
        pytest.skip("refused")
    student = make(kind, tmp_path, task, method)
    exported = Student.load(export_to("ctranslate2", student, tmp_path))
    require_same(student, exported)
    assert exported.can_explain == student.can_explain
    if student.can_explain:
        assert exported.explain(ROWS) == student.explain(ROWS)


@pytest.mark.parametrize("kind", ["seq2seq", "causal"])
def test_each_row_is_answered_with_one_of_its_own_options(kind: str, tmp_path: Path):
    options = ["Line Desk", "Line Desks", "a camera", "42"]
    rows = [{**row, "among": options[n % 2 : 3 + n % 2]} for n, row in enumerate(ROWS)]
    student = make(kind, tmp_path, OPTIONS)
    exported = Student.load(export_to("ctranslate2", student, tmp_path, rows))
    require_same(student, exported, rows)
    assert len({one.label for one in exported.predict(rows)}) > 1


@pytest.mark.parametrize("kind", ["t5", "causal"])
def test_weights_are_stored_in_eight_bits(kind: str, tmp_path: Path):
    student = make(kind, tmp_path)
    full = export_to("ctranslate2", student, tmp_path / "full")
    small = export_to("ctranslate2", student, tmp_path / "small", ROWS[:4], "int8")
    sizes = [(one / "ctranslate2/model.bin").stat().st_size for one in (small, full)]
    assert sizes[0] < 0.6 * sizes[1]
    found = Student.load(small).predict(ROWS[:4])
    assert [one.label for one in found] == [one.label for one in student.predict(ROWS[:4])]


def test_a_student_trained_by_adapters_is_exported_with_them_merged(tmp_path: Path):
    base = save_llama(tmp_path / "pretrained")
    student = pretrained(base, CHOICE, family="causal", lora=LORA)
    with torch.no_grad():
        for name, weight in student.network.named_parameters():
            if "lora_B" in name:
                weight.normal_()
    exported = Student.load(export_to("ctranslate2", student, tmp_path))
    require_same(student, exported)


@pytest.mark.parametrize("method", ["step-by-step", "label-then-rationale"])
def test_the_readme_shows_how_ctranslate2_alone_runs_it(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    student = make("t5", tmp_path, TEXT, method)
    folder = export_to("ctranslate2", student, tmp_path)
    [code] = code_in((folder / README).read_text())
    monkeypatch.chdir(folder)
    for row in ROWS[:3]:
        assert execute(code, str(row["x"])) == student.predict([row])[0].text


def test_a_model_that_the_format_computes_otherwise_is_refused(tmp_path: Path):
    """CTranslate2 does not cap the logits of a Gemma 2."""
    with pytest.raises(RunError, match=r"not exported: .*; use another format"):
        export_to("ctranslate2", Student(make_network("gemma2")), tmp_path)


def test_a_student_that_ctranslate2_cannot_run_is_refused_with_what_to_do(tmp_path: Path):
    warm = pretrained(save_bert(tmp_path / "bert"), CHOICE, family="seq2seq")
    refused = {
        "encoder": (scratch(family="encoder"), "an encoder, .* use --format onnx"),
        "head": (scratch(family="causal", label_head=True), "by a head, .* use --format hf"),
        "before": (scratch(CHOICE, METHODS[2], family="causal"), "words, .* use --format hf"),
        "warm": (warm, "cannot convert this encoder-decoder model .*; use --format hf"),
        "mpt": (Student(make_network("mpt", make_spec())), "this mpt model .*; use --format hf"),
    }
    for name, (student, message) in refused.items():
        with pytest.raises(StudentError, match=message):
            export_to("ctranslate2", student, tmp_path / name)
        assert not (tmp_path / name / "export").exists()
