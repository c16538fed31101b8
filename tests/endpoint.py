"""An OpenAI-compatible endpoint on the loopback address that plays a script."""

import asyncio
import json
from collections.abc import Awaitable, Callable
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


def sends(body: str | bytes, status: int = 200) -> Reply:
    """Sends these bytes."""

    async def reply(request: web.Request) -> web.Response:
        content = body.encode() if isinstance(body, str) else body
        return web.Response(body=content, status=status, content_type="application/json")

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
    """Serves ``/v1`` for as long as the ``with`` lasts.

    Attributes:
        plays: What it does to each question: the first time, the second, and so on; the last
            of them again and again. Questions that are not named are answered.
        asked: The body of every request, in order.
        keys: The Authorization header of every request.
        most_at_once: The most requests that were under way at the same time.
    """

    def __init__(self) -> None:
        self.plays: dict[str, list[Reply]] = {}
        self.otherwise: list[Reply] = [says()]
        self.asked: list[Asked] = []
        self.keys: list[str | None] = []
        self.most_at_once = 0
        self._under_way = 0
        self._serves = False
        self._times: dict[str, int] = {}
        application = web.Application()
        application.router.add_post("/v1/{rest:.*}", self._answer)
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
    def questions(self) -> list[str]:
        """The last user message of every request, in order."""
        return [question_of(body) for body in self.asked]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        question = question_of(body)
        self.asked.append(body)
        self.keys.append(request.headers.get("Authorization"))
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
    return str(body["prompt"]).rpartition("Q: ")[2].removesuffix("\nA:")
