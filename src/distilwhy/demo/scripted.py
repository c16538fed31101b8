"""A scripted teacher behind an OpenAI-compatible endpoint on the loopback address.

The demo and the tests call it over HTTP as they would call an LLM. It uses no language model, and
every response says so.

    python -m distilwhy.demo.scripted --port 8123
"""

import argparse
import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from aiohttp import web

from distilwhy.demo.loopback import LoopbackServer
from distilwhy.demo.replies import (
    ScriptedReply,
    cut_to,
    estimate_tokens,
    first_status,
    question_sha,
    reply_to,
    stop_at,
)

MODEL = "scripted-teacher"
FINGERPRINT = "scripted: no language model wrote this"
RETRY_AFTER_S = 1

Kind = Literal["chat.completion", "text_completion"]


class BadRequest(ValueError):
    """The scripted teacher cannot read the request."""


@dataclass(frozen=True)
class CompletionRequest:
    """A request, whichever of the two routes it came by."""

    prompt: str
    question: str
    stops: tuple[str, ...]
    max_tokens: int | None


@dataclass
class CompletionsApi:
    """The endpoint's routes, and the SHA-256 of every question it has ``seen`` so far."""

    latency_s: float = 0.0
    log: Path | None = None
    seen: set[str] = field(default_factory=set)

    def application(self) -> web.Application:
        app = web.Application(client_max_size=16 * 2**20)
        app.router.add_get("/v1/models", self.list_models)
        chat = partial(self.respond, read=read_chat, kind="chat.completion")
        text = partial(self.respond, read=read_text, kind="text_completion")
        app.router.add_post("/v1/chat/completions", chat)
        app.router.add_post("/v1/completions", text)
        return app

    async def list_models(self, request: web.Request) -> web.Response:
        card = {"id": MODEL, "object": "model", "created": 0, "owned_by": "distilwhy (scripted)"}
        return web.json_response({"object": "list", "data": [card]})

    async def respond(
        self, request: web.Request, read: Callable[[Any], CompletionRequest], kind: Kind
    ) -> web.Response:
        """Answer one request, or fail a first attempt as a busy endpoint would."""
        try:
            asked = read(await request.json())
        except (BadRequest, json.JSONDecodeError, UnicodeDecodeError) as error:
            return _error(400, f"the request cannot be read: {error}")
        await asyncio.sleep(self.latency_s)
        status = self.log_attempt(asked.question)
        if status == 429:
            return _error(429, "too many requests, try again", {"Retry-After": str(RETRY_AFTER_S)})
        if status == 500:
            return _error(500, "an internal error, try again")
        reply = stop_at(reply_to(asked.question), asked.stops)
        return web.json_response(render(asked, cut_to(reply, asked.max_tokens), kind))

    def log_attempt(self, question: str) -> int:
        """Log this attempt, and return the HTTP status that it gets."""
        sha = question_sha(question)
        status = 200 if sha in self.seen else first_status(question)
        self.seen.add(sha)
        if self.log is not None:
            with self.log.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"question_sha": sha, "status": status}) + "\n")
        return status


class ScriptedTeacher(LoopbackServer):
    """The scripted teacher, served from a background thread while its ``with`` block runs.

    Args:
        port: The port to listen on; 0 takes any free one.
        latency_s: How long it waits before each answer.
        log: A file that gets one JSON line for each request, before its response is sent.
    """

    def __init__(self, port: int = 0, latency_s: float = 0.0, log: Path | None = None) -> None:
        super().__init__(CompletionsApi(latency_s, log).application(), port)

    @property
    def base_url(self) -> str:
        """The endpoint's address, including ``/v1``."""
        return f"{self.url}/v1"


def read_chat(body: Any) -> CompletionRequest:
    """Read a chat request; its last user message is the question."""
    messages = _field(body, "messages", list)
    contents = [str(m.get("content") or "") for m in messages if isinstance(m, dict)]
    users = [m for m in messages if isinstance(m, dict) and m.get("role") == "user"]
    if not users:
        raise BadRequest("no message has the role 'user'")
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    question = str(users[-1].get("content") or "")
    return CompletionRequest("\n".join(contents), question, _stops(body), limit)


def read_text(body: Any) -> CompletionRequest:
    """Read a completion request; the question stands between the last ``Q:`` and ``A:``."""
    prompt = _field(body, "prompt", str)
    question = f"\n{prompt}".rpartition("\nQ: ")[2].rstrip().removesuffix("\nA:")
    return CompletionRequest(prompt, question.strip(), _stops(body), body.get("max_tokens"))


def render(request: CompletionRequest, reply: ScriptedReply, kind: Kind) -> dict[str, Any]:
    """The body of a response."""
    if kind == "chat.completion":
        content: dict[str, Any] = {"message": {"role": "assistant", "content": reply.text}}
    else:
        # As with real endpoints, the text starts with a space.
        content = {"text": f" {reply.text}"}
    read, written = estimate_tokens(request.prompt), estimate_tokens(reply.text)
    return {
        "id": f"scripted-{question_sha(request.question)[:16]}",
        "object": kind,
        "created": 0,
        "model": MODEL,
        "system_fingerprint": FINGERPRINT,
        "choices": [{"index": 0, **content, "finish_reason": reply.finish_reason}],
        "usage": {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
            "estimate": "characters / 4, rounded up",
        },
    }


def _field(body: Any, name: str, kind: type) -> Any:
    if not isinstance(body, dict) or not isinstance(body.get(name), kind):
        raise BadRequest(f"{name!r} is missing or is not a {kind.__name__}")
    if body.get("stream") or body.get("n", 1) != 1:
        raise BadRequest("'stream' and an 'n' other than 1 are not supported")
    return body[name]


def _stops(body: dict[str, Any]) -> tuple[str, ...]:
    stop = body.get("stop") or ()
    return (stop,) if isinstance(stop, str) else tuple(stop)


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    body = {"error": {"message": message, "type": "scripted", "code": status}}
    return web.json_response(body, status=status, headers=headers)


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m distilwhy.demo.scripted", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument(
        "--latency", type=float, default=0.0, help="seconds to wait before each answer"
    )
    parser.add_argument("--log", type=Path, help="append a JSON line for every request")
    args = parser.parse_args()
    with ScriptedTeacher(args.port, args.latency, args.log) as teacher:
        try:
            print(f"scripted teacher (no language model) at {teacher.base_url}", flush=True)  # noqa: T201
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            print("stopped", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
