"""Rows are asked about once, and what was answered is never lost."""

import asyncio
import json
import threading
import time
from pathlib import Path

import pytest

from distilwhy.core.annotation import Annotation
from distilwhy.errors import TeacherError
from distilwhy.flows.annotate import Progress, annotate, refuse_unreadable
from distilwhy.flows.experiment import Experiment, open_experiment
from distilwhy.flows.plan import plan
from distilwhy.store.ledger import open_ledger
from endpoint import Endpoint, fails, hangs_up, says, stalls

SETTINGS = {"methods": ["step-by-step"], "data.validation": 0.1, "teacher.retries": 0}
READ = Annotation("a0", "ok", "Why.", "damage")


def many(count: int, first: int = 0) -> list[dict[str, object]]:
    numbers = range(first, first + count)
    return [{"id": f"a{i}", "message": f"Message {i}.", "kind": "damage"} for i in numbers]


@pytest.fixture
def opened(write_experiment, endpoint: Endpoint):
    """Opens an experiment of ten train rows and no test rows at the endpoint, with changes."""

    def opens(changes: dict[str, object] | None = None, **rows: object) -> Experiment:
        settings = {**SETTINGS, "data.test": None, **(changes or {})}
        return open_experiment(
            write_experiment(settings, **{"train": many(10), **rows}), base_url=endpoint.url
        )

    return opens


def test_every_row_is_asked_about_once(opened, endpoint: Endpoint):
    assert annotate(opened()) == Progress(total=10, from_ledger=0, answered=10)
    assert sorted(endpoint.questions) == sorted(f"Message {i}." for i in range(10))
    assert opened().read_annotations()["a0"] == READ
    assert annotate(opened()) == Progress(total=10, from_ledger=10)
    assert len(endpoint.asked) == 10


def test_it_works_where_a_loop_runs_already(opened, endpoint: Endpoint):
    async def notebook_cell() -> Progress:
        return annotate(opened())

    assert asyncio.run(notebook_cell()).answered == 10


def test_only_what_is_missing_is_asked_again(opened, endpoint: Endpoint):
    assert annotate(opened(), limit=4) == Progress(total=10, from_ledger=0, answered=4)
    assert plan(opened()).answered == 4
    assert annotate(opened()) == Progress(total=10, from_ledger=4, answered=6)
    assert annotate(opened()) == Progress(total=10, from_ledger=10)
    assert len(endpoint.asked) == len(set(endpoint.questions)) == 10


def test_new_rows_alone_are_asked_about(opened, endpoint: Endpoint):
    annotate(opened())
    progress = annotate(opened(train=many(20)))
    assert progress == Progress(total=20, from_ledger=10, answered=10)
    assert sorted(endpoint.questions[10:]) == sorted(f"Message {i}." for i in range(10, 20))


def test_rows_in_another_order_with_other_ids_cost_nothing(opened, endpoint: Endpoint):
    annotate(opened())
    rows = [{**row, "id": f"new-{row['id']}"} for row in many(10)[::-1]]
    assert annotate(opened(train=rows)) == Progress(total=10, from_ledger=10)
    assert len(endpoint.asked) == 10
    assert opened(train=rows).read_annotations()["new-a0"].label == "damage"


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
def test_another_prompt_is_asked_about_anew(opened, endpoint: Endpoint, changes):
    annotate(opened())
    assert plan(opened(changes)).answered == 0
    assert annotate(opened(changes)) == Progress(total=10, from_ledger=0, answered=10)
    assert annotate(opened()) == Progress(total=10, from_ledger=10)
    assert len(endpoint.asked) == 20


def test_what_decides_no_answer_costs_nothing(opened, endpoint: Endpoint):
    annotate(opened())
    changes = {"teacher.concurrency": 2, "teacher.timeout": 9.0, "seeds": [7], "task.gold": "type"}
    exemplar = {
        "message": "The swing broke.",
        "type": "damage",
        "rationale": "Something is broken.",
    }
    changes["task.exemplars"] = [exemplar]
    assert annotate(opened(changes)) == Progress(total=10, from_ledger=10)
    assert len(endpoint.asked) == 10


def test_rows_with_one_and_the_same_prompt_share_a_call(opened, endpoint: Endpoint):
    rows = [*many(6), *({**row, "id": f"twin-{row['id']}"} for row in many(6))]
    assert annotate(opened(train=rows)) == Progress(total=6, from_ledger=0, answered=6)
    assert len(endpoint.asked) == 6
    found = opened(train=rows).read_annotations()
    assert len(found) == 12
    assert found["a3"].rationale == found["twin-a3"].rationale == "Why."


def test_splits_that_are_left_out_are_not_asked_about(write_experiment, endpoint: Endpoint):
    path = write_experiment({**SETTINGS, "teacher.annotate": ["train"]}, train=many(10))
    assert annotate(open_experiment(path, endpoint.url)).total == 9
    assert not [question for question in endpoint.questions if question.startswith("Other")]


def test_failed_rows_are_asked_again_and_answered_ones_are_not(opened, endpoint: Endpoint):
    endpoint.plays = {f"Message {i}.": [fails(500), says()] for i in (2, 5)}
    assert annotate(opened()) == Progress(total=10, from_ledger=0, answered=8, failed=2)
    found = opened().read_annotations()["a2"]
    assert found == Annotation("a2", "failed", problem="HTTP 500: no reason")
    assert plan(opened()).answered == 8
    assert annotate(opened()) == Progress(total=10, from_ledger=8, answered=2)
    assert sorted(endpoint.questions[10:]) == ["Message 2.", "Message 5."]
    assert opened().read_annotations()["a2"].outcome == "ok"


def test_rows_that_fail_again_and_again_never_stand_in_the_way(
    opened, endpoint: Endpoint, tmp_path: Path
):
    """However many they are: that they fail is no news, and all the others are answered."""
    (tmp_path / "v.jsonl").write_text(json.dumps(many(1, first=99)[0]))
    endpoint.plays = {f"Message {i}.": [fails(400, "filtered")] for i in range(12)}
    experiment = opened({"teacher.concurrency": 1, "data.validation": "v.jsonl"}, train=many(24))
    for _ in range(2):
        with pytest.raises(TeacherError, match=r"5 calls have all failed \(HTTP 400: filtered\)"):
            annotate(experiment)
    assert annotate(experiment) == Progress(total=25, from_ledger=0, answered=13, failed=12)
    assert annotate(experiment) == Progress(total=25, from_ledger=13, failed=12)


def test_a_teacher_that_refuses_is_not_asked_again(opened, endpoint: Endpoint):
    endpoint.plays["Message 0."] = [says("I'm sorry, I can't help with that.")]
    endpoint.plays["Message 1."] = [says(None, finish_reason="content_filter")]
    endpoint.plays["Message 2."] = [says("Hm.")]
    annotate(opened())
    found = opened().read_annotations()
    assert [found[f"a{i}"].outcome for i in range(4)] == ["refused", "refused", "unparsed", "ok"]
    assert annotate(opened()).from_ledger == 10
    assert len(endpoint.asked) == 10


def test_progress_is_told_after_answers_are_kept(opened, endpoint: Endpoint):
    endpoint.otherwise = [stalls(0.005)]
    experiment = opened({"teacher.concurrency": 2})
    keys = [experiment.key(example) for example in experiment.to_annotate]
    told = []

    def watch(progress: Progress) -> None:
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
def test_what_was_answered_before_an_end_is_kept(opened, endpoint: Endpoint, end, message):
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


def test_what_was_answered_before_the_server_died_is_kept(write_experiment):
    path = write_experiment({**SETTINGS, "teacher.concurrency": 2}, train=many(30))
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


def test_the_experiment_is_kept_as_it_was_read(opened):
    experiment = opened()
    annotate(experiment)
    kept = (experiment.folder.path / "experiment.yaml").read_text()
    assert kept.startswith("# exp.yaml as it was read, with every default\n")
    assert "temperature: 0.0" in kept


def test_training_is_refused_where_most_cannot_be_read(opened, endpoint: Endpoint):
    refuse_unreadable(opened())
    endpoint.plays = {f"Message {i}.": [says("Who knows.")] for i in range(5)}
    endpoint.plays["Message 0."] = [fails(400, "odd")]
    annotate(opened())
    refuse_unreadable(opened())
    endpoint.plays["Message 10."] = [says("Who knows.")]
    annotate(opened(train=many(11)))
    with pytest.raises(TeacherError) as caught:
        refuse_unreadable(opened(train=many(11)))
    message = str(caught.value)
    assert message.startswith("6 of 11 answers cannot be read, so nothing is trained; row 'a")
    assert message.endswith(
        "' is unparsed: no answer is stated; mend the prompt or the answer kind, or ask a better "
        "teacher"
    )


@pytest.fixture
def recorded(write_experiment, tmp_path: Path):
    """Opens an experiment of ten train rows whose completions are in a file."""

    def opens(completions: dict[str, str], more: dict[str, str] | None = None) -> Experiment:
        for name, said in (("said.jsonl", completions), ("more.jsonl", more or {})):
            lines = [json.dumps({"id": i, "completion": text}) for i, text in said.items()]
            (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")
        teacher = {"kind": "recorded", "completions": ["said.jsonl", "more.jsonl"]}
        changes = {"methods": ["step-by-step"], "data.test": None, "teacher": teacher}
        return open_experiment(write_experiment(changes, train=many(10)))

    return opens


SAID = {f"a{i}": f"Why {i}. So the answer is praise.\n\nQ: What?\nA: No." for i in range(10)}


def test_recorded_completions_are_read_by_row(recorded):
    some = {name: SAID.pop(name) for name in ("a0", "a7")}
    experiment = recorded(SAID, some)
    SAID.update(some)
    assert annotate(experiment) == Progress(total=10, from_ledger=0, answered=10)
    found = experiment.read_annotations()
    assert found["a7"] == Annotation("a7", "ok", "Why 7.", "praise")
    assert found["a3"] == Annotation("a3", "ok", "Why 3.", "praise")
    assert annotate(experiment) == Progress(total=10, from_ledger=10)


def test_rows_without_a_recorded_completion_fail_alone_however_many(recorded):
    experiment = recorded({"a9": SAID["a9"], "zz": "no row of ours"})
    assert annotate(experiment) == Progress(total=10, from_ledger=0, answered=1, failed=9)
    missing = "the recorded completions have none for this id"
    assert experiment.read_annotations()["a0"] == Annotation("a0", "failed", problem=missing)
    with pytest.raises(TeacherError, match="9 of 10 answers cannot be read"):
        refuse_unreadable(experiment)
    assert annotate(recorded(SAID)) == Progress(total=10, from_ledger=0, answered=10)
