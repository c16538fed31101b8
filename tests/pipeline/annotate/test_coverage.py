"""Rows that are too many to keep in memory, and what is known of them from the last time."""

import csv
import json
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from conftest import many
from distilwhy.core.rows.example_builder import ExampleBuilder
from distilwhy.core.splits import set_aside
from distilwhy.errors import DataError
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.recorder import AnnotationProgress
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.task import read_task
from distilwhy.store.examples import read_examples
from distilwhy.store.examples_on_disk import ExamplesOnDisk, open_examples, pick
from endpoint import Endpoint

TASK = 'input: "{{ message }}"\ngold: kind\nanswer: {kind: choice, labels: [damage, praise]}\n'


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """All rows are too many."""
    monkeypatch.setattr("distilwhy.store.examples_on_disk.MOST_IN_MEMORY", 0)


@pytest.fixture
def opened(opened, on_disk: None):
    """Opens an experiment whose rows stay on the disk."""
    return partial(opened, {"teacher.retries": 0, "data.validation": 0.2}, train=many(20))


@pytest.fixture
def worded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The rows that are worded from now on."""
    seen: list[str] = []
    build = ExampleBuilder.__call__

    def watch(self, row, where):
        seen.append(str(row.get("id")))
        return build(self, row, where)

    monkeypatch.setattr(ExampleBuilder, "__call__", watch)
    return seen


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, rows[0])
            table.writeheader()
            table.writerows(rows)
    elif path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    return path


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_rows_on_the_disk_are_those_in_memory(tmp_path, on_disk, suffix):
    (tmp_path / "task.yaml").write_text(TASK)
    task = read_task(tmp_path / "task.yaml")
    path = write(tmp_path / f"train.{suffix}", many(30))
    here, there = read_examples(path, task), open_examples(path, task)
    assert isinstance(there, ExamplesOnDisk)
    assert (list(there), len(there)) == (here, 30)
    assert [there[0], there[-1], there[7]] == [here[0], here[-1], here[7]]
    assert there[3:20:4] == here[3:20:4]
    assert there[20:3:-4] == here[20:3:-4]
    with pytest.raises(IndexError):
        there[30]


def test_picked_rows_are_picked_from_again(tmp_path, on_disk):
    (tmp_path / "task.yaml").write_text(TASK)
    task = read_task(tmp_path / "task.yaml")
    path = write(tmp_path / "train.jsonl", many(10))
    rows = open_examples(path, task)
    even = pick(rows, np.arange(10) % 2 == 0)
    assert [row.id for row in even] == ["a0", "a2", "a4", "a6", "a8"]
    assert [row.id for row in pick(even, np.array([0, 1, 0, 0, 1], bool))] == ["a2", "a8"]
    assert list(pick(even, np.zeros(5, bool))) == []


def test_the_same_rows_are_set_aside(opened):
    splits = opened().splits
    train, validation = set_aside([*splits.train, *splits.validation], 0.2)
    assert isinstance(splits.train, ExamplesOnDisk)
    assert {row.id for row in splits.validation} == {row.id for row in validation}
    assert len(splits.train) == len(train) == 16


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (
            [*many(20), {"id": "a3", "message": "Another.", "kind": "damage"}],
            "id 'a3' is used twice (in ",
        ),
        ([*many(20), {"id": "b", "message": "other 1.", "kind": "damage"}], "is also in"),
        (
            [*many(20), {"id": "b", "message": "New.", "kind": "rage"}],
            "'rage' in 'kind' is outside",
        ),
    ],
)
def test_rows_on_the_disk_are_checked(opened, train, message):
    with pytest.raises(DataError) as caught:
        opened(train=train)
    assert message in str(caught.value)


def test_answered_rows_are_not_even_worded_again(opened, endpoint: Endpoint, worded: list[str]):
    assert annotate(opened()) == AnnotationProgress(total=24, from_ledger=0, answered=24)
    worded.clear()
    assert annotate(opened()) == AnnotationProgress(total=24, from_ledger=24)
    # What the others will cost is told by some of them.
    assert len(worded) < 3 * 24
    assert len(endpoint.asked) == 24


def test_missing_rows_alone_are_worded(opened, monkeypatch, worded: list[str]):
    monkeypatch.setattr("distilwhy.pipeline.annotate.estimate.MEASURED", 0)
    annotate(opened(), limit=21)
    answered = read_annotations(opened())
    again = opened()
    missing = {row.id for row in again.to_annotate()} - {*answered}
    worded.clear()
    assert annotate(again) == AnnotationProgress(total=24, from_ledger=21, answered=3)
    # The first row of each split is looked at, to see that it is asked about in the same words.
    firsts = {rows[0].id for rows in again.annotated.values()}
    assert {*worded} == missing | firsts
    worded.clear()
    assert annotate(opened()) == AnnotationProgress(total=24, from_ledger=24)
    assert {*worded} - {"None"} == firsts  # an exemplar has no id


def test_new_rows_are_found(opened, endpoint: Endpoint):
    annotate(opened())
    assert annotate(opened(train=many(23))) == AnnotationProgress(
        total=27, from_ledger=24, answered=3
    )
    assert len(endpoint.asked) == 27


def test_rows_of_another_version_are_gone_through_again(opened, monkeypatch, endpoint: Endpoint):
    annotate(opened())
    monkeypatch.setattr(
        "distilwhy.core.prompt.render_reply", lambda exemplar, _: exemplar.rationale
    )
    assert annotate(opened()) == AnnotationProgress(total=24, from_ledger=0, answered=24)
    assert len(endpoint.asked) == 48


def test_a_broken_index_of_calls_is_built_anew(opened):
    annotate(opened())
    opened().folder.call_index.write_bytes(b"broken")
    assert annotate(opened()) == AnnotationProgress(total=24, from_ledger=24)


def test_rows_that_are_put_right_are_read_again(opened, endpoint: Endpoint):
    annotate(opened())
    rows = many(20)
    rows[4]["message"] = "Message put right."
    assert annotate(opened(train=rows)).answered == 1
    assert endpoint.questions[-1] == "Message put right."


def test_every_sample_of_rows_on_the_disk_is_asked_for(opened, endpoint: Endpoint):
    changes = {"teacher.samples": 3, "teacher.temperature": 0.7}
    assert annotate(opened(changes), limit=30) == AnnotationProgress(
        total=72, from_ledger=0, answered=30
    )
    assert annotate(opened(changes)) == AnnotationProgress(total=72, from_ledger=30, answered=42)
    assert len(endpoint.asked) == 72
