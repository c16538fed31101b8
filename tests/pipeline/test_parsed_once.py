"""However much a command needs to know of the teacher's answers, it parses each of them once."""

from collections import Counter

import pytest

from commands import call
from conftest import OpenExperiment, many
from distilwhy.core.parsing.completion import Annotation, Completion
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.task import Example, Task
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import Experiment
from endpoint import Endpoint, says
from studies import STUDENT, TRAINING

ROWS, WRONG = 12, 2


@pytest.fixture
def experiment(opened: OpenExperiment, endpoint: Endpoint) -> Experiment:
    """An experiment whose rows have two answers each, and two of them an explanation too."""
    for row in range(WRONG):
        endpoint.plays[f"Message {row}."] = [says("Nice. So the answer is praise.")]
    return opened(
        {
            "teacher.samples": 2,
            "teacher.temperature": 0.7,
            "teacher.explain_wrong": True,
            "teacher.gate": {"rows": 0},
            "student": STUDENT,
            "training": {**TRAINING, "wrong_rationales": "explain"},
            "methods": ["step-by-step"],
        },
        train=many(ROWS),
    )


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the completions of each row are parsed from now on."""
    rows: Counter[str] = Counter()

    def count(task: Task, example: Example, completion: Completion, stop: list[str]) -> Annotation:
        rows[example.id] += 1
        return parse_completion(task, example, completion, stop)

    monkeypatch.setattr("distilwhy.pipeline.annotate.records.parse_completion", count)
    return rows


def test_every_command_parses_each_completion_once(
    experiment: Experiment, parsed: Counter[str], tmp_path
):
    annotate(experiment)
    explained = {e.id for e in experiment.splits.train} & {f"a{row}" for row in range(WRONG)}
    assert explained
    once = {e.id: 2 + (e.id in explained) for e in experiment.to_annotate()}
    for command in ("run", "status", "plan", "train", "evaluate"):
        parsed.clear()
        call(command, experiment.file)
        assert parsed == once, command
    for options in ([], ["--problem", "any"], ["--json"], ["--export", tmp_path / "out.jsonl"]):
        parsed.clear()
        call("annotations", experiment.file, *options)
        assert parsed == once, options
