"""Runs the application under uvicorn, in one process or several."""

import ipaddress
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from distilwhy.errors import ConfigError
from distilwhy.serving.app import AppFactory
from distilwhy.serving.settings import ServerSettings
from distilwhy.serving.workers import WorkerApp, run_workers

# Clients that wait while the processes start, and seconds that a stop waits for open requests.
BACKLOG, GRACE = 2048, 30
KEY_ENV, METRICS_ENV = "DISTILWHY_API_KEY", "PROMETHEUS_MULTIPROC_DIR"


def serve(
    student: Path,
    settings: ServerSettings,
    host: str,
    port: int,
    workers: int = 1,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Serve a student until the process is told to stop; what was accepted is answered first.

    Args:
        workers: Processes that share the port; each loads the student.
        say: Called with the address once the port is open.

    Raises:
        ConfigError: if other machines can reach the host and no API key is set, or the address
            cannot be opened, or the teacher cannot be asked.
        StudentError: if the folder holds no student that can be served.
        RunError: if a worker process cannot start.
    """
    if settings.api_key is None and not _is_loopback(host):
        raise ConfigError(
            f"--host {host}: other machines can reach it, and no API key is set; put one in "
            f"the environment variable {KEY_ENV}"
        )
    shared = workers > 1
    if shared and settings.teacher:
        raise ConfigError(
            f"--workers {workers}: one process keeps the teacher's budget; leave --workers out, "
            "or --teacher"
        )
    factory = AppFactory(student.resolve(), settings, shared)
    with _shared_metrics(shared):
        app = factory()
        config = _configure(WorkerApp(factory))
        opened = _open(host, port)
        name = f"[{host}]" if ":" in host else host
        say(f"http://{name}:{opened.getsockname()[1]}")
        if shared:
            config.workers = workers
            run_workers(config, opened)
        else:
            config.app, config.factory = app, False
            uvicorn.Server(config).run([opened])


@contextmanager
def _shared_metrics(shared: bool) -> Iterator[None]:
    """A folder where several processes add up their metrics."""
    if not shared:
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ[METRICS_ENV] = folder
        try:
            yield
        finally:
            del os.environ[METRICS_ENV]


def _open(host: str, port: int) -> socket.socket:
    """An address where clients wait from now on, instead of being refused."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        opened = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"--host {host} --port {port}: cannot be opened ({error.strerror}); choose another"
        ) from error
    # Connections inherit this. Without it the body of an answer waits until the client has
    # acknowledged its head, 40 ms on Linux.
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened


def _configure(factory: WorkerApp) -> uvicorn.Config:
    return uvicorn.Config(
        factory,
        factory=True,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=GRACE,
        timeout_worker_healthcheck=GRACE,
        server_header=False,
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
