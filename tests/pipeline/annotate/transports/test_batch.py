"""Calls through the batch interface: each is made once and paid once."""

import json

import pytest

from batch_server import BatchServer, End
from batching import SETTINGS, spent_of
from conftest import many
from distilwhy.cli.describe import describe_batches, describe_estimate
from distilwhy.cli.progress import ProgressDisplay
from distilwhy.errors import ConfigError, TeacherError
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.recorder import AnnotationProgress
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.plan import plan
from distilwhy.pipeline.status import status
from distilwhy.store.batches import UnderWay


def test_every_call_is_made_once_and_paid_once(batched, server: BatchServer):
    seen: list[AnnotationProgress] = []
    assert annotate(batched(), watch=seen.append) == AnnotationProgress(
        total=20, from_ledger=0, answered=20
    )
    assert read_annotations(batched())["a7"].label == "damage"
    assert set(server.asked.values()) == {1}
    assert len(server.asked) == 20
    assert (spent_of(batched()).certain, spent_of(batched()).possible) == (server.bill, 0)
    assert server.direct == []
    assert [line for line in server.log if "POST" in line] == ["POST /v1/files", "POST /v1/batches"]
    assert {(p.batches, p.in_batches) for p in seen} == {(0, 0), (1, 20)}
    assert annotate(batched()) == AnnotationProgress(total=20, from_ledger=20)
    assert len(server.batches) == 1


def test_the_file_of_requests_has_the_format_of_openai(batched, server: BatchServer):
    annotate(batched(rows=2))
    [(name, _, content)] = [file for file in server.files.values() if file[1] == "batch"]
    line, _ = map(json.loads, content.splitlines())
    assert name.startswith("distilwhy-")
    assert name.endswith(".jsonl")
    assert len(line.pop("custom_id")) == 64
    body = line.pop("body")
    assert line == {"method": "POST", "url": "/v1/chat/completions"}
    assert (body["model"], body["max_tokens"]) == ("m", 40)
    assert body["messages"][-1] == {"role": "user", "content": "Message 0."}
    [batch] = server.batches.values()
    assert list(batch["metadata"]) == ["distilwhy"]


def test_plain_completions_and_samples_go_in_batches_too(batched, server: BatchServer):
    changes = {"teacher.kind": "completion", "teacher.samples": 3, "teacher.temperature": 0.7}
    assert annotate(batched(changes)).answered == 60
    assert [batch["endpoint"] for batch in server.batches.values()] == ["/v1/completions"]
    assert set(server.asked.values()) == {1}
    assert read_annotations(batched(changes))["a0"].label == "damage"


def test_the_gate_asks_directly_before_the_rest_is_sent_in_batches(batched, server: BatchServer):
    offers = []
    changes = {"teacher.gate": {"rows": 16}}
    answered = annotate(
        batched(changes, 40), confirm=lambda offer: not offers.append(offer)
    ).answered
    assert (answered, len(server.direct), len(server.asked)) == (40, 16, 24)
    [offer] = offers
    assert offer.estimate.calls == 24
    assert describe_estimate(offer.estimate, "EUR").endswith("in batches, each within 24 h")
    after = spent_of(batched(changes, 40))
    assert (after.certain, after.possible) == (server.bill, 0)
    assert offer.estimate.cost is not None
    assert offer.estimate.cost.low < float(server.bill) * 24 / (16 * 2 + 24) * 1.05
    assert offer.estimate.cost.high > float(server.bill) * 24 / (16 * 2 + 24) * 0.95


def test_many_calls_go_in_several_batches(batched, server: BatchServer, monkeypatch):
    monkeypatch.setattr("distilwhy.pipeline.annotate.transports.batch_submission.MOST_REQUESTS", 7)
    assert annotate(batched()).answered == 20
    assert [batch["request_counts"]["total"] for batch in server.batches.values()] == [7, 7, 6]
    assert set(server.asked.values()) == {1}


def test_large_calls_go_in_several_batches(batched, server: BatchServer, monkeypatch):
    monkeypatch.setattr("distilwhy.pipeline.annotate.transports.batch_submission.MOST_BYTES", 3000)
    assert annotate(batched()).answered == 20
    assert len(server.batches) == 3
    files = [content for _, kind, content in server.files.values() if kind == "batch"]
    assert all(len(content) < 4000 for content in files)


def test_rows_with_the_same_prompt_share_a_batched_call(
    batched, write_experiment, server, monkeypatch
):
    monkeypatch.setattr("distilwhy.pipeline.annotate.transports.batch_submission.MOST_REQUESTS", 4)
    server.ends = [End("expired", answered=0), End()]
    rows = [*many(6), *({**row, "id": f"twin-{row['id']}"} for row in many(6))]
    path = write_experiment(SETTINGS, train=rows)
    assert annotate(open_experiment(path, server.url)).answered == 6
    assert len(read_annotations(batched(rows=6))) == 6


def test_no_wait_returns_while_a_batch_is_under_way(batched, server: BatchServer):
    first = annotate(batched(), wait=False)
    assert (first.answered, first.batches, first.in_batches) == (0, 1, 20)
    assert status(batched()).under_way == UnderWay(1, 20)
    found = plan(batched())
    assert (found.answered, found.under_way, found.estimate) == (0, 20, None)
    reserved = spent_of(batched())
    assert reserved.certain == 0 < reserved.possible
    for _ in range(3):
        assert annotate(batched(), wait=False).batches == 1
    assert annotate(batched(), wait=False) == AnnotationProgress(
        total=20, from_ledger=0, answered=20
    )
    assert len(server.batches) == 1
    assert status(batched()).under_way == UnderWay()
    assert spent_of(batched()).possible == 0


def test_progress_reports_batches(batched, server: BatchServer, monkeypatch, capsys):
    monkeypatch.setattr("distilwhy.pipeline.annotate.transports.batch_submission.MOST_REQUESTS", 15)
    monkeypatch.setattr("distilwhy.cli.screen.PLAIN_LINE_EVERY_S", 0)
    with ProgressDisplay() as progress:
        annotate(batched(), watch=progress.annotation)
    assert capsys.readouterr().err.splitlines() == [
        "teacher: 0/20  0 from ledger",
        "In progress: 1 batch of 15 calls, answered within 24 h. You may stop now and run the same "
        "command again later.",
        "teacher: 0/20  0 from ledger, 0 of 15 in batches done",
        "In progress: 2 batches of 20 calls",
        "teacher: 0/20  0 from ledger, 0 of 20 in batches done",
        "In progress: 1 batch of 5 calls",
        "teacher: 0/20  0 from ledger, 0 of 5 in batches done",
        "teacher: 15/20  0 from ledger, 0 of 5 in batches done",
        "teacher: 15/20  0 from ledger",
        "teacher: 20/20  0 from ledger",
    ]
    assert describe_batches(2, 60_000) == "2 batches of 60,000 calls"


def test_new_rows_go_in_a_batch_of_their_own(batched, server: BatchServer):
    annotate(batched(), wait=False)
    assert annotate(batched(rows=25)).answered == 25
    assert [batch["request_counts"]["total"] for batch in server.batches.values()] == [20, 5]


def test_another_prompt_is_paid_anew_and_what_is_under_way_is_kept(batched, server: BatchServer):
    annotate(batched(), wait=False)
    changed = {"task.instruction": "Sort it well."}
    assert plan(batched(changed)).repaid == 20
    assert annotate(batched(changed)).total == 20
    assert len(server.batches) == 2
    assert annotate(batched()) == AnnotationProgress(total=20, from_ledger=20)


def test_without_teacher_batch_what_is_under_way_is_still_awaited(batched, server: BatchServer):
    server.ends = [End("expired", answered=0.5)]
    annotate(batched(), wait=False)
    assert annotate(batched({"teacher.batch": False}, rows=25)).answered == 25
    assert (len(server.asked), len(server.direct), len(server.batches)) == (10, 15, 1)


def test_no_more_is_sent_than_the_limit(batched, server: BatchServer):
    assert annotate(batched(), limit=6).answered == 6
    assert len(server.asked) == 6
    assert annotate(batched()) == AnnotationProgress(total=20, from_ledger=6, answered=14)


def test_explanations_go_in_a_batch_when_the_answers_are_there(write_experiment, server):
    rows = [{**row, "kind": "praise"} for row in many(6)]
    path = write_experiment({**SETTINGS, "teacher.explain_wrong": True}, train=rows)
    annotate(open_experiment(path, server.url), wait=False)
    assert len(server.batches) == 1
    annotate(open_experiment(path, server.url))
    learnt = len(open_experiment(path, server.url).splits.train)
    assert [b["request_counts"]["total"] for b in server.batches.values()] == [6, learnt]


def test_a_batch_at_another_endpoint_is_not_sent_again_until_given_up(batched, server: BatchServer):
    annotate(batched(), wait=False)
    reserved = spent_of(batched()).possible
    with BatchServer() as other:
        elsewhere = open_experiment(batched().file, other.url)
        with pytest.raises(TeacherError, match=r"^a batch is under way at http.*; set it back"):
            annotate(elsewhere)
        assert other.log == []
        assert annotate(elsewhere, forget_batches=True).answered == 20
        assert spent_of(elsewhere).certain == other.bill
        assert spent_of(elsewhere).possible == reserved


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teacher.kind": "anthropic"}, "is not supported for kind 'anthropic'"),
        ({"teacher.replicas": ["http://b/v1"]}, "batches use base_url alone; leave out replicas"),
        ({"teacher.max_tokens": None}, "needs teacher.max_tokens to bound the cost of a batch"),
    ],
)
def test_settings_that_exclude_batches_are_refused(batched, changes, message):
    with pytest.raises(ConfigError, match=message):
        batched(changes)


def test_batches_are_refused_on_a_cluster(batched, server: BatchServer):
    with pytest.raises(ConfigError, match=r"teacher\.batch sends calls from one place"):
        annotate(batched(), engine="ray")
    assert server.log == []
