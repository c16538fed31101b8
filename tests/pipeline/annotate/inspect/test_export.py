"""Answers leave with where they come from, and come back as a recorded teacher."""

import hashlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import datasets
import pyarrow.parquet
import pytest

from commands import call
from distilwhy.core.exported_answer import ExportedAnswer
from distilwhy.errors import DataError, RunError
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.calls import open_calls
from distilwhy.pipeline.annotate.inspect.export import export, list_answers
from distilwhy.pipeline.annotate.records import iterate_rows
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import Experiment
from distilwhy.store.export import write_answers
from endpoint import Endpoint, fails, says

USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "prompt_tokens_details": {"cached_tokens": 40},
}
PRICES = {"currency": "EUR", "input": 10.0, "cached_input": 5.0, "output": 50.0}
COST = (60 * 10 + 40 * 5 + 20 * 50) / 1e6
SAMPLED = {"teacher.samples": 2, "teacher.temperature": 0.7, "teacher.concurrency": 1}


@pytest.fixture
def opened(opened, endpoint: Endpoint):
    """Opens an experiment of eight train rows, some answered badly, and four test rows."""
    endpoint.otherwise = [says(usage=USAGE)]
    endpoint.plays = {
        "Message 0.": [says("Größe. So the answer is praise.", usage=USAGE)],
        "Message 2.": [says("Who\nknows.", usage=USAGE)],
        "Message 3.": [says("I would", finish_reason="length", usage=USAGE)],
        "Message 4.": [fails(400, "odd")],
        "Message 5.": [says("", finish_reason="content_filter", usage=USAGE)],
    }
    return partial(opened, {"prices": PRICES, "teacher.retries": 0})


@pytest.fixture
def asked(opened) -> Experiment:
    experiment = opened()
    annotate(experiment)
    return experiment


def exported(experiment: Experiment, target: Path) -> Path:
    export(experiment, iterate_rows(experiment), target)
    return target


def read_lines(path: Path) -> dict[str, dict[str, object]]:
    return {row["id"]: row for row in map(json.loads, path.read_text("utf-8").splitlines())}


def test_each_answer_has_its_provenance(asked: Experiment, tmp_path: Path):
    rows = read_lines(exported(asked, tmp_path / "new/out.jsonl"))
    assert len(rows) == 12
    row = rows["a0"]
    assert row.pop("seconds") > 0
    assert str(row.pop("answered_at")).endswith("+00:00")
    messages = open_calls(asked).prompt(asked.splits.train[0]).messages
    plain = json.dumps([[message.role, message.content] for message in messages])
    assert row == {
        "id": "a0",
        "split": "train",
        "sample": 0,
        "input": "Message 0.",
        "options": [],
        "gold": "damage",
        "outcome": "ok",
        "problem": "",
        "label": "praise",
        "rationale": "Größe.",
        "votes": [],
        "explanation": "",
        "completion": "Größe. So the answer is praise.",
        "thinking": "",
        "finish_reason": "stop",
        "model": "m",
        "prompt": hashlib.sha256(plain.encode()).hexdigest(),
        "input_tokens": 100,
        "output_tokens": 20,
        "cached_tokens": 40,
        "cost": pytest.approx(COST),
        "currency": "EUR",
    }
    failed = rows["a4"]
    assert (failed["outcome"], failed["problem"]) == ("failed", "HTTP 400: odd")
    assert failed["completion"] is failed["label"] is failed["cost"] is None


def test_without_prices_nothing_is_said_of_money(opened, tmp_path: Path):
    experiment = opened({"prices": None})
    annotate(experiment)
    row = read_lines(exported(experiment, tmp_path / "out.jsonl"))["a0"]
    assert row["cost"] is row["currency"] is None


def test_all_three_formats_hold_the_same(asked: Experiment, tmp_path: Path):
    lines = read_lines(exported(asked, tmp_path / "out.jsonl"))
    table = pyarrow.parquet.read_table(exported(asked, tmp_path / "out.parquet")).to_pylist()
    found = datasets.load_from_disk(exported(asked, tmp_path / "out"))
    assert {row["id"]: row for row in table} == lines
    assert list(found) == ["train", "validation", "test"]
    assert {row["id"]: row for split in found.values() for row in split} == lines
    assert [row["id"] for row in found["test"]] == ["t0", "t1", "t2", "t3"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "dataset_dict.json",
        "distilwhy.json",
        "test",
        "train",
        "validation",
    ]
    assert [p.name for p in tmp_path.iterdir() if ".part" in p.name] == []


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.parquet"])
def test_an_export_comes_back_as_a_recorded_teacher(opened, tmp_path: Path, name: str):
    """Outcome by outcome, sample by sample."""
    experiment = opened(SAMPLED)
    annotate(experiment)
    before = dict(read_annotations(experiment))
    exported(experiment, tmp_path / name)
    recorded = {"kind": "recorded", "completions": [name], "samples": 2}
    again = opened({**dict.fromkeys(SAMPLED, 0), "teacher": recorded, "out": "again"})
    annotate(again)
    found = dict(read_annotations(again))
    assert {i: a.outcome for i, a in found.items()} == {i: a.outcome for i, a in before.items()}
    missing = "the recorded completions have none for this id"
    assert found.pop("a4").problem == missing
    before.pop("a4")
    assert found == before


def test_samples_are_a_line_each_with_the_votes_of_the_row(
    opened, endpoint: Endpoint, tmp_path: Path
):
    endpoint.plays = {"Message 0.": [says("A. So the answer is praise."), says()]}
    experiment = opened(SAMPLED)
    annotate(experiment)
    exported(experiment, tmp_path / "out.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    first = [line for line in lines if line["id"] == "a0"]
    assert [(line["sample"], line["label"]) for line in first] == [(0, "praise"), (1, "damage")]
    votes = [{"label": "praise", "share": 0.5}, {"label": "damage", "share": 0.5}]
    assert [line["votes"] for line in first] == [votes, votes]
    assert len(lines) == 24


def test_an_earlier_export_is_replaced_and_nothing_else_is(asked: Experiment, tmp_path: Path):
    (tmp_path / "out.jsonl").touch()
    (tmp_path / "out").mkdir()
    for name in ("out.jsonl", "out.csv", "out.parquet", "out"):
        assert exported(asked, exported(asked, tmp_path / name)).exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    (tmp_path / "odd.parquet").write_text("no parquet")
    for name in ("mine", "train.jsonl", "odd.parquet"):
        before = (tmp_path / name).stat().st_mtime_ns
        with pytest.raises(DataError, match=f"{name}: holds something other than exported"):
            exported(asked, tmp_path / name)
        assert (tmp_path / name).stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("out.txt", r"unknown format '\.txt'; use \.jsonl, \.csv, \.parquet, or a folder's name"),
        ("folder.jsonl", "is a folder; name another"),
        ("plain", "is a file; name another"),
        ("plain/out.jsonl", "cannot be written in"),
    ],
)
def test_where_nothing_can_be_written(asked: Experiment, tmp_path: Path, name: str, message: str):
    (tmp_path / "folder.jsonl").mkdir()
    (tmp_path / "plain").write_text("")
    with pytest.raises((DataError, RunError), match=message):
        exported(asked, tmp_path / name)


def test_nothing_is_exported_before_there_are_answers(opened, tmp_path: Path):
    with pytest.raises(RunError, match="run: holds no answers to such rows; run 'annotate' first"):
        exported(opened(), tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet", "out"])
def test_what_breaks_off_leaves_the_earlier_export(asked: Experiment, tmp_path: Path, name: str):
    exported(asked, tmp_path / name)
    before = sorted(tmp_path.rglob("*"))

    def broken() -> Iterator[ExportedAnswer]:
        yield from list_answers(asked, iterate_rows(asked))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_answers(tmp_path / name, broken())
    assert sorted(tmp_path.rglob("*")) == before


def test_from_the_command_line_all_or_some(asked: Experiment, tmp_path: Path):
    target = tmp_path / "out.jsonl"
    assert call("annotations", asked.file, "--export", target).stdout == (
        f"wrote 12 answers to {target}\n"
    )
    call("annotations", asked.file, "--problem", "any", "--export", target)
    assert sorted(read_lines(target)) == ["a2", "a3", "a4", "a5"]
    found = call("annotations", asked.file, "--export", target, "--retry", "failed", fails=True)
    assert "give --retry or --export, not both" in found.stderr
