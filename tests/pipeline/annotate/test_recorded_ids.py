"""Recorded completions are matched with rows by their ids, and the counts are shown."""

import json
from pathlib import Path

import pytest

from commands import call
from conftest import TEST, TRAIN
from distilwhy.core.stats.comparisons import OutcomeCounts
from distilwhy.errors import TeacherError
from distilwhy.pipeline.annotate.annotations import read_annotations, read_outcomes
from distilwhy.pipeline.annotate.gate import require_parsed
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.plan import plan

SAID = [{"id": row["id"], "completion": f"So the answer is {row['kind']}."} for row in TRAIN + TEST]


@pytest.fixture
def recorded(write_experiment, tmp_path: Path):
    """Writes an experiment whose completions are some objects in a file, and gives its file."""

    def writes(said: list[dict[str, object]], name: str = "said.json", **teacher: object) -> Path:
        lines = "\n".join(map(json.dumps, said))
        (tmp_path / name).write_text(json.dumps(said) if name == "said.json" else lines)
        section = {"kind": "recorded", "completions": [name], **teacher}
        return write_experiment({"teacher": section, "methods": ["step-by-step"]})

    return writes


def test_plan_and_annotate_say_how_many_ids_match(recorded):
    file = recorded([*SAID[2:], {"id": "zz", "completion": "x"}])
    line = "10 of 12 rows have a recorded completion; 1 recorded id matches no row, such as 'zz'"
    assert line in call("plan", file).stdout
    assert line in call("annotate", file).stdout
    assert json.loads(call("plan", file, "--json").stdout)["recorded"]["answered"] == 10


def test_ids_of_rows_that_are_not_annotated_are_known(recorded):
    file = recorded(SAID, annotate=["train", "validation"])
    found = plan(open_experiment(file)).recorded
    assert (found.rows, found.answered, found.unknown) == (8, 8, 0)


@pytest.mark.parametrize("verb", [plan, annotate])
def test_completions_of_other_rows_are_an_error(recorded, verb):
    file = recorded([{"id": f"row-{i}", "completion": "praise"} for i in range(3)])
    with pytest.raises(TeacherError) as raised:
        verb(open_experiment(file))
    assert str(raised.value) == (
        f"{file}: teacher.completions: of 3 recorded ids, such as 'row-0', none matches one of 12 "
        "rows to annotate, such as 'a0'; give both the same ids, or name the fields that hold them "
        "in teacher.id and task.id"
    )


def test_files_without_a_completion_can_be_planned(recorded):
    file = recorded([{"id": "a0", "completion": None}])
    matched = plan(open_experiment(file)).recorded
    assert matched is not None
    assert matched.answered == 0


def test_rows_that_nobody_answered_do_not_count_against_the_teacher(recorded):
    wrong = {"id": "t0", "completion": "So the answer is praise."}
    experiment = open_experiment(recorded([*SAID[:8], wrong, SAID[9]]))
    annotate(experiment)
    found: OutcomeCounts = read_outcomes(experiment)["test"]
    assert (found.rows, found.outcomes["failed"], found.score.accuracy) == (4, 2, 0.5)
    shown = call("annotate", experiment.file).stdout
    assert "failed" in shown
    assert "50.0%" in shown


def test_a_recording_of_few_rows_is_enough_to_train_on(recorded):
    experiment = open_experiment(recorded(SAID[:2]))
    annotate(experiment)
    require_parsed(read_annotations(experiment))


@pytest.mark.parametrize("name", ["said.json", "said.jsonl"])
def test_columns_have_the_names_that_the_config_gives(recorded, name: str):
    other = [{"key": {"n": s["id"]}, "output": s["completion"], "completion": ""} for s in SAID]
    experiment = open_experiment(recorded(other, name, id="key.n", completion="output"))
    annotate(experiment)
    assert read_annotations(experiment)["a2"].label == "praise"


def test_rationales_and_labels_have_the_names_that_the_config_gives(recorded):
    other = [{"id": row["id"], "why": "Why.", "kind": row["kind"]} for row in TRAIN]
    experiment = open_experiment(recorded(other, rationale="why", label="kind"))
    annotate(experiment)
    found = read_annotations(experiment)["a0"]
    assert (found.rationale, found.label) == ("Why.", "damage")


def test_another_column_gives_other_answers(recorded):
    both = [{"id": s["id"], "one": "damage", "two": "praise"} for s in SAID]
    for column, label in (("one", "damage"), ("two", "praise")):
        experiment = open_experiment(recorded(both, completion=column))
        annotate(experiment)
        assert read_annotations(experiment)["a0"].label == label


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "must have 'id' and either 'completion' or 'rationale' and 'label'"),
        ({"completion": "reply"}, "must have 'id' and either 'reply' or 'rationale' and 'label'"),
        ({"completion": "output", "id": "nr"}, "has no 'nr'"),
    ],
)
def test_a_missing_column_is_named_with_those_that_are_there(recorded, columns, message):
    file = recorded([{"id": "a0", "output": "praise"}], **columns)
    with pytest.raises(TeacherError) as raised:
        plan(open_experiment(file))
    assert f"said.json row 1: {message}; its fields are id, output: fix the row" in str(
        raised.value
    )
