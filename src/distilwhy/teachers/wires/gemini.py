"""The wire format of Google's Gemini API: generateContent."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from distilwhy.config import HttpTeacherConfig
from distilwhy.core.parsing.completion import Completion
from distilwhy.core.prompt import Prompt
from distilwhy.teachers.wires.wire import (
    Body,
    Wire,
    answer_schema,
    chat_messages,
    read_count,
    read_usage,
    with_extra,
)

_MOST_STOPS = 5
_ROLES = {"user": "user", "assistant": "model"}
_WRITTEN = ("candidatesTokenCount", "thoughtsTokenCount")


def _path(model: str) -> str:
    name = model if "/" in model else f"models/{model}"
    return f"/{quote(name)}:generateContent"


def _headers(key: str | None) -> dict[str, str]:
    return {"x-goog-api-key": key} if key else {}


def _body(config: HttpTeacherConfig, prompt: Prompt) -> Body:
    messages = chat_messages(prompt)
    body: Body = {}
    if system := [{"text": m.content} for m in messages if m.role == "system"]:
        body["systemInstruction"] = {"parts": system}
    body["contents"] = [
        {"role": _ROLES[m.role], "parts": [{"text": m.content}]}
        for m in messages
        if m.role in _ROLES
    ]
    body["generationConfig"] = _settings(config, prompt)
    return with_extra(body, config.extra)


def _settings(config: HttpTeacherConfig, prompt: Prompt) -> Body:
    settings: Body = {}
    if config.temperature is not None:
        settings["temperature"] = config.temperature
    if config.max_tokens is not None:
        settings["maxOutputTokens"] = config.max_tokens
    # More stop texts are refused; a reply is cut at all of them when it is read.
    if config.stop:
        settings["stopSequences"] = config.stop[:_MOST_STOPS]
    if prompt.prefix.structured:
        settings["responseMimeType"] = "application/json"
        settings["responseJsonSchema"] = answer_schema(prompt)
    return settings


def _read(reply: Any) -> Completion | None:
    text, thinking, finish_reason = _read_parts(reply)
    usage = read_usage(reply, "usageMetadata")
    return Completion(
        text=text,
        finish_reason=finish_reason,
        input_tokens=read_count(usage.get("promptTokenCount")),
        output_tokens=_output(usage, wrote=bool(text and reply.get("candidates"))),
        cached_tokens=read_count(usage.get("cachedContentTokenCount")) or 0,
        thinking=thinking,
        model=str(reply.get("modelVersion") or ""),
    )


def _read_parts(reply: Any) -> tuple[str, str, str]:
    """The text, the thinking, and why the reply ended. A blocked prompt counts as refused."""
    if not reply.get("candidates"):
        reason = reply["promptFeedback"]["blockReason"]
        return f"The prompt is blocked: {reason}", "", "refusal"
    candidate = reply["candidates"][0]
    # A reply that ends before its first word may have no content, or content without parts.
    content = candidate.get("content") if "finishReason" in candidate else candidate["content"]
    parts = [part for part in (content or {}).get("parts", ()) if "text" in part]
    text = "".join(part["text"] for part in parts if not part.get("thought"))
    thinking = "".join(part["text"] for part in parts if part.get("thought"))
    return text, thinking, str(candidate.get("finishReason") or "")


def _output(usage: Mapping[str, object], *, wrote: bool) -> int | None:
    """All tokens written, thoughts included. The API leaves out counts of zero."""
    counts = [number for name in _WRITTEN if (number := read_count(usage.get(name))) is not None]
    return sum(counts) if counts or (usage and not wrote) else None


def _pause(error: Any) -> float:
    """The seconds in ``retryDelay: 13s`` among the details of an error."""
    delays = [detail.get("retryDelay", "") for detail in error["error"]["details"]]
    found = [re.fullmatch(r"(\d+(?:\.\d+)?)s", delay) for delay in delays]
    return max((float(match[1]) for match in found if match), default=0.0)


GEMINI = Wire(_path, _headers, _body, _read, pause=_pause)
