"""What ``plan`` says about the rows and the exemplars."""

import json

import pytest

from commands import call
from conftest import DROP, TRAIN
from distilwhy.cli.progress import ProgressDisplay
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.train.run import train_students

ONE_FOR_EACH = [
    {"message": "x", "rationale": "y", "kind": kind} for kind in ("damage", "question", "praise")
]


def test_validation_rows_that_are_also_in_train_are_said(write_experiment):
    file = write_experiment({"data.validation": "validation.jsonl"})
    rows = [{**TRAIN[3], "id": "v0", "message": "message  3."}, {**TRAIN[4], "id": "v1"}]
    rows += [{"id": "v2", "message": "Another.", "kind": "praise"}]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    file.with_name("validation.jsonl").write_text(lines, encoding="utf-8")
    shown = call("plan", file).stdout
    assert (
        "warning: 2 validation rows are also in train, such as 'v0' ('a3' in train), which "
        "inflates the accuracy that selects the checkpoint; remove them from one of the two"
    ) in shown
    file.with_name("validation.jsonl").write_text(lines.splitlines()[2] + "\n", encoding="utf-8")
    assert "also in train" not in call("plan", file).stdout


def test_validation_rows_that_are_also_in_train_are_said_by_training_too(
    write_experiment, capsys: pytest.CaptureFixture[str]
):
    changes = {"data.validation": "validation.jsonl", "methods": ["finetune"], "data.test": DROP}
    file = write_experiment(changes | {"training": {"steps": 1}})
    for message, is_said in (("message  3.", True), ("Another.", False)):
        row = {"id": "v0", "message": message, "kind": "praise"}
        file.with_name("validation.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
        with ProgressDisplay() as progress:
            train_students(open_experiment(file), watcher=progress.training())
        said = (
            "1 validation row is also in train, such as 'v0' ('a3' in train)"
            in capsys.readouterr().err
        )
        assert said is is_said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "2 of 3 labels without an exemplar: 'question' and 'praise'; add one for each\n"),
        ({"teacher.strategy": "explain-label"}, "2 of 3 labels without an exemplar: "),
        ({"task.answer.labels": ["damage", *"bcdefgh"]}, "'f' and 2 more; add one for each\n"),
        ({"teacher.strategy": "zero-shot"}, ""),
        ({"task.exemplars": []}, ""),
        ({"task.exemplars": ONE_FOR_EACH}, ""),
    ],
)
def test_labels_that_no_exemplar_has_are_said(write_experiment, changes, said):
    changes = {"methods": ["step-by-step"], "data.test": None} | changes
    rows = [{**row, "kind": "damage"} for row in TRAIN]
    shown = call("plan", write_experiment(changes, train=rows)).stdout
    assert (said in shown) if said else ("without an exemplar" not in shown)
