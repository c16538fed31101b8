"""``distilwhy drift``: a log of answers against the validation rows of the student."""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from distilwhy.cli.app import app
from distilwhy.core.stats.calibration import Calibration
from distilwhy.core.stats.comparisons import Prediction
from distilwhy.core.stats.deployment import Deployment
from distilwhy.errors import DataError, StudentError
from distilwhy.pipeline.deploy.drift import report_drift
from distilwhy.store.files import publish_json

LABELS = ("red", "blue")


def answers(reds: int, blues: int, sure: float = 0.9) -> list[dict[str, Any]]:
    return [
        {"label": label, "confidence": sure - 0.001 * (place % 50)}
        for label, count in (("red", reds), ("blue", blues))
        for place in range(count)
    ]


@pytest.fixture
def student(tmp_path: Path) -> Path:
    found = [
        Prediction(str(i), one["label"], one["label"], confidence=one["confidence"])
        for i, one in enumerate(answers(100, 100))
    ]
    deployed = Deployment(Calibration("temperature", 200), "gold").with_profile(LABELS, found)
    publish_json(tmp_path / "student/deploy.json", asdict(deployed))
    return tmp_path / "student"


def keep(path: Path, rows: Sequence[dict[str, Any]], time: str = "2026-03-01T10:00:00+00:00"):
    kept = [{"x": "a text", "distilwhy": {**row, "time": time}} for row in rows]
    with path.open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in kept)
    return path


def call(*arguments: object, status: int = 0) -> Result:
    result = CliRunner().invoke(app, ["drift", *map(str, arguments)])
    assert result.exit_code == status, result.output
    return result


def test_traffic_like_validation_is_within_chance(student: Path, tmp_path: Path):
    shown = call(student, keep(tmp_path / "log.jsonl", answers(50, 50)), "--max-psi", "0")
    assert "100 rows against 200 validation rows" in shown.stdout
    assert shown.stdout.count("within chance") == 2


def test_a_shift_ends_with_exit_status_4_if_it_is_larger_than_allowed(
    student: Path, tmp_path: Path
):
    log = keep(tmp_path / "log.jsonl", answers(10, 90))
    assert "large" in call(student, log).stdout
    assert "is larger than 0.25" in call(student, log, "--max-psi", "0.25", status=4).stderr
    call(student, log, "--max-psi", "9")


def test_few_rows_never_end_with_exit_status_4(student: Path, tmp_path: Path):
    call(student, keep(tmp_path / "log.jsonl", answers(0, 2)), "--max-psi", "0.01")


def test_json_has_the_counts_the_shifts_and_the_periods(student: Path, tmp_path: Path):
    log = keep(tmp_path / "log.jsonl", answers(30, 30))
    keep(log, answers(5, 60), "2026-03-01T12:30:00+00:00")
    keep(log, answers(1, 0))
    found = json.loads(call(student, log, "--json").stdout)
    assert found["traffic"]["counts"] == [36, 90, 0, 0]
    assert list(found["periods"]) == ["2026-03-01T10", "2026-03-01T12"]
    assert [one["rows"] for one in found["periods"].values()] == [61, 65]
    assert found["drift"]["labels"]["psi"] > found["drift"]["labels"]["chance"]


def test_periods_are_days_in_a_long_log(student: Path, tmp_path: Path):
    log = tmp_path / "log.jsonl"
    for day in range(1, 5):
        for hour in range(13):
            keep(log, answers(1, 1), f"2026-03-{day:02d}T{hour:02d}:00:00+00:00")
    periods = report_drift(student, log).periods
    assert {day: one.rows for day, one in periods.items()} == {
        f"2026-03-{day:02d}": 26 for day in range(1, 5)
    }
    assert "2026-03-04" in call(student, log).stdout


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_what_predict_wrote_is_a_log_too(student: Path, tmp_path: Path, suffix: str):
    rows = [*answers(30, 30), {"label": "", "confidence": ""}]
    log = tmp_path / f"out{suffix}"
    with log.open("w", newline="") as file:
        if suffix == ".csv":
            table = csv.DictWriter(file, ["label", "confidence"])
            table.writeheader()
            table.writerows(rows)
        else:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    found = report_drift(student, log)
    assert found.drift.rows == 60  # a row with an empty input was not answered
    assert found.periods == {}


def test_a_log_without_answers_is_refused_with_its_row(student: Path, tmp_path: Path):
    log = tmp_path / "log.jsonl"
    log.write_text('{"label": "red", "confidence": 0.9}\n{"x": "a text"}\n')
    with pytest.raises(DataError, match="row 2: has no 'label' with a 'confidence'"):
        report_drift(student, log)
    log.write_text("")
    with pytest.raises(DataError, match="has no answers"):
        report_drift(student, log)


def test_a_student_of_an_older_version_is_told_to_be_evaluated(student: Path, tmp_path: Path):
    log = keep(tmp_path / "log.jsonl", answers(1, 1))
    publish_json(student / "deploy.json", asdict(Deployment(Calibration("temperature", 9), "gold")))
    with pytest.raises(StudentError, match="run 'evaluate'"):
        report_drift(student, log)
    (student / "deploy.json").unlink()
    with pytest.raises(StudentError, match="run 'evaluate'"):
        report_drift(student, log)
