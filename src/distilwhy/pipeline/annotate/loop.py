"""Runs an event loop to its end, with Ctrl-C as a request to end it."""

import asyncio
import signal
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

FORCE_AFTER_S = 5.0


def run_to_end(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run to the end; in another thread if a loop is running here already, as in a notebook.

    Ctrl-C cancels the coroutine, which then records what it has. A second Ctrl-C does nothing,
    because an exception at an arbitrary place could leave a thread waiting for ever, unless the
    coroutine has not ended after ``FORCE_AFTER_S``.

    Raises:
        KeyboardInterrupt: if Ctrl-C was pressed.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        _run(coroutine)
        return
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, coroutine).result()


def _run(coroutine: Coroutine[Any, Any, None]) -> None:
    is_main = threading.current_thread() is threading.main_thread()
    # Other threads get no signals, and an application may handle them in its own way.
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        asyncio.run(coroutine)
        return
    loop = asyncio.new_event_loop()
    task = loop.create_task(coroutine)
    pressed_at: float | None = None

    def interrupt(number: int, frame: object) -> None:
        nonlocal pressed_at
        now = time.monotonic()
        if pressed_at is None:
            pressed_at = now
            with suppress(RuntimeError):  # The loop may have ended.
                loop.call_soon_threadsafe(task.cancel)
        elif now - pressed_at > FORCE_AFTER_S:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.get_loop().run_until_complete(task)
    except asyncio.CancelledError:
        if pressed_at is None:
            raise
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if pressed_at is not None:
        raise KeyboardInterrupt
