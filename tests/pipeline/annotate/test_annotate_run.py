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


<<<<<<< HEAD
def test_training_is_refused_if_most_answers_cannot_be_read(opened, endpoint: Endpoint):
    refuse_unreadable(read_annotations(opened()))
=======
def test_training_is_refused_where_most_cannot_be_read(opened, endpoint: Endpoint):
    require_parsed(read_annotations(opened()))
>>>>>>> reading
    endpoint.plays = {f"Message {i}.": [says("Who knows.")] for i in range(5)}
    endpoint.plays["Message 0."] = [fails(400, "odd")]
    annotate(opened())
    require_parsed(read_annotations(opened()))
    endpoint.plays["Message 10."] = [says("Who knows.")]
    annotate(opened(train=many(11)))
    with pytest.raises(TeacherError) as caught:
        require_parsed(read_annotations(opened(train=many(11))))
    message = str(caught.value)
    assert message.startswith("6 of 11 answers could not be parsed, so nothing is trained; row 'a")
    assert message.endswith(
        "' is unparsed: no answer is stated; correct the prompt or the answer kind, or use a better "
        "teacher"
    )
<<<<<<< HEAD
=======


SAMPLED = {"teacher.samples": 3, "teacher.temperature": 0.7, "teacher.concurrency": 1}


def test_every_sample_is_asked_for_once_and_has_a_key_of_its_own(opened, endpoint: Endpoint):
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


def test_the_first_of_several_samples_is_the_one_that_was_paid_for_already(
    opened, endpoint: Endpoint
):
    one = {**SAMPLED, "teacher.samples": 1}
    annotate(opened(one))
    assert read_annotations(opened(one))["a0"] == READ
    assert annotate(opened(SAMPLED)) == AnnotationProgress(total=30, from_ledger=10, answered=20)
    assert read_annotations(opened(one))["a0"] == READ


def test_a_sample_that_failed_is_asked_again_alone(opened, endpoint: Endpoint):
    endpoint.plays["Message 3."] = [says(), fails(500), says()]
    assert annotate(opened(SAMPLED)) == AnnotationProgress(
        total=30, from_ledger=0, answered=29, failed=1
    )
    found = read_annotations(opened(SAMPLED))["a3"]
    assert found == Annotation("a3", "ok", "Why.", "damage", votes=(("damage", 1.0),))
    assert annotate(opened(SAMPLED)) == AnnotationProgress(total=30, from_ledger=29, answered=1)
    assert endpoint.questions[30:] == ["Message 3."]


def test_a_row_whose_samples_all_fail_is_no_dead_endpoint(opened, endpoint: Endpoint):
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


def test_wrong_train_rows_alone_are_explained(explained, endpoint: Endpoint):
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


def test_explanations_are_planned_for_when_the_answers_are_there(explained, endpoint: Endpoint):
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


def test_rows_with_one_and_the_same_prompt_share_an_explanation(opened, endpoint: Endpoint):
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


def test_nothing_is_explained_unasked(explained, endpoint: Endpoint):
    annotate(explained({"teacher.explain_wrong": False}))
    assert len(endpoint.asked) == 13
    annotate(explained())
    assert len(endpoint.asked) == 15
    unasked = explained({"teacher.explain_wrong": False})
    assert read_annotations(unasked)["a2"].explanation == ""


class Stopped(Exception):
    """Stands for whatever ends an annotation in the middle."""


def test_samples_and_explanations_outlive_any_number_of_interruptions(
    explained, endpoint: Endpoint
):
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


SAID = {f"a{i}": f"Why {i}. So the answer is praise.\n\nQ: What?\nA: No." for i in range(10)}


def test_recorded_completions_are_read_by_row(recorded):
    some = {name: SAID.pop(name) for name in ("a0", "a7")}
    experiment = recorded(SAID, some)
    SAID.update(some)
    assert annotate(experiment) == AnnotationProgress(total=10, from_ledger=0, answered=10)
    found = read_annotations(experiment)
    assert found["a7"] == Annotation("a7", "ok", "Why 7.", "praise")
    assert found["a3"] == Annotation("a3", "ok", "Why 3.", "praise")
    assert annotate(experiment) == AnnotationProgress(total=10, from_ledger=10)


def test_rows_without_a_recorded_completion_fail_alone_however_many(recorded):
    experiment = recorded({"a9": SAID["a9"], "zz": "no row of ours"})
    assert annotate(experiment) == AnnotationProgress(total=10, from_ledger=0, answered=1, failed=9)
    missing = "the recorded completions have none for this id"
    assert read_annotations(experiment)["a0"] == Annotation("a0", "failed", problem=missing)
    with pytest.raises(TeacherError, match="9 of 10 answers could not be parsed"):
        require_parsed(read_annotations(experiment))
    assert annotate(recorded(SAID)) == AnnotationProgress(total=10, from_ledger=0, answered=10)


def test_the_lines_of_a_recorded_row_are_its_samples(recorded):
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


def test_recorded_explanations_are_read_where_an_answer_is_wrong(recorded):
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
>>>>>>> reading
