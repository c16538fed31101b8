"""Encoder students, run by onnxruntime."""

from pathlib import Path

import pytest

from distilwhy.errors import StudentError
from distilwhy.students.student import README, Student
from exports import ROWS, export_to, vary
from snippets import code_in, execute
from tiny_students import CHOICE, OPTIONS, scratch

AMONG = ["Line Desk", "Line Desks", "a camera", "42"]
OWN = [{**row, "among": AMONG[n % 2 : 3 + n % 2]} for n, row in enumerate(ROWS)]


@pytest.fixture(scope="module")
def student() -> Student:
    return vary(scratch(CHOICE, family="encoder", seed=1), 20)


@pytest.fixture(scope="module")
def folder(student: Student, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_to("onnx", student, tmp_path_factory.mktemp("full"))


def require_same(student: Student, exported: Student, rows, tolerance: float = 1e-5) -> None:
    wanted, found = student.predict(rows), exported.predict(rows)
    assert [one.label for one in found] == [one.label for one in wanted]
    assert [one.confidence for one in found] == pytest.approx(
        [one.confidence for one in wanted], abs=tolerance
    )
    assert len({one.label for one in wanted}) > 1


def test_an_encoder_answers_with_the_students_labels_and_confidences(
    student: Student, folder: Path
):
    exported = Student.load(folder)
    require_same(student, exported, ROWS)
    require_same(student, exported, [{"x": "one row alone"}, *ROWS[:5]])
    assert {p.device.type for p in exported.network.model.parameters()} == {"meta"}
    assert not exported.can_explain


def test_each_row_is_answered_with_one_of_its_own_options(tmp_path: Path):
    student = vary(scratch(OPTIONS, family="encoder"))
    require_same(student, Student.load(export_to("onnx", student, tmp_path, OWN)), OWN)


def test_weights_are_stored_in_eight_bits(student: Student, folder: Path, tmp_path: Path):
    small = export_to("onnx", student, tmp_path, quantize="int8")
    require_same(student, Student.load(small), ROWS, tolerance=0.1)
    assert [path.name for path in (small / "onnx").iterdir()] == ["model.onnx"]
    assert (small / "onnx/model.onnx").read_bytes() != (folder / "onnx/model.onnx").read_bytes()


def test_the_readme_shows_how_onnxruntime_alone_runs_it(
    student: Student, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    [code] = code_in((folder / README).read_text())
    monkeypatch.chdir(folder)
    for row in ROWS[:3]:
        assert execute(code, str(row["x"])) == student.predict([row])[0].label


def test_a_student_that_is_not_one_graph_is_refused_with_what_to_do(tmp_path: Path):
    before = scratch(CHOICE, "rationale-then-label", family="encoder")
    with pytest.raises(StudentError, match=r"before each label, .* use --format hf"):
        export_to("onnx", before, tmp_path / "before")
    for family in ("seq2seq", "causal"):
        with pytest.raises(StudentError, match=r"token by token, .* use --format ctranslate2"):
            export_to("onnx", scratch(family=family), tmp_path / family)
