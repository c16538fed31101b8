"""OpenAI's batch interface: a file of requests goes up, a file of replies comes down."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import aiohttp

from distilwhy.config import HttpTeacherConfig
from distilwhy.core.prompt import Prompt
from distilwhy.errors import TeacherError
from distilwhy.teachers.batch_state import BatchState, read_state
from distilwhy.teachers.call_result import CallResult
from distilwhy.teachers.connection import MOST_BYTES as MOST_REPLY_BYTES
from distilwhy.teachers.connection import Connection, HttpReply, join_url
from distilwhy.teachers.dialect import Dialect
from distilwhy.teachers.wires.failure import read_failure
from distilwhy.teachers.wires.kinds import WIRES
from distilwhy.teachers.wires.reply import (
    UNREADABLE,
    ReplyReader,
    describe,
    excerpt,
    is_over_limit,
    is_transient,
    read_retry_after,
)

# OpenAI takes 50,000 requests and 200 MB, Groq 100 MB.
MOST_REQUESTS = 50_000
MOST_BYTES = 95_000_000
WINDOW = "24h"
PAGE = 100
MARK = "distilwhy"
_CUSTOM_ID = re.compile(rb'"custom_id": *"((?:[0-9a-f]{2})+)"')
_HEAD = 1000
_ABSENT = frozenset({404, 405, 501})


class Unavailable(Exception):
    """The endpoint did not do what it was asked to, and may do it later.

    Attributes:
        retry_after_s: How long it asks to wait.
        over_limit: Whether that is because of a limit of so much a minute, which passes.
    """

    def __init__(
        self, problem: str, retry_after_s: float = 0.0, *, over_limit: bool = False
    ) -> None:
        super().__init__(problem)
        self.retry_after_s = retry_after_s
        self.over_limit = over_limit


@dataclass(frozen=True)
class BatchReply:
    """One line of a file of replies.

    Attributes:
        fatal: Why no other request can be answered either; None if others can.
    """

    key: bytes
    result: CallResult
    fatal: TeacherError | None = None


class BatchEndpoint:
    """The batch interface of one endpoint. Each method makes one try.

    Entering it reads the key from the environment.

    Raises:
        ConfigError: on entering, if the environment variable named for the key is not set.
        Unavailable: from each request, if it may succeed later.
        TeacherError: from each request, if the endpoint refuses it.
    """

    def __init__(self, config: HttpTeacherConfig, dialect: Dialect) -> None:
        self.address = config.base_url
        self._config = config
        self._wire = WIRES[config.kind]
        self._path = "/v1" + self._wire.path(config.model)
        self._reader = ReplyReader(config, self._wire)
        # A file may take long, as long as some of it keeps coming.
        pause = config.timeout
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=pause, sock_read=pause)
        self._connection = Connection(config, self._wire, timeout)
        self._dialect = dialect

    async def __aenter__(self) -> Self:
        await self._connection.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._connection.__aexit__(*exception)

    def line(self, key: bytes, prompt: Prompt) -> bytes:
        """The request of a call, as a line of the file."""
        body = self._wire.body(self._config, self._dialect.adapt(prompt))
        request = {"custom_id": key.hex(), "method": "POST", "url": self._path, "body": body}
        return json.dumps(request).encode() + b"\n"

    async def upload(self, name: str, content: Path) -> str:
        """Upload a file; returns the endpoint's id of it."""
        with content.open("rb") as file:
            form = aiohttp.FormData()
            form.add_field("purpose", "batch")
            form.add_field("file", file, filename=_filename(name), content_type="application/jsonl")
            return _id(await self._request("POST", "/files", data=form))

    async def create(self, name: str, file: str) -> BatchState:
        """Create a batch from a file. If this raises Unavailable, it may exist all the same."""
        order: dict[str, object] = {"input_file_id": file, "endpoint": self._path}
        order |= {"completion_window": WINDOW, "metadata": {MARK: name}}
        data = json.dumps(order).encode()
        return read_state(await self._request("POST", "/batches", data=data, new_file=file))

    async def state(self, identity: str) -> BatchState:
        """The state of a batch."""
        return read_state(await self._request("GET", f"/batches/{identity}"))

    async def find(self, name: str, file: str) -> BatchState | None:
        """The state of the batch with this name or file, if it was ever created."""
        for batch in await self._list("/batches", {}):
            metadata = batch.get("metadata")
            is_named = isinstance(metadata, dict) and metadata.get(MARK) == name
            if is_named or batch.get("input_file_id") == file:
                return read_state(batch)
        return None

    async def find_files(self, name: str) -> list[str]:
        """The files that were uploaded under this name."""
        files = await self._list("/files", {"purpose": "batch"})
        return [_id(file) for file in files if file.get("filename") == _filename(name)]

    async def delete(self, file: str) -> None:
        """Delete a file, if it exists."""
        await self._request("DELETE", f"/files/{file}")

    async def download(self, file: str, into: Path) -> None:
        """Download a file, and append it to ``into``."""
        path = f"/files/{file}/content"
        try:
            async with self._connection.open("GET", path) as response:
                if response.status != 200:
                    raise self._error(await self._connection.read(response), path)
                with into.open("ab") as out:
                    async for line in self._connection.lines(response):
                        out.write(line)
        except (TimeoutError, aiohttp.ClientError) as error:
            raise self._unavailable(error) from error

    def read_line(self, raw: bytes) -> BatchReply | None:
        """A line of a file of replies; None if it cannot be read."""
        try:
            line = json.loads(raw)
            key = bytes.fromhex(line["custom_id"])
            response, error = line.get("response"), line.get("error")
            if not response:
                return BatchReply(
                    key, CallResult(problem=f"{error['code']}: {error['message']}"[:300])
                )
            status, body = int(response["status_code"]), json.dumps(response["body"]).encode()
        except UNREADABLE:
            return self._read_long_line(raw)
        return self._read_reply(key, HttpReply(status, body))

    def _read_long_line(self, raw: bytes) -> BatchReply | None:
        """A line that was cut because it is too long, if it says whose it is."""
        found = _CUSTOM_ID.search(raw[:_HEAD]) if len(raw) > MOST_REPLY_BYTES else None
        if found is None:
            return None
        reply = HttpReply(200, b"", is_whole=False)
        return self._read_reply(bytes.fromhex(found[1].decode()), reply)

    def _read_reply(self, key: bytes, reply: HttpReply) -> BatchReply:
        if self._dialect.learn(None, reply):
            return BatchReply(key, CallResult(problem=describe(reply)))
        try:
            return BatchReply(key, self._reader.read(reply))
        except TeacherError as error:
            return BatchReply(key, CallResult(problem=str(error)), fatal=error)

    async def _list(self, path: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """Everything on all pages of a list."""
        items: list[dict[str, Any]] = []
        after: dict[str, str] = {}
        while True:
            params = {"limit": str(PAGE), **query, **after}
            found = await self._request("GET", path, params=params)
            page = [item for item in found.get("data") or [] if isinstance(item, dict)]
            items += page
            if not page or not found.get("has_more") or after.get("after") == page[-1].get("id"):
                return items
            after = {"after": str(page[-1]["id"])}

    async def _request(
        self,
        method: str,
        path: str,
        *,
        data: bytes | aiohttp.FormData | None = None,
        params: Mapping[str, str] | None = None,
        new_file: str | None = None,
    ) -> dict[str, Any]:
        """Make one request; returns the object in the reply.

        Args:
            new_file: A file that was uploaded just now, which the endpoint may not know yet.
        """
        try:
            reply = await self._connection.request(method, path, data=data, params=params)
        except (TimeoutError, aiohttp.ClientError) as error:
            raise self._unavailable(error) from error
        if method == "DELETE" and reply.status == 404:
            return {}
        if not 200 <= reply.status < 300:
            if new_file and reply.status in (400, 404) and new_file.encode() in reply.content:
                raise Unavailable(describe(reply))
            raise self._error(reply, path)
        with suppress(ValueError, RecursionError):
            found = json.loads(reply.content)
            if isinstance(found, dict) and ("id" in found or "data" in found):
                return found
        raise Unavailable("the reply cannot be read: " + excerpt(reply.content))

    def _unavailable(self, error: TimeoutError | aiohttp.ClientError) -> Unavailable:
        return Unavailable(self._connection.describe(error))

    def _error(self, reply: HttpReply, path: str) -> Unavailable | TeacherError:
        """What to raise for a reply that is an error."""
        status, problem = reply.status, describe(reply)
        url = join_url(self.address, path)
        if status in _ABSENT and path in ("/files", "/batches"):
            return TeacherError(
                f"{url}: the endpoint has no batch interface ({problem}); take teacher.batch out"
            )
        if status in _ABSENT:
            return TeacherError(
                f"{url}: the endpoint has no {path.removeprefix('/')} ({problem}); check that "
                "teacher.base_url and the key are those it was made with, or give "
                "--forget-batches to ask its calls again"
            )
        self._reader.raise_if_fatal(url, status, problem, reply.content)
        over_limit = is_over_limit(status, read_failure(reply.content))
        if over_limit or is_transient(status):
            pause = read_retry_after(reply.headers)
            return Unavailable(problem, pause, over_limit=over_limit)
        return TeacherError(
            f"{url} refuses a batch ({problem}); correct the teacher section, or take "
            "teacher.batch out"
        )


def _filename(name: str) -> str:
    return f"{MARK}-{name}.jsonl"


def _id(found: Mapping[str, Any]) -> str:
    return str(found.get("id"))
