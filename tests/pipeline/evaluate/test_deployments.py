"""Evaluating confidences: calibrated on validation, kept beside each student, checked on test."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from commands import call
from distilwhy.core.stats.calibration import Calibration
from distilwhy.core.stats.cascade import Cascade
from distilwhy.core.stats.deployment import Deployment
from distilwhy.core.student_id import StudentId
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.evaluate import validation
from distilwhy.pipeline.evaluate.report import write_report
from distilwhy.pipeline.evaluate.validation import select_validation
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.store.files import publish_json, read_json
from distilwhy.store.results import read_results
from distilwhy.store.run_folder import RunFolder
from distilwhy.students.student import Student
from studies import ROWS, open_study

METHODS = ["finetune", "step-by-step", "rationale-input"]
OLDER = "Without confidences: 3 students, whose answers an older version kept."


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    with open_study(tmp_path_factory.mktemp("deployed"), methods=METHODS) as file:
        return file, call("run", file)


@pytest.fixture
def own(ran: tuple[Path, Result], tmp_path: Path) -> Path:
    """A copy of the study to change."""
    return shutil.copytree(ran[0].parent, tmp_path / "own") / ran[0].name


def student_of(file: Path, method: str) -> Path:
    return file.parent / "run/students" / StudentId(method, 0).name


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_every_student_keeps_its_calibration_in_its_folder(ran: tuple[Path, Result]):
    for method in METHODS:
        kept = read(student_of(ran[0], method) / "deploy.json")
        assert kept["calibration"]["kind"] == "temperature"
        assert kept["calibration"]["rows"] == ROWS["validation"]
        assert kept["reference"] == "gold"
        assert sum(kept["profile"]["counts"]) == sum(kept["profile"]["bins"]) == ROWS["validation"]


def test_a_student_that_needs_the_teacher_has_no_cascade(ran: tuple[Path, Result]):
    deployed = {m: read(student_of(ran[0], m) / "deploy.json")["cascade"] for m in METHODS}
    assert deployed["rationale-input"] is None
    assert deployed["finetune"]["target"] == 0.95


def test_the_sentence_is_printed_and_in_the_results(ran: tuple[Path, Result]):
    file, said = ran
    sentence = (
        "No cascade for step-by-step: 12 validation rows cannot show an agreement of 95.0%; that "
        "takes at least 59."
    )
    assert sentence in " ".join(said.stdout.split())
    found = read(file.parent / "run/results.json")["deployments"]
    assert {one["method"]: one["sentence"] for one in found}["step-by-step"] == sentence
    assert [one["method"] for one in found] == ["finetune", "step-by-step"]
    for one in found:
        assert sum(b["rows"] for b in one["before"]["bins"]) == ROWS["test"]
        assert 0 <= one["after"]["error"] <= 1
    assert read_results(RunFolder(file.parent / "run")).cascade == sentence


def test_a_deployed_student_gives_calibrated_confidences(ran: tuple[Path, Result]):
    file, _ = ran
    [fine, *_] = (Student.load(student_of(file, method)) for method in METHODS)
    kept = read(file.parent / "run/predictions/finetune-seed0.json")
    test = open_experiment(file).splits.test
    raw = {row["example_id"]: row["confidence"] for row in kept["predictions"]}
    assert fine.deployment is not None
    wanted = fine.deployment.calibration.apply([raw[example.id] for example in test])
    assert [p.confidence for p in fine.predict(test)] == pytest.approx(wanted.tolist(), abs=1e-4)


def test_evaluating_again_asks_no_student_and_writes_no_folder(
    ran: tuple[Path, Result], monkeypatch: pytest.MonkeyPatch
):
    file, _ = ran
    before = (student_of(file, "finetune") / "deploy.json").stat().st_mtime_ns
    results = (file.parent / "run/results.json").read_text()
    monkeypatch.setattr(Student, "load", lambda *_: pytest.fail("a student was loaded"))
    call("evaluate", file)
    assert (student_of(file, "finetune") / "deploy.json").stat().st_mtime_ns == before
    assert (file.parent / "run/results.json").read_text() == results


def test_a_new_target_asks_no_student(own: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Student, "load", lambda *_: pytest.fail("a student was loaded"))
    own.write_text(own.read_text() + "\ndeploy: {target: 0.5}\n")
    call("evaluate", own)
    assert read(student_of(own, "finetune") / "deploy.json")["cascade"]["target"] == 0.5
    own.write_text(own.read_text().replace("target: 0.5", "target: null"))
    assert "ascade" not in call("evaluate", own).stdout
    assert read(student_of(own, "finetune") / "deploy.json")["cascade"] is None


def test_a_calibrated_student_is_scored_by_its_own_confidences(own: Path):
    """An earlier evaluation's calibration must not be applied twice."""
    place = own.parent / "run/predictions/finetune-seed0.json"
    before = read(place)["predictions"]
    flat = Deployment(Calibration("temperature", 12, 20.0), "gold", Cascade(0.95, 0.1))
    student = student_of(own, "finetune")
    Student.load(student)
    place.unlink()
    publish_json(student / "deploy.json", json.loads(json.dumps(flat, default=vars)))
    call("evaluate", own)
    assert read(place)["predictions"] == before


def forget_confidences(run: Path) -> None:
    """Make the kept answers those of an older version."""
    for path in (run / "predictions").glob("*-seed0.json"):
        kept = read(path)
        del kept["validation"]
        for row in kept["predictions"]:
            del row["confidence"], row["alone"]
        publish_json(path, kept)
    for path in run.glob("students/*/deploy.json"):
        path.unlink()


def test_answers_of_an_older_version_are_not_computed_again(
    own: Path, monkeypatch: pytest.MonkeyPatch
):
    run = own.parent / "run"
    forget_confidences(run)
    monkeypatch.setattr(Student, "load", lambda *_: pytest.fail("a student was loaded"))
    said = " ".join(call("evaluate", own).stdout.split())
    assert OLDER in said
    assert "delete the run folder's 'predictions' and run 'evaluate' again" in said
    results = read(run / "results.json")
    assert (results["deployments"], results["without_confidence"]) == ([], 3)
    assert not list(run.glob("students/*/deploy.json"))
    assert "cascade" not in said


def test_what_the_caution_says_gives_confidences(own: Path):
    run = own.parent / "run"
    forget_confidences(run)
    shutil.rmtree(run / "predictions")
    assert "Without confidences" not in call("evaluate", own).stdout
    assert len(list(run.glob("students/*/deploy.json"))) == 3


def test_results_of_an_older_version_open(own: Path):
    run = own.parent / "run"
    for name, keys in {
        "results.json": ("deployments", "without_confidence"),
        "measured.json": ("costs",),
    }.items():
        kept = read_json(run / name) or {}
        for key in keys:
            del kept[key]
        publish_json(run / name, kept)
    assert read_results(RunFolder(run)).cascade == ""
    assert write_report(RunFolder(run)).exists()


def test_without_gold_the_teacher_is_the_reference(tmp_path: Path):
    with open_study(tmp_path, methods=["label-distill"]) as file:
        place = file.parent / "validation.jsonl"
        rows = [json.loads(line) for line in place.read_text().splitlines()]
        gold = (open_experiment(file).task.row_format.gold or "").strip("{} ")
        kept = [{k: v for k, v in row.items() if k != gold} for row in rows]
        place.write_text("".join(json.dumps(row) + "\n" for row in kept))
        call("run", file)
        found = read(student_of(file, "label-distill") / "deploy.json")
        assert found["reference"] == "teacher"
        experiment = open_experiment(file)
        assert set(select_validation(experiment, read_annotations(experiment)).teacher) == {None}


def test_validation_rows_past_a_limit_are_spread_over_all(
    ran: tuple[Path, Result], monkeypatch: pytest.MonkeyPatch
):
    experiment = open_experiment(ran[0])
    annotations = read_annotations(experiment)
    every = select_validation(experiment, annotations)
    assert (len(every.examples), every.reference) == (12, "gold")
    assert set(every.teacher) <= {True, False}
    monkeypatch.setattr(validation, "MOST", 5)
    some = select_validation(experiment, annotations)
    assert [e.id for e in some.examples] == [e.id for e in every.examples[::3]]
    assert list(some.teacher) == list(every.teacher[::3])
