"""The batch interface of OpenAI's shape: a file of requests up, a file of replies down."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from distilwhy.config import HttpTeacherConfig
from distilwhy.core.parsing.completion import Completion
from distilwhy.core.prompt import Prompt
from distilwhy.errors import TeacherError
from distilwhy.teachers.base import Trouble
from distilwhy.teachers.batch_state import BatchState, read_state
from distilwhy.teachers.http import WIRES, find_proxy, read_key
from distilwhy.teachers.wires.reply import ReplyReader, is_transient, retry_after

# OpenAI takes 50,000 requests and 200 MB, Groq 100 MB.
MOST_REQUESTS = 50_000
MOST_BYTES = 95_000_000
WINDOW = "24h"
PAGE = 100
MARK = "distilwhy"
_ABSENT = frozenset({404, 405, 501})


@dataclass(frozen=True)
class Line:
    """What one line of a file of replies says.

    Attributes:
        key: Of the call.
        said: As a teacher's reply; a TeacherError where no other request can be answered either.
    """

    key: bytes
    said: Completion | Trouble | TeacherError


class BatchEndpoint:
    """Speaks with the batch interface of one endpoint, one try at a time.

    What may pass comes back as ``Trouble``. Entering it reads the key from the environment.

    Raises:
        ConfigError: on entering, if the environment variable named for the key is not set.
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
        # A file may take its time, as long as something of it is on its way.
        pause = self._config.timeout
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=pause, sock_read=pause),
            headers=self._wire.headers(key),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    def line(self, key: bytes, prompt: Prompt) -> bytes:
        """The request of a call, as it stands in the file."""
        request = {
            "custom_id": key.hex(),
            "method": "POST",
            "url": self._path,
            "body": self._wire.body(self._config, prompt),
        }
        return json.dumps(request).encode() + b"\n"

    async def upload(self, name: str, content: Path) -> str | Trouble:
        """Send a file; what the endpoint calls it.

        Raises:
            TeacherError: here and below, if the endpoint refuses for good.
        """
        with content.open("rb") as file:
            form = aiohttp.FormData()
            form.add_field("purpose", "batch")
            form.add_field("file", file, filename=_filename(name), content_type="application/jsonl")
            found = await self._ask("POST", "/files", data=form)
        return found if isinstance(found, Trouble) else _id(found)

    async def create(self, name: str, file: str) -> BatchState | Trouble:
        """Have a file worked on. What is asked for in vain may have been created all the same."""
        order = {
            "input_file_id": file,
            "endpoint": self._path,
            "completion_window": WINDOW,
            "metadata": {MARK: name},
        }
        found = await self._ask("POST", "/batches", json=order, awaited=file)
        return found if isinstance(found, Trouble) else read_state(found, self._reader.redact)

    async def look(self, identity: str) -> BatchState | Trouble:
        """How a batch is."""
        found = await self._ask("GET", f"/batches/{identity}")
        return found if isinstance(found, Trouble) else read_state(found, self._reader.redact)

    async def find(self, name: str, file: str) -> BatchState | Trouble | None:
        """The batch of this name, if it was ever created."""
        found = await self._list("/batches", {})
        if isinstance(found, Trouble):
            return found
        for batch in found:
            mark = batch.get("metadata")
            is_named = isinstance(mark, dict) and mark.get(MARK) == name
            if is_named or batch.get("input_file_id") == file:
                return read_state(batch, self._reader.redact)
        return None

    async def find_files(self, name: str) -> list[str] | Trouble:
        """The files that were sent under this name."""
        found = await self._list("/files", {"purpose": "batch"})
        if isinstance(found, Trouble):
            return found
        return [_id(file) for file in found if file.get("filename") == _filename(name)]

    async def delete(self, file: str) -> Trouble | None:
        """Take a file away; one that is not there is away."""
        found = await self._ask("DELETE", f"/files/{file}")
        return found if isinstance(found, Trouble) else None

    async def download(self, file: str, into: Path) -> Trouble | None:
        """Fetch a file, and add it to what was fetched before."""
        assert self._session is not None, "enter the endpoint before asking it"
        path = f"/files/{file}/content"
        try:
            async with self._session.get(self.address + path, proxy=self._proxy) as response:
                if response.status != 200:
                    return self._judge(response, path, await response.read())
                with into.open("ab") as out:
                    async for chunk in response.content.iter_chunked(2**20):
                        out.write(chunk)
                    out.write(b"\n")
        except (TimeoutError, aiohttp.ClientError) as error:
            return self._missed(error)
        return None

    def read_line(self, raw: bytes) -> Line | None:
        """A line of a file of replies; None where it cannot be read."""
        try:
            line = json.loads(raw)
            key = bytes.fromhex(line["custom_id"])
            response, error = line.get("response"), line.get("error")
            if not response:
                return Line(
                    key, Trouble(self._reader.redact(f"{error['code']}: {error['message']}"))
                )
            status, body = int(response["status_code"]), json.dumps(response["body"]).encode()
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        try:
            return Line(key, self._reader.read(status, {}, body))
        except TeacherError as error:
            return Line(key, error)

    async def _list(self, path: str, query: Mapping[str, str]) -> list[dict[str, Any]] | Trouble:
        """All that a paged list holds."""
        items: list[dict[str, Any]] = []
        after: dict[str, str] = {}
        while True:
            found = await self._ask("GET", path, params={"limit": str(PAGE), **query, **after})
            if isinstance(found, Trouble):
                return found
            page = [item for item in found.get("data") or [] if isinstance(item, dict)]
            items += page
            if not page or not found.get("has_more") or after.get("after") == page[-1].get("id"):
                return items
            after = {"after": str(page[-1]["id"])}

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        data: aiohttp.FormData | None = None,
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        awaited: str | None = None,
    ) -> dict[str, Any] | Trouble:
        """One request, and the object that comes back.

        Args:
            awaited: A file that was sent just now, which the endpoint may not know of yet.
        """
        assert self._session is not None, "enter the endpoint before asking it"
        try:
            async with self._session.request(
                method,
                self.address + path,
                data=data,
                json=json,
                params=params,
                proxy=self._proxy,
            ) as response:
                content = await response.read()
        except (TimeoutError, aiohttp.ClientError) as error:
            return self._missed(error)
        if method == "DELETE" and response.status == 404:
            return {}
        if not response.ok:
            if awaited and response.status in (400, 404) and awaited.encode() in content:
                return Trouble(self._what(response.status, content))
            return self._judge(response, path, content)
        return _object(content) or Trouble("the reply cannot be read: " + self._excerpt(content))

    def _missed(self, error: TimeoutError | aiohttp.ClientError) -> Trouble:
        if isinstance(error, TimeoutError):
            return Trouble(f"no answer within {self._config.timeout:g} s")
        return Trouble(self._reader.redact(str(error) or type(error).__name__))

    def _judge(self, response: aiohttp.ClientResponse, path: str, content: bytes) -> Trouble:
        """What may pass; whatever else it is, is said."""
        status, what = response.status, self._what(response.status, content)
        if status in _ABSENT:
            raise TeacherError(self._absent(path, what))
        self._reader.end_if_hopeless(status, what, content)
        if is_transient(status):
            return Trouble(what, retry_after(response.headers))
        raise TeacherError(
            f"{self.address} refuses a batch ({what}); mend the teacher section, or take "
            "teacher.batch out"
        )

    def _absent(self, path: str, what: str) -> str:
        if path in ("/files", "/batches"):
            return f"{self.address} has no batch interface ({what}); take teacher.batch out"
        return (
            f"{self.address} has no {path.removeprefix('/')} ({what}); see that teacher.base_url "
            "and the key are those it was made with, or give --forget-batches to ask its calls anew"
        )

    def _what(self, status: int, content: bytes) -> str:
        return f"HTTP {status}: {self._excerpt(content)}"

    def _excerpt(self, content: bytes) -> str:
        return self._reader.excerpt(content)


def _filename(name: str) -> str:
    return f"{MARK}-{name}.jsonl"


def _id(found: Mapping[str, Any]) -> str:
    return str(found.get("id"))


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and ("id" in value or "data" in value) else None
