"""``distilwhy demo`` with fewer rows and steps."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from commands import call
from distilwhy.core.method import METHODS
from distilwhy.demo import run
from distilwhy.errors import ConfigError
from distilwhy.pipeline.experiment import open_experiment


@pytest.fixture(autouse=True)
def fewer_rows_and_steps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows = {"train": 40, "validation": 10, "test": 10}
    training = {"steps": 2, "batch_size": 8}
    few = {name: replace(found, rows=rows, training=training) for name, found in run.TASKS.items()}
    monkeypatch.setattr(run, "TASKS", few)
    monkeypatch.setattr(run, "SEEDS_COMPARED", [0, 1])
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("task", list(run.TASKS))
def test_running_the_demo_again_repeats_nothing(task: str):
    first = call("demo", "--task", task)
    assert "The scripted teacher (not a language model) is at" in first.stderr
    assert "60/60  0 from ledger" in first.stderr
    assert "Try it: distilwhy predict demo-run/run/students/step-by-step-seed0" in first.stdout
    bill = json.loads(Path("demo-run/run/measured.json").read_text())["bill"]
    assert bill["spent"] > 0
    results = Path("demo-run/run/results.json").read_text()
    second = call("demo", "--task", task)
    assert "60/60  60 from ledger" in second.stderr
    assert "Already trained: 3 of 3 students" in second.stderr
    assert "asking" not in second.stderr
    assert second.stdout == first.stdout
    assert Path("demo-run/run/results.json").read_text() == results


def test_the_full_demo_reuses_the_short_one():
    call("demo")
    full = call("demo", "--full")
    assert "60/60  60 from ledger" in full.stderr
    assert "Already trained: 3 of 24 students" in full.stderr
    assert "21 to train" in full.stderr
    for control in (name for name, method in METHODS.items() if method.control):
        assert control.endswith("-gold") or f"step-by-step against {control}: " in full.stdout


@pytest.mark.parametrize("task", list(run.TASKS))
def test_the_full_experiment_of_every_task_is_valid(tmp_path: Path, task: str):
    assert open_experiment(run.write_experiment(tmp_path, task, "full")).methods


def test_the_study_reuses_the_short_demo(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(run, "SEEDS_COMPARED", [0])
    call("demo")
    study = call("demo", "--study")
    assert "Already trained: 3 of 9 students" in study.stderr
    for size in ("10", "20", "all"):
        assert f"Test accuracy, {size} train rows" in study.stdout
    both = call("demo", "--study", "--full", fails=True)
    assert both.exit_code == 2
    assert "give --full or --study" in both.stderr


def test_the_written_experiment_says_that_its_teacher_is_scripted(tmp_path: Path):
    file = run.write_experiment(tmp_path / "demo", "helpdesk")
    experiment = yaml.safe_load(file.read_text())
    assert experiment["methods"] == ["finetune", "label-distill", "step-by-step"]
    assert "uses no language model" in file.read_text()


@pytest.mark.parametrize("name", ["experiment.yaml", "train.jsonl", "notes.txt", "full.yaml"])
def test_a_folder_with_files_of_ones_own_is_refused(tmp_path: Path, name: str):
    (tmp_path / name).write_text("mine")
    with pytest.raises(ConfigError, match="name a new folder"):
        run.write_experiment(tmp_path, "helpdesk")
    assert (tmp_path / name).read_text() == "mine"


def test_a_folder_of_an_earlier_demo_is_gone_on_with(tmp_path: Path):
    for variant in ("short", "full", "short"):
        run.write_experiment(tmp_path, "helpdesk", variant)
    (tmp_path / "study.yaml").write_text("mine")
    with pytest.raises(ConfigError, match="holds files that the demo would overwrite"):
        run.write_experiment(tmp_path, "helpdesk", "study")


def test_an_unknown_task_is_an_error(tmp_path: Path):
    with pytest.raises(ConfigError, match="no shipped task 'chess'; use one of helpdesk, arith"):
        run.write_experiment(tmp_path, "chess")
