"""What becomes of calls whose batch, or request, fails."""

import pytest

from batch_server import BatchServer, End, errored, refused
from batching import spent_of
from distilwhy.errors import BudgetError, TeacherError
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.recorder import AnnotationProgress
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.status import status
from distilwhy.store.batches import UnderWay


def test_expired_calls_go_in_another_batch(batched, server: BatchServer):
    server.ends = [End("expired", answered=0.3), End("cancelled", answered=0.5), End()]
    assert annotate(batched()) == AnnotationProgress(total=20, from_ledger=0, answered=20)
    counts = [batch["request_counts"]["total"] for batch in server.batches.values()]
    assert counts == [20, 14, 7]
    assert set(server.asked.values()) == {1}
    assert (spent_of(batched()).certain, spent_of(batched()).possible) == (server.bill, 0)


def test_a_batch_that_fails_with_some_answers_keeps_them(batched, server: BatchServer):
    problem = {"code": "server_error", "message": "Something broke.", "line": None}
    server.ends = [End("failed", answered=0.3, errors=[problem]), End()]
    with pytest.raises(TeacherError, match=r"rejected batch batch_0 \(.*Something broke"):
        annotate(batched(), wait=True)
    assert annotate(batched()) == AnnotationProgress(total=20, from_ledger=6, answered=14)
    assert set(server.asked.values()) == {1}


def test_a_rejected_batch_says_which_line_is_wrong(batched, server: BatchServer):
    problem = {"code": "invalid_url", "message": "The URL is not supported.", "line": 3}
    server.ends = [End("failed", 0, [problem])]
    with pytest.raises(TeacherError) as caught:
        annotate(batched())
    assert str(caught.value) == (
        f"{server.url} rejected batch batch_0 (line 3: The URL is not supported.); correct the "
        "teacher section, then run again"
    )
    assert status(batched()).under_way == UnderWay()
    assert spent_of(batched()).possible == 0


def test_two_batches_without_any_answer_end_the_run(batched, server: BatchServer):
    server.ends = [End("expired", answered=0)]
    with pytest.raises(TeacherError) as caught:
        annotate(batched())
    assert str(caught.value) == (
        "the last 2 batches have brought no answer at all (the last: expired, batch_expired: "
        "This request could not be executed before the completion window expired.); check the "
        "teacher section, then run again to go on"
    )
    assert len(server.batches) == 2
    server.ends = [End()]
    assert annotate(batched()).answered == 20


def test_requests_that_fail_are_tried_again_or_fail_alone(batched, server: BatchServer):
    """One is refused, one fails once, one always; one has a reply that cannot be read."""
    down, busy = errored("server_error", "The server had an error."), refused(503, "busy", "busy")
    nonsense = {"response": {"status_code": 200, "request_id": "r", "body": {}}, "error": None}
    server.plays = {
        "Message 1.": [refused(400, "no temperature")],
        "Message 2.": [down, busy],
        "Message 3.": [busy] * 9,
        "Message 4.": [nonsense],
    }
    assert annotate(batched()) == AnnotationProgress(total=20, from_ledger=0, answered=18, failed=2)
    found = read_annotations(batched())
    assert found["a1"].problem == "HTTP 400: no temperature"
    assert found["a3"].problem == "HTTP 503: busy"
    assert found["a2"].outcome == found["a4"].outcome == "ok"
    assert [b["request_counts"]["total"] for b in server.batches.values()] == [20, 3, 2]
    after = spent_of(batched())
    assert after.certain == server.bill
    assert 0 < after.possible < 0.01
    # What failed is asked again next time, and nothing else is.
    server.plays = {}
    assert annotate(batched()) == AnnotationProgress(total=20, from_ledger=18, answered=2)


def test_a_few_calls_that_always_fail_do_not_stop_the_others(batched, server: BatchServer):
    server.plays = {f"Message {i}.": [refused(503, "busy", "busy")] * 9 for i in range(4)}
    assert annotate(batched()) == AnnotationProgress(total=20, from_ledger=0, answered=16, failed=4)
    assert len(server.batches) == 3
    server.plays |= {f"Message {i}.": [refused(503, "busy", "busy")] * 9 for i in range(20, 25)}
    with pytest.raises(TeacherError, match=r"no answer at all \(the last: completed, HTTP 503"):
        annotate(batched(rows=25))
    assert len(server.batches) == 5


def test_an_empty_account_ends_the_run_after_the_answers_are_recorded(batched, server: BatchServer):
    empty = refused(429, "You exceeded your current quota.", "insufficient_quota")
    server.plays = {f"Message {i}.": [empty] for i in range(5)}
    with pytest.raises(TeacherError, match="wants to be paid"):
        annotate(batched())
    assert annotate(batched()) == AnnotationProgress(total=20, from_ledger=15, answered=5)


@pytest.mark.parametrize("most", [4, 5, 11])
def test_batches_shrink_to_what_the_account_lets_wait(batched, server: BatchServer, most: int):
    server.most_waiting = most
    assert annotate(batched()) == AnnotationProgress(total=20, from_ledger=0, answered=20)
    taken = [b["request_counts"]["total"] for b in server.batches.values()]
    assert {4: 2, 5: 5, 11: 10}[most] == max(taken)
    assert sum(taken) == 20
    assert set(server.asked.values()) == {1}
    server.most_waiting = 0
    with pytest.raises(TeacherError, match="has no room for a batch of one call"):
        annotate(batched(rows=25))


def test_a_budget_holds_with_batches(batched, server: BatchServer):
    changes = {"teacher.budget": 0.03}
    with pytest.raises(BudgetError) as caught:
        annotate(batched(changes, 60))
    assert str(caught.value).startswith("the budget of 0.03 EUR is used up: 0.0")
    assert server.bill <= 0.03
    assert len(server.batches) > 1
    after = spent_of(batched(changes, 60))
    assert (after.certain, after.possible) == (server.bill, 0)
    answered = len(server.asked)
    assert 0 < answered < 60
    more = batched({"teacher.budget": 5.0}, 60)
    assert annotate(more) == AnnotationProgress(
        total=60, from_ledger=answered, answered=60 - answered
    )
    assert set(server.asked.values()) == {1}
    assert spent_of(more).certain == server.bill


def test_what_is_under_way_stays_reserved(batched, server: BatchServer):
    changes = {"teacher.budget": 0.06}
    annotate(batched(changes, 60), wait=False)
    first = sum(batch["request_counts"]["total"] for batch in server.batches.values())
    reserved = spent_of(batched(changes, 60)).possible
    assert 0.05 < reserved <= 0.06
    annotate(batched(changes, 70), wait=False)
    assert len(server.batches) == 1
    with pytest.raises(BudgetError):
        annotate(batched({**changes, "teacher.batch": False}, 70))
    assert len(server.asked) == first
    assert server.bill <= 0.06


def test_the_gate_is_within_the_budget_too(batched, server: BatchServer):
    changes = {"teacher.budget": 0.1, "teacher.gate": {"rows": 4}}
    with pytest.raises(BudgetError):
        annotate(batched(changes, 200))
    assert server.bill <= 0.1
    after = spent_of(batched(changes, 200))
    assert (after.certain, after.possible) == (server.bill, 0)
