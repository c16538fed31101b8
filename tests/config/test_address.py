"""The address of an endpoint: keys are refused, and the path of a call is not part of it."""

import re

import pytest

from distilwhy.config.address import check_address
from distilwhy.errors import ConfigError
from distilwhy.pipeline.experiment import open_experiment

SECRETS = [
    "https://a.example/v1?key=AIzaVERYSECRETKEY123",
    "https://a.example/v1?api_key=VERYSECRET",
    "https://a.example/v1?api-version=1&API-Key=VERYSECRET",
    "https://a.example/v1?access_token=VERYSECRET",
    "https://a.example/v1?%6bey=VERYSECRET",
    "https://a.example/v1?sig=VERYSECRET",
    "https://a.example/v1?x=sk-VERYSECRET0123456789",
    "https://a.example/v1?x=VERYSECRET0123456789abcdef",
    "https://a.example/sk-VERYSECRET0123456789/v1",
    "https://a.example/v1#VERYSECRET",
    "https://a.example/v1?api-version=1#VERYSECRET",
    "https://user:VERYSECRET@a.example/v1",
    "https://VERYSECRET@a.example/v1",
    "https://user:VERYSECRET@a.example?x=1",
    "a.example/v1?key=VERYSECRET",
    "user:VERYSECRET@a.example/v1",
    "https://a.example/v1;key=VERYSECRET",
    "https://a.example/key=VERYSECRET/v1",
    "https://a.example/token/VERYSECRET123/v1",
    "https://a.example/v1?user=me&pass=VERYSECRET",
    "https://a.example/v1?pat=VERYSECRET",
    "https://a.example/v1?id=AKIAVERYSECRET0123",
]


@pytest.mark.parametrize(
    "extra",
    [
        {"headers": {"x-api-key": "VERYSECRET"}},
        {"extra_headers": {"Authorization": "Bearer VERYSECRET123"}},
        {"a": [{"b": {"api_key": "VERYSECRET"}}]},
        {"x": "sk-VERYSECRET0123456789"},
        {"x": {"y": "Bearer VERYSECRET123"}},
        {"access-token": "VERYSECRET"},
    ],
)
def test_a_key_anywhere_in_extra_is_refused_and_not_shown(write_experiment, extra: dict):
    path = write_experiment({"teacher.extra": extra})
    with pytest.raises(
        ConfigError, match=r"teacher\.extra: must not contain .*api_key_env"
    ) as caught:
        open_experiment(path)
    assert "VERYSECRET" not in str(caught.value)


def test_names_of_parameters_about_tokens_are_no_keys(write_experiment):
    extra = {"min_tokens": 3, "return_token_ids": True, "user": "me", "logit_bias": {"12": -1}}
    open_experiment(write_experiment({"teacher.extra": extra}))


@pytest.mark.parametrize("url", SECRETS)
@pytest.mark.parametrize("where", ["base_url", "replicas"])
def test_a_key_in_an_address_is_refused_and_not_shown(write_experiment, url: str, where: str):
    given = url if where == "base_url" else [url]
    path = write_experiment({f"teacher.{where}": given})
    with pytest.raises(ConfigError) as caught:
        open_experiment(path)
    assert "VERYSECRET" not in str(caught.value)
    assert re.search(
        rf"teacher\.{where}: must not contain a key or a password; name its environment variable "
        "in api_key_env$",
        str(caught.value),
    )


@pytest.mark.parametrize(
    ("url", "kind", "expected"),
    [
        ("http://a/v1/", "chat", "http://a/v1"),
        ("http://a/v1/chat/completions", "chat", "http://a/v1"),
        ("http://a/v1/chat/completions/", "chat", "http://a/v1"),
        ("http://a/v1/completions", "completion", "http://a/v1"),
        ("http://a/v1/messages", "anthropic", "http://a/v1"),
        ("http://a", "anthropic", "http://a/v1"),
        ("http://a/v1beta/models/g:generateContent", "gemini", "http://a/v1beta"),
        ("http://a/proxy", "gemini", "http://a/proxy/v1beta"),
        (
            "https://a.openai.azure.com/openai/deployments/gpt-4o?api-version=2024-12-01-preview",
            "chat",
            "https://a.openai.azure.com/openai/deployments/gpt-4o?api-version=2024-12-01-preview",
        ),
        (
            "https://a/openai/deployments/d/chat/completions?api-version=2024-10-21",
            "chat",
            "https://a/openai/deployments/d?api-version=2024-10-21",
        ),
        ("http://a/?region=eu", "anthropic", "http://a/v1?region=eu"),
        ("http://localhost:8000/v1", "chat", "http://localhost:8000/v1"),
        ("http://[::1]:8000/v1", "chat", "http://[::1]:8000/v1"),
    ],
)
def test_an_address_is_put_right(url: str, kind: str, expected: str):
    assert check_address(url, kind) == expected
    assert check_address(expected, kind) == expected


@pytest.mark.parametrize("url", ["", "a.example", "ftp://a", "http://", "http:///v1", "http://?x"])
def test_what_is_no_address_is_refused(url: str):
    with pytest.raises(ValueError, match="must start with http"):
        check_address(url, "chat")


@pytest.mark.parametrize("url", ["http://[::1", "http://a:port/v1"])
def test_a_broken_address_is_refused(url: str):
    with pytest.raises(ValueError, match="is not an address"):
        check_address(url, "chat")
