"""What decides a student's training, and what does not."""

from dataclasses import replace
from pathlib import Path

import pytest

from annotating import training_jobs
from conftest import WriteExperiment
from distilwhy.core.student_id import StudentId
from distilwhy.pipeline.experiment import open_experiment
from pretrained import save_bert


def test_a_model_s_folder_is_relative_to_the_experiment_file(
    write_experiment: WriteExperiment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """Not to the working directory; and the resolved path is not fingerprinted."""
    save_bert(tmp_path / "bert")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    student = {"model": "./bert", "max_input_tokens": 64}
    experiment = open_experiment(write_experiment({"student": student, "methods": ["finetune"]}))
    job = training_jobs(experiment).of(StudentId("finetune", 0))
    assert job.model == str(tmp_path / "bert")
    assert job.student.model == "./bert"
    assert job.build_student().network.width == 16
    assert replace(job, model="").fingerprint == job.fingerprint


def test_fresh_lr_factor_is_fingerprinted_only_for_pretrained_students(
    write_experiment: WriteExperiment, tmp_path: Path
):
    save_bert(tmp_path / "bert")
    cell = StudentId("finetune", 0)

    def fingerprint(student: dict[str, object], factor: float) -> str:
        training = {"fresh_lr_factor": factor}
        changes = {"student": student, "training": training, "methods": ["finetune"]}
        file = write_experiment(changes)
        return training_jobs(open_experiment(file)).of(cell).fingerprint

    bert: dict[str, object] = {"model": str(tmp_path / "bert"), "max_input_tokens": 64}
    for student, is_the_same in (({"model": "scratch"}, True), (bert, False)):
        assert (fingerprint(student, 1) == fingerprint(student, 10)) is is_the_same
