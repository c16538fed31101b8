"""Several samples of a row, and explanations of the gold label where the teacher is wrong."""

import json
from pathlib import Path

import pytest

from annotating import all_calls, explanations
from conftest import OpenExperiment, many
from distilwhy.core.parsing.completion import Annotation
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.gate import require_parsed
from distilwhy.pipeline.annotate.recorder import AnnotationProgress
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import Experiment
from distilwhy.pipeline.plan import plan
from endpoint import Endpoint, fails, says

SETTINGS = {
    "methods": ["step-by-step"],
    "data.validation": 0.1,
    "data.test": None,
    "teacher.retries": 0,
}
READ = Annotation("a0", "ok", "Why.", "damage")
SAMPLED = {"teacher.samples": 3, "teacher.temperature": 0.7, "teacher.concurrency": 1}


@pytest.fixture
def opened(opened: OpenExperiment):
    """Opens an experiment of ten train rows and no test rows at the endpoint, with changes."""

    def opens(changes: dict[str, object] | None = None, **rows: object) -> Experiment:
        return opened(SETTINGS, changes or {}, **{"train": many(10), **rows})

    return opens


def test_every_sample_is_asked_for_once_and_has_its_own_key(opened, endpoint: Endpoint):
    calls = all_calls(opened(SAMPLED))
    assert len({call.key for call in calls}) == len(calls) == 30
    assert plan(opened(SAMPLED)).calls == 30
    assert annotate(opened(SAMPLED)) == AnnotationProgress(total=30, from_ledger=0, answered=30)
    assert sorted(endpoint.questions) == sorted(3 * [f"Message {i}." for i in range(10)])
    assert endpoint.asked[:10] == endpoint.asked[10:20] == endpoint.asked[20:]
    assert annotate(opened(SAMPLED)) == AnnotationProgress(total=30, from_ledger=30)
    assert len(endpoint.asked) == 30


def test_samples_are_joined_by_vote(opened, endpoint: Endpoint):
    praise, damage = says("One. So the answer is praise."), says("Two. So the answer is damage.")
    unreadable = says("Who knows.")
    endpoint.plays["Message 0."] = [praise, damage, damage]
    endpoint.plays["Message 1."] = [praise, unreadable, praise]
    endpoint.plays["Message 2."] = [unreadable]
    annotate(opened(SAMPLED))
    found = read_annotations(opened(SAMPLED))
    votes = (("damage", 2 / 3), ("praise", 1 / 3))
    assert found["a0"] == Annotation("a0", "ok", "Two.", "damage", votes=votes)
    assert found["a1"] == Annotation("a1", "ok", "One.", "praise", votes=(("praise", 1.0),))
    assert found["a2"] == Annotation("a2", "unparsed", problem="no answer is stated")


def test_more_samples_reuse_the_first_one(opened, endpoint: Endpoint):
    one = {**SAMPLED, "teacher.samples": 1}
    annotate(opened(one))
    assert read_annotations(opened(one))["a0"] == READ
    assert annotate(opened(SAMPLED)) == AnnotationProgress(total=30, from_ledger=10, answered=20)
    assert read_annotations(opened(one))["a0"] == READ


def test_only_the_sample_that_failed_is_asked_again(opened, endpoint: Endpoint):
    endpoint.plays["Message 3."] = [says(), fails(500), says()]
    assert annotate(opened(SAMPLED)) == AnnotationProgress(
        total=30, from_ledger=0, answered=29, failed=1
    )
    found = read_annotations(opened(SAMPLED))["a3"]
    assert found == Annotation("a3", "ok", "Why.", "damage", votes=(("damage", 1.0),))
    assert annotate(opened(SAMPLED)) == AnnotationProgress(total=30, from_ledger=29, answered=1)
    assert endpoint.questions[30:] == ["Message 3."]


def test_a_row_whose_samples_all_fail_does_not_end_the_run(opened, endpoint: Endpoint):
    endpoint.plays["Message 0."] = [fails(400, "filtered")]
    many_samples = {**SAMPLED, "teacher.samples": 6}
    assert annotate(opened(many_samples)) == AnnotationProgress(
        60, from_ledger=0, answered=54, failed=6
    )


@pytest.fixture
def explained(opened, tmp_path: Path, endpoint: Endpoint):
    """Opens an experiment whose teacher gets rows of every split wrong and is asked to explain."""
    (tmp_path / "v.jsonl").write_text(json.dumps(many(1, first=50)[0]))
    test = many(1, first=60)
    wrong = ("Message 2.", "Message 4.", "Message 50.", "Message 60.")
    endpoint.plays = {question: [says("Nice. So the answer is praise.")] for question in wrong}
    endpoint.plays["Message 5."] = [says("Who knows.")]
    endpoint.plays[why(2)] = [says("It broke. So the answer is damage.")]
    unlabelled = {"id": "bare", "message": "Message 70."}
    changes = {"teacher.explain_wrong": True, "data.validation": "v.jsonl"}

    def opens(more: dict[str, object] | None = None) -> Experiment:
        settings = {**changes, "data.test": "test.jsonl", **(more or {})}
        return opened(settings, train=[*many(10), unlabelled], test=test)

    return opens


def why(number: int) -> str:
    return f"Message {number}.\nThe right answer is damage. Why?"


def test_only_wrong_train_rows_are_explained(explained, endpoint: Endpoint):
    assert plan(explained()).calls == 13
    told = []
    assert annotate(explained(), watch=told.append) == AnnotationProgress(
        15, from_ledger=0, answered=15
    )
    assert sorted(question for question in endpoint.questions if "Why" in question) == [
        why(2),
        why(4),
    ]
    assert {progress.total for progress in told} == {13, 15}
    found = read_annotations(explained())
    assert found["a2"] == Annotation("a2", "ok", "Nice.", "praise", explanation="It broke.")
    assert found["a4"].explanation == "Why."
    assert all(not found[row].explanation for row in found if row not in ("a2", "a4"))
    assert annotate(explained()) == AnnotationProgress(total=15, from_ledger=15)
    assert len(endpoint.asked) == 15
    require_parsed(read_annotations(explained()))


def test_explanations_are_planned_once_the_answers_are_there(explained, endpoint: Endpoint):
    assert annotate(explained(), limit=13) == AnnotationProgress(
        total=15, from_ledger=0, answered=13
    )
    found = plan(explained())
    assert (found.calls, found.answered) == (15, 13)
    assert found.estimate is not None
    assert found.estimate.calls == 2
    assert annotate(explained(), limit=1) == AnnotationProgress(
        total=15, from_ledger=13, answered=1
    )
    assert plan(explained()).answered == 14
    assert annotate(explained()) == AnnotationProgress(total=15, from_ledger=14, answered=1)
    assert plan(explained()).estimate is None


@pytest.mark.parametrize(
    "reply", [says("Who knows."), says("Still nice. So the answer is praise."), fails(400, "odd")]
)
def test_an_explanation_that_is_unreadable_or_not_of_gold_is_dropped(
    explained, endpoint: Endpoint, reply
):
    endpoint.plays[why(2)] = [reply]
    annotate(explained())
    found = read_annotations(explained())
    assert found["a2"] == Annotation("a2", "ok", "Nice.", "praise")
    assert found["a4"].explanation == "Why."


def test_explanations_that_failed_are_asked_for_again(explained, endpoint: Endpoint):
    endpoint.plays[why(2)] = [fails(500), says()]
    assert annotate(explained()) == AnnotationProgress(
        total=15, from_ledger=0, answered=14, failed=1
    )
    assert annotate(explained()) == AnnotationProgress(total=15, from_ledger=14, answered=1)
    assert read_annotations(explained())["a2"].explanation == "Why."


def test_rows_with_the_same_prompt_share_an_explanation(opened, endpoint: Endpoint):
    rows = [*many(4), *({**row, "id": f"twin-{row['id']}"} for row in many(4))]
    endpoint.otherwise = [says("Nice. So the answer is praise.")]
    endpoint.plays = {why(i): [says()] for i in range(4)}
    experiment = opened({"teacher.explain_wrong": True}, train=rows)
    assert explanations(experiment) == []
    annotate(experiment)
    found = read_annotations(experiment)
    train = [example.id for example in experiment.splits.train]
    assert all(found[row].explanation == "Why." for row in train)
    assert len(endpoint.asked) == len(set(endpoint.questions))


def test_nothing_is_explained_without_explain_wrong(explained, endpoint: Endpoint):
    annotate(explained({"teacher.explain_wrong": False}))
    assert len(endpoint.asked) == 13
    annotate(explained())
    assert len(endpoint.asked) == 15
    unasked = explained({"teacher.explain_wrong": False})
    assert read_annotations(unasked)["a2"].explanation == ""


class Stopped(Exception):
    """Stands for whatever ends an annotation in the middle."""


def test_interruptions_lose_no_sample_and_no_explanation(explained, endpoint: Endpoint):
    experiment = explained({**SAMPLED, "teacher.concurrency": 2})

    def stop(progress: AnnotationProgress) -> None:
        if progress.answered:
            raise Stopped

    interruptions = 0
    while True:
        try:
            annotate(experiment, watch=stop)
        except Stopped:
            interruptions += 1
            assert interruptions < 50
        else:
            break
    lost = len(endpoint.asked) - (13 * 3 + 2)
    assert interruptions > 10
    assert 0 <= lost <= interruptions * 2
    assert annotate(experiment) == AnnotationProgress(total=41, from_ledger=41)
    found = read_annotations(experiment)
    assert found["a2"].explanation == "It broke."
    assert found["a2"].votes == (("praise", 1.0),)
