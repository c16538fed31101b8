"""Rationales that a user already has are read like any completion."""

import csv
import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from distilwhy.core.parsing.completion import Annotation
from distilwhy.errors import TeacherError
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import Experiment, open_experiment


def write(path: Path, rows: list[dict[str, object]]) -> None:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


@pytest.fixture
def recorded(write_experiment, tmp_path: Path):
    """Opens an experiment whose answers are in a file of some format, and reads them."""

    def reads(
        name: str, rows: list[dict[str, object]], changes: dict[str, object] | None = None
    ) -> dict[str, Annotation]:
        write(tmp_path / name, rows)
        teacher = {"kind": "recorded", "completions": [name]}
        settings = {"methods": ["step-by-step"], "teacher": teacher, "out": f"run-{name}"}
        experiment: Experiment = open_experiment(write_experiment({**settings, **(changes or {})}))
        annotate(experiment)
        return read_annotations(experiment)

    return reads


@pytest.mark.parametrize("name", ["said.jsonl", "said.csv", "said.parquet"])
def test_completions_of_every_format(recorded, name: str):
    rows = [{"id": f"a{i}", "completion": f"Why {i}.\nAnswer: praise"} for i in range(8)]
    found = recorded(name, rows)
    assert found["a3"] == Annotation("a3", "ok", "Why 3.", "praise")
    assert found["t0"].problem == "the recorded completions have none for this id"


@pytest.mark.parametrize("name", ["said.jsonl", "said.csv", "said.parquet"])
def test_rationales_with_labels_of_every_format(recorded, name: str):
    said = ["It broke.", "Q: why?\n\nQ: So the answer is praise.", "a < b </s>", "<think>no", ""]
    rows = [{"id": f"a{i}", "rationale": why, "label": "Damage"} for i, why in enumerate(said)]
    found = recorded(name, [*rows, {"id": "a5", "rationale": "Why.", "label": ""}])
    assert found["a0"] == Annotation("a0", "ok", "It broke.", "damage")
    assert found["a2"] == Annotation("a2", "ok", "a < b", "damage")
    assert {i: a.label for i, a in found.items() if a.label} == {
        f"a{i}": "damage" for i in range(5)
    }
    assert found["a5"].outcome == "failed"


def test_a_label_that_sounds_like_a_denial_is_the_option_that_it_is(write_experiment, tmp_path):
    options = ["not be late", "be late"]
    rows = [{"id": f"r{i}", "message": f"M{i}", "kind": options[0], "o": options} for i in "abcd"]
    write(tmp_path / "said.jsonl", [{"id": "ra", "rationale": "Why.", "label": options[0]}])
    changes = {
        "task.answer": {"kind": "choice", "options": "o"},
        "task.exemplars": [],
        "data.test": None,
        "teacher": {"kind": "recorded", "completions": ["said.jsonl"]},
    }
    experiment = open_experiment(write_experiment(changes, train=rows))
    annotate(experiment)
    assert read_annotations(experiment)["ra"] == Annotation("ra", "ok", "Why.", "not be late")


def test_numbers_in_parquet_are_labels_too(write_experiment, tmp_path: Path):
    rows = [{"id": f"r{i}", "message": f"M{i}", "kind": i + 1} for i in range(4)]
    said = [{"id": f"r{i}", "rationale": "Count.", "label": float(i + 1)} for i in range(4)]
    write(tmp_path / "said.parquet", said)
    changes = {
        "task.answer": {"kind": "number"},
        "task.exemplars": [],
        "data.test": None,
        "methods": ["label-distill"],
        "teacher": {"kind": "recorded", "completions": ["said.parquet"]},
    }
    experiment = open_experiment(write_experiment(changes, train=rows))
    annotate(experiment)
    found = read_annotations(experiment)
    assert {i: a.label for i, a in found.items()} == {f"r{i}": str(i + 1) for i in range(4)}


def test_a_completion_stands_before_a_rationale_and_its_end_is_known(recorded):
    whole = {"completion": "A. So the answer is praise.", "rationale": "B.", "label": "damage"}
    rows = [
        {"id": "a0", **whole, "finish_reason": "stop"},
        {"id": "a1", "completion": None, "rationale": "B.", "label": "damage"},
        {"id": "a2", "completion": None, "rationale": "", "label": None},
        {"id": "a3", "completion": "I would", "finish_reason": "length"},
    ]
    found = recorded("said.jsonl", rows)
    assert (found["a0"].label, found["a0"].rationale) == ("praise", "A.")
    assert (found["a1"].label, found["a1"].rationale) == ("damage", "B.")
    assert (found["a2"].outcome, found["a3"].outcome) == ("failed", "truncated")


def test_an_unknown_format_is_named(recorded):
    with pytest.raises(
        TeacherError, match=r"said\.txt: unknown format '\.txt'; use \.jsonl, \.json, \.csv"
    ):
        recorded("said.txt", [])
