"""OpenAI's batch interface: a file of requests goes up, a file of replies comes down."""

import json
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
from distilwhy.teachers.environment import find_proxy, read_key
from distilwhy.teachers.wires.kinds import WIRES
from distilwhy.teachers.wires.reply import ReplyReader, is_transient, read_retry_after

# OpenAI takes 50,000 requests and 200 MB, Groq 100 MB.
MOST_REQUESTS = 50_000
MOST_BYTES = 95_000_000
WINDOW = "24h"
PAGE = 100
MARK = "distilwhy"
_ABSENT = frozenset({404, 405, 501})


class Unavailable(Exception):
    """The endpoint did not do what it was asked to, and may do it later.

    Attributes:
        retry_after_s: How long it asks to wait.
    """

    def __init__(self, problem: str, retry_after_s: float = 0.0) -> None:
        super().__init__(problem)
        self.retry_after_s = retry_after_s


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

    def __init__(self, config: HttpTeacherConfig) -> None:
        self.address = config.base_url
        self._config = config
        self._wire = WIRES[config.kind]
        self._path = "/v1" + self._wire.path(config.model)
        self._reader = ReplyReader(config, self._wire, None)
        self._proxy: str | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        key = read_key(self._config.api_key_env)
        self._reader = ReplyReader(self._config, self._wire, key)
        self._proxy = find_proxy(self.address)
        # A file may take long, as long as some of it keeps coming.
        pause = self._config.timeout
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=pause, sock_read=pause),
            headers=self._wire.headers(key),
        )
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._session is not None:
            await self._session.close()

    def line(self, key: bytes, prompt: Prompt) -> bytes:
        """The request of a call, as a line of the file."""
        body = self._wire.body(self._config, prompt)
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
        return self._state(await self._request("POST", "/batches", json=order, new_file=file))

    async def state(self, identity: str) -> BatchState:
        """The state of a batch."""
        return self._state(await self._request("GET", f"/batches/{identity}"))

    async def find(self, name: str, file: str) -> BatchState | None:
        """The state of the batch with this name or file, if it was ever created."""
        for batch in await self._list("/batches", {}):
            metadata = batch.get("metadata")
            is_named = isinstance(metadata, dict) and metadata.get(MARK) == name
            if is_named or batch.get("input_file_id") == file:
                return self._state(batch)
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
        assert self._session is not None, "enter the endpoint before asking it"
        path = f"/files/{file}/content"
        try:
            async with self._session.get(self.address + path, proxy=self._proxy) as response:
                if response.status != 200:
                    raise self._error(response, path, await response.read())
                with into.open("ab") as out:
                    async for chunk in response.content.iter_chunked(2**20):
                        out.write(chunk)
                    out.write(b"\n")
        except (TimeoutError, aiohttp.ClientError) as error:
            raise self._unavailable(error) from error

    def read_line(self, raw: bytes) -> BatchReply | None:
        """A line of a file of replies; None if it cannot be read."""
        try:
            line = json.loads(raw)
            key = bytes.fromhex(line["custom_id"])
            response, error = line.get("response"), line.get("error")
            if not response:
                problem = self._reader.redact(f"{error['code']}: {error['message']}")
                return BatchReply(key, CallResult(problem=problem))
            status, body = int(response["status_code"]), json.dumps(response["body"]).encode()
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        try:
            return BatchReply(key, self._reader.read(status, {}, body))
        except TeacherError as error:
            return BatchReply(key, CallResult(problem=str(error)), fatal=error)

    def _state(self, batch: Mapping[str, Any]) -> BatchState:
        return read_state(batch, self._reader.redact)

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
        new_file: str | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Make one request, with options for aiohttp; returns the object in the reply.

        Args:
            new_file: A file that was uploaded just now, which the endpoint may not know yet.
        """
        assert self._session is not None, "enter the endpoint before asking it"
        try:
            url = self.address + path
            async with self._session.request(method, url, proxy=self._proxy, **options) as response:
                content = await response.read()
        except (TimeoutError, aiohttp.ClientError) as error:
            raise self._unavailable(error) from error
        if method == "DELETE" and response.status == 404:
            return {}
        if not response.ok:
            if new_file and response.status in (400, 404) and new_file.encode() in content:
                raise Unavailable(self._problem(response.status, content))
            raise self._error(response, path, content)
        with suppress(ValueError, RecursionError):
            found = json.loads(content)
            if isinstance(found, dict) and ("id" in found or "data" in found):
                return found
        raise Unavailable("the reply cannot be read: " + self._reader.excerpt(content))

    def _unavailable(self, error: TimeoutError | aiohttp.ClientError) -> Unavailable:
        if isinstance(error, TimeoutError):
            return Unavailable(f"no answer within {self._config.timeout:g} s")
        return Unavailable(self._reader.redact(str(error) or type(error).__name__))

    def _error(
        self, response: aiohttp.ClientResponse, path: str, content: bytes
    ) -> Unavailable | TeacherError:
        """What to raise for a reply that is an error."""
        status, problem = response.status, self._problem(response.status, content)
        if status in _ABSENT and path in ("/files", "/batches"):
            return TeacherError(
                f"{self.address} has no batch interface ({problem}); take teacher.batch out"
            )
        if status in _ABSENT:
            return TeacherError(
                f"{self.address} has no {path.removeprefix('/')} ({problem}); check that "
                "teacher.base_url and the key are those it was made with, or give "
                "--forget-batches to ask its calls again"
            )
        self._reader.raise_if_fatal(status, problem, content)
        if is_transient(status):
            return Unavailable(problem, read_retry_after(response.headers))
        return TeacherError(
            f"{self.address} refuses a batch ({problem}); correct the teacher section, or take "
            "teacher.batch out"
        )

    def _problem(self, status: int, content: bytes) -> str:
        return f"HTTP {status}: {self._reader.excerpt(content)}"


def _filename(name: str) -> str:
    return f"{MARK}-{name}.jsonl"


def _id(found: Mapping[str, Any]) -> str:
    return str(found.get("id"))
