"""A scripted teacher behind real HTTP, in the OpenAI wire format, on the loopback address only.

It stands in for a teacher LLM where none is at hand: the demo and the tests talk to it as they
would to a real endpoint. No language model is involved, and every response says so.

    python -m distilwhy.demo.scripted --port 8123
"""

import argparse
import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from distilwhy.demo.habits import (
    Reply,
    cut_to,
    estimate_tokens,
    first_status,
    question_sha,
    reply_to,
    stop_at,
)
from distilwhy.demo.loopback import LoopbackServer

MODEL = "scripted-teacher"
FINGERPRINT = "scripted: no language model wrote this"
RETRY_AFTER_S = 1


class BadRequest(ValueError):
    """The request is none that the scripted teacher can read."""


@dataclass(frozen=True)
class Asked:
    """What a request asks."""

    prompt: str
    question: str
    stops: tuple[str, ...]
    max_tokens: int | None


@dataclass
class Classroom:
    """The teacher's side of the wire: what it has been asked so far, and how it is served."""

    latency_s: float = 0.0
    log: Path | None = None
    asked: set[str] = field(default_factory=set)

    def application(self) -> web.Application:
        """The routes."""
        app = web.Application(client_max_size=16 * 2**20)
        app.router.add_get("/v1/models", self.list_models)
        app.router.add_post("/v1/chat/completions", self.complete_chat)
        app.router.add_post("/v1/completions", self.complete_text)
        return app

    async def list_models(self, request: web.Request) -> web.Response:
        """``GET /v1/models``."""
        card = {"id": MODEL, "object": "model", "created": 0, "owned_by": "distilwhy (scripted)"}
        return web.json_response({"object": "list", "data": [card]})

    async def complete_chat(self, request: web.Request) -> web.Response:
        """``POST /v1/chat/completions``."""
        return await self.respond(request, read_chat, render_chat)

    async def complete_text(self, request: web.Request) -> web.Response:
        """``POST /v1/completions``."""
        return await self.respond(request, read_text, render_text)

    async def respond(
        self,
        request: web.Request,
        read: Callable[[Any], Asked],
        render: Callable[[Asked, Reply], dict[str, Any]],
    ) -> web.Response:
        """Answer one request, or fail as a busy endpoint would on a first attempt."""
        try:
            asked = read(await request.json())
        except (BadRequest, json.JSONDecodeError, UnicodeDecodeError) as error:
            return _error(400, f"the request cannot be read: {error}")
        await asyncio.sleep(self.latency_s)
        status = self.admit(asked.question)
        if status == 429:
            return _error(429, "too many requests, try again", {"Retry-After": str(RETRY_AFTER_S)})
        if status == 500:
            return _error(500, "an internal error, try again")
        reply = stop_at(reply_to(asked.question), asked.stops)
        return web.json_response(render(asked, cut_to(reply, asked.max_tokens)))

    def admit(self, question: str) -> int:
        """The status this attempt gets; it is in the log before anything is sent."""
        sha = question_sha(question)
        status = 200 if sha in self.asked else first_status(question)
        self.asked.add(sha)
        if self.log is not None:
            with self.log.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"question_sha": sha, "status": status}) + "\n")
        return status


class ScriptedTeacher:
    """The scripted teacher, served from a background thread for as long as the ``with`` lasts.

    Args:
        port: Where to listen; 0 takes any free port.
        latency_s: How long every answer takes.
        log: A file that gets one JSON line for every request, before its response is sent.

    Attributes:
        base_url: Where it listens, ``/v1`` included.
    """

    def __init__(self, port: int = 0, latency_s: float = 0.0, log: Path | None = None) -> None:
        self.base_url = ""
        self._server = LoopbackServer(Classroom(latency_s, log).application(), port)

    def __enter__(self) -> Self:
        self.base_url = self._server.__enter__().url + "/v1"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.__exit__(kind, error, trace)


def read_chat(body: Any) -> Asked:
    """What a chat request asks: its last user message."""
    messages = _field(body, "messages", list)
    contents = [str(m.get("content") or "") for m in messages if isinstance(m, dict)]
    users = [m for m in messages if isinstance(m, dict) and m.get("role") == "user"]
    if not users:
        raise BadRequest("no message has the role 'user'")
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    return Asked("\n".join(contents), str(users[-1].get("content") or ""), _stops(body), limit)


def read_text(body: Any) -> Asked:
    """What a plain request asks: the text between the last ``Q:`` and the final ``A:``."""
    prompt = _field(body, "prompt", str)
    question = f"\n{prompt}".rpartition("\nQ: ")[2].rstrip().removesuffix("\nA:")
    return Asked(prompt, question.strip(), _stops(body), body.get("max_tokens"))


def render_chat(asked: Asked, reply: Reply) -> dict[str, Any]:
    """A chat response."""
    message = {"role": "assistant", "content": reply.text}
    return _envelope(asked, reply, "chat.completion", {"message": message})


def render_text(asked: Asked, reply: Reply) -> dict[str, Any]:
    """A plain response; like a real one, its text starts with a space."""
    return _envelope(asked, reply, "text_completion", {"text": f" {reply.text}"})


def _envelope(asked: Asked, reply: Reply, kind: str, content: dict[str, Any]) -> dict[str, Any]:
    sent, said = estimate_tokens(asked.prompt), estimate_tokens(reply.text)
    return {
        "id": f"scripted-{question_sha(asked.question)[:16]}",
        "object": kind,
        "created": 0,
        "model": MODEL,
        "system_fingerprint": FINGERPRINT,
        "choices": [{"index": 0, **content, "finish_reason": reply.finish_reason}],
        "usage": {
            "prompt_tokens": sent,
            "completion_tokens": said,
            "total_tokens": sent + said,
            "estimate": "characters / 4, rounded up",
        },
    }


def _field(body: Any, name: str, kind: type) -> Any:
    if not isinstance(body, dict) or not isinstance(body.get(name), kind):
        raise BadRequest(f"{name!r} is missing, or is no {kind.__name__}")
    if body.get("stream") or body.get("n", 1) != 1:
        raise BadRequest("neither 'stream' nor an 'n' other than 1 is supported")
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
    parser.add_argument("--latency", type=float, default=0.0, help="seconds each answer takes")
    parser.add_argument("--log", type=Path, help="append a JSON line for every request")
    args = parser.parse_args()
    with ScriptedTeacher(args.port, args.latency, args.log) as teacher:
        print(f"scripted teacher (no language model) at {teacher.base_url}", flush=True)  # noqa: T201
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            print("stopped", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
