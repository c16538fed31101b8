"""OpenAI's wire formats, which most endpoints speak: chat, and plain completion."""

import re
from collections.abc import Mapping
from dataclasses import replace
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
    with_extra,
)

_THINKING = ("reasoning_content", "reasoning")
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?")


def _headers(key: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def _chat_body(config: HttpTeacherConfig, prompt: Prompt) -> Body:
    messages = [{"role": m.role, "content": m.content} for m in chat_messages(prompt)]
    body = {"model": config.model, "messages": messages, **_settings(config)}
    if prompt.prefix.structured:
        form = {"name": "answer", "strict": True, "schema": answer_schema(prompt)}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    return with_extra(body, config.extra)


def _completion_body(config: HttpTeacherConfig, prompt: Prompt) -> Body:
    body = {"model": config.model, "prompt": prompt.as_text(), **_settings(config)}
    return with_extra(body, config.extra)


def _settings(config: HttpTeacherConfig) -> Body:
    body: Body = {}
    if config.temperature is not None:
        body["temperature"] = config.temperature
    if config.max_tokens is not None:
        body[config.max_tokens_name] = config.max_tokens
    if config.stop:
        body["stop"] = config.stop
    return body


def _read_chat(reply: Any) -> Completion | None:
    choice = reply["choices"][0]
    message = choice["message"]
    # Some servers leave the content out where all tokens went into thinking.
    content = message.get("content") if choice.get("finish_reason") else message["content"]
    text = _join_parts(content)
    thinking = next((message[name] for name in _THINKING if message.get(name)), "")
    if not thinking and isinstance(content, list):
        thinking = _join_parts(content, "thinking")
    found = _read(reply, choice, text)
    refusal = message.get("refusal")
    if found and isinstance(refusal, str) and not text:
        found = replace(found, text=refusal, finish_reason="refusal")
    if found and thinking and isinstance(thinking, str):
        found = replace(found, thinking=thinking)
    return found


def _read_completion(reply: Any) -> Completion | None:
    choice = reply["choices"][0]
    return _read(reply, choice, choice["text"])


def _read(reply: Any, choice: Any, text: object) -> Completion | None:
    if text is not None and not isinstance(text, str):
        return None
    # A router reports the failure of a provider behind it as a choice.
    if choice.get("error") or choice.get("finish_reason") == "error":
        return None
    usage = read_usage(reply, "usage")
    cached = read_usage(usage, "prompt_tokens_details").get("cached_tokens")
    return Completion(
        text=text or "",
        finish_reason=str(choice.get("finish_reason") or ""),
        input_tokens=read_count(usage.get("prompt_tokens")),
        output_tokens=_output(usage),
        cached_tokens=read_count(cached) or 0,
        model=str(reply.get("model") or ""),
    )


def _output(usage: Mapping[str, object]) -> int | None:
    """All tokens written: some endpoints count thinking in their total alone."""
    counts = (usage.get(f"{what}_tokens") for what in ("completion", "prompt", "total"))
    written, read, total = map(read_count, counts)
    if written is None or read is None or total is None:
        return written
    return max(written, total - read)


def _join_parts(content: object, kind: str = "text") -> object:
    """The text of content that is a list of parts; other content as it is."""
    if not isinstance(content, list):
        return content
    return "".join(str(_join_parts(part[kind])) for part in content if part.get("type") == kind)


def _rest(headers: Mapping[str, str]) -> float:
    """Seconds until a limit that is used up is reset: ``x-ratelimit-reset-requests: 1m2.5s``."""
    waits = [
        _seconds(headers.get(f"x-ratelimit-reset-{what}", ""))
        for what in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{what}") == "0"
    ]
    return max(waits, default=0.0)


def _seconds(duration: str) -> float:
    found = _DURATION.fullmatch(duration.strip())
    if not found:
        return 0.0
    hours, minutes, seconds, thousandths = (float(part or 0) for part in found.groups())
    return 3600 * hours + 60 * minutes + seconds + thousandths / 1000


CHAT = Wire(lambda model: "/chat/completions", _headers, _chat_body, _read_chat, _rest)
COMPLETION = Wire(lambda model: "/completions", _headers, _completion_body, _read_completion, _rest)
