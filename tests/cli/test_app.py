"""The command line, run as a user runs it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from commands import call
from distilwhy._version import __version__
from distilwhy.cli.app import app
from distilwhy.demo.scripted import ScriptedTeacher
from distilwhy.errors import DistilwhyError
from distilwhy.store.files import publish_text
from routing import TASK, write_routing

ROWS = {"train": 60, "validation": 12, "test": 12}
TINY = {
    "student": {"scratch": {"width": 16, "layers": 1, "heads": 2, "feedforward": 16}},
    "training": {"steps": 4, "batch_size": 8, "evaluate_every": 2},
}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an experiment that has been run."""
    with ScriptedTeacher() as teacher:
        file = write_routing(
            tmp_path_factory.mktemp("cli"),
            ROWS,
            {"base_url": teacher.base_url},
            **TINY,
        )
        first = call("run", file)
    assert "teacher: 84/84" in first.stderr
    assert "step-by-step seed 0: step 4/4  loss label" in first.stderr
    return file


def test_running_again_repeats_nothing_and_needs_no_teacher(done: Path):
    again = call("run", done)
    assert "84 from ledger" in again.stderr
    assert "Already trained: 2 of 2 students" in again.stderr
    assert "asking" not in again.stderr


def test_the_score_table_shows_teacher_methods_and_verdict(done: Path):
    shown = call("evaluate", done).stdout
    for name in ("teacher", "finetune", "step-by-step", "95 % interval"):
        assert name in shown
    assert "step-by-step against finetune: no verdict from one seed: " in shown
    assert "step-by-step against the teacher: no verdict from one seed: " in shown
    assert "One seed each" in shown
    assert "On this machine the student answers" in shown


def test_scores_as_json_are_those_of_the_results_file(done: Path):
    printed = json.loads(call("evaluate", done, "--json").stdout)
    kept = json.loads((done.parent / "run/results.json").read_text())
    assert printed["comparisons"] == kept["comparisons"]
    assert printed["headline"] == kept["headline"]
    assert printed["methods"][0]["method"] == "finetune"
    assert 0 <= printed["methods"][0]["score"]["low"] <= printed["methods"][0]["score"]["high"] <= 1
    assert printed["comparisons"][0]["verdict"] == "no verdict", "one seed"
    assert printed["against_teacher"][0]["words"].startswith("no verdict from one seed: ")
    outcomes = printed["teacher"]["train"]["outcomes"]
    assert sum(outcomes.values()) == ROWS["train"]


def test_a_minimum_accuracy_that_is_missed_has_its_own_exit_status(done: Path):
    assert call("evaluate", done, "--min-accuracy", "0").exit_code == 0
    missed = call("evaluate", done, "--min-accuracy", "1", fails=True)
    assert missed.exit_code == 4
    assert "95 % interval" in missed.stdout
    assert re.search(
        r"^--min-accuracy 1: the test accuracy of \S+, the best, is 0\.\d{4}$", missed.stderr, re.M
    )
    assert call("evaluate", done, "--min-accuracy", "90", fails=True).exit_code == 2


def test_status_shows_outcomes_students_and_scores(done: Path):
    shown = call("status", done).stdout
    for word in ("rows", "ok", "accuracy", "trained", "validation", "test"):
        assert word in shown
    found = json.loads(call("status", done, "--json").stdout)
    assert [s["state"] for s in found["students"]] == ["trained", "trained"]
    assert found["teacher"]["test"]["rows"] == ROWS["test"]


def test_plan_shows_a_whole_prompt_and_what_is_left(done: Path):
    shown = call("plan", done).stdout
    assert "Lanternbay" in shown
    assert "84 answered, 0 to make" in shown
    assert "2 students" in shown
    assert "0 to train" in shown
    assert json.loads(call("plan", done, "--json").stdout)["calls"] == 84


def test_the_prediction_for_a_text_is_a_label_and_on_demand_its_rationale(done: Path):
    student = done.parent / "run/students/step-by-step-seed0"
    shown = call("predict", student, "My router drops out.", "--explain").stdout
    label, because = shown.splitlines()[0], shown.splitlines()[1]
    assert label.endswith("Desk") or label in TASK.read_text()
    assert because.startswith("because: ")


def test_predictions_for_a_file_are_jsonl_in_its_order(done: Path, tmp_path: Path):
    student = done.parent / "run/students/finetune-seed0"
    call("predict", student, "--file", done.parent / "test.jsonl", "-o", tmp_path / "out.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    rows = [json.loads(line) for line in (done.parent / "test.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == [row["id"] for row in rows]
    for line, row in zip(lines, rows, strict=True):
        assert line == {**row, "label": line["label"], "confidence": line["confidence"]}
    printed = call("predict", student, "--file", done.parent / "test.jsonl").stdout
    assert [json.loads(line) for line in printed.splitlines()] == lines


def test_a_run_without_test_rows_trains_and_scores_nothing(tmp_path: Path):
    with ScriptedTeacher() as teacher:
        rows = {"train": 20, "validation": 4}
        file = write_routing(tmp_path, rows, {"base_url": teacher.base_url}, **TINY)
        result = call("run", file)
    assert "trained" in result.stdout
    assert "No student was scored, because there are no test rows" in result.stderr


def test_train_can_be_limited_to_one_method(done: Path):
    assert "Already trained: 1 of 1 student" in call("train", done, "--method", "finetune").stderr
    error = call("train", done, "--method", "label-distill", fails=True).exception
    assert isinstance(error, DistilwhyError)
    assert "it has finetune, step-by-step" in str(error)


def test_another_model_makes_all_calls_again(done: Path):
    text = done.read_text().replace("scripted-teacher", "another-model")
    publish_text(done.with_name("other.yaml"), text)
    shown = call("plan", done.with_name("other.yaml")).stdout
    assert "0 answered, 84 to make" in shown


def test_an_error_is_one_line_and_status_1(tmp_path: Path):
    script = "from distilwhy.cli.app import main; main()"
    found = subprocess.run(
        [sys.executable, "-c", script, "plan", str(tmp_path / "none.yaml")],
        capture_output=True,
        text=True,
    )
    assert found.returncode == 1
    assert found.stdout == ""
    assert found.stderr.startswith(f"error: {tmp_path}/none.yaml: cannot be read")
    assert found.stderr.count("\n") == 1


def test_init_writes_an_experiment_that_plans(tmp_path: Path):
    call("init", tmp_path / "mine")
    shown = call("plan", tmp_path / "mine/experiment.yaml").stdout
    assert "So the answer is damage." in shown
    assert "warning: $OPENAI_API_KEY is not set" in shown
    error = call("init", tmp_path / "mine", fails=True).exception
    assert "is not empty; name a new folder" in str(error)


def test_help_loads_no_torch():
    """All of the command line's own imports, and those of the package."""
    script = "import sys, distilwhy, distilwhy.cli.app; print([m for m in %s if m in sys.modules])"
    heavy = ["torch", "transformers", "datasets", "aiohttp", "pydantic", "numpy", "rich.table"]
    found = subprocess.run(
        [sys.executable, "-c", script % heavy], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


def test_the_version_is_printed():
    assert call("--version").stdout == f"distilwhy {__version__}\n"


def test_every_summary_of_the_help_is_whole_and_one_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    commands = call("--help").stdout.split("Commands:\n")[1].splitlines()
    assert len(commands) == len(get_command(app).commands)
    assert [line for line in commands if line.endswith("...") or not line.endswith(".")] == []
