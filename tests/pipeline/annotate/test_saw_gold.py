"""Students that are told the teacher's reasons, and what is done about reasons for wrong labels."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from annotating import training_jobs
from commands import call
from distilwhy.cli.app import app
from distilwhy.core.stats.comparisons import Prediction
from distilwhy.core.student_id import StudentId
from distilwhy.core.task import Example
from distilwhy.demo.helpdesk import solve
from distilwhy.errors import DataError, StudentError
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.evaluate.run import evaluate
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.predict import predict_text
from distilwhy.pipeline.predict_file.labeller import PredictionJob
from distilwhy.pipeline.predict_file.run import label_rows
from distilwhy.store.files import publish_jsonl, read_json
from distilwhy.students.student import Student
from studies import ROWS, TRAINING, open_study


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A student that answers alone, one that is told the teacher's reasons, and reasons for wrong
    labels left out."""
    with open_study(
        tmp_path_factory.mktemp("told"),
        training={**TRAINING, "wrong_rationales": "drop-rationale"},
        methods=["finetune", "step-by-step", "rationale-input"],
    ) as file:
        return file, call("run", file)


def student_of(file: Path, method: str = "rationale-input") -> Path:
    return file.parent / "run/students" / StudentId(method, 0).name


def told_examples(file: Path) -> list[Example]:
    """The test rows with the teacher's reasons after them, put together here."""
    experiment = open_experiment(file)
    annotations = read_annotations(experiment)
    return [
        replace(e, text=f"{e.text}\nRationale: {reasons}" if reasons else e.text)
        for e in experiment.splits.test
        for reasons in [annotations[e.id].rationale]
    ]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Example]:
    """What students are asked, as they read it."""
    found: list[Example] = []
    answer = Student.predict

    def listen(student: Student, examples: Sequence[Example], **how: Any) -> list[Prediction]:
        found.extend(examples)
        return answer(student, examples, **how)

    monkeypatch.setattr(Student, "predict", listen)
    return found


def test_a_told_student_is_asked_with_the_teachers_reasons(
    told: tuple[Path, Result], asked: list[Example]
):
    file, _ = told
    examples = told_examples(file)
    assert sum("\nRationale: The " in e.text for e in examples) >= ROWS["test"] - 2
    (file.parent / "run/predictions/rationale-input-seed0.json").unlink()
    before = (file.parent / "run/results.json").read_text()
    evaluate(open_experiment(file))
    # After the test rows it is asked about those that calibrate its confidence.
    assert asked[: len(examples)] == examples
    assert (file.parent / "run/results.json").read_text() == before


def test_the_cost_of_a_told_student_is_told(told: tuple[Path, Result]):
    file, said = told
    results = read_json(file.parent / "run/results.json") or {}
    calls = {m["method"]: m["students"][0]["teacher_calls"] for m in results["methods"]}
    assert calls == {"finetune": 0, "step-by-step": 0, "rationale-input": ROWS["test"]}
    line = "rationale-input needs the teacher at inference: 12 calls for the test rows"
    assert said.stdout.count(line) == 1
    assert said.stdout.count("needs the teacher at inference") == 1


def test_a_file_of_rows_with_reasons_is_read_as_in_training(
    told: tuple[Path, Result], asked: list[Example], tmp_path: Path
):
    file, _ = told
    job = training_jobs(open_experiment(file)).of(StudentId("rationale-input", 0))
    said = read_annotations(open_experiment(file))
    rows = [json.loads(line) for line in (file.parent / "train.jsonl").read_text().splitlines()]
    given = []
    for row in rows:
        # Reasons for a wrong label were left out of the job.
        is_right = said[row["id"]].label == row["team"]
        given.append({**row, "rationale": said[row["id"]].rationale if is_right else ""})
    publish_jsonl(tmp_path / "rows.jsonl", given)
    command = ["predict", student_of(file), "--file", tmp_path / "rows.jsonl"]
    result = CliRunner().invoke(app, list(map(str, command)))
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["id"] for line in lines] == [row["id"] for row in rows]
    read, taught = {e.text for e in asked}, {row.source for row in job.rows}
    assert taught < read
    assert 0 < sum("\nRationale: " in text for text in taught) < len(taught)


def test_a_text_without_reasons_is_refused(told: tuple[Path, Result], asked: list[Example]):
    file, _ = told
    with pytest.raises(StudentError, match=r"reads the teacher's rationale .* give --file") as bare:
        predict_text(student_of(file), "My router drops out.")
    assert "\n" not in str(bare.value)
    assert predict_text(student_of(file, "finetune"), "My router drops out.")
    asked.clear()
    text = "My router drops out.\nRationale: A router is broken."
    found = predict_text(student_of(file), text)
    assert [example.text for example in asked] == [text]
    assert found.label is not None


def test_rows_without_reasons_are_refused(told: tuple[Path, Result]):
    file, _ = told
    with pytest.raises(DataError, match=r"test\.jsonl row 1: .*'rationale' is undefined"):
        next(label_rows(PredictionJob(student_of(file), file.parent / "test.jsonl")))


def test_reasons_for_wrong_labels_are_counted(told: tuple[Path, Result]):
    file, said = told
    annotations = read_annotations(open_experiment(file))
    rows = [json.loads(line) for line in (file.parent / "train.jsonl").read_text().splitlines()]
    read = [row for row in rows if annotations[row["id"]].outcome == "ok"]
    wrong = [row for row in read if annotations[row["id"]].label != solve(row["message"])[1]]
    expected = {
        "known": len(read),
        "wrong": len(wrong),
        "explained": 0,
        "unreasoned": len(wrong),
        "dropped": 0,
    }
    assert 0 < len(wrong) < len(read) < len(rows)
    results = read_json(file.parent / "run/results.json") or {}
    found = {method["method"]: method["wrong_rationales"] for method in results["methods"]}
    assert found == {"finetune": {}, "step-by-step": expected, "rationale-input": expected}
    assert (
        f"Of {len(read)} annotated train rows with a gold label, {len(wrong)} had a rationale for "
        f"a wrong label: {len(wrong)} trained on the label alone."
    ) in said.stdout
    job = training_jobs(open_experiment(file)).of(StudentId("step-by-step", 0))
    reasoned = {row.source for row in job.rows if len(row.targets) == 2}
    assert not reasoned & {row["message"] for row in wrong}
    assert reasoned | {row["message"] for row in wrong} == {row["message"] for row in read}
