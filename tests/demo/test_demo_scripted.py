import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from distilwhy.demo import arithmetic, helpdesk, replies
from distilwhy.demo.scripted import ScriptedTeacher

TICKETS = helpdesk.generate_tickets(1000, seed=5)
PROBLEMS = arithmetic.generate_problems(1000, seed=5)
REPLIES = [replies.reply_to(ticket.message) for ticket in TICKETS]


@pytest.fixture(scope="module")
def teacher():
    with ScriptedTeacher() as running:
        yield running


def post(url: str, body: object) -> tuple[int, dict, dict]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, json.load(response), dict(response.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error), dict(error.headers)


def chat(question: str, **more: object) -> dict:
    turns = [
        {"role": "system", "content": "Route."},
        {"role": "user", "content": TICKETS[-1].message},
        {"role": "assistant", "content": "So the answer is Accounts."},
        {"role": "user", "content": question},
    ]
    return {"model": "any", "messages": turns, **more}


def first_with(status: int) -> str:
    return next(t.message for t in TICKETS if replies.first_status(t.message) == status)


def runs_on(text: str) -> bool:
    return "\n\nQ:" in text


def own_part(text: str) -> str:
    return text.partition("\n\nQ:")[0].rstrip(".")


def test_wrong_answers_come_at_the_stated_rate():
    answered = [
        own_part(reply.text).endswith(ticket.team)
        for ticket, reply in zip(TICKETS, REPLIES, strict=True)
        if any(own_part(reply.text).endswith(team) for team in helpdesk.TEAMS)
        and reply.finish_reason == "stop"
    ]
    assert 0.09 < 1 - sum(answered) / len(answered) < 0.15


def test_a_wrong_answer_has_a_rationale_that_leads_to_it():
    for ticket, reply in zip(TICKETS, REPLIES, strict=True):
        wrong = [team for team in helpdesk.TEAMS if own_part(reply.text).endswith(team)]
        if wrong:
            assert f"goes to {wrong[0]}." in reply.text, ticket


def test_a_few_replies_are_unreadable_or_refused():
    cut = sum(reply.finish_reason == "length" for reply in REPLIES)
    rambling = sum("There is a lot to say" in reply.text for reply in REPLIES)
    refused = sum("can't help" in reply.text for reply in REPLIES)
    assert 0.01 <= (cut + rambling) / 1000 <= 0.035
    assert min(cut, rambling) > 0
    assert 1 <= refused <= 12


def test_answers_are_worded_in_several_ways_and_some_run_on():
    texts = [reply.text for reply in REPLIES]
    for closing in ("So the answer is ", " The answer is ", "\n**Answer:** ", "\nAnswer: "):
        assert sum(closing in own_part(text) for text in texts) > 50
    assert 0.1 < sum(map(runs_on, texts)) / 1000 < 0.2


def test_failures_come_at_the_stated_rates():
    statuses = [replies.first_status(ticket.message) for ticket in TICKETS]
    assert 0.01 <= statuses.count(429) / 1000 <= 0.03
    assert 0.004 <= statuses.count(500) / 1000 <= 0.018


def test_word_problems_are_answered_too():
    right = sum(p.equation in replies.reply_to(p.question).text for p in PROBLEMS)
    assert 0.82 < right / 1000 < 0.92


def test_a_question_of_no_shipped_task_gets_a_reply_that_says_so():
    assert "none of them" in replies.reply_to("What is the capital of nowhere?").text


def test_a_stop_string_ends_the_text_before_it():
    reply = next(reply for reply in REPLIES if runs_on(reply.text))
    stopped = replies.stop_at(reply, ["never said", "\n\nQ:"])
    assert stopped.text == reply.text.partition("\n\nQ:")[0]
    assert stopped.finish_reason == "stop"
    assert replies.stop_at(reply, []) == reply


def test_a_token_limit_cuts_the_text_off():
    assert replies.cut_to(replies.ScriptedReply("abcdefghij"), 2) == replies.ScriptedReply(
        "abcdefgh", "length"
    )
    assert replies.cut_to(replies.ScriptedReply("abcdefgh"), 2) == replies.ScriptedReply("abcdefgh")


def test_chat_and_completion_give_the_same_reply(teacher):
    message = next(t.message for t in TICKETS if replies.first_status(t.message) == 200)
    prompt = f"Route.\n\nQ: {TICKETS[-1].message}\nA: So the answer is Accounts.\n\nQ: {message}"
    _, chatted, _ = post(f"{teacher.base_url}/chat/completions", chat(message))
    _, plain, _ = post(f"{teacher.base_url}/completions", {"prompt": f"{prompt}\nA:"})
    said = chatted["choices"][0]["message"]["content"]
    assert said == replies.reply_to(message).text
    assert plain["choices"][0]["text"] == f" {said}"
    assert chatted["model"] == plain["model"] == "scripted-teacher"
    assert "no language model" in chatted["system_fingerprint"]
    assert chatted["usage"]["completion_tokens"] == -(-len(said) // 4)


@pytest.mark.parametrize("stop", ["\n\nQ:", ["\n\nQ:", "zzz"]])
def test_the_endpoint_honours_stop_strings(teacher, stop):
    message = next(
        t.message
        for t, reply in zip(TICKETS, REPLIES, strict=True)
        if runs_on(reply.text) and replies.first_status(t.message) == 200
    )
    url = f"{teacher.base_url}/chat/completions"
    assert runs_on(post(url, chat(message))[1]["choices"][0]["message"]["content"])
    stopped = post(url, chat(message, stop=stop))[1]["choices"][0]["message"]["content"]
    assert not runs_on(stopped)


@pytest.mark.parametrize("status", [429, 500])
def test_only_the_first_attempt_fails_and_both_are_logged(tmp_path, status):
    log, message = tmp_path / "log.jsonl", first_with(status)
    with ScriptedTeacher(log=log) as fresh:
        url = f"{fresh.base_url}/chat/completions"
        code, body, headers = post(url, chat(message))
        assert (code, body["error"]["code"]) == (status, status)
        assert headers.get("Retry-After") == ("1" if status == 429 else None)
        assert post(url, chat(message))[0] == 200
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    sha = replies.question_sha(message)
    assert lines == [{"question_sha": sha, "status": s} for s in (status, 200)]


@pytest.mark.parametrize(
    "body", [b"{", b"[]", {"messages": "no"}, {"messages": []}, {**chat("x"), "stream": True}]
)
def test_a_malformed_request_gets_a_400(teacher, body):
    code, reply, _ = post(f"{teacher.base_url}/chat/completions", body)
    assert code == 400
    assert "cannot be read" in reply["error"]["message"]


def test_the_models_are_listed(teacher):
    with urllib.request.urlopen(f"{teacher.base_url}/models", timeout=10) as response:
        assert [card["id"] for card in json.load(response)["data"]] == ["scripted-teacher"]


def test_a_taken_port_is_an_error(teacher):
    port = int(teacher.base_url.split(":")[2].split("/")[0])
    with pytest.raises(OSError, match="address already in use"), ScriptedTeacher(port):
        pass


def test_the_command_serves_until_interrupted():
    command = [sys.executable, "-m", "distilwhy.demo.scripted"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "no language model" in line
        with urllib.request.urlopen(f"{line.split()[-1]}/models", timeout=10) as response:
            assert response.status == 200
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "stopped\n"
    assert process.returncode == 0
