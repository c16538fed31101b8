"""What comes back over the wire, for every kind of endpoint.

The replies have the shapes that the providers' own references give for them.
"""

import pytest
from test_http_teacher import ask

from distilwhy.core.parsing.completion import Completion
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.task import Example
from endpoint import Endpoint, says, sends
from wires import SAID, TASK


def openai(message: object, finish: str = "stop", **usage: object) -> dict[str, object]:
    """A chat completion."""
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    return {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion",
        "created": 1741569952,
        "model": "gpt-5-mini-2025-08-07",
        "choices": [choice],
        "usage": {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29, **usage},
        "service_tier": "default",
    }


def anthropic(blocks: object, stop: str = "end_turn", **usage: object) -> dict[str, object]:
    """A message."""
    return {
        "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-6",
        "content": blocks,
        "stop_reason": stop,
        "stop_sequence": "\n\nQ:" if stop == "stop_sequence" else None,
        "usage": {
            "input_tokens": 19,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 10,
            "service_tier": "standard",
            **usage,
        },
    }


def gemini(candidate: object, **usage: object) -> dict[str, object]:
    """A response of generateContent."""
    details = [{"modality": "TEXT", "tokenCount": 19}]
    counts = {"promptTokenCount": 19, "totalTokenCount": 29, "promptTokensDetails": details}
    return {
        "candidates": [candidate],
        "usageMetadata": {**counts, **usage},
        "modelVersion": "gemini-2.5-flash",
        "responseId": "Il0taoSYJ5Cez7IP5t3wqAU",
    }


def answered(*parts: dict[str, object], finish: str = "STOP") -> dict[str, object]:
    """A candidate with parts."""
    content = {"parts": [*parts], "role": "model"}
    return {"content": content, "finishReason": finish, "index": 0}


RATINGS = [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "HIGH", "blocked": True}]

OPENAI = {"model": "gpt-5-mini-2025-08-07", "input_tokens": 19, "output_tokens": 10}
CLAUDE = {"model": "claude-sonnet-4-6", "input_tokens": 19, "output_tokens": 10}
FLASH = {"model": "gemini-2.5-flash", "input_tokens": 19, "output_tokens": 10}


@pytest.mark.parametrize(
    ("kind", "reply", "expected", "outcome"),
    [
        pytest.param(
            "chat",
            openai({"role": "assistant", "content": SAID, "refusal": None, "annotations": []}),
            Completion(SAID, "stop", **OPENAI),
            "ok",
            id="openai",
        ),
        pytest.param(
            "chat",
            openai(
                {"role": "assistant", "content": SAID, "refusal": None},
                prompt_tokens_details={"cached_tokens": 16, "audio_tokens": 0},
                completion_tokens_details={"reasoning_tokens": 6, "audio_tokens": 0},
            ),
            Completion(SAID, "stop", cached_tokens=16, **OPENAI),
            "ok",
            id="openai, cached",
        ),
        pytest.param(
            "chat",
            openai({"role": "assistant", "content": "", "refusal": None}, "length"),
            Completion("", "length", **OPENAI),
            "truncated",
            id="openai, all tokens thought away",
        ),
        pytest.param(
            "chat",
            openai({"role": "assistant", "content": None, "refusal": "I'm sorry, I can't."}),
            Completion("I'm sorry, I can't.", "refusal", **OPENAI),
            "refused",
            id="openai, refusal",
        ),
        pytest.param(
            "chat",
            openai({"role": "assistant", "content": SAID, "reasoning_content": "Hm, damage?"}),
            Completion(SAID, "stop", thinking="Hm, damage?", **OPENAI),
            "ok",
            id="deepseek and vllm, thinking",
        ),
        pytest.param(
            "chat",
            openai({"role": "assistant", "content": SAID, "reasoning": "Hm, damage?"}),
            Completion(SAID, "stop", thinking="Hm, damage?", **OPENAI),
            "ok",
            id="openrouter and ollama, thinking",
        ),
        pytest.param(
            "chat",
            openai({"role": "assistant", "reasoning": "Hm, damage?"}, "length"),
            Completion("", "length", thinking="Hm, damage?", **OPENAI),
            "truncated",
            id="mlx, no content at all",
        ),
        pytest.param(
            "chat",
            openai(
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
                        {"type": "text", "text": SAID},
                    ],
                }
            ),
            Completion(SAID, "stop", thinking="Hm.", **OPENAI),
            "ok",
            id="mistral, thinking",
        ),
        pytest.param(
            "anthropic",
            anthropic([{"type": "text", "text": SAID}]),
            Completion(SAID, "end_turn", **CLAUDE),
            "ok",
            id="anthropic",
        ),
        pytest.param(
            "anthropic",
            anthropic(
                [
                    {"type": "thinking", "thinking": "Hm, damage?", "signature": "EqQBCgIYAhIM"},
                    {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3pzix"},
                    {"type": "text", "text": "It broke. "},
                    {"type": "text", "text": "So the answer is damage."},
                ],
                "stop_sequence",
            ),
            Completion(SAID, "stop_sequence", thinking="Hm, damage?", **CLAUDE),
            "ok",
            id="anthropic, thinking",
        ),
        pytest.param(
            "anthropic",
            anthropic(
                [{"type": "text", "text": SAID}],
                cache_creation_input_tokens=100,
                cache_read_input_tokens=2000,
            ),
            Completion(SAID, "end_turn", cached_tokens=2000, **{**CLAUDE, "input_tokens": 2119}),
            "ok",
            id="anthropic, cached",
        ),
        pytest.param(
            "anthropic",
            anthropic([{"type": "text", "text": "It broke. So"}], "max_tokens"),
            Completion("It broke. So", "max_tokens", **CLAUDE),
            "truncated",
            id="anthropic, truncated",
        ),
        pytest.param(
            "anthropic",
            anthropic([{"type": "thinking", "thinking": "Hm", "signature": "E"}], "max_tokens"),
            Completion("", "max_tokens", thinking="Hm", **CLAUDE),
            "truncated",
            id="anthropic, all tokens thought away",
        ),
        pytest.param(
            "anthropic",
            anthropic([], "refusal"),
            Completion("", "refusal", **CLAUDE),
            "refused",
            id="anthropic, refusal",
        ),
        pytest.param(
            "gemini",
            gemini(answered({"text": SAID}), candidatesTokenCount=10),
            Completion(SAID, "STOP", **FLASH),
            "ok",
            id="gemini",
        ),
        pytest.param(
            "gemini",
            gemini(
                answered(
                    {"text": "**Sorting**\n\nHm, damage?", "thought": True},
                    {"text": "It broke. "},
                    {"text": "So the answer is damage.", "thoughtSignature": "EjQKMgEM"},
                ),
                candidatesTokenCount=10,
                thoughtsTokenCount=90,
            ),
            Completion(
                SAID,
                "STOP",
                thinking="**Sorting**\n\nHm, damage?",
                **{**FLASH, "output_tokens": 100},
            ),
            "ok",
            id="gemini, thinking",
        ),
        pytest.param(
            "gemini",
            gemini(answered({"text": SAID}), candidatesTokenCount=10, cachedContentTokenCount=16),
            Completion(SAID, "STOP", cached_tokens=16, **FLASH),
            "ok",
            id="gemini, cached",
        ),
        pytest.param(
            "gemini",
            gemini(answered({"text": "It br"}, finish="MAX_TOKENS"), candidatesTokenCount=10),
            Completion("It br", "MAX_TOKENS", **FLASH),
            "truncated",
            id="gemini, truncated",
        ),
        pytest.param(
            "gemini",
            gemini(
                {"content": {"role": "model"}, "finishReason": "MAX_TOKENS", "index": 0},
                thoughtsTokenCount=10,
            ),
            Completion("", "MAX_TOKENS", **FLASH),
            "truncated",
            id="gemini, all tokens thought away",
        ),
        pytest.param(
            "gemini",
            gemini({"finishReason": "SAFETY", "index": 0, "safetyRatings": RATINGS}),
            Completion("", "SAFETY", **{**FLASH, "output_tokens": 0}),
            "refused",
            id="gemini, safety",
        ),
        pytest.param(
            "gemini",
            gemini({"finishReason": "OTHER", "index": 0}),
            Completion("", "OTHER", **{**FLASH, "output_tokens": 0}),
            "unparsed",
            id="gemini, no reason given",
        ),
        pytest.param(
            "gemini",
            {
                "promptFeedback": {"blockReason": "PROHIBITED_CONTENT", "safetyRatings": RATINGS},
                "usageMetadata": {"promptTokenCount": 19, "totalTokenCount": 19},
                "modelVersion": "gemini-2.5-flash",
            },
            Completion(
                "The prompt is blocked: PROHIBITED_CONTENT",
                "refusal",
                **{**FLASH, "output_tokens": 0},
            ),
            "refused",
            id="gemini, prompt blocked",
        ),
        pytest.param(
            "gemini",
            {"candidates": [answered({"text": SAID})]},
            Completion(SAID, "STOP"),
            "ok",
            id="gemini, not counted",
        ),
    ],
)
def test_each_wire_format_is_read(endpoint: Endpoint, kind, reply, expected, outcome):
    endpoint.otherwise = [sends(reply)]
    [found] = ask(endpoint.url, "hello", kind=kind)
    assert found == expected
    assert parse_completion(TASK, Example("1", "hello"), found).outcome == outcome
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        # xAI counts thinking in the total alone, OpenAI in what was completed as well.
        ({"total_tokens": 329}, (19, 310, 0)),
        ({"total_tokens": None}, (19, 10, 0)),
        ({"total_tokens": 10}, (19, 10, 0)),
        ({"prompt_tokens_details": {"cached_tokens": 1000}}, (19, 10, 19)),
        ({"prompt_tokens": None, "prompt_tokens_details": {"cached_tokens": 5}}, (None, 10, 0)),
    ],
)
def test_token_counts_that_do_not_add_up_are_corrected(endpoint: Endpoint, counts, expected):
    endpoint.otherwise = [sends(openai({"role": "assistant", "content": SAID}, **counts))]
    [found] = ask(endpoint.url, "hello")
    assert (found.input_tokens, found.output_tokens, found.cached_tokens) == expected


BROKEN = [
    ("chat", openai({"role": "assistant", "content": ""}, "error")),
    ("completion", {"choices": [{"text": "It", "error": {"code": 502, "message": "gone"}}]}),
    ("anthropic", {}),
    ("anthropic", {"content": None}),
    ("anthropic", {"content": "text"}),
    ("anthropic", {"content": [{"type": "text"}]}),
    ("anthropic", {"content": [{"type": "text", "text": None}]}),
    ("gemini", {}),
    ("gemini", []),
    ("gemini", {"candidates": []}),
    ("gemini", {"candidates": [{}]}),
    ("gemini", {"candidates": [{"content": {"parts": [{"text": 5}]}}]}),
    ("gemini", {"candidates": [{"content": "text", "finishReason": "STOP"}]}),
    ("gemini", {"promptFeedback": {}}),
]


@pytest.mark.parametrize(("kind", "reply"), BROKEN)
def test_an_unreadable_reply_is_tried_again(endpoint: Endpoint, kind, reply):
    endpoint.otherwise = [sends(reply), says(SAID)]
    assert ask(endpoint.url, "hello", kind=kind)[0].text == SAID
    assert len(endpoint.asked) == 2
