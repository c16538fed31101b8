"""An endpoint with a batch interface, on the loopback address, that keeps its own books."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from distilwhy.demo.loopback import LoopbackServer
from endpoint import question_of

Body = dict[str, Any]
WAY = ("validating", "in_progress", "finalizing")
INPUT, OUTPUT = Decimal(10), Decimal(50)
LATE = {
    "code": "batch_expired",
    "message": "This request could not be executed before the completion window expired.",
}


@dataclass
class End:
    """How a batch ends.

    Attributes:
        status: The last one.
        answered: The share of its requests that have an answer by then.
        errors: What stands under ``errors`` of a batch that fails.
    """

    status: str = "completed"
    answered: float = 1.0
    errors: list[Body] = field(default_factory=list)


def refused(status: int, message: str, code: str = "invalid_request_error") -> Body:
    """The reply to one request of a batch, where it is refused."""
    body = {"error": {"message": message, "type": code, "param": None, "code": code}}
    return {"response": {"status_code": status, "request_id": "req", "body": body}, "error": None}


def says(text: str) -> Body:
    """An answer whose tokens are not counted."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"content": text}}
    body = {"choices": [choice], "usage": None}
    return {"response": {"status_code": 200, "request_id": "req", "body": body}, "error": None}


def errored(code: str, message: str) -> Body:
    """The reply to a request of a batch that was never answered."""
    return {"response": None, "error": {"code": code, "message": message}}


class BatchServer:
    """Serves ``/v1`` for as long as the ``with`` lasts.

    Attributes:
        way: The statuses that a batch has before it ends; it goes on whenever it is looked at.
        ends: How the first batch ends, the second, and so on; the last again and again.
        plays: What becomes of requests in batches, by their question: the first time, the second,
            and so on, and after that an answer.
        most_waiting: The requests that may wait at once; a batch beyond that fails.
        fault: Called with each request's method and path, before it is done; what it returns is
            sent instead.
        lost: Called likewise, after it is done; where it is true, no reply is sent.
        log: The method and path of every request.
        asked: How often each request, by its ``custom_id``, was put to the model in a batch.
        direct: The questions that were asked directly.
        bill: What it has billed.
        files: The files that it has: name, purpose and content, by id.
        batches: The batches that were created, by id.
    """

    def __init__(self) -> None:
        self.way: tuple[str, ...] = WAY
        self.ends = [End()]
        self.plays: dict[str, list[Body]] = {}
        self.most_waiting = 10**9
        self.fault: Callable[[str, str], web.Response | None] = lambda method, path: None
        self.lost: Callable[[str, str], bool] = lambda method, path: False
        self.log: list[str] = []
        self.asked: Counter[str] = Counter()
        self.direct: list[str] = []
        self.bill = Decimal(0)
        self.files: dict[str, tuple[str, str, bytes]] = {}
        self.batches: dict[str, Body] = {}
        self.keeps_metadata = True
        self.page = 100
        self._looks: Counter[str] = Counter()
        self._lock = threading.Lock()
        application = web.Application(client_max_size=2**28, middlewares=[self._watch])
        application.router.add_post("/v1/files", self._upload)
        application.router.add_get("/v1/files", self._list_files)
        application.router.add_delete("/v1/files/{id}", self._delete)
        application.router.add_get("/v1/files/{id}/content", self._content)
        application.router.add_post("/v1/batches", self._create)
        application.router.add_get("/v1/batches", self._list)
        application.router.add_get("/v1/batches/{id}", self._look)
        application.router.add_post("/v1/{rest:.*completions}", self._answer)
        self._server = LoopbackServer(application)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.__exit__(kind, error, trace)

    @property
    def url(self) -> str:
        return f"{self._server.url}/v1"

    def count(self, request: str) -> int:
        """How often this was requested, such as ``POST /v1/batches``."""
        return self.log.count(request)

    @web.middleware
    async def _watch(self, request: web.Request, handler: Any) -> web.StreamResponse:
        with self._lock:
            self.log.append(f"{request.method} {request.path}")
        if (faulty := self.fault(request.method, request.path)) is not None:
            await request.read()
            return faulty
        response: web.StreamResponse = await handler(request)
        if self.lost(request.method, request.path):
            assert request.transport is not None
            request.transport.abort()
        return response

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        file = form["file"]
        assert isinstance(file, web.FileField)
        assert form["purpose"] == "batch"
        identity = f"file-{len(self.log)}"
        self.files[identity] = (file.filename, "batch", file.file.read())
        return web.json_response(self._file(identity))

    def _file(self, identity: str) -> Body:
        name, purpose, content = self.files[identity]
        return {
            "id": identity,
            "object": "file",
            "bytes": len(content),
            "created_at": 1711471533,
            "filename": name,
            "purpose": purpose,
            "status": "processed",
        }

    async def _list_files(self, request: web.Request) -> web.Response:
        wanted = [i for i, (_, kind, _) in self.files.items() if kind == request.query["purpose"]]
        return self._page(request, [self._file(identity) for identity in wanted])

    async def _delete(self, request: web.Request) -> web.Response:
        identity = request.match_info["id"]
        if self.files.pop(identity, None) is None:
            return _error(404, f"No such File object: {identity}")
        return web.json_response({"id": identity, "object": "file", "deleted": True})

    async def _content(self, request: web.Request) -> web.Response:
        if (file := self.files.get(request.match_info["id"])) is None:
            return _error(404, f"No such File object: {request.match_info['id']}")
        return web.Response(body=file[2], content_type="application/octet-stream")

    async def _create(self, request: web.Request) -> web.Response:
        order = await request.json()
        if order["input_file_id"] not in self.files:
            return _error(400, f"Cannot find file {order['input_file_id']}")
        assert order["completion_window"] == "24h"
        lines = [json.loads(line) for line in self.files[order["input_file_id"]][2].splitlines()]
        assert {line["url"] for line in lines} == {order["endpoint"]}
        identity = f"batch_{len(self.batches)}"
        end = self.ends[min(len(self.batches), len(self.ends) - 1)]
        waiting = sum(b["request_counts"]["total"] for b in self.batches.values() if _waits(b))
        if waiting + len(lines) > self.most_waiting:
            reason = "Enqueued token limit reached for m. Limit: 90,000 enqueued tokens."
            problem = {"code": "token_limit_exceeded", "message": reason, "line": None}
            end = End("failed", 0, [{**problem, "param": None}])
        self.batches[identity] = {
            "id": identity,
            "object": "batch",
            "endpoint": order["endpoint"],
            "errors": None,
            "input_file_id": order["input_file_id"],
            "completion_window": "24h",
            "status": "validating",
            "output_file_id": None,
            "error_file_id": None,
            "created_at": 1711471533,
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
            "metadata": order["metadata"] if self.keeps_metadata else None,
            "_end": end,
            "_lines": lines,
        }
        if end.status != "failed":
            self.batches[identity]["request_counts"]["total"] = len(lines)
        return web.json_response(_shown(self.batches[identity]))

    async def _list(self, request: web.Request) -> web.Response:
        return self._page(request, [_shown(batch) for batch in list(self.batches.values())[::-1]])

    def _page(self, request: web.Request, items: list[Body]) -> web.Response:
        after = request.query.get("after")
        start = [item["id"] for item in items].index(after) + 1 if after else 0
        page = items[start : start + min(self.page, int(request.query["limit"]))]
        found = {"object": "list", "data": page, "has_more": start + len(page) < len(items)}
        if page:
            found |= {"first_id": page[0]["id"], "last_id": page[-1]["id"]}
        return web.json_response(found)

    async def _look(self, request: web.Request) -> web.Response:
        identity = request.match_info["id"]
        if identity not in self.batches:
            return _error(404, f"No batch found with id '{identity}'.")
        batch = self.batches[identity]
        if _waits(batch):
            step = self._looks[identity]
            self._looks[identity] += 1
            if step < len(self.way):
                batch["status"] = self.way[step]
            else:
                self._end(batch)
        return web.json_response(_shown(batch))

    def _end(self, batch: Body) -> None:
        end, lines = batch["_end"], batch["_lines"]
        batch["status"] = end.status
        if end.errors:
            batch["errors"] = {"object": "list", "data": end.errors}
        if end.status == "failed" and not end.answered:
            return
        count = round(end.answered * len(lines))
        replies = [self._reply(line) for line in lines[:count]]
        good = [reply for reply in replies if _is_good(reply)]
        bad = [reply for reply in replies if not _is_good(reply)]
        bad += [{**_head(line), "response": None, "error": LATE} for line in lines[count:]]
        batch["output_file_id"] = self._keep(batch, "output", good)
        batch["error_file_id"] = self._keep(batch, "error", bad)
        batch["request_counts"] |= {"completed": len(good), "failed": len(bad)}

    def _keep(self, batch: Body, what: str, lines: list[Body]) -> str | None:
        if not lines:
            return None
        identity = f"file-{batch['id']}-{what}"
        content = "".join(json.dumps(line) + "\n" for line in lines[::-1]).encode()
        self.files[identity] = (f"{batch['id']}_{what}.jsonl", "batch_output", content)
        return identity

    def _reply(self, line: Body) -> Body:
        self.asked[line["custom_id"]] += 1
        script = self.plays.get(question_of(line["body"]), [])
        turn = self.asked[line["custom_id"]] - 1
        if turn < len(script):
            return {**_head(line), **script[turn]}
        body = self._say(line["url"], line["body"], Decimal("0.5"))
        response = {"status_code": 200, "request_id": "req_1", "body": body}
        return {**_head(line), "response": response, "error": None}

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.direct.append(question_of(body))
        return web.json_response(self._say(request.path, body, Decimal(1)))

    def _say(self, path: str, body: Body, share: Decimal) -> Body:
        text = "Why. So the answer is damage."
        choice: Body = {"index": 0, "finish_reason": "stop"}
        choice |= (
            {"message": {"role": "assistant", "content": text}}
            if path.endswith("chat/completions")
            else {"text": text}
        )
        read, written = len(json.dumps(body)) // 4, 5 + len(question_of(body)) % 7
        self.bill += share * (read * INPUT + written * OUTPUT) / 1_000_000
        usage = {"prompt_tokens": read, "completion_tokens": written}
        return {"id": "x", "model": body["model"], "choices": [choice], "usage": usage}


def _is_good(reply: Body) -> bool:
    return bool(reply["response"]) and reply["response"]["status_code"] == 200


def _waits(batch: Body) -> bool:
    return batch["status"] in WAY


def _shown(batch: Body) -> Body:
    return {name: value for name, value in batch.items() if not name.startswith("_")}


def _head(line: Body) -> Body:
    return {"id": f"batch_req_{line['custom_id'][:8]}", "custom_id": line["custom_id"]}


def _error(status: int, message: str) -> web.Response:
    body = {"error": {"message": message, "type": "invalid_request_error", "code": None}}
    return web.json_response(body, status=status)
