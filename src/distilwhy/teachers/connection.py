"""HTTP to one endpoint: no redirects, replies of bounded size, and no secrets in them."""

import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import aiohttp

from distilwhy.config import HttpTeacherConfig
from distilwhy.teachers.environment import Proxy, find_proxy, read_key
from distilwhy.teachers.secrets import Secrets
from distilwhy.teachers.wires.wire import Wire

MOST_BYTES = 8 * 2**20
_PIECE = 2**16


@dataclass(frozen=True)
class HttpReply:
    """A reply, without secrets.

    Attributes:
        content: The body, unpacked: its first ``MOST_BYTES`` if there is more.
        is_whole: Whether that is all of it.
        redirects_to: The host that a redirect points to; "" if the reply is not a redirect.
    """

    status: int
    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    is_whole: bool = True
    redirects_to: str = ""


def join_url(base_url: str, path: str) -> str:
    """The address of a path of an endpoint, whose base URL may have a query."""
    parts = urlsplit(base_url)
    return parts._replace(path=parts.path.rstrip("/") + path).geturl()


class Connection:
    """Sends requests to one endpoint.

    Entering the context reads the key and the proxy from the environment.

    Args:
        timeout: For each request.
        most: The most connections at once; 0: any number.

    Raises:
        ConfigError: on entering, if the environment variable named for the key is not set.
        TimeoutError: from each request.
        aiohttp.ClientError: from each request, if there is no reply, or not all of one.
    """

    def __init__(
        self, config: HttpTeacherConfig, wire: Wire, timeout: aiohttp.ClientTimeout, most: int = 0
    ) -> None:
        self._config = config
        self._wire = wire
        self._timeout = timeout
        self._most = most
        self._secrets = Secrets()
        self._proxy = Proxy()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        key = read_key(self._config.api_key_env)
        self._proxy = find_proxy(self._config.base_url)
        self._secrets = Secrets([key, *self._proxy.secrets])
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._most),
            timeout=self._timeout,
            headers={"Accept-Encoding": "gzip", **self._wire.headers(key)},
            auto_decompress=False,
        )
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        data: bytes | aiohttp.FormData | None = None,
        params: Mapping[str, str] | None = None,
    ) -> HttpReply:
        """Make one request; ``data`` as bytes is JSON."""
        async with self.open(method, path, data=data, params=params) as response:
            return await self.read(response)

    @asynccontextmanager
    async def open(
        self,
        method: str,
        path: str,
        *,
        data: bytes | aiohttp.FormData | None = None,
        params: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Make one request whose reply is yet to be read, by ``read`` or by ``lines``."""
        assert self._session is not None, "enter it before asking"
        url, headers = join_url(self._config.base_url, path), dict[str, str]()
        if isinstance(data, bytes):
            headers["Content-Type"] = "application/json"
        # A proxy reads its login in the request itself, unless that goes through it encrypted.
        if not url.startswith("https:"):
            headers |= self._proxy.headers
        async with self._session.request(
            method,
            url,
            data=data,
            params=params,
            headers=headers,
            proxy=self._proxy.url,
            proxy_headers=self._proxy.headers if self._proxy.url else None,
            allow_redirects=False,
        ) as response:
            yield response

    async def read(self, response: aiohttp.ClientResponse) -> HttpReply:
        """A whole reply."""
        content = bytearray()
        async for piece in _unpack(response):
            content += piece
            if len(content) > MOST_BYTES:
                response.close()
                break
        is_answer = response.status == 200
        return HttpReply(
            response.status,
            self._secrets.clean(bytes(content[:MOST_BYTES]), is_answer=is_answer),
            response.headers,
            len(content) <= MOST_BYTES,
            self._read_redirect(response),
        )

    async def lines(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """The lines of a file: of each, its first ``MOST_BYTES``."""
        line = bytearray()
        async for piece in _unpack(response):
            first, *others = piece.split(b"\n")
            line += first
            for other in others:
                yield self._clean_line(line)
                line = bytearray(other)
            del line[MOST_BYTES:]
        if line:
            yield self._clean_line(line)

    def describe(self, error: Exception) -> str:
        """An error of a request in words."""
        if isinstance(error, TimeoutError):
            return f"no answer within {self._config.timeout:g} s"
        return self._secrets.redact(str(error) or type(error).__name__)

    def _clean_line(self, line: bytearray) -> bytes:
        return self._secrets.clean(bytes(line[:MOST_BYTES]), is_answer=True) + b"\n"

    def _read_redirect(self, response: aiohttp.ClientResponse) -> str:
        if not 300 <= response.status < 400:
            return ""
        host, place = "", response.headers.get("Location")
        with suppress(ValueError):
            host = urlsplit(urljoin(str(response.url), place)).netloc if place else ""
            host = host.rpartition("@")[2]
        return self._secrets.redact(host) or "an address that cannot be read"


async def _unpack(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """A body, unpacked a piece at a time: a few kB may unpack to hundreds of MB."""
    encoding = response.headers.get("Content-Encoding", "").lower()
    unpacker: Any = zlib.decompressobj(47) if encoding in ("gzip", "deflate", "x-gzip") else None
    async for packed in response.content.iter_chunked(_PIECE):
        if unpacker is None:
            yield packed
            continue
        while packed and not unpacker.eof:
            try:
                yield unpacker.decompress(packed, _PIECE)
            except zlib.error as error:
                problem = f"the reply cannot be unpacked ({error})"
                raise aiohttp.ClientPayloadError(problem) from error
            packed = unpacker.unconsumed_tail
    if unpacker is not None:
        yield unpacker.flush()
