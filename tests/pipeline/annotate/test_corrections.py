"""Exported answers that a person has corrected: what was edited is what counts."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from commands import call
from conftest import DROP, OpenExperiment, WriteExperiment, many
from distilwhy.core.parsing.completion import Annotation
from distilwhy.errors import TeacherError
from distilwhy.pipeline.annotate.annotations import Annotations, read_annotations
from distilwhy.pipeline.annotate.calls import open_calls
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import Experiment, open_experiment
from endpoint import Endpoint, fails, says

Edit = Callable[[dict[str, dict[str, object]]], None]
ReadBack = Callable[..., tuple[Experiment, Annotations]]


@pytest.fixture
def read_back(
    opened: OpenExperiment, write_experiment: WriteExperiment, endpoint: Endpoint
) -> ReadBack:
    """Exports eight answers, edits them by id, and reads them as a recorded teacher."""
    endpoint.otherwise = [says("It broke.\nSo the answer is damage.")]
    endpoint.plays = {
        "Message 1.": [says("Who knows.")],
        "Message 2.": [says("I would", finish_reason="length")],
        "Message 3.": [fails(400, "odd")],
    }

    def reads(edit: Edit, name: str = "answers.jsonl") -> tuple[Experiment, Annotations]:
        experiment = opened({"data.test": None, "teacher.retries": 0}, train=many(8))
        annotate(experiment)
        target = experiment.file.with_name(name)
        call("annotations", experiment.file, "--export", target)
        rows = {str(row["id"]): row for row in read(target)}
        edit(rows)
        write(target, list(rows.values()))
        teacher = {"kind": "recorded", "completions": [name]}
        changes = {"teacher": teacher, "data.test": None, "out": "again", "methods": DROP}
        again = open_experiment(write_experiment(changes, train=many(8)))
        annotate(again)
        return again, read_annotations(again)

    return reads


def read(path: Path) -> list[dict[str, object]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines) if path.suffix == ".csv" else map(json.loads, lines))


def write(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as lines:
        if path.suffix == ".csv":
            table = csv.DictWriter(lines, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
        else:
            lines.writelines(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize("name", ["answers.jsonl", "answers.csv"])
def test_an_edited_label_or_rationale_wins_over_the_completion(read_back: ReadBack, name: str):
    def edit(rows: dict[str, dict[str, object]]) -> None:
        rows["a0"] |= {"label": "praise", "rationale": "It is kind."}
        rows["a1"] |= {"label": "question"}
        rows["a2"] |= {"label": "damage", "rationale": "Broken."}
        rows["a4"] |= {"rationale": "A better reason."}
        rows["a5"] |= {"label": "praise"}
        rows["a6"] |= {"label": ""}

    experiment, found = read_back(edit, name)
    assert found["a0"] == Annotation("a0", "ok", "It is kind.", "praise")
    assert found["a1"] == Annotation("a1", "ok", "", "question")
    assert found["a2"] == Annotation("a2", "ok", "Broken.", "damage")
    assert found["a3"].outcome == "failed"
    assert found["a4"] == Annotation("a4", "ok", "A better reason.", "damage")
    assert found["a5"] == Annotation("a5", "ok", "It broke.", "praise")
    assert found["a6"].outcome == "failed"
    assert found["a7"] == Annotation("a7", "ok", "It broke.", "damage")
    for command in ("plan", "annotate"):
        said = call(command, experiment.file, fails=True)
        assert "6 answers edited since the export" in " ".join(said.output.split())


@pytest.mark.parametrize("name", ["answers.jsonl", "answers.csv"])
def test_answers_that_were_not_edited_stay_as_they_are(read_back: ReadBack, name: str):
    experiment, found = read_back(lambda rows: None, name)
    outcomes = [found[f"a{i}"].outcome for i in range(8)]
    assert outcomes == ["ok", "unparsed", "truncated", "failed", "ok", "ok", "ok", "ok"]
    assert "edited" not in call("plan", experiment.file).stdout


def test_a_label_beside_a_completion_that_was_not_exported_is_not_a_correction(
    write_experiment: WriteExperiment, tmp_path: Path
):
    line = {"id": "a0", "completion": "Why. So the answer is praise.", "label": "damage"}
    (tmp_path / "said.jsonl").write_text(json.dumps(line) + "\n")
    teacher = {"kind": "recorded", "completions": ["said.jsonl"]}
    changes = {"teacher": teacher, "data.test": None}
    experiment = open_experiment(write_experiment(changes, train=many(8)))
    annotate(experiment)
    assert read_annotations(experiment)["a0"].label == "praise"


@pytest.mark.parametrize("field", ["id", "label", "rationale"])
def test_a_recorded_nan_is_named(write_experiment: WriteExperiment, tmp_path: Path, field: str):
    line = {"id": "a0", "rationale": "Why.", "label": "damage"} | {field: float("nan")}
    (tmp_path / "said.jsonl").write_text(json.dumps(line) + "\n")
    teacher = {"kind": "recorded", "completions": ["said.jsonl"]}
    path = write_experiment({"teacher": teacher, "data.test": None}, train=many(8))
    with pytest.raises(TeacherError, match=f"row 1: '{field}' is NaN"):
        open_calls(open_experiment(path))
