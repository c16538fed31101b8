"""Several experiments side by side: two prompts or two teachers, and their students."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from commands import call
from conftest import many
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.store.results import publish_results
from endpoint import Endpoint, says
from results import make_results

PRICES = {"currency": "EUR", "input": 10.0, "output": 50.0}
USAGE = {"prompt_tokens": 100, "completion_tokens": 20}
RIGHT, WRONG, UNREAD = (
    says(f"Why. {end}", usage=USAGE)
    for end in ("So the answer is damage.", "So the answer is praise.", "Who knows.")
)


@pytest.fixture
def two(write_experiment, endpoint: Endpoint) -> list[Path]:
    """Two prompts: ten rows are answered by the first, twelve by the second, with other replies."""
    changes = {
        "data.test": None, "prices": PRICES, "teacher.base_url": endpoint.url,
        "methods": ["step-by-step"], "data.validation": 0.1,
    }  # fmt: skip
    files = []
    for name, instruction, rows in (("one", "Sort it.", 10), ("two", "Sort it well.", 12)):
        written = write_experiment(
            {**changes, "task.instruction": instruction, "out": name}, train=many(rows)
        )
        written.with_name("train.jsonl").rename(written.with_name(f"{name}.jsonl"))
        text = written.read_text().replace("train.jsonl", f"{name}.jsonl")
        files.append(written.with_name(f"{name}.yaml"))
        files[-1].write_text(text)
        endpoint.plays = {f"Message {i}.": [UNREAD] for i in range(0 if name == "two" else 3)}
        endpoint.plays["Message 5."] = [WRONG]
        endpoint.otherwise = [RIGHT]
        call("annotate", files[-1])
    return files


def test_teachers_are_compared_on_the_rows_that_all_have_answered(two, endpoint: Endpoint):
    asked = len(endpoint.asked)
    shown = call("compare", *two).stdout
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert lines[0] == "Teachers on 10 rows that all of them have answered"
    one, other = (next(line for line in lines if line.startswith(str(file))) for file in two)
    assert "m few-shot 70.0% 60.0% " in one
    assert one.endswith(" 85.7% 0.02 EUR")
    assert "m few-shot 100.0% 90.0% " in other
    assert f"{two[1]} against {two[0]}: +30.0 points (95 % CI " in shown
    assert "No student is evaluated yet." in shown
    assert len(endpoint.asked) == asked


def test_students_are_shown_for_every_experiment_that_is_evaluated(two):
    results = make_results(("finetune", "step-by-step"), sizes=(1000,))
    publish_results(open_experiment(two[1]).folder, replace(results, name="two"))
    shown = call("compare", *two).stdout
    assert "Test accuracy of students" in shown
    assert f"{results.methods[0].score.accuracy:.1%} (" in shown
    [one, other] = json.loads(call("compare", *two, "--json").stdout)
    assert (one["counts"]["rows"], one["students"]) == (10, {})
    assert set(other["students"]) == {"finetune", "step-by-step"}
    assert other["against_first"]["difference"] == pytest.approx(0.3)


def test_options_of_a_study_are_refused_with_several_files(two):
    found = call("compare", *two, "--yes", fails=True)
    assert found.exit_code == 2
    assert "--workers and --yes are for that, or --train" in found.stderr
