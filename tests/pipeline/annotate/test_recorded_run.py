"""Annotating from recorded completions, samples and explanations."""

import json
from pathlib import Path

import pytest

from conftest import many
from distilwhy.core.parsing.completion import Annotation
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.recorder import AnnotationProgress
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import Experiment, open_experiment

SAID = {f"a{i}": f"Why {i}. So the answer is praise.\n\nQ: What?\nA: No." for i in range(10)}


@pytest.fixture
def recorded(write_experiment, tmp_path: Path):
    """Opens an experiment of ten train rows whose completions are in a file."""

    def opens(
        completions: dict[str, str],
        more: dict[str, str] | None = None,
        why: dict[str, str] | None = None,
        **settings: object,
    ) -> Experiment:
        files = {"said.jsonl": completions, "more.jsonl": more or {}, "why.jsonl": why or {}}
        for name, said in files.items():
            lines = [json.dumps({"id": i, "completion": text}) for i, text in said.items()]
            (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")
        teacher = {"kind": "recorded", "completions": ["said.jsonl", "more.jsonl"], **settings}
        changes = {"methods": ["step-by-step"], "data.test": None, "teacher": teacher}
        return open_experiment(write_experiment(changes, train=many(10)))

    return opens


def test_recorded_completions_are_found_by_row_id(recorded):
    some = {name: SAID.pop(name) for name in ("a0", "a7")}
    experiment = recorded(SAID, some)
    SAID.update(some)
    assert annotate(experiment) == AnnotationProgress(total=10, from_ledger=0, answered=10)
    found = read_annotations(experiment)
    assert found["a7"] == Annotation("a7", "ok", "Why 7.", "praise")
    assert found["a3"] == Annotation("a3", "ok", "Why 3.", "praise")
    assert annotate(experiment) == AnnotationProgress(total=10, from_ledger=10)


def test_rows_without_a_recorded_completion_fail_alone(recorded):
    experiment = recorded({"a9": SAID["a9"], "zz": "no row of ours"})
    assert annotate(experiment) == AnnotationProgress(total=10, from_ledger=0, answered=1, failed=9)
    missing = "the recorded completions have none for this id"
    assert read_annotations(experiment)["a0"] == Annotation("a0", "failed", problem=missing)
    assert annotate(recorded(SAID)) == AnnotationProgress(total=10, from_ledger=0, answered=10)


def test_several_completions_of_a_row_are_its_samples(recorded):
    """The second file holds the second sample of most rows."""
    more = {row: text.replace("Why", "More") for row, text in SAID.items() if row != "a3"}
    experiment = recorded(SAID, more, samples=2)
    assert annotate(experiment) == AnnotationProgress(
        total=20, from_ledger=0, answered=19, failed=1
    )
    found = read_annotations(experiment)
    votes = (("praise", 1.0),)
    assert found["a7"] == Annotation(
        "a7", "ok", "Why 7.", "praise", others=("More 7.",), votes=votes
    )
    assert found["a3"] == Annotation("a3", "ok", "Why 3.", "praise", votes=votes)
    assert annotate(experiment) == AnnotationProgress(total=20, from_ledger=19, failed=1)


def test_recorded_explanations_are_used_where_an_answer_is_wrong(recorded):
    reasons = {"a7": "It broke. So the answer is damage.", "a2": "Nice. The answer is praise."}
    experiment = recorded(SAID, why=reasons, explanations=["why.jsonl"], explain_wrong=True)
    assert [example.id for example in experiment.splits.validation] == ["a1", "a3"]
    assert annotate(experiment) == AnnotationProgress(
        total=18, from_ledger=0, answered=12, failed=6
    )
    found = read_annotations(experiment)
    assert found["a7"] == Annotation("a7", "ok", "Why 7.", "praise", explanation="It broke.")
    assert found["a2"].explanation == found["a3"].explanation == ""
    other = {**reasons, "a2": "It fell. The answer is damage."}
    experiment = recorded(SAID, why=other, explanations=["why.jsonl"], explain_wrong=True)
    assert annotate(experiment) == AnnotationProgress(
        total=18, from_ledger=10, answered=2, failed=6
    )
    assert read_annotations(experiment)["a2"].explanation == "It fell."
