"""Serves a web application on the loopback address."""

import asyncio
import threading
from typing import Self

from aiohttp import web

HOST = "127.0.0.1"


class LoopbackServer:
    """Serves an application from a background thread while its ``with`` block runs.

    Args:
        port: The port to listen on; 0 takes any free one.

    Attributes:
        url: The server's address, without a trailing slash; "" before it is entered.

    Raises:
        OSError: On entering, if the port is taken.
    """

    def __init__(self, application: web.Application, port: int = 0) -> None:
        self.url = ""
        self._application = application
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._runner: web.AppRunner | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self.url = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        except OSError:
            self._close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._close()

    async def _open(self) -> str:
        self._runner = web.AppRunner(self._application, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self._port, backlog=1024).start()
        return f"http://{HOST}:{self._runner.addresses[0][1]}"

    async def _stop(self) -> None:
        """Stop serving, and cancel the requests in flight."""
        if self._runner is not None:
            await self._runner.cleanup()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
