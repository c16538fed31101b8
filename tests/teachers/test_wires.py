"""What goes over the wire, for every kind of endpoint."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter
from test_http_teacher import KEY, ask

from distilwhy.config import HttpTeacherConfig, TeacherConfig
from distilwhy.core.prompt import Message, Prompt, PromptPrefix
from distilwhy.errors import BudgetError, ConfigError
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.store.ledger import call_key
from distilwhy.teachers.http import HttpTeacher
from distilwhy.teachers.wires.kinds import WIRES
from distilwhy.teachers.wires.wire import read_count
from endpoint import Endpoint
from error_of import without_line
from wires import LABELS

SHOWN = [
    ("user", "The swing broke."),
    ("assistant", "Something is broken. So the answer is damage."),
    ("user", "Message 0."),
]
MESSAGES = [{"role": role, "content": text} for role, text in SHOWN]
CONTENTS = [
    {"role": "model" if role == "assistant" else role, "parts": [{"text": text}]}
    for role, text in SHOWN
]
SENT = {
    "chat": {
        "model": "m",
        "messages": [{"role": "system", "content": "Sort the message."}, *MESSAGES],
        "temperature": 0.0,
        "max_tokens": 512,
        "stop": ["\n\nQ:"],
    },
    "completion": {
        "model": "m",
        "prompt": "Sort the message.\n\nQ: The swing broke.\nA: Something is broken. So the answer "
        "is damage.\n\nQ: Message 0.\nA:",
        "temperature": 0.0,
        "max_tokens": 512,
        "stop": ["\n\nQ:"],
    },
    "anthropic": {
        "model": "m",
        "max_tokens": 512,
        "system": "Sort the message.",
        "messages": MESSAGES,
        "temperature": 0.0,
        "stop_sequences": ["\n\nQ:"],
    },
    "gemini": {
        "systemInstruction": {"parts": [{"text": "Sort the message."}]},
        "contents": CONTENTS,
        "generationConfig": {
            "temperature": 0.0,
            "maxOutputTokens": 512,
            "stopSequences": ["\n\nQ:"],
        },
    },
}
PATHS = {
    "chat": "/v1/chat/completions",
    "completion": "/v1/completions",
    "anthropic": "/v1/messages",
    "gemini": "/v1/models/m:generateContent",
}
KEY_HEADERS = {
    "chat": {"Authorization": f"Bearer {KEY}"},
    "completion": {"Authorization": f"Bearer {KEY}"},
    "anthropic": {"x-api-key": KEY, "anthropic-version": "2023-06-01"},
    "gemini": {"x-goog-api-key": KEY},
}


@pytest.mark.parametrize("value", [5, 5.0])
def test_a_count_may_be_an_int_or_an_integral_float(value):
    assert read_count(value) == 5


@pytest.mark.parametrize(
    "value",
    [True, False, -1, 5.5, 1e30, float("inf"), float("nan"), "5", None, [5]],
)
def test_other_values_are_no_count(value):
    assert read_count(value) is None


def test_every_kind_is_tested():
    assert set(WIRES) == set(SENT) == set(PATHS) == set(KEY_HEADERS)


@pytest.mark.parametrize("kind", SENT)
def test_each_kind_annotates(endpoint: Endpoint, write_experiment, monkeypatch, kind):
    monkeypatch.setenv("MY_KEY", KEY)
    changes = {"teacher.kind": kind, "teacher.api_key_env": "MY_KEY", "data.test": None}
    path = write_experiment(changes)
    assert annotate(open_experiment(path, endpoint.url)).answered == 8
    assert endpoint.asked[endpoint.questions.index("Message 0.")] == SENT[kind]
    assert set(endpoint.paths) == {PATHS[kind]}
    for headers in endpoint.headers:
        assert KEY_HEADERS[kind].items() <= {n: headers.get(n) for n in KEY_HEADERS[kind]}.items()
        assert headers["Content-Type"] == "application/json"
    found = read_annotations(open_experiment(path, endpoint.url))
    assert {(a.outcome, a.label, a.rationale) for a in found.values()} == {("ok", "damage", "Why.")}
    assert annotate(open_experiment(path, endpoint.url)).from_ledger == 8


def teacher(kind: str, **settings: object) -> HttpTeacher:
    return HttpTeacher(HttpTeacherConfig(**{"kind": kind, "model": "m", **LOCAL, **settings}))


LOCAL = {"base_url": "http://127.0.0.1:9/v1"}

PREFIX = PromptPrefix((Message("system", "Sort."),), labels=LABELS)


def key(kind: str, prefix: PromptPrefix = PREFIX, **settings: object) -> bytes:
    return call_key(teacher(kind, **settings).request(Prompt("1", prefix, "hello")), 0)


@pytest.mark.parametrize("kind", ["anthropic", "gemini"])
def test_a_key_depends_on_all_that_decides_an_answer(kind):
    free = PromptPrefix(PREFIX.messages)
    others = PromptPrefix(PREFIX.messages, labels=("damage", "praise"))
    changed = [{"model": "n"}, {"temperature": None}, {"max_tokens": 9}]
    keys = [key(kind), *(key(kind, **settings) for settings in changed)]
    keys += [key(kind, replace(prefix, structured=True)) for prefix in (PREFIX, free, others)]
    assert len(set(keys)) == len(keys)
    assert key(kind, free) == key(kind)
    assert key(kind, base_url="http://other/v1") == key(kind)


def test_each_kind_sends_its_own_body(endpoint: Endpoint):
    ask(endpoint.url, "hello", kind="anthropic", temperature=None, stop=["\n", "\n\nQ:", " "])
    ask(endpoint.url, "hello", kind="gemini", temperature=None, max_tokens=None, stop=[])
    ask(endpoint.url, "hello", kind="gemini", stop=list("abcdefg"))
    ask(endpoint.url, "hello", max_tokens_name="max_completion_tokens", temperature=None, stop=[])
    first, second, third, fourth = endpoint.asked
    assert first["stop_sequences"] == ["\n\nQ:"]
    assert "temperature" not in first
    assert second["generationConfig"] == {}
    assert third["generationConfig"]["stopSequences"] == list("abcde")
    assert fourth == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Sort."},
            {"role": "user", "content": "hello"},
        ],
        "max_completion_tokens": 512,
    }


def test_without_an_instruction_no_system_message_is_sent(endpoint: Endpoint, write_experiment):
    for kind in ("anthropic", "gemini"):
        changes = {"task.instruction": "", "teacher.kind": kind, "data.test": None}
        annotate(open_experiment(write_experiment(changes), endpoint.url), limit=1)
    assert ["system" in body or "systemInstruction" in body for body in endpoint.asked] == [
        False,
        False,
    ]


def test_extra_objects_are_merged_into_the_body(endpoint: Endpoint):
    ask(
        endpoint.url,
        "hello",
        kind="gemini",
        extra={
            "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
            "generationConfig": {"seed": 3, "thinkingConfig": {"thinkingBudget": 0}},
        },
    )
    ask(
        endpoint.url,
        "hello",
        kind="anthropic",
        form=PromptPrefix((Message("system", "Sort."),), structured=True),
        extra={"output_config": {"effort": "low"}, "thinking": {"type": "adaptive"}},
    )
    first, second = endpoint.asked
    assert first["safetySettings"][0]["threshold"] == "OFF"
    assert first["generationConfig"] == {
        **SENT["gemini"]["generationConfig"],
        "seed": 3,
        "thinkingConfig": {"thinkingBudget": 0},
    }
    assert second["thinking"] == {"type": "adaptive"}
    assert second["output_config"]["effort"] == "low"
    assert second["output_config"]["format"]["type"] == "json_schema"


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-2.5-flash", "/v1/models/gemini-2.5-flash:generateContent"),
        ("models/gemini-2.5-flash", "/v1/models/gemini-2.5-flash:generateContent"),
        ("tunedModels/mine-1", "/v1/tunedModels/mine-1:generateContent"),
        ("a model?", "/v1/models/a%20model%3F:generateContent"),
    ],
)
def test_a_gemini_model_is_part_of_the_path(endpoint: Endpoint, model, path):
    ask(endpoint.url, "hello", kind="gemini", model=model)
    assert endpoint.paths == [path]


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("anthropic", None, "https://api.anthropic.com/v1"),
        ("anthropic", "https://api.anthropic.com", "https://api.anthropic.com/v1"),
        ("anthropic", "https://api.anthropic.com/v1/", "https://api.anthropic.com/v1"),
        ("anthropic", "https://api.deepseek.com/anthropic", "https://api.deepseek.com/anthropic/v1"),
        ("gemini", None, "https://generativelanguage.googleapis.com/v1beta"),
        ("gemini", "http://localhost:4000/", "http://localhost:4000/v1beta"),
        ("gemini", "https://x.com/v1alpha", "https://x.com/v1alpha"),
        ("chat", "http://localhost:8000", "http://localhost:8000"),
    ],
)  # fmt: skip
def test_base_url_gets_the_version_that_clients_add(kind, given, expected):
    address = {} if given is None else {"base_url": given}
    assert HttpTeacherConfig(kind=kind, model="m", **address).base_url == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "chat", "base_url": None}, "base_url: is missing; add it"),
        ({"kind": "completion", "base_url": None}, "base_url: is missing; add it"),
        ({"kind": "anthropic", "max_tokens": None},
         "max_tokens: None: kind 'anthropic' requires it; set it, for example to 1024"),
        ({"kind": "completion", "structured": True}, "structured: True: kind 'completion' does "
         "not support it; use kind 'chat', or leave it out"),
        ({"kind": "gemini", "max_tokens_name": "max_completion_tokens"}, "max_tokens_name: "
         "'max_completion_tokens': only kind 'chat' takes it; leave it out"),
        ({"kind": "chat", "extra": {"max_completion_tokens": 9}}, "extra: must not contain "
         "'max_completion_tokens'; set teacher.max_tokens, and max_tokens_name"),
        ({"kind": "gemini", "extra": {"generationConfig": {"maxOutputTokens": 9}}},
         "extra: must not contain 'maxOutputTokens'; set teacher.max_tokens"),
        ({"kind": "anthropic", "extra": {"stop_sequences": ["."]}},
         "extra: must not contain 'stop_sequences'; set teacher.stop"),
        ({"kind": "chat", "extra": {"n": 4}}, "extra: must not contain 'n'; set teacher.samples"),
        ({"kind": "gemini", "extra": {"generationConfig": {"candidateCount": 2}}},
         "extra: must not contain 'candidateCount'; set teacher.samples"),
        ({"kind": "chat", "extra": {"stream": True}}, "extra: must not contain 'stream'; leave it "
         "out: replies are read whole"),
        ({"kind": "claude"}, "kind: 'claude': must be one of chat, completion, anthropic, gemini, "
         "local, recorded"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_teacher_section_is_named(write_experiment, changes, message):
    teacher = {"kind": "chat", "base_url": "http://x/v1", "model": "m", **changes}
    if teacher["base_url"] is None:
        del teacher["base_url"]
    path = write_experiment({"teacher": teacher})
    with pytest.raises(ConfigError) as caught:
        open_experiment(path)
    assert without_line(caught.value) == f"{path}: teacher.{message}"


def test_the_budget_holds_with_either_name_of_max_tokens(endpoint: Endpoint, write_experiment):
    prices = {"input": 0.0, "output": 1_000_000.0}
    teacher = {"teacher.max_tokens_name": "max_completion_tokens", "teacher.budget": 511.0}
    path = write_experiment({**teacher, "prices": prices})
    with pytest.raises(BudgetError):
        annotate(open_experiment(path, endpoint.url))
    assert endpoint.asked == []


def test_the_examples_of_the_docs_are_valid():
    text = (Path(__file__).parents[2] / "docs" / "teachers.md").read_text(encoding="utf-8")
    found = re.findall(r"```yaml\n(teacher:\n.*?)```", text, re.S)
    reads = TypeAdapter(TeacherConfig).validate_python
    rest = {"kind": "completion", "base_url": "https://x", "model": "m"}
    written = [yaml.safe_load(example)["teacher"] for example in found]
    teachers = [reads(part if "kind" in part else {**rest, **part}) for part in written]
    kinds = ["completion", "chat", "anthropic", "gemini", "local", "chat"]
    assert [t.kind for t in teachers] == kinds
