"""Rows below the threshold go to the teacher, within a budget for each day, or are referred."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest
from fastapi.testclient import TestClient

from distilwhy.core.stats.calibration import Calibration
from distilwhy.core.stats.cascade import Cascade
from distilwhy.core.stats.deployment import Deployment
from distilwhy.errors import ConfigError, RunError
from distilwhy.pipeline.annotate.budget import read_spending
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.serving import daily_budget, teacher
from distilwhy.serving.app import create_app
from distilwhy.serving.server import serve
from distilwhy.serving.settings import ServerSettings
from endpoint import fails, hangs_up, says, sends, sends_half, stalls
from tiny_students import scratch

PRICES = {"currency": "USD", "input": 10.0, "output": 10.0}
COUNTED = {"prompt_tokens": 10, "completion_tokens": 5}
BILLED = {
    "prices": PRICES,
    "teacher.max_tokens": 100,
    "teacher.retries": 0,
    "teacher.gate": {"rows": 0},
}


class Clock:
    """A clock that stands still on a day of the next millennium."""

    day = 1

    def now(self, zone):
        return datetime(2999, 1, self.day, tzinfo=zone)


def student(task, threshold=2.0):
    """A student that answers nothing alone, unless the threshold is lower."""
    cascade = Cascade(0.9, threshold=threshold, rows=30, alone=15, right=15)
    deployment = Deployment(Calibration("temperature", 30), "gold", cascade)
    return replace(scratch(replace(task, exemplars=())), deployment=deployment)


@pytest.fixture
def served(opened):
    """Serves a student of an experiment before its teacher."""

    def serves(changes=None, *, threshold=2.0, **settings):
        experiment = opened(BILLED, changes or {})
        chosen = {"daily_budget": Decimal(1), **settings}
        settings = ServerSettings(cascade=True, teacher=experiment.file, **chosen)
        return TestClient(create_app(student(experiment.task, threshold), settings))

    return serves


def ask(client, *messages, **body):
    rows = [{"message": message, "id": message} for message in messages]
    reply = client.post("/predict", json={"rows": rows, **body})
    assert reply.status_code == 200, reply.text
    return reply.json()["predictions"]


def sources(client, *messages):
    return [one["source"] for one in ask(client, *messages)]


def test_the_teacher_answers_what_the_student_does_not_and_is_paid_once(served, endpoint):
    endpoint.plays["Is it open?"] = [says("It asks. So the answer is question.", usage=COUNTED)]
    with served() as client:
        [first, other] = ask(client, "Is it open?", "It broke.", explain=True)
        assert (first["label"], first["rationale"]) == ("question", "It asks.")
        assert (first["source"], first["confidence"]) == ("teacher", None)
        assert (other["label"], other["source"]) == ("damage", "teacher")
        again = ask(client, "Is it open?")[0]
        assert (again["label"], again["rationale"]) == ("question", None)
        assert 'source="teacher"' in client.get("/metrics").text
        # The page must not say that what is typed stays on this server.
        assert client.get("/about").json()["asks_teacher"]
    with served() as client:
        assert sources(client, "It broke.", "Is it open?") == ["teacher", "teacher"]
    assert sorted(endpoint.questions) == ["Is it open?", "It broke."]


def test_rows_above_the_threshold_ask_nobody(served, endpoint):
    with served(threshold=0.0) as client:
        assert sources(client, "It broke.") == ["student"]
    assert not endpoint.asked


def test_what_was_annotated_is_answered_from_the_ledger(served, opened, endpoint):
    annotate(opened(BILLED))
    asked = len(endpoint.asked)
    with served() as client:
        assert sources(client, "Message 0.", "Message 1.") == ["teacher", "teacher"]
    assert len(endpoint.asked) == asked


def test_one_row_asked_many_times_at_once_is_one_call(served, endpoint):
    endpoint.otherwise = [stalls(0.3)]
    with served() as client, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: sources(client, "It broke.")[0], range(8)))
    assert found == ["teacher"] * 8
    assert len(endpoint.asked) == 1


def test_the_chat_api_hands_over_too(served, endpoint):
    body = {"messages": [{"role": "user", "content": "Is it open?"}]}
    with served() as client:
        message = client.post("/v1/chat/completions", json=body).json()["choices"][0]["message"]
    assert message["content"] == "Why. So the answer is damage."
    assert message["refusal"] is None
    assert endpoint.questions == ["Is it open?"]


def test_a_teacher_that_is_down_is_left_alone_for_a_while(served, endpoint, monkeypatch):
    monkeypatch.setattr(teacher, "PAUSE_S", 0.5)
    endpoint.otherwise = [hangs_up()]
    with served() as client:
        assert sources(client, "a", "b") == ["refer", "refer"]
        endpoint.stop()
        start = time.monotonic()
        assert sources(client, *"cdefgh") == ["refer"] * 6
        assert sources(client, *"cdefgh") == ["refer"] * 6
        assert time.monotonic() - start < 5
        assert client.get("/ready").status_code == 200
        [found] = ask(client, "c")
        assert found["label"] is None
        assert found["confidence"] is not None


def test_a_teacher_that_is_back_is_asked_again(served, endpoint, monkeypatch):
    monkeypatch.setattr(teacher, "PAUSE_S", 3.0)
    endpoint.plays["a"] = [fails(401, "no such key"), says()]
    with served() as client:
        assert sources(client, "a") == ["refer"]
        assert sources(client, "b") == ["refer"]
        time.sleep(3.1)
        assert sources(client, "a", "b") == ["teacher", "teacher"]


def test_a_slow_answer_is_kept_for_the_next_time(served, endpoint):
    endpoint.plays["slow"] = [stalls(1.5)]
    endpoint.otherwise = [says(usage=COUNTED)]
    with served(timeout=0.7) as client:
        # Until a call has kept within what was reserved, no other is under way.
        assert sources(client, "first") == ["teacher"]
        assert sources(client, "slow", "fast") == ["refer", "teacher"]
        time.sleep(1.2)
        assert sources(client, "slow") == ["teacher"]
    assert endpoint.questions.count("slow") == 1


@pytest.mark.parametrize(
    "reply",
    [
        fails(400, "content policy"),
        fails(500),
        says("I would rather not say."),
        says(""),
        says("So the answer is damage. So the answer is praise."),
        sends("no JSON"),
        sends({"choices": []}),
        sends_half(),
        hangs_up(),
    ],
)
def test_a_row_that_the_teacher_does_not_answer_is_referred_alone(served, endpoint, reply):
    endpoint.plays["odd"] = [reply]
    with served({"teacher.concurrency": 1}) as client:
        assert sources(client, "odd") == ["refer"]
        assert sources(client, "even") == ["teacher"]


def test_an_answer_that_cannot_be_parsed_is_not_paid_for_again(served, endpoint):
    endpoint.otherwise = [says("I would rather not say.", usage=COUNTED)]
    with served() as client:
        assert [sources(client, "odd") for _ in range(3)] == [["refer"]] * 3
    assert len(endpoint.asked) == 1


def test_a_days_budget_is_a_hard_limit_also_after_a_restart(served, opened, endpoint, monkeypatch):
    # At ten dollars a million tokens, each of the calls may cost some half a cent.
    endpoint.otherwise = [says(usage={"prompt_tokens": 300, "completion_tokens": 100})]
    messages = [f"Message number {i}." for i in range(30)]
    for _ in range(2):
        with served(daily_budget=Decimal("0.05")) as client:
            found = sources(client, *messages)
            assert "refer" in found
            assert "teacher" in found
    spent = read_spending(opened(BILLED)).total
    assert Decimal("0.03") < spent <= Decimal("0.05")
    calls = len(endpoint.asked)
    clock = Clock()
    monkeypatch.setattr(daily_budget, "datetime", clock)
    with served(daily_budget=Decimal("0.05")) as client:
        assert sources(client, *messages).count("teacher") > found.count("teacher")
        assert sources(client, "Another.") == ["refer"]
        clock.day += 1
        assert sources(client, "Another.") == ["teacher"]
    assert len(endpoint.asked) > calls
    assert read_spending(opened(BILLED)).total <= Decimal("0.15")


def test_the_budget_of_the_experiment_holds_too(served, endpoint):
    with served({"teacher.budget": 0.000001}) as client:
        assert sources(client, "It broke.") == ["refer"]
    assert not endpoint.asked


def test_stopping_waits_for_the_rows_that_were_taken(served, endpoint):
    endpoint.otherwise = [stalls(0.5)]
    with served() as client:
        found = []
        thread = threading.Thread(target=lambda: found.extend(sources(client, *"abcd")))
        thread.start()
        time.sleep(0.2)
        thread.join()
    assert found == ["teacher"] * 4


@pytest.mark.parametrize(
    ("changes", "settings", "says"),
    [
        ({"task.input": "Message: {{ message }}"}, {}, "its task is not the student's"),
        ({}, {"daily_budget": None}, "its calls are billed; give --daily-budget"),
        ({"prices": None}, {}, "needs to know what a call may cost"),
    ],
)
def test_a_teacher_that_cannot_be_asked_is_named(opened, changes, settings, says):
    own = student(opened(BILLED).task)
    file = opened(BILLED, changes).file
    chosen = {"daily_budget": Decimal(1), **settings}
    with pytest.raises(ConfigError, match=says):
        create_app(own, ServerSettings(cascade=True, teacher=file, **chosen))


def test_one_process_alone_asks_the_teacher(served, opened, tmp_path):
    experiment = opened(BILLED)
    settings = ServerSettings(cascade=True, teacher=experiment.file, daily_budget=Decimal(1))
    with pytest.raises(ConfigError, match="one process keeps the teacher's budget"):
        serve(tmp_path, settings, "127.0.0.1", 0, workers=2)
    with served(), pytest.raises(RunError, match="another distilwhy process"):
        annotate(experiment)
    annotate(experiment)
