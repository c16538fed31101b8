"""What decides a student's training, and when a trained student is out of date."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

from annotating import training_jobs
from conftest import DROP, TRAIN, WriteExperiment
from distilwhy.core.student_id import StudentId
from distilwhy.core.training_summary import TrainingRecord, TrainingSummary
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.train.jobs import TrainingJob, list_changes
from distilwhy.pipeline.train.study import list_students
from distilwhy.store.files import publish_json
from distilwhy.store.run_folder import CARD, SUMMARY
from pretrained import save_bert

SETTINGS = {"methods": ["finetune"], "data.test": DROP, "data.validation": "validation.jsonl"}
STUDENT = StudentId("finetune", 0)
VALIDATION = '{"id": "v", "message": "Another.", "kind": "praise"}\n'


@pytest.fixture
def trained(write_experiment: WriteExperiment) -> Path:
    """The run folder of an experiment whose students count as trained."""
    file = write_experiment(SETTINGS)
    file.with_name("validation.jsonl").write_text(VALIDATION)
    return mark_trained(file)


def mark_trained(file: Path, family: str = "seq2seq") -> Path:
    experiment = open_experiment(file)
    for job in training_jobs(experiment).of_all(list_students(experiment)):
        summary = TrainingSummary(8, 1, 1, 0.5, 1e-3, 0, "fp32", 1, 0.0, {}, [])
        record = TrainingRecord(job.student_id, job.fingerprint, summary, [], {}, job.inputs)
        student = experiment.folder.student(job.student_id)
        publish_json(student / SUMMARY, record.as_json())
        publish_json(student / CARD, {"family": family})
        save_file({}, student / "model.safetensors")
    return experiment.folder.path


def list_out_of_date(file: Path) -> dict[StudentId, list[str]]:
    experiment = open_experiment(file)
    return training_jobs(experiment).find_trained(list_students(experiment)).out_of_date


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"training": {"batch_size": 4}}, ["training.batch_size"]),
        ({"student": {"scratch": {"width": 8}}}, ["student.scratch.width"]),
        ({"task.answer.labels": ["damage", "question", "praise", "request"]}, ["answer"]),
        ({"task.input": "{{ message }}!"}, ["rows", "validation", "texts"]),
    ],
)
@pytest.mark.usefixtures("trained")
def test_what_has_changed_since_a_training_is_named(
    write_experiment: WriteExperiment, changes: dict[str, object], named: list[str]
):
    assert list_out_of_date(write_experiment(SETTINGS | changes)) == {STUDENT: named}


@pytest.mark.usefixtures("trained")
def test_a_changed_row_puts_a_student_out_of_date(write_experiment: WriteExperiment):
    rows = [row | {"kind": "praise"} for row in TRAIN]
    file = write_experiment(SETTINGS, train=rows)
    assert list_out_of_date(file) == {STUDENT: ["rows", "texts"]}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"training": {"report_to": ["tensorboard"]}},
        {"out": "run", "seeds": [0, 1]},
    ],
)
@pytest.mark.usefixtures("trained")
def test_what_does_not_affect_a_training_keeps_a_student_up_to_date(
    write_experiment: WriteExperiment, changes: dict[str, object]
):
    assert list_out_of_date(write_experiment(SETTINGS | changes)) == {}


def test_a_student_of_a_version_that_kept_no_inputs_is_out_of_date_for_no_named_reason(
    trained: Path, write_experiment: WriteExperiment
):
    experiment = open_experiment(write_experiment(SETTINGS))
    record = replace(experiment.folder.trained(STUDENT), inputs={})
    publish_json(trained / "students" / STUDENT.name / SUMMARY, record.as_json())
    file = write_experiment(SETTINGS | {"training": {"batch_size": 4}})
    assert list_out_of_date(file) == {STUDENT: []}


def test_seeds_share_the_rows_that_do_not_depend_on_them(write_experiment: WriteExperiment):
    changes = {"methods": ["finetune"], "data.test": DROP, "seeds": [0, 1]}
    experiment = open_experiment(write_experiment(changes))
    whole = training_jobs(experiment).of_all([StudentId("finetune", seed) for seed in (0, 1)])
    assert whole[0].rows is whole[1].rows
    assert whole[0].fingerprint != whole[1].fingerprint
    part = training_jobs(experiment).of_all([StudentId("finetune", seed, 3) for seed in (0, 1)])
    assert part[0].rows != part[1].rows


def test_a_model_s_folder_is_relative_to_the_experiment_file(
    write_experiment: WriteExperiment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """Not to the working directory."""
    save_bert(tmp_path / "bert")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    student = {"model": "./bert", "max_input_tokens": 64}
    experiment = open_experiment(write_experiment({"student": student, "methods": ["finetune"]}))
    job = training_jobs(experiment).of(StudentId("finetune", 0))
    assert job.model == str(tmp_path / "bert")
    assert job.student.model == "./bert"
    assert job.build_student().network.width == 16


def test_fresh_lr_factor_is_fingerprinted_only_for_pretrained_students(
    write_experiment: WriteExperiment, tmp_path: Path
):
    save_bert(tmp_path / "bert")
    student_id = StudentId("finetune", 0)

    def fingerprint(student: dict[str, object], factor: float) -> str:
        training = {"fresh_lr_factor": factor}
        changes = {"student": student, "training": training, "methods": ["finetune"]}
        file = write_experiment(changes)
        return training_jobs(open_experiment(file)).of(student_id).fingerprint

    bert: dict[str, object] = {"model": str(tmp_path / "bert"), "max_input_tokens": 64}
    for student, is_the_same in (({"model": "scratch"}, True), (bert, False)):
        assert (fingerprint(student, 1) == fingerprint(student, 10)) is is_the_same


@pytest.mark.parametrize(
    ("method", "student", "matters"),
    [
        ("step-by-step", {}, True),
        ("step-by-step-gold", {"family": "encoder"}, True),
        ("label-then-rationale", {}, True),
        ("keyword-rationales", {}, True),
        ("finetune", {}, False),
        ("rationale-input", {}, False),
        ("rationale-then-label", {}, False),
        ("step-by-step", {"model": "scratch", "family": "encoder"}, False),
        ("step-by-step", {"family": "seq2seq"}, False),
    ],
)
def test_a_rationale_gate_is_fingerprinted_only_where_it_is_on_and_does_something(
    write_experiment: WriteExperiment,
    tmp_path: Path,
    method: str,
    student: dict[str, object],
    matters: bool,
):
    """So that students of versions without one stay up to date where they had no use for it."""
    bert = {"model": str(save_bert(tmp_path / "bert")), "max_input_tokens": 64}

    def job(gate: bool) -> TrainingJob:
        training = {"rationale_gate": gate}
        changes = {"student": bert | student, "training": training, "methods": [method]}
        experiment = open_experiment(write_experiment(changes))
        return training_jobs(experiment).of(StudentId(method, 0))

    assert "rationale_gate" not in job(gate=False).inputs["training"]
    changed = ["training.rationale_gate"] if matters else []
    assert list_changes(job(gate=False).inputs, job(gate=True).inputs) == changed
    assert (job(gate=False).fingerprint != job(gate=True).fingerprint) is matters


@pytest.mark.parametrize("gates", [(False, True), (True, False)], ids=["on", "off"])
@pytest.mark.parametrize("family", ["encoder", "causal", "seq2seq"])
def test_a_gate_put_on_or_off_puts_only_encoders_out_of_date(
    write_experiment: WriteExperiment, tmp_path: Path, family: str, gates: tuple[bool, bool]
):
    """What a model of the family ``auto`` is, is known once it is trained."""
    bert = {"model": str(save_bert(tmp_path / "bert")), "max_input_tokens": 64}
    methods = ["step-by-step", "finetune"]
    before, now = (
        {**SETTINGS, "student": bert, "methods": methods, "training": {"rationale_gate": gate}}
        for gate in gates
    )
    file = write_experiment(before)
    file.with_name("validation.jsonl").write_text(VALIDATION)
    run = mark_trained(file, family)
    changed = {StudentId("step-by-step", 0): ["training.rationale_gate"]}
    assert list_out_of_date(write_experiment(now)) == (changed if family == "encoder" else {})
    (run / "students/step-by-step-seed0" / CARD).unlink()
    assert list_out_of_date(write_experiment(now)) == changed


def test_a_label_head_is_fingerprinted_only_where_there_is_one(write_experiment: WriteExperiment):
    """Students that were trained before the setting existed stay up to date."""

    def inputs(head: bool) -> dict[str, Any]:
        changes = {"methods": ["finetune"], "student": {"family": "causal", "label_head": head}}
        experiment = open_experiment(write_experiment(changes))
        return training_jobs(experiment).of(StudentId("finetune", 0)).inputs

    assert "label_head" not in inputs(False)["student"]
    assert list_changes(inputs(False), inputs(True)) == ["student.label_head"]


def test_a_way_to_select_rationales_is_fingerprinted_only_where_it_is_set(
    write_experiment: WriteExperiment,
):
    prints = []
    for training in ({}, {"select_rationale": "random"}, {"select_rationale": "student"}):
        experiment = open_experiment(write_experiment({"training": training}))
        job = training_jobs(experiment).of(StudentId("finetune", 0))
        assert ("select_rationale" in job.inputs["training"]) is bool(training)
        prints.append(job.fingerprint)
    assert len(set(prints)) == 3


def test_a_weighting_by_its_older_name_is_the_same_training(write_experiment: WriteExperiment):
    """Its fingerprint is that of older versions."""
    jobs = []
    for name in ("staged", "faded"):
        experiment = open_experiment(write_experiment({"training": {"weighting": name}}))
        assert experiment.config.training.weighting == "faded"
        jobs.append(training_jobs(experiment).of(StudentId("finetune", 0)))
    assert jobs[0].fingerprint == jobs[1].fingerprint
    assert jobs[0].inputs["training"]["weighting"] == "staged"


def test_a_student_s_name_in_the_study_is_not_fingerprinted(write_experiment: WriteExperiment):
    encoder = {"family": "encoder", "scratch": {"width": 32}, "decoder_layers": 1}
    changes = {"methods": ["finetune"], "data.test": DROP}
    named = open_experiment(write_experiment(changes | {"study": {"students": {"e": encoder}}}))
    job = training_jobs(named).of(replace(STUDENT, student="e"))
    unnamed = open_experiment(write_experiment(changes | {"student": encoder}))
    assert job.fingerprint == training_jobs(unnamed).of(STUDENT).fingerprint


def test_checkpointing_activations_for_lack_of_memory_keeps_the_fingerprint(
    write_experiment: WriteExperiment,
):
    experiment = open_experiment(write_experiment())
    job = training_jobs(experiment).of(list_students(experiment)[0])
    assert (job.checkpoints, job.checkpointing.checkpoints) == (False, True)
    assert job.checkpointing.fingerprint == job.fingerprint
