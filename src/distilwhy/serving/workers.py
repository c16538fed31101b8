"""Worker processes that share a port: replaced when they die, and ended with their supervisor."""

import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
from dataclasses import dataclass

from fastapi import FastAPI
from prometheus_client.multiprocess import mark_process_dead
from uvicorn import Config
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from distilwhy.errors import DistilwhyError, RunError, first_line
from distilwhy.serving.app import AppFactory

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerApp:
    """Makes the application in a worker process."""

    factory: AppFactory

    def __call__(self) -> FastAPI:
        """Make it, or end the process in the way that ends the server: no other could start."""
        threading.Thread(target=_end_with_supervisor, daemon=True).start()
        try:
            return self.factory()
        except (DistilwhyError, OSError) as error:
            log.error("a worker process cannot start: %s", first_line(error))
            sys.exit(STARTUP_FAILURE)


def _end_with_supervisor() -> None:
    """Stop this process when its supervisor is gone, which would otherwise keep the port taken."""
    supervisor = multiprocessing.parent_process()
    if supervisor:
        supervisor.join()
        os.kill(os.getpid(), signal.SIGTERM)


def run_workers(config: Config, opened: socket.socket) -> None:
    """Run ``config.workers`` processes until this one is told to stop.

    Raises:
        RunError: if a process cannot start.
    """
    workers = _Workers(config, [opened])
    workers.run()
    if any(one.exitcode == STARTUP_FAILURE for one in workers.processes):
        raise RunError("the server has stopped, because a worker process could not start")


class _Workers(Multiprocess):
    """Says which process died, and takes it out of the metrics."""

    def keep_subprocess_alive(self) -> None:
        before = list(self.processes)
        for one in before:
            # The worker has it. Open here too, it would keep a dead worker's silence from being
            # noticed before the health check times out.
            one.child_conn.close()
        super().keep_subprocess_alive()
        for old, new in zip(before, self.processes, strict=True):
            if old is not new:
                log.warning(
                    "worker process %s ended (exit status %s); process %s replaces it",
                    old.pid,
                    old.exitcode,
                    new.pid,
                )
                mark_process_dead(old.pid)  # type: ignore[no-untyped-call]
