"""However much a command needs to know of the teacher's answers, it parses each of them once."""

from collections import Counter
from pathlib import Path

import pytest

from commands import call
from conftest import OpenExperiment, many
from distilwhy.core.parsing.completion import Annotation, Completion
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.task import Example, Task
from endpoint import Endpoint, says
from studies import STUDENT, TRAINING

SETTINGS: dict[str, object] = {
    "teacher.samples": 2,
    "teacher.temperature": 0.7,
    "teacher.gate": {"rows": 0},
    "student": STUDENT,
    "training": TRAINING,
    "methods": ["step-by-step"],
}


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often completions about each row are parsed from now on."""
    rows: Counter[str] = Counter()

    def count(task: Task, example: Example, completion: Completion, stop: list[str]) -> Annotation:
        rows[example.id] += 1
        return parse_completion(task, example, completion, stop)

    monkeypatch.setattr("distilwhy.pipeline.annotate.records.parse_completion", count)
    return rows


def test_run_parses_each_completion_once(opened: OpenExperiment, parsed: Counter[str]):
    experiment = opened(SETTINGS, train=many(12))
    call("run", experiment.file)
    assert parsed == {example.id: 2 for example in experiment.to_annotate()}


def test_later_commands_parse_each_completion_once_explanations_among_them(
    opened: OpenExperiment, endpoint: Endpoint, parsed: Counter[str], tmp_path: Path
):
    wrong = {"Message 0.", "Message 1.", "Message 2."}
    endpoint.plays = {text: [says("Nice. So the answer is praise.")] for text in wrong}
    experiment = opened(SETTINGS, {"teacher.explain_wrong": True}, train=many(12))
    call("run", experiment.file)
    explained = {example.id for example in experiment.splits.train if example.text in wrong}
    once = {e.id: 2 + (e.id in explained) for e in experiment.to_annotate()}
    assert 3 in once.values()
    for command in ("status", "plan", "train", "evaluate", "annotations"):
        parsed.clear()
        call(command, experiment.file)
        assert parsed == once, command
    for options in (["--problem", "any"], ["--json"], ["--export", tmp_path / "answers.jsonl"]):
        parsed.clear()
        call("annotations", experiment.file, *options)
        assert parsed == once, options
