"""Students: what they answer, explain, save and load."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from distilwhy.cli.app import app
from distilwhy.core.task import Example, RowFormat, Task
from distilwhy.errors import StudentError
from distilwhy.students.student import Student
from pretrained import save_pretrained
from tiny_students import CHOICE, OPTIONS, TEXT, pretrained, scratch

FAMILIES = ["seq2seq", "causal", "encoder"]


def test_a_choice_is_always_one_of_the_choices():
    examples = [Example(str(i), f"message number {i} about nothing") for i in range(20)]
    assert {p.label for p in scratch().predict(examples)} <= set(CHOICE.answer.labels)
    mixed = [Example("1", "a", ("red", "blue")), Example("2", "a much longer text", ("x y", "z"))]
    for prediction, example in zip(scratch(OPTIONS).predict(mixed), mixed, strict=True):
        assert prediction.example_id == example.id
        assert prediction.label in example.options


@pytest.mark.parametrize("family", FAMILIES)
def test_a_row_without_options_is_refused_where_options_are_the_choices(family: str):
    student = scratch(OPTIONS, "finetune", family=family)
    with pytest.raises(StudentError, match=r"'text' has none; give --file .* the field 'among'"):
        student.predict([Example("1", "x", ("a", "b")), Example("text", "x")])


def test_options_that_do_not_fit_are_refused_by_row():
    student = scratch(OPTIONS, "finetune", family="encoder")
    rows = [Example("fine", "x", ("a", "b")), Example("much", "x", ("router " * 90, "b"))]
    for check in (student.predict, student.network.check_rows):
        with pytest.raises(StudentError, match=r"^row 'much': its options are \d+ tokens long"):
            check(rows)


def test_an_answer_does_not_depend_on_the_rest_of_its_batch():
    student = scratch(TEXT)
    examples = [Example(str(i), "word " * (1 + i % 7)) for i in range(9)]
    alone = [student.predict([example])[0].text for example in examples]
    assert [p.text for p in student.predict(examples, batch_size=4)] == alone


def test_a_student_trained_without_rationales_cannot_explain():
    with pytest.raises(StudentError, match="'finetune', which trains no rationales"):
        scratch(method="finetune").predict([Example("1", "x")], explain=True)


@pytest.mark.parametrize("kind", ["t5", "t5-v1.1", "mt5", "bart", "scratch"])
def test_a_loaded_student_answers_as_the_saved_one_did(kind: str, tmp_path: Path):
    if kind == "scratch":
        student = scratch(TEXT)
    else:
        student = pretrained(save_pretrained(kind, tmp_path / "pretrained"))
    examples = [Example("1", "The router drops calls."), Example("2", "A camera")]
    before = student.predict(examples, explain=True)
    (tmp_path / "student").mkdir()
    student.save(tmp_path / "student")
    assert Student.load(tmp_path / "student", "cpu").predict(examples, explain=True) == before


@pytest.mark.parametrize("family", FAMILIES)
def test_predict_ignores_gold_and_counts_inputs_that_are_cut(family: str, tmp_path: Path):
    task = Task("", RowFormat("{{ x }}", gold="y"), CHOICE.answer)
    (tmp_path / "student").mkdir()
    scratch(task, "finetune", family=family, max_input_tokens=20).save(tmp_path / "student")
    rows = [{"x": "short", "y": "no such label"}, {"x": "A long one. " * 20}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["predict", str(tmp_path / "student"), "--file", str(tmp_path / "rows.jsonl")]
    result = CliRunner().invoke(app, command)
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["rows-1", "rows-2"]
    said = result.stderr.splitlines()[-1]
    assert said.startswith(
        "cut to the 20 tokens that the student reads: 1 of 2 inputs (the longest has "
    )
    assert "cut to" not in CliRunner().invoke(app, [*command[:2], "short"]).stderr


def test_a_folder_without_a_student_is_refused(tmp_path: Path):
    with pytest.raises(StudentError, match="holds no student"):
        Student.load(tmp_path)
