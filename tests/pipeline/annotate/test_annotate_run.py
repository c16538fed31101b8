"""Rows are asked about once, and what was answered is never lost."""

import asyncio
import gc
import json
import threading
import time
from pathlib import Path

import pytest

from annotating import all_calls
from conftest import OpenExperiment, many
from distilwhy.core.parsing.completion import Annotation
from distilwhy.errors import TeacherError
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.gate import require_parsed
from distilwhy.pipeline.annotate.recorder import AnnotationProgress
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import Experiment, open_experiment
from distilwhy.pipeline.plan import plan
from distilwhy.store.ledger import open_ledger
from endpoint import Endpoint, fails, hangs_up, says, stalls

SETTINGS = {
    "methods": ["step-by-step"],
    "data.validation": 0.1,
    "data.test": None,
    "teacher.retries": 0,
}
READ = Annotation("a0", "ok", "Why.", "damage")


@pytest.fixture
def opened(opened: OpenExperiment):
    """Opens an experiment of ten train rows and no test rows at the endpoint, with changes."""

    def opens(changes: dict[str, object] | None = None, **rows: object) -> Experiment:
        return opened(SETTINGS, changes or {}, **{"train": many(10), **rows})

    return opens


def test_every_row_is_asked_about_once(opened, endpoint: Endpoint):
    assert annotate(opened()) == AnnotationProgress(total=10, from_ledger=0, answered=10)
    assert sorted(endpoint.questions) == sorted(f"Message {i}." for i in range(10))
    assert read_annotations(opened())["a0"] == READ
    assert annotate(opened()) == AnnotationProgress(total=10, from_ledger=10)
    assert len(endpoint.asked) == 10


def test_it_works_inside_a_running_event_loop(opened, endpoint: Endpoint):
    async def notebook_cell() -> AnnotationProgress:
        return annotate(opened())

    assert asyncio.run(notebook_cell()).answered == 10


def test_garbage_collection_is_restored_at_the_end(opened, endpoint: Endpoint):
    before = gc.get_threshold(), gc.get_freeze_count()
    seldom: list[int] = []
    annotate(opened(), watch=lambda progress: seldom.append(gc.get_threshold()[0]))
    assert max(seldom) > before[0][0]
    endpoint.plays["Message 3."] = [fails(401)]
    with pytest.raises(TeacherError, match="refuses the key"):
        annotate(opened({"task.instruction": "Sort."}))
    assert (gc.get_threshold(), gc.get_freeze_count()) == before


def test_only_missing_rows_are_asked_about(opened, endpoint: Endpoint):
    assert annotate(opened(), limit=4) == AnnotationProgress(total=10, from_ledger=0, answered=4)
    assert plan(opened()).answered == 4
    assert annotate(opened()) == AnnotationProgress(total=10, from_ledger=4, answered=6)
    assert annotate(opened()) == AnnotationProgress(total=10, from_ledger=10)
    assert len(endpoint.asked) == len(set(endpoint.questions)) == 10


def test_new_rows_alone_are_asked_about(opened, endpoint: Endpoint):
    annotate(opened())
    progress = annotate(opened(train=many(20)))
    assert progress == AnnotationProgress(total=20, from_ledger=10, answered=10)
    assert sorted(endpoint.questions[10:]) == sorted(f"Message {i}." for i in range(10, 20))


def test_rows_in_another_order_with_other_ids_cost_nothing(opened, endpoint: Endpoint):
    annotate(opened())
    rows = [{**row, "id": f"new-{row['id']}"} for row in many(10)[::-1]]
    assert annotate(opened(train=rows)) == AnnotationProgress(total=10, from_ledger=10)
    assert len(endpoint.asked) == 10
    assert read_annotations(opened(train=rows))["new-a0"].label == "damage"


@pytest.mark.parametrize(
    "changes",
    [
        {"task.instruction": "Sort it well."},
        {"task.input": "Message: {{ message }}"},
        {"task.exemplars": []},
        {"teacher.model": "another"},
        {"teacher.temperature": 0.5},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_change_to_the_prompt_asks_every_row_again(opened, endpoint: Endpoint, changes):
    annotate(opened())
    assert plan(opened(changes)).answered == 0
    assert annotate(opened(changes)) == AnnotationProgress(total=10, from_ledger=0, answered=10)
    assert annotate(opened()) == AnnotationProgress(total=10, from_ledger=10)
    assert len(endpoint.asked) == 20


def test_a_change_that_cannot_affect_answers_costs_nothing(opened, endpoint: Endpoint):
    annotate(opened())
    changes = {"teacher.concurrency": 2, "teacher.timeout": 9.0, "seeds": [7], "task.gold": "type"}
    exemplar = {
        "message": "The swing broke.",
        "type": "damage",
        "rationale": "Something is broken.",
    }
    changes["task.exemplars"] = [exemplar]
    assert annotate(opened(changes)) == AnnotationProgress(total=10, from_ledger=10)
    assert len(endpoint.asked) == 10


def test_rows_with_the_same_prompt_share_a_call(opened, endpoint: Endpoint):
    rows = [*many(6), *({**row, "id": f"twin-{row['id']}"} for row in many(6))]
    assert annotate(opened(train=rows)) == AnnotationProgress(total=6, from_ledger=0, answered=6)
    assert len(endpoint.asked) == 6
    found = read_annotations(opened(train=rows))
    assert len(found) == 12
    assert found["a3"].rationale == found["twin-a3"].rationale == "Why."


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_prompt_that_many_rows_share_is_asked_once(opened, endpoint: Endpoint, concurrency):
    rows = [{"id": f"a{i}", "message": f"Message {i % 60}.", "kind": "damage"} for i in range(240)]
    progress = annotate(opened({"teacher.concurrency": concurrency}, train=rows))
    assert progress == AnnotationProgress(total=60, from_ledger=0, answered=60)
    assert len(endpoint.asked) == 60


def test_rows_that_share_a_call_are_estimated_once(opened):
    twins = [{**row, "id": f"b{row['id']}"} for row in many(10)]
    one, both = (plan(opened(train=rows)).estimate for rows in (many(10), [*many(10), *twins]))
    assert one is not None
    assert (one.calls, one) == (10, both)


def test_splits_left_out_of_teacher_annotate_are_not_asked_about(opened, endpoint: Endpoint):
    experiment = opened({"data.test": "test.jsonl", "teacher.annotate": ["train"]})
    assert annotate(experiment).total == 9
    assert not [question for question in endpoint.questions if question.startswith("Other")]


def test_failed_rows_are_asked_again_and_answered_ones_are_not(opened, endpoint: Endpoint):
    endpoint.plays = {f"Message {i}.": [fails(500), says()] for i in (2, 5)}
    assert annotate(opened()) == AnnotationProgress(total=10, from_ledger=0, answered=8, failed=2)
    found = read_annotations(opened())["a2"]
    assert found == Annotation("a2", "failed", problem="HTTP 500: no reason")
    assert plan(opened()).answered == 8
    assert annotate(opened()) == AnnotationProgress(total=10, from_ledger=8, answered=2)
    assert sorted(endpoint.questions[10:]) == ["Message 2.", "Message 5."]
    assert read_annotations(opened())["a2"].outcome == "ok"


def test_rows_that_always_fail_do_not_keep_others_from_being_answered(
    opened, endpoint: Endpoint, tmp_path: Path
):
    """However many they are: that they fail is no news, and all the others are answered."""
    (tmp_path / "v.jsonl").write_text(json.dumps(many(1, first=99)[0]))
    endpoint.plays = {f"Message {i}.": [fails(400, "filtered")] for i in range(12)}
    changes = {"teacher.concurrency": 1, "data.validation": "v.jsonl", "teacher.gate": {"rows": 0}}
    experiment = opened(changes, train=many(24))
    for _ in range(2):
        with pytest.raises(TeacherError, match=r"5 calls have all failed \(HTTP 400: filtered\)"):
            annotate(experiment)
    assert annotate(experiment) == AnnotationProgress(
        total=25, from_ledger=0, answered=13, failed=12
    )
    assert annotate(experiment) == AnnotationProgress(total=25, from_ledger=13, failed=12)


def test_a_row_that_the_teacher_refuses_is_not_asked_again(opened, endpoint: Endpoint):
    endpoint.plays["Message 0."] = [says("I'm sorry, I can't help with that.")]
    endpoint.plays["Message 1."] = [says(None, finish_reason="content_filter")]
    endpoint.plays["Message 2."] = [says("Hm.")]
    annotate(opened())
    found = read_annotations(opened())
    assert [found[f"a{i}"].outcome for i in range(4)] == ["refused", "refused", "unparsed", "ok"]
    assert annotate(opened()).from_ledger == 10
    assert len(endpoint.asked) == 10


def test_progress_is_reported_after_answers_are_recorded(opened, endpoint: Endpoint):
    endpoint.otherwise = [stalls(0.005)]
    experiment = opened({"teacher.concurrency": 2})
    keys = [call.key for call in all_calls(experiment)]
    told = []

    def watch(progress: AnnotationProgress) -> None:
        with open_ledger(experiment.folder.ledger) as ledger:
            assert len(ledger.get(keys)) == progress.answered
        told.append(progress.answered)

    annotate(experiment, watch=watch)
    assert told[0] == 0
    assert told[-1] == 10
    assert told == sorted(told)
    assert len(told) > 3


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (fails(401), "refuses the key"),
        (fails(404), "has no such model"),
        (fails(429, **{"Retry-After": "999"}), "left alone for 999 s"),
        (fails(500), "the last 5 calls have all failed"),
        (hangs_up(), "the last 5 calls have all failed"),
    ],
)
def test_answers_before_a_fatal_error_are_kept(opened, endpoint: Endpoint, end, message):
    endpoint.plays = {f"Message {i}.": [end] for i in range(12, 24)}
    experiment = opened({"teacher.concurrency": 2}, train=many(24))
    with pytest.raises(TeacherError, match=message):
        annotate(experiment)
    endpoint.plays = {}
    asked = len(endpoint.asked)
    progress = annotate(experiment)
    assert progress.from_ledger >= 8
    assert progress.from_ledger + progress.answered == 24
    assert len(endpoint.asked) == asked + progress.answered


def test_answers_before_the_server_died_are_kept(write_experiment):
    changes = {**SETTINGS, "data.test": "test.jsonl", "teacher.concurrency": 2}
    path = write_experiment(changes, train=many(30))
    with Endpoint() as first:
        first.otherwise = [stalls(0.005)]
        experiment = open_experiment(path, first.url)
        switch = threading.Thread(target=stop_after, args=(first, 10))
        switch.start()
        with pytest.raises(TeacherError, match=r"is not answering|have all failed"):
            annotate(experiment)
        switch.join()
    with Endpoint() as second:
        progress = annotate(open_experiment(path, second.url))
    assert progress.from_ledger >= 8
    assert progress.from_ledger + progress.answered == progress.total == 34
    assert len(second.asked) == 34 - progress.from_ledger


def stop_after(endpoint: Endpoint, requests: int) -> None:
    deadline = time.monotonic() + 30
    while len(endpoint.asked) < requests and time.monotonic() < deadline:
        time.sleep(0.002)
    endpoint.stop()


def test_the_resolved_experiment_is_saved(opened):
    experiment = opened()
    annotate(experiment)
    kept = (experiment.folder.path / "experiment.yaml").read_text()
    assert kept.startswith("# exp.yaml as it was read, with every default\n")
    assert "temperature: 0.0" in kept


def test_training_is_refused_if_most_answers_cannot_be_read(opened, endpoint: Endpoint):
    require_parsed(read_annotations(opened()))
    endpoint.plays = {f"Message {i}.": [says("Who knows.")] for i in range(5)}
    endpoint.plays["Message 0."] = [fails(400, "odd")]
    annotate(opened())
    require_parsed(read_annotations(opened()))
    endpoint.plays |= {f"Message {i}.": [says("Who knows.")] for i in (10, 11)}
    annotate(opened(train=many(12)))
    with pytest.raises(TeacherError) as caught:
        require_parsed(read_annotations(opened(train=many(12))))
    message = str(caught.value)
    assert message.startswith("6 of 11 answers could not be parsed, so nothing is trained; row 'a")
    assert message.endswith(
        "' is unparsed: no answer is stated; look at all with 'distilwhy annotations EXP.yaml "
        "--problem any', then correct the prompt or the answer kind, or use a better teacher"
    )
