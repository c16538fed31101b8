"""An endpoint on the loopback address that plays a script, in the wire format of each kind."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from distilwhy.demo.loopback import LoopbackServer

Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]
Asked = dict[str, Any]


def says(
    text: str | None = "Why. So the answer is damage.",
    *,
    finish_reason: str | None = "stop",
    usage: object = None,
    **message: object,
) -> Reply:
    """Answers, in the shape of the address that was asked."""

    async def reply(request: web.Request) -> web.Response:
        choice: dict[str, object] = {"index": 0, "finish_reason": finish_reason}
        if request.path.endswith("/messages"):
            blocks = [{"type": "text", "text": text}]
            return web.json_response({"content": blocks, "stop_reason": "end_turn"})
        if request.path.endswith(":generateContent"):
            content = {"role": "model", "parts": [{"text": text}]}
            ended = [{"content": content, "finishReason": "STOP"}]
            return web.json_response({"candidates": ended})
        if request.path.endswith("/chat/completions"):
            choice["message"] = {"role": "assistant", "content": text, **message}
        else:
            choice["text"] = text
        return web.json_response({"choices": [choice], "usage": usage})

    return reply


def fails(status: int, message: str = "no reason", **headers: str) -> Reply:
    """Fails, with a reason in the usual shape."""

    async def reply(request: web.Request) -> web.Response:
        body = {"error": {"message": message}}
        return web.json_response(body, status=status, headers=headers)

    return reply


def sends(body: object, status: int = 200, **headers: str) -> Reply:
    """Sends these bytes, or anything else as JSON."""

    async def reply(request: web.Request) -> web.Response:
        text = body if isinstance(body, str | bytes) else json.dumps(body)
        content = text.encode() if isinstance(text, str) else text
        kind = {"Content-Type": "application/json"}
        return web.Response(body=content, status=status, headers={**kind, **headers})

    return reply


def hangs_up() -> Reply:
    """Closes the connection without a word."""

    async def reply(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    return reply


def sends_half() -> Reply:
    """Sends half of a body, then closes the connection."""

    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"choices": [')
        assert request.transport is not None
        request.transport.close()
        return response

    return reply


def stalls(seconds: float, then: Reply | None = None) -> Reply:
    """Takes its time."""

    async def reply(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await (then or says())(request)

    return reply


class Endpoint:
    """Serves ``/v1`` and ``/v1beta`` for as long as the ``with`` lasts.

    Attributes:
        plays: What it does to each question: the first time, the second, and so on; the last
            of them again and again. Questions that are not named are answered.
        asked: The body of every request, in order.
        paths: Where each of them was sent to.
        headers: What each of them had for headers.
        most_at_once: The most requests that were under way at the same time.
    """

    def __init__(self) -> None:
        self.plays: dict[str, list[Reply]] = {}
        self.otherwise: list[Reply] = [says()]
        self.asked: list[Asked] = []
        self.paths: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self.most_at_once = 0
        self._under_way = 0
        self._serves = False
        self._times: dict[str, int] = {}
        application = web.Application()
        for version in ("/v1", "/v1beta"):
            application.router.add_post(version + "/{rest:.*}", self._answer)
        self._server = LoopbackServer(application)

    def __enter__(self) -> Self:
        self._server.__enter__()
        self._serves = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stops serving; the address is dead from then on."""
        if self._serves:
            self._serves = False
            self._server.__exit__(None, None, None)

    @property
    def url(self) -> str:
        return f"{self._server.url}/v1"

    @property
    def keys(self) -> list[str | None]:
        """The Authorization header of every request, in order."""
        return [headers.get("Authorization") for headers in self.headers]

    @property
    def questions(self) -> list[str]:
        """The last user message of every request, in order."""
        return [question_of(body) for body in self.asked]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        question = question_of(body)
        self.asked.append(body)
        self.paths.append(request.raw_path)
        self.headers.append(request.headers)
        script = self.plays.get(question, self.otherwise)
        turn = self._times.get(question, 0)
        self._times[question] = turn + 1
        self._under_way += 1
        self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            return await script[min(turn, len(script) - 1)](request)
        finally:
            self._under_way -= 1


def question_of(body: Asked) -> str:
    """What a request asks: its last user message, or the last ``Q:`` of its text."""
    if "messages" in body:
        return str(body["messages"][-1]["content"])
    if "contents" in body:
        return str(body["contents"][-1]["parts"][0]["text"])
    return str(body["prompt"]).rpartition("Q: ")[2].removesuffix("\nA:")
