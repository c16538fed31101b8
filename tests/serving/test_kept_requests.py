"""``--keep-requests`` keeps rows to annotate next; ``/metrics`` compares rows with validation."""

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from distilwhy.core.stats.calibration import Calibration
from distilwhy.core.stats.cascade import Cascade
from distilwhy.core.stats.deployment import Deployment
from distilwhy.core.task import RowFormat, Task
from distilwhy.demo.helpdesk import generate_tickets
from distilwhy.demo.scripted import ScriptedTeacher
from distilwhy.errors import ConfigError
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.deploy.drift import KEPT, report_drift
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.importing.own_rows import init_from
from distilwhy.serving.app import create_app
from distilwhy.serving.settings import ServerSettings
from distilwhy.store.rows import read_rows
from distilwhy.students.student import Student
from routing import write_routing
from tiny_students import CHOICE, scratch

TICKET = Task("", RowFormat("{{ report }} ({{ tier }})", gold="label"), CHOICE.answer)
ROWS = [{"report": f"The desk {i} is broken", "tier": "gold"} for i in range(40)]


@contextmanager
def serving(student: Student, **settings: Any) -> Iterator[TestClient]:
    with TestClient(create_app(student, ServerSettings(**settings))) as client:
        yield client


def kept(path: Path) -> list[dict[str, Any]]:
    return [dict(row) for row, _ in read_rows(path)]


def deploy(student: Student, threshold: float | None = None) -> Student:
    cascade = Cascade(0.9, threshold) if threshold is not None else None
    deployment = Deployment(Calibration("temperature", 40), "gold", cascade)
    found = replace(student, deployment=None).predict(ROWS)
    labels = student.spec.task.answer.labels
    return replace(student, deployment=deployment.with_profile(labels, found))


def test_a_kept_row_has_the_tasks_fields_and_the_answer_apart_from_them(tmp_path: Path):
    path = tmp_path / "logs/kept.jsonl"
    sent = {**ROWS[0], "id": "t1", "label": "Accounts", "email": "a@b.example"}
    with serving(scratch(TICKET), keep_requests=path) as client:
        (said,) = client.post("/predict", json={"row": sent}).json()["predictions"]
    (row,) = kept(path)
    answer = row.pop("distilwhy")
    assert row == {"id": "t1", **ROWS[0]}  # neither the label nor what the task does not read
    assert answer["label"] == said["label"]
    assert answer["confidence"] == pytest.approx(said["confidence"], abs=1e-6)
    assert answer["source"] == "student"
    assert answer["time"].endswith("+00:00")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_only_the_share_is_kept_and_nothing_by_default(tmp_path: Path):
    path = tmp_path / "kept.jsonl"
    with serving(scratch(TICKET), keep_requests=path, keep_share=0.25) as client:
        for _ in range(5):
            client.post("/predict", json={"rows": ROWS})
    assert 20 <= len(kept(path)) <= 80
    path.unlink()
    with serving(scratch(TICKET)) as client:
        client.post("/predict", json={"rows": ROWS})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("template", "fields"),
    [
        ("{{ x }}", {"x": "The desk"}),
        ("{{ x }} ({{ y }})", {"input": "The desk"}),
        ("{{ x.y }}", {"input": "The desk"}),
    ],
)
def test_of_a_chat_the_row_is_kept_where_it_is_one_field_and_else_the_input(
    tmp_path: Path, template: str, fields: dict[str, str]
):
    path = tmp_path / "kept.jsonl"
    student = scratch(Task("", RowFormat(template), CHOICE.answer))
    with serving(student, keep_requests=path) as client:
        body = {"messages": [{"role": "user", "content": "The desk"}]}
        assert client.post("/v1/chat/completions", json=body).status_code == 200
    (row,) = kept(path)
    assert row.pop("distilwhy")["label"]
    assert row == fields


def test_a_file_that_cannot_be_written_is_refused_and_a_full_disk_stops_no_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    with pytest.raises(ConfigError, match="cannot be written"):
        create_app(scratch(TICKET), ServerSettings(keep_requests=tmp_path))
    with serving(scratch(TICKET), keep_requests=Path("/dev/full")) as client:
        assert client.post("/predict", json={"rows": ROWS}).status_code == 200
    assert "requests are not kept" in caplog.text


def test_kept_rows_are_a_log_for_drift_and_rows_to_annotate_next(tmp_path: Path):
    path, student = tmp_path / "kept.jsonl", deploy(scratch(TICKET), 0.4)
    student.save(folder := tmp_path / "student")
    with serving(student, keep_requests=path, cascade=True) as client:
        client.post("/predict", json={"rows": ROWS})
    report = report_drift(folder, path)
    assert report.drift.rows == len(ROWS)
    assert report.drift.worst == 0
    assert report.drift.referred is not None
    assert report.drift.referred.now == report.drift.referred.before
    found = init_from(path, tmp_path / "next", answer="Line Desk,Accounts")
    rows = kept(found.file.parent / "train.jsonl")
    assert {row["report"] for row in rows} <= {row["report"] for row in ROWS}
    assert not any("label" in row or "distilwhy" in row for row in rows)


def test_annotate_asks_about_kept_rows_that_are_put_into_the_train_file(tmp_path: Path):
    with ScriptedTeacher() as teacher:
        file = write_routing(tmp_path, {"train": 4, "test": 2}, {"base_url": teacher.base_url})
        experiment = open_experiment(file)
        asked = annotate(experiment).answered
        tickets = [{"message": one.message} for one in generate_tickets(6, seed=77)]
        student = scratch(experiment.task)
        with serving(student, keep_requests=tmp_path / "kept.jsonl") as client:
            client.post("/predict", json={"rows": tickets})
        rows = sorted(kept(tmp_path / "kept.jsonl"), key=lambda row: row[KEPT]["confidence"])
        with (tmp_path / "train.jsonl").open("a") as train:
            train.writelines(json.dumps(row) + "\n" for row in rows[:5])
        again = open_experiment(file)
        assert annotate(again).answered == 5
        assert asked
    splits = again.splits
    new = {one.text for one in [*splits.train, *splits.validation] if one.gold is None}
    assert new == {row["message"] for row in rows[:5]}


def value(text: str, name: str) -> float:
    (line,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(line.rpartition(" ")[2])


def test_metrics_compare_the_latest_rows_with_validation():
    student = deploy(scratch(TICKET), 0.4)
    with serving(student) as client:
        client.post("/predict", json={"rows": ROWS})
        same = client.get("/metrics").text
        assert value(same, "distilwhy_drift_rows") == len(ROWS)
        assert value(same, 'distilwhy_drift_psi{of="label"}') == 0
        assert value(same, "distilwhy_drift_confidence") == pytest.approx(
            value(same, "distilwhy_validation_confidence"), abs=1e-4
        )
        assert value(same, "distilwhy_drift_referred_share") == value(
            same, "distilwhy_validation_referred_share"
        )
        shares = [
            float(line.rpartition(" ")[2])
            for line in same.splitlines()
            if line.startswith("distilwhy_validation_label_share{")
        ]
        assert sum(shares) == pytest.approx(1)


def test_metrics_of_a_student_without_a_profile_say_nothing_of_drift():
    with serving(scratch(TICKET)) as client:
        assert "drift" not in client.get("/metrics").text
