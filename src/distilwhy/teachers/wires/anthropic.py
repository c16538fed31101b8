"""Anthropic's wire format: the Messages API."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

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
    seconds_until,
    with_extra,
)

_VERSION = "2023-06-01"
_LIMITS = ("requests", "tokens", "input-tokens", "output-tokens")


def _headers(key: str | None) -> dict[str, str]:
    version = {"anthropic-version": _VERSION}
    return {**version, "x-api-key": key} if key else version


def _body(config: HttpTeacherConfig, prompt: Prompt) -> Body:
    messages = chat_messages(prompt)
    body: Body = {"model": config.model, "max_tokens": config.max_tokens}
    if system := "\n\n".join(m.content for m in messages if m.role == "system"):
        body["system"] = system
    body["messages"] = [
        {"role": m.role, "content": m.content} for m in messages if m.role != "system"
    ]
    if config.temperature is not None:
        body["temperature"] = config.temperature
    # Stop texts of white space alone are refused; a reply is cut at them when it is read.
    if stop := [text for text in config.stop if text.strip()]:
        body["stop_sequences"] = stop
    if prompt.prefix.structured:
        body["output_config"] = {"format": {"type": "json_schema", "schema": answer_schema(prompt)}}
    return with_extra(body, config.extra)


def _read(reply: Any) -> Completion | None:
    blocks, usage = reply["content"], read_usage(reply, "usage")
    return Completion(
        text="".join(block["text"] for block in blocks if block["type"] == "text"),
        finish_reason=str(reply.get("stop_reason") or ""),
        input_tokens=_input(usage),
        output_tokens=read_count(usage.get("output_tokens")),
        cached_tokens=read_count(usage.get("cache_read_input_tokens")) or 0,
        thinking="".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
        model=str(reply.get("model") or ""),
    )


def _input(usage: Mapping[str, object]) -> int | None:
    """All tokens read: ``input_tokens`` leaves out those read from or written to the cache."""
    uncached = read_count(usage.get("input_tokens"))
    if uncached is None:
        return None
    others = ("cache_creation_input_tokens", "cache_read_input_tokens")
    return uncached + sum(read_count(usage.get(name)) or 0 for name in others)


def _rest(headers: Mapping[str, str]) -> float:
    """Seconds until a limit that is used up is reset, which the headers give as a moment."""
    waits = [
        _until(headers.get(f"anthropic-ratelimit-{what}-reset", ""))
        for what in _LIMITS
        if headers.get(f"anthropic-ratelimit-{what}-remaining") == "0"
    ]
    return max(waits, default=0.0)


def _until(moment: str) -> float:
    """Seconds until a moment such as ``2026-10-25T12:00:00Z``; 0 if it is past or unreadable."""
    try:
        return seconds_until(datetime.fromisoformat(moment))
    except (ValueError, OverflowError):
        return 0.0


ANTHROPIC = Wire(lambda model: "/messages", _headers, _body, _read, _rest)
