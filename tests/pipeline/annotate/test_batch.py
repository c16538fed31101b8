"""Calls by the batch interface: each paid once, whatever is killed, expires or fails."""

import json
import os
import random
import signal
from contextlib import contextmanager

import aiohttp
import pytest
from aiohttp import web

from batch_server import BatchServer, End, refused, says, troubled
from distilwhy.cli.describe import describe_batches, describe_estimate
from distilwhy.cli.progress import ProgressDisplay
from distilwhy.errors import BudgetError, ConfigError, TeacherError
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.budget import read_spending
from distilwhy.pipeline.annotate.recorder import AnnotationProgress
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import Experiment, open_experiment
from distilwhy.pipeline.plan import plan
from distilwhy.pipeline.status import status
from distilwhy.store.batches import UnderWay
from distilwhy.store.ledger import Ledger

PRICES = {"currency": "EUR", "input": 10.0, "output": 50.0}
SETTINGS = {
    "methods": ["step-by-step"],
    "data.test": None,
    "prices": PRICES,
    "teacher.batch": True,
    "teacher.max_tokens": 40,
    "teacher.gate": {"rows": 0},
    "teacher.retries": 2,
}


def many(count: int) -> list[dict[str, object]]:
    return [{"id": f"a{i}", "message": f"Message {i}.", "kind": "damage"} for i in range(count)]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr("distilwhy.pipeline.annotate.transports.dispatcher.FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr("distilwhy.pipeline.annotate.transports.batch.FIRST_POLL_S", 0.001)


@pytest.fixture
def server():
    with BatchServer() as served:
        yield served


@pytest.fixture
def opened(write_experiment, server: BatchServer):
    """Opens an experiment of twenty train rows at the server, with changes."""

    def opens(changes: dict[str, object] | None = None, rows: int = 20) -> Experiment:
        path = write_experiment({**SETTINGS, **(changes or {})}, train=many(rows))
        return open_experiment(path, base_url=server.url)

    return opens


def spent_of(experiment: Experiment):
    found = read_spending(experiment)
    assert found is not None
    return found


def test_the_whole_way(opened, server: BatchServer):
    seen: list[AnnotationProgress] = []
    assert annotate(opened(), watch=seen.append) == AnnotationProgress(
        total=20, from_ledger=0, answered=20
    )
    assert read_annotations(opened())["a7"].label == "damage"
    assert set(server.asked.values()) == {1}
    assert len(server.asked) == 20
    assert (spent_of(opened()).certain, spent_of(opened()).possible) == (server.bill, 0)
    assert server.direct == []
    assert [line for line in server.log if "POST" in line] == ["POST /v1/files", "POST /v1/batches"]
    assert {(p.batches, p.in_batches) for p in seen} == {(0, 0), (1, 20)}
    assert annotate(opened()) == AnnotationProgress(total=20, from_ledger=20)
    assert len(server.batches) == 1


def test_a_file_of_requests_as_the_endpoint_wants_it(opened, server: BatchServer):
    annotate(opened(rows=2))
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


def test_plain_completions_and_several_samples(opened, server: BatchServer):
    changes = {"teacher.kind": "completion", "teacher.samples": 3, "teacher.temperature": 0.7}
    assert annotate(opened(changes)).answered == 60
    assert [batch["endpoint"] for batch in server.batches.values()] == ["/v1/completions"]
    assert set(server.asked.values()) == {1}
    assert read_annotations(opened(changes))["a0"].label == "damage"


def test_the_gate_asks_directly_before_the_rest_is_handed_over(opened, server: BatchServer):
    offers = []
    changes = {"teacher.gate": {"rows": 16}}
    answered = annotate(opened(changes, 40), agree=lambda offer: not offers.append(offer)).answered
    assert (answered, len(server.direct), len(server.asked)) == (40, 16, 24)
    [offer] = offers
    assert offer.estimate.calls == 24
    assert describe_estimate(offer.estimate, "EUR").endswith("in batches, each within 24 h")
    after = spent_of(opened(changes, 40))
    assert (after.certain, after.possible) == (server.bill, 0)
    assert offer.estimate.cost is not None
    assert offer.estimate.cost.low < float(server.bill) * 24 / (16 * 2 + 24) * 1.05
    assert offer.estimate.cost.high > float(server.bill) * 24 / (16 * 2 + 24) * 0.95


def test_many_calls_go_in_several_batches(opened, server: BatchServer, monkeypatch):
    monkeypatch.setattr("distilwhy.pipeline.annotate.transports.batch_submission.MOST_REQUESTS", 7)
    assert annotate(opened()).answered == 20
    assert [batch["request_counts"]["total"] for batch in server.batches.values()] == [7, 7, 6]
    assert set(server.asked.values()) == {1}


def test_large_calls_go_in_several_batches(opened, server: BatchServer, monkeypatch):
    monkeypatch.setattr("distilwhy.pipeline.annotate.transports.batch_submission.MOST_BYTES", 3000)
    assert annotate(opened()).answered == 20
    assert len(server.batches) == 3
    files = [content for _, kind, content in server.files.values() if kind == "batch"]
    assert all(len(content) < 4000 for content in files)


def test_rows_with_one_and_the_same_prompt_share_a_call(
    opened, write_experiment, server, monkeypatch
):
    monkeypatch.setattr("distilwhy.pipeline.annotate.transports.batch_submission.MOST_REQUESTS", 4)
    server.ends = [End("expired", answered=0), End()]
    rows = [*many(6), *({**row, "id": f"twin-{row['id']}"} for row in many(6))]
    path = write_experiment(SETTINGS, train=rows)
    assert annotate(open_experiment(path, server.url)).answered == 6
    assert len(read_annotations(opened(rows=6))) == 6


def test_it_need_not_be_waited_for(opened, server: BatchServer):
    first = annotate(opened(), wait=False)
    assert (first.answered, first.batches, first.in_batches) == (0, 1, 20)
    assert status(opened()).under_way == UnderWay(1, 20)
    found = plan(opened())
    assert (found.answered, found.under_way, found.estimate) == (0, 20, None)
    reserved = spent_of(opened())
    assert reserved.certain == 0 < reserved.possible
    for _ in range(3):
        assert annotate(opened(), wait=False).batches == 1
    assert annotate(opened(), wait=False) == AnnotationProgress(
        total=20, from_ledger=0, answered=20
    )
    assert len(server.batches) == 1
    assert status(opened()).under_way == UnderWay()
    assert spent_of(opened()).possible == 0


def test_what_is_said_of_batches(opened, server: BatchServer, monkeypatch, capsys):
    monkeypatch.setattr("distilwhy.pipeline.annotate.transports.batch_submission.MOST_REQUESTS", 15)
    monkeypatch.setattr("distilwhy.cli.screen.PLAIN_LINE_EVERY_S", 0)
    with ProgressDisplay() as progress:
        annotate(opened(), watch=progress.annotation)
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


def test_new_rows_go_in_a_batch_of_their_own(opened, server: BatchServer):
    annotate(opened(), wait=False)
    assert annotate(opened(rows=25)).answered == 25
    assert [batch["request_counts"]["total"] for batch in server.batches.values()] == [20, 5]


def test_other_words_are_paid_anew_and_what_is_under_way_is_kept(opened, server: BatchServer):
    annotate(opened(), wait=False)
    changed = {"task.instruction": "Sort it well."}
    assert plan(opened(changed)).repaid == 20
    assert annotate(opened(changed)).total == 20
    assert len(server.batches) == 2
    assert annotate(opened()) == AnnotationProgress(total=20, from_ledger=20)


def test_without_batches_what_is_under_way_is_waited_for(opened, server: BatchServer):
    server.ends = [End("expired", answered=0.5)]
    annotate(opened(), wait=False)
    assert annotate(opened({"teacher.batch": False}, rows=25)).answered == 25
    assert (len(server.asked), len(server.direct), len(server.batches)) == (10, 15, 1)


def test_no_more_is_handed_over_than_is_wanted(opened, server: BatchServer):
    assert annotate(opened(), limit=6).answered == 6
    assert len(server.asked) == 6
    assert annotate(opened()) == AnnotationProgress(total=20, from_ledger=6, answered=14)


def test_explanations_go_in_a_batch_when_the_answers_are_there(write_experiment, server):
    rows = [{**row, "kind": "praise"} for row in many(6)]
    path = write_experiment({**SETTINGS, "teacher.explain_wrong": True}, train=rows)
    annotate(open_experiment(path, server.url), wait=False)
    assert len(server.batches) == 1
    annotate(open_experiment(path, server.url))
    learnt = len(open_experiment(path, server.url).splits.train)
    assert [b["request_counts"]["total"] for b in server.batches.values()] == [6, learnt]


def test_what_expired_goes_in_another_batch(opened, server: BatchServer):
    server.ends = [End("expired", answered=0.3), End("cancelled", answered=0.5), End()]
    assert annotate(opened()) == AnnotationProgress(total=20, from_ledger=0, answered=20)
    counts = [batch["request_counts"]["total"] for batch in server.batches.values()]
    assert counts == [20, 14, 7]
    assert set(server.asked.values()) == {1}
    assert (spent_of(opened()).certain, spent_of(opened()).possible) == (server.bill, 0)


def test_a_batch_that_fails_with_some_answers_keeps_them(opened, server: BatchServer):
    problem = {"code": "server_error", "message": "Something broke.", "line": None}
    server.ends = [End("failed", answered=0.3, errors=[problem]), End()]
    with pytest.raises(TeacherError, match=r"rejected batch batch_0 \(.*Something broke"):
        annotate(opened(), wait=True)
    assert annotate(opened()) == AnnotationProgress(total=20, from_ledger=6, answered=14)
    assert set(server.asked.values()) == {1}


def test_a_file_that_is_not_valid_says_where(opened, server: BatchServer):
    problem = {"code": "invalid_url", "message": "The URL is not supported.", "line": 3}
    server.ends = [End("failed", 0, [problem])]
    with pytest.raises(TeacherError) as caught:
        annotate(opened())
    assert str(caught.value) == (
        f"{server.url} rejected batch batch_0 (line 3: The URL is not supported.); correct the "
        "teacher section, then run again"
    )
    assert status(opened()).under_way == UnderWay()
    assert spent_of(opened()).possible == 0


def test_batches_that_bring_nothing_end_it(opened, server: BatchServer):
    server.ends = [End("expired", answered=0)]
    with pytest.raises(TeacherError) as caught:
        annotate(opened())
    assert str(caught.value) == (
        "the last 2 batches have brought no answer at all (the last: expired, batch_expired: "
        "This request could not be executed before the completion window expired.); check the "
        "teacher section, then run again to go on"
    )
    assert len(server.batches) == 2
    server.ends = [End()]
    assert annotate(opened()).answered == 20


def test_requests_with_errors(opened, server: BatchServer):
    """One is refused, one fails once, one always; one has a reply that cannot be read."""
    down, busy = troubled("server_error", "The server had an error."), refused(503, "busy", "busy")
    nonsense = {"response": {"status_code": 200, "request_id": "r", "body": {}}, "error": None}
    server.plays = {
        "Message 1.": [refused(400, "too long", "context_length_exceeded")],
        "Message 2.": [down, busy],
        "Message 3.": [busy] * 9,
        "Message 4.": [nonsense],
    }
    assert annotate(opened()) == AnnotationProgress(total=20, from_ledger=0, answered=18, failed=2)
    found = read_annotations(opened())
    assert found["a1"].problem == "HTTP 400: too long"
    assert found["a3"].problem == "HTTP 503: busy"
    assert found["a2"].outcome == found["a4"].outcome == "ok"
    assert [b["request_counts"]["total"] for b in server.batches.values()] == [20, 3, 2]
    after = spent_of(opened())
    assert after.certain == server.bill
    assert 0 < after.possible < 0.01
    # What failed is asked again next time, and nothing else is.
    server.plays = {}
    assert annotate(opened()) == AnnotationProgress(total=20, from_ledger=18, answered=2)


def test_a_few_that_always_fail_stand_in_nobodys_way(opened, server: BatchServer):
    server.plays = {f"Message {i}.": [refused(503, "busy", "busy")] * 9 for i in range(4)}
    assert annotate(opened()) == AnnotationProgress(total=20, from_ledger=0, answered=16, failed=4)
    assert len(server.batches) == 3
    server.plays |= {f"Message {i}.": [refused(503, "busy", "busy")] * 9 for i in range(20, 25)}
    with pytest.raises(TeacherError, match=r"no answer at all \(the last: completed, HTTP 503"):
        annotate(opened(rows=25))
    assert len(server.batches) == 5


def test_an_account_that_is_empty_ends_it_when_the_rest_is_kept(opened, server: BatchServer):
    empty = refused(429, "You exceeded your current quota.", "insufficient_quota")
    server.plays = {f"Message {i}.": [empty] for i in range(5)}
    with pytest.raises(TeacherError, match="wants to be paid"):
        annotate(opened())
    assert annotate(opened()) == AnnotationProgress(total=20, from_ledger=15, answered=5)


@pytest.mark.parametrize("most", [4, 5, 11])
def test_where_only_so_much_may_wait_batches_are_smaller(opened, server: BatchServer, most: int):
    server.most_waiting = most
    assert annotate(opened()) == AnnotationProgress(total=20, from_ledger=0, answered=20)
    taken = [b["request_counts"]["total"] for b in server.batches.values()]
    assert {4: 2, 5: 5, 11: 10}[most] == max(taken)
    assert sum(taken) == 20
    assert set(server.asked.values()) == {1}
    server.most_waiting = 0
    with pytest.raises(TeacherError, match="has no room for a batch of one call"):
        annotate(opened(rows=25))


def test_a_budget_holds_with_batches(opened, server: BatchServer):
    changes = {"teacher.budget": 0.03}
    with pytest.raises(BudgetError) as caught:
        annotate(opened(changes, 60))
    assert str(caught.value).startswith("the budget of 0.03 EUR is used up: 0.0")
    assert server.bill <= 0.03
    assert len(server.batches) > 1
    after = spent_of(opened(changes, 60))
    assert (after.certain, after.possible) == (server.bill, 0)
    answered = len(server.asked)
    assert 0 < answered < 60
    more = opened({"teacher.budget": 5.0}, 60)
    assert annotate(more) == AnnotationProgress(
        total=60, from_ledger=answered, answered=60 - answered
    )
    assert set(server.asked.values()) == {1}
    assert spent_of(more).certain == server.bill


def test_what_is_under_way_is_not_spent_twice(opened, server: BatchServer):
    changes = {"teacher.budget": 0.06}
    annotate(opened(changes, 60), wait=False)
    first = sum(batch["request_counts"]["total"] for batch in server.batches.values())
    reserved = spent_of(opened(changes, 60)).possible
    assert 0.05 < reserved <= 0.06
    annotate(opened(changes, 70), wait=False)
    assert len(server.batches) == 1
    with pytest.raises(BudgetError):
        annotate(opened({**changes, "teacher.batch": False}, 70))
    assert len(server.asked) == first
    assert server.bill <= 0.06


def test_prices_and_the_gate_are_within_the_budget(opened, server: BatchServer):
    changes = {"teacher.budget": 0.1, "teacher.gate": {"rows": 4}}
    with pytest.raises(BudgetError):
        annotate(opened(changes, 200))
    assert server.bill <= 0.1
    after = spent_of(opened(changes, 200))
    assert (after.certain, after.possible) == (server.bill, 0)


def fail_with(code: int, message: str, *, at: str, times: int = 99):
    """A fault at one path, so many times."""
    left = [times]

    def fault(method: str, path: str) -> web.Response | None:
        if f"{method} {path}" != at or not left[0]:
            return None
        left[0] -= 1
        return web.json_response({"error": {"message": message}}, status=code)

    return fault


@pytest.mark.parametrize(
    ("code", "at", "message"),
    [
        (401, "POST /v1/files", "refuses the key (HTTP 401: no); put it in an"),
        (401, "GET /v1/batches/batch_0", "refuses the key (HTTP 401: no)"),
        (404, "POST /v1/files", "has no batch interface (HTTP 404: no); take teacher.batch out"),
        (405, "POST /v1/batches", "has no batch interface (HTTP 405: no); take teacher.batch out"),
        (413, "POST /v1/files", "refuses a batch (HTTP 413: no); correct the teacher section"),
        (500, "POST /v1/batches", "is not answering: HTTP 500: no; check that it is up"),
        (404, "GET /v1/batches/batch_0", "has no batches/batch_0 (HTTP 404: no); check that"),
        (404, "GET /v1/files/file-batch_0-output/content", "give --forget-batches to ask its"),
    ],
)
def test_what_cannot_go_on_says_why(opened, server: BatchServer, code: int, at: str, message: str):
    server.fault = fail_with(code, "no", at=at)
    with pytest.raises(TeacherError) as caught:
        annotate(opened())
    assert message in str(caught.value)
    server.fault = lambda method, path: None
    assert annotate(opened({"teacher.batch": False}, 25)).answered == 25
    assert not set(server.asked.values()) - {1}
    assert len(server.asked) + len(server.direct) == 25
    check_files(server)


def test_an_endpoint_without_batches_is_asked_directly_once_it_is_told_to(opened, server):
    server.fault = lambda method, path: (
        None if "completions" in path else web.json_response({"detail": "Not Found"}, status=404)
    )
    with pytest.raises(TeacherError, match="has no batch interface"):
        annotate(opened())
    assert annotate(opened({"teacher.batch": False})).answered == 20


@pytest.mark.parametrize(
    ("code", "at"),
    [
        (429, "POST /v1/files"),
        (500, "POST /v1/batches"),
        (429, "GET /v1/batches/batch_0"),
        (503, "GET /v1/files/file-batch_0-output/content"),
        (500, "GET /v1/files/file-batch_0-error/content"),
    ],
)
def test_trouble_passes(opened, server: BatchServer, code: int, at: str):
    server.fault = fail_with(code, "busy", at=at, times=2)
    server.plays = {"Message 1.": [refused(400, "no")]}
    assert annotate(opened()) == AnnotationProgress(total=20, from_ledger=0, answered=19, failed=1)
    assert len(server.batches) == 1
    assert set(server.asked.values()) == {1}


@pytest.mark.parametrize("at", ["POST /v1/files", "POST /v1/batches", "GET /v1/batches/batch_0"])
def test_a_reply_that_is_lost_creates_nothing_twice(opened, server: BatchServer, at: str):
    lost: list[str] = []

    def lose(method: str, path: str) -> bool:
        lost.append(f"{method} {path}")
        return lost[-1] == at and lost.count(at) == 1

    server.lost = lose
    assert annotate(opened()) == AnnotationProgress(total=20, from_ledger=0, answered=20)
    assert len(server.batches) == 1
    assert len([file for file in server.files.values() if file[1] == "batch"]) == 1


def test_what_was_never_created_is_handed_over_anew(opened, server: BatchServer):
    """Also where nothing can be deleted."""
    server.fault = fail_with(500, "oops", at="POST /v1/batches")
    with pytest.raises(TeacherError, match="is not answering: HTTP 500: oops"):
        annotate(opened())
    [file] = server.files
    server.fault = fail_with(405, "no", at=f"DELETE /v1/files/{file}")
    assert annotate(opened()).answered == 20
    assert (server.count(f"DELETE /v1/files/{file}"), len(server.batches)) == (1, 1)


def test_an_endpoint_that_drops_our_mark_is_searched_by_file(opened, server: BatchServer):
    server.keeps_metadata, server.page = False, 1
    lost: list[str] = []

    def lose(method: str, path: str) -> bool:
        lost.append(f"{method} {path}")
        return lost.count("POST /v1/batches") == 3 and lost[-1] == "POST /v1/batches"

    server.lost = lose
    annotate(opened(rows=5), wait=False)
    annotate(opened(rows=8), wait=False)
    assert annotate(opened(rows=12)).answered == 12
    assert len(server.batches) == 3


def test_an_outage_while_waiting_is_survived_and_told(opened, server: BatchServer):
    seen: list[AnnotationProgress] = []
    server.fault = fail_with(502, "bad gateway", at="GET /v1/batches/batch_0", times=5)
    assert annotate(opened(), watch=seen.append).answered == 20
    assert sum(p.trouble == "HTTP 502: bad gateway" for p in seen) == 5


def test_an_outage_without_end_ends_it_and_loses_nothing(opened, server, monkeypatch):
    monkeypatch.setattr("distilwhy.pipeline.annotate.transports.batch.LONGEST_OUTAGE_S", 0.05)
    server.fault = fail_with(502, "bad gateway", at="GET /v1/batches/batch_0", times=10**6)
    with pytest.raises(TeacherError, match="is not answering: HTTP 502: bad gateway"):
        annotate(opened())
    server.fault = lambda method, path: None
    assert annotate(opened()).answered == 20
    assert len(server.batches) == 1


def test_a_batch_elsewhere_is_not_asked_again_until_it_is_given_up(opened, server: BatchServer):
    annotate(opened(), wait=False)
    reserved = spent_of(opened()).possible
    with BatchServer() as other:
        elsewhere = open_experiment(opened().file, other.url)
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
def test_settings_that_do_not_go_together(opened, changes, message):
    with pytest.raises(ConfigError, match=message):
        opened(changes)


def test_batches_are_not_for_a_cluster(opened, server: BatchServer):
    with pytest.raises(ConfigError, match=r"teacher\.batch hands calls over from one place"):
        annotate(opened(), engine="ray")
    assert server.log == []


def kill_at(step: int, experiment: Experiment, **arguments: object) -> bool:
    """Annotate in a process that is killed at one of its steps: before a request, after the reply
    to one, after a transaction of the ledger. Whether it came that far."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _count_down(step)
            annotate(experiment, **arguments)
            status = 0
        finally:
            os._exit(status)
    _, ended = os.waitpid(child, 0)
    assert os.WIFSIGNALED(ended) or os.WEXITSTATUS(ended) == 0
    return os.WIFSIGNALED(ended)


def _count_down(left: int) -> None:
    """Kill this process after so many steps."""
    request, transaction = aiohttp.ClientSession._request, Ledger.transaction

    def step() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    async def _request(*arguments, **named):
        step()
        response = await request(*arguments, **named)
        step()
        return response

    @contextmanager
    def _transaction(ledger):
        with transaction(ledger) as connection:
            yield connection
            has_written = connection.in_transaction
        if has_written:
            step()

    aiohttp.ClientSession._request = _request
    Ledger.transaction = _transaction


def check_books(experiment: Experiment, server: BatchServer, rows: int) -> None:
    """Every row is answered, each was asked once, and the ledger agrees with the endpoint."""
    found = read_annotations(experiment)
    assert [a.outcome for a in found.values()] == ["ok"] * rows
    assert set(server.asked.values()) <= {1}
    assert len(server.asked) + len(set(server.direct)) == rows
    assert spent_of(experiment).certain + spent_of(experiment).possible >= server.bill
    check_files(server)


def check_files(server: BatchServer) -> None:
    """No file was uploaded for nothing."""
    sent = {batch["input_file_id"] for batch in server.batches.values()}
    assert {i for i, (_, kind, _) in server.files.items() if kind == "batch"} == sent


def test_a_kill_at_any_step_loses_nothing_and_pays_nothing_twice(opened):
    """With a gate, a budget, and an answer whose tokens are not counted."""
    changes = {"teacher.gate": {"rows": 2}, "teacher.budget": 2.0, "teacher.concurrency": 1}
    killed, step, lost = True, 0, set()
    while killed:
        step += 1
        with BatchServer() as server:
            server.way, server.plays = ("in_progress",), {"Message 1.": [says("damage")]}
            experiment = opened({**changes, "out": f"run-{step}"}, 6)
            experiment = open_experiment(experiment.file, server.url)
            killed = kill_at(step, experiment)
            is_created = bool(server.batches)
            annotate(experiment)
            check_books(experiment, server, 6)
            after = spent_of(experiment)
            assert len(server.batches) == 1
            if is_created:
                assert after.certain == server.bill
                lost.add(after.possible)
    assert step > 20
    assert len(lost) == 1
    assert lost.pop() > 0


@pytest.mark.parametrize("seed", range(3))
def test_kill_after_kill(opened, monkeypatch, seed: int):
    """With a budget and a gate, until it comes through."""
    monkeypatch.setattr("distilwhy.pipeline.annotate.transports.batch_submission.MOST_REQUESTS", 4)
    rng, kills = random.Random(seed), 0
    changes = {"teacher.gate": {"rows": 2}, "teacher.budget": 2.0, "teacher.concurrency": 1}
    with BatchServer() as server:
        server.ends = [End("expired", answered=0.5), End()]
        experiment = open_experiment(opened(changes, 12).file, server.url)
        while kill_at(rng.randint(1, 15 + kills), experiment, wait=rng.random() < 0.5):
            kills += 1
        annotate(experiment)
        check_books(experiment, server, 12)
        assert server.bill <= 2
        assert status(experiment).under_way == UnderWay()
    assert kills
