"""Secrets are removed from all that an endpoint or a library says, however they are escaped."""

import json
import time
from base64 import b64decode
from urllib.parse import quote

import pytest
from test_http_teacher import ask

from distilwhy.teachers.environment import find_proxy
from distilwhy.teachers.secrets import Secrets
from endpoint import Endpoint, sends

KEYS = [
    "sk-s3cret-s3cret-s3cret",
    "k\"ey\"'with\\quotes'0123",
    "a+b/c==&<'>0123456789",
    "ключ-" * 5,
]


@pytest.mark.parametrize("key", KEYS)
def test_a_secret_is_removed_in_every_form(key: str):
    secrets = Secrets([key])
    escaped = "".join(f"\\u{ord(character):04X}" for character in key)
    forms = [key, json.dumps(key)[1:-1], json.dumps(json.dumps(key)), quote(key), escaped]
    forms += [quote(key, safe=""), repr(key)[1:-1], json.dumps(key, ensure_ascii=False)[1:-1]]
    for form in forms:
        assert secrets.redact(f"<{form}>").strip('"<>\\') == "***", form
        cleaned = secrets.clean(f"<{form}>".encode(), is_answer=True).decode()
        assert cleaned.strip('"<>\\') == "***"


def test_what_is_no_secret_is_left_byte_for_byte():
    secrets = Secrets(KEYS)
    content = 'Why \\"so\\"? 100 % sure: \\u00e9 é '.encode() + bytes(range(256))
    assert secrets.clean(content, is_answer=True) == content
    assert Secrets().clean(content) == content
    assert Secrets([None, ""]).redact("a") == "a"


@pytest.mark.parametrize("text", ["\\", "%", "k", 'k\\"', "\\u006b"])
def test_removing_secrets_takes_linear_time(text: str):
    secrets = Secrets(KEYS)
    started = time.perf_counter()
    secrets.clean((text * 2**20).encode()[: 2**20], is_answer=True)
    assert time.perf_counter() - started < 10


def test_a_short_secret_is_removed_from_errors_alone():
    secrets = Secrets(["none"])
    assert secrets.clean(b"none") == b"***"
    assert secrets.clean(b"none", is_answer=True) == b"none"


@pytest.mark.parametrize("key", KEYS)
def test_no_part_of_a_completion_holds_the_key(endpoint: Endpoint, monkeypatch, key: str):
    monkeypatch.setenv("MY_KEY", key)
    message = {"content": f"{key} here", "reasoning": key}
    choice = {"message": message, "finish_reason": f"stop {key}"}
    endpoint.otherwise = [sends({"choices": [choice], "model": f"m {key}"})]
    [found] = ask(endpoint.url, "hello", api_key_env="MY_KEY")
    assert (found.text, found.thinking) == ("*** here", "***")
    assert (found.finish_reason, found.model) == ("stop ***", "m ***")


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("body", [{"error": {"message": "no {}"}}, {"odd": "{}"}, "<p>{}</p>"])
def test_no_error_holds_the_key(endpoint: Endpoint, monkeypatch, key: str, body):
    monkeypatch.setenv("MY_KEY", key)
    said = json.loads(json.dumps(body).replace("{}", json.dumps(key)[1:-1]))
    endpoint.otherwise = [sends(said, 400)]
    [found] = ask(endpoint.url, "hello", api_key_env="MY_KEY")
    assert found.error is not None
    assert "***" in found.error
    assert key not in found.error


@pytest.mark.parametrize("login", ["user:s3cretpass", "us%40er:s3cret%2Fpass%40", "user:pa"])
def test_the_login_of_a_proxy_is_not_part_of_its_address(monkeypatch, login: str):
    monkeypatch.setenv("http_proxy", f"http://{login}@proxy.invalid:3128")
    monkeypatch.setenv("no_proxy", "")
    found = find_proxy("http://teacher.invalid/v1")
    assert found.url == "http://proxy.invalid:3128"
    basic = b64decode(found.headers["Proxy-Authorization"].removeprefix("Basic "))
    name, _, password = basic.decode().partition(":")
    assert f"{quote(name)}:{quote(password, safe='')}" == login
    said = Secrets(found.secrets).redact(f"http://{login}@proxy.invalid {name}:{password}")
    assert said == "http://***@proxy.invalid ***"


def test_the_password_of_a_proxy_is_not_shown(endpoint: Endpoint, monkeypatch):
    """Of a proxy that refuses the login, and of one that is not there."""
    monkeypatch.setenv("no_proxy", "")
    place = endpoint.url.removeprefix("http://").removesuffix("/v1")
    monkeypatch.setenv("https_proxy", f"http://user:s3cretpass@{place}")
    [found] = ask("https://teacher.invalid/v1", "hello", retries=0)
    assert found.error is not None
    assert "s3cretpass" not in found.error


def test_the_login_is_sent_to_the_proxy(endpoint: Endpoint, monkeypatch):
    monkeypatch.setenv("no_proxy", "")
    place = endpoint.url.removeprefix("http://").removesuffix("/v1")
    monkeypatch.setenv("http_proxy", f"http://user:s3cretpass@{place}")
    ask("http://teacher.invalid/v1", "hello")
    assert endpoint.headers[0]["Proxy-Authorization"] == "Basic dXNlcjpzM2NyZXRwYXNz"
