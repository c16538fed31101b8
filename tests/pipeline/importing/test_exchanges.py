"""A log is read in every form that chats are kept in."""

import json
from pathlib import Path

import pytest

from chat_logs import SYSTEM, chat, reply, write_log
from distilwhy.core.prompt import Message
from distilwhy.errors import DataError
from distilwhy.pipeline.importing.exchanges import Exchange, read_log

CHAT, SAID = chat("The gate is stuck.", "damage"), reply("damage")
USER = CHAT[1]["content"]
CHOICES = [{"message": {"role": "assistant", "content": SAID}, "finish_reason": "stop"}]
REPLY = {"choices": CHOICES}
BODY = {"model": "m", "messages": CHAT}
ANTHROPIC = {"content": [{"type": "text", "text": SAID}], "model": "m", "stop_reason": "end_turn"}
GEMINI = {"candidates": [{"content": {"parts": [{"text": SAID}]}, "finishReason": "STOP"}]}
OUTPUT = [{"type": "message", "content": [{"type": "output_text", "text": SAID}]}]
ASSISTANT = {"role": "assistant", "content": SAID}

FORMS = {
    "messages and response": {"messages": CHAT, "response": SAID},
    "messages and choices": {"messages": CHAT, "choices": CHOICES},
    "messages and response with choices": {"messages": CHAT, "response": {"choices": CHOICES}},
    "request and response": {"request": BODY, "response": {"choices": CHOICES}},
    "bodies": {"request": {"body": BODY}, "response": {"status_code": 200, "body": REPLY}},
    "bodies as text": {"request_body": json.dumps(BODY), "response_body": json.dumps(REPLY)},
    "fine-tuning": {"messages": [*CHAT, ASSISTANT]},
    "input and output": {"input": CHAT, "output": ASSISTANT},
    "input and output with messages": {"input": {"messages": CHAT}, "output": {"content": SAID}},
    "anthropic": {"request": {"system": SYSTEM, "messages": CHAT[1:]}, "response": ANTHROPIC},
    "anthropic batch": {"params": {"system": SYSTEM, "messages": CHAT[1:]},
                        "result": {"type": "succeeded", "message": ANTHROPIC}},
    "gemini": {"request": {"systemInstruction": {"parts": [{"text": SYSTEM}]},
                           "contents": [{"role": "user", "parts": [{"text": USER}]}]},
               "response": GEMINI},
    "responses": {"request": {"instructions": SYSTEM, "input": USER},
                  "response": {"output": OUTPUT}},
    "parts": {"messages": [CHAT[0], {"role": "user", "content": [{"type": "text", "text": USER}]}],
              "response": SAID},
    "ollama": {"request": BODY, "response": {"message": ASSISTANT, "done": True}},
    "chunks of a stream": {"request": BODY, "response": [
        {"choices": [{"delta": {"role": "assistant"}}]},
        *({"choices": [{"delta": {"content": part}}]} for part in (SAID[:9], SAID[9:])),
        {"choices": [{"delta": {}, "finish_reason": "stop"}]}]},
    "conversations": {"conversations": [
        {"from": "system", "value": SYSTEM}, {"from": "human", "value": USER},
        {"from": "gpt", "value": SAID}]},
}  # fmt: skip


def only(path: Path) -> Exchange:
    [found] = read_log(path).exchanges
    return found


@pytest.mark.parametrize("form", FORMS)
def test_every_form_holds_the_same(tmp_path: Path, form: str):
    found = only(write_log(tmp_path / "log.jsonl", [FORMS[form]]))
    assert found.request == (Message("system", SYSTEM), Message("user", USER))
    assert [said.text for said in found.replies] == [SAID]


@pytest.mark.parametrize("fields", [{"prompt": USER, "completion": SAID},
                                    {"input": USER, "output": SAID},
                                    {"prompt": USER, "choices": [{"text": SAID}]}])  # fmt: skip
def test_a_plain_prompt_is_a_turn_of_the_user(tmp_path: Path, fields):
    found = only(write_log(tmp_path / "log.jsonl", [fields]))
    assert (found.request, found.replies[0].text) == ((Message("user", USER),), SAID)


def test_a_json_list_is_read_like_lines(tmp_path: Path):
    (tmp_path / "log.json").write_text(json.dumps([FORMS["fine-tuning"]] * 2))
    assert len(read_log(tmp_path / "log.json").exchanges) == 2
    write_log(tmp_path / "more.jsonl", [FORMS["ollama"]])
    assert len(read_log(tmp_path).exchanges) == 3


def test_the_arguments_of_a_tool_call_are_a_reply(tmp_path: Path):
    call = {"type": "function", "function": {"name": "sort", "arguments": '{"kind": "damage"}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choices = [{"message": message, "finish_reason": "tool_calls"}]
    line = {"messages": CHAT, "response": {"choices": choices}}
    found = only(write_log(tmp_path / "log.jsonl", [line]))
    assert found.replies[0].text == '{"kind": "damage"}'


def test_model_id_and_every_choice_are_kept(tmp_path: Path):
    line = {"id": "c1", "request": BODY, "response": {"choices": CHOICES * 2}}
    found = only(write_log(tmp_path / "log.jsonl", [line]))
    assert (found.id, found.model, len(found.replies)) == ("c1", "m", 2)
    assert found.replies[0].finish_reason == "stop"


OUT = [
    {"id": "b1", "custom_id": "r1", "response": {"status_code": 200, "body": {"choices": CHOICES}},
     "error": None},
    {"id": "b2", "custom_id": "r2", "response": {"status_code": 400, "body": {"error": {}}},
     "error": None},
    {"id": "b3", "custom_id": "r3", "response": None, "error": {"code": "batch_expired"}},
]  # fmt: skip
IN = [{"custom_id": f"r{i}", "method": "POST", "url": "/v1", "body": BODY} for i in (1, 2, 3, 4)]


@pytest.mark.parametrize("named", ["out.jsonl", ""])
def test_batch_output_is_joined_with_its_input(tmp_path: Path, named: str):
    write_log(tmp_path / "in.jsonl", IN)
    write_log(tmp_path / "out.jsonl", OUT)
    log = read_log(tmp_path / named)
    [found] = log.exchanges
    assert (found.id, found.request[1].content, found.model) == ("r1", USER, "m")
    assert log.without_reply == 2


def test_batch_output_alone_asks_for_its_input(tmp_path: Path):
    write_log(tmp_path / "out.jsonl", OUT)
    (tmp_path / "note.jsonl").write_text("no JSON\n")
    with pytest.raises(DataError, match=r"out\.jsonl: holds replies without their requests; put"):
        read_log(tmp_path / "out.jsonl")


def test_lines_without_a_reply_are_counted(tmp_path: Path):
    failed = {"request": BODY, "response": {"error": {"message": "overloaded"}}}
    empty = {"messages": CHAT, "response": ""}
    log = read_log(write_log(tmp_path / "log.jsonl", [failed, empty, FORMS["ollama"], {"x": 1}]))
    assert (len(log.exchanges), log.without_reply) == (1, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": "a", "y": 1}\n', r"no line holds a request with its reply \(its first line has "
         r"the fields text, y\); a line needs 'messages'"),
        ("", r"no line holds a request with its reply \(it is empty\)"),
        ("nonsense\n", "row 1: is not JSON"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_log_says_what_a_log_has(tmp_path: Path, content: str, message: str):
    (tmp_path / "log.jsonl").write_text(content)
    with pytest.raises(DataError, match=message):
        read_log(tmp_path / "log.jsonl")


def test_a_folder_without_a_log_is_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"holds no \.jsonl or \.json file; name the log"):
        read_log(tmp_path)
