"""Students side by side: processes that share the cores of this machine.

A student small enough not to fill a core well is trained fastest beside another one. How many
threads each has depends on the machine and the student alone, never on how many are left to
train, so that a run that was killed ends with the same weights.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

from distilwhy.errors import StudentError
from distilwhy.flows.processes import is_alone

Tell = Callable[..., None]


def count_workers(wanted: int | None, memory: int) -> int:
    """How many students to train side by side.

    Args:
        wanted: So many; None for one on each core, as far as memory allows, and one alone where
            there is a GPU or where several processes train each student together.
        memory: What one takes, in bytes.

    Raises:
        StudentError: if that many do not fit.
    """
    import psutil
    import torch

    fitting = max(1, int(psutil.virtual_memory().total * 0.8) // max(1, memory))
    cores = os.cpu_count() or 1
    if wanted is not None and wanted > fitting:
        raise StudentError(
            f"{wanted} students side by side take more memory than there is; "
            f"set --workers to {fitting} or fewer"
        )
    if not is_alone() or (wanted is None and torch.cuda.is_available()):
        return 1
    return min(wanted or cores, cores, fitting)


def do_all(
    work: Callable[..., None], jobs: Sequence[tuple[Any, ...]], workers: int, hear: Tell
) -> None:
    """Do ``work(*job, tell)`` for every job, in processes that share the cores.

    What ``work`` tells is heard here, in the process that waits. If one fails the others are
    ended, and its error is raised.

    Args:
        work: A function of a module, given a job and a ``tell`` to report with.
        hear: Called with whatever was told.
    """
    with _pool(workers) as (pool, news):
        waiting: set[Future[None]] = {pool.submit(_do, work, job) for job in jobs}
        while waiting:
            done, waiting = wait(waiting, timeout=0.1, return_when=FIRST_COMPLETED)
            while not news.empty():
                hear(*news.get())
            for future in done:
                future.result()
        while not news.empty():
            hear(*news.get())


@contextmanager
def _pool(workers: int) -> Iterator[tuple[ProcessPoolExecutor, Any]]:
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        news = manager.Queue()
        threads = max(1, (os.cpu_count() or 1) // workers)
        pool = ProcessPoolExecutor(
            workers, context, initializer=_begin, initargs=(news, threads, os.getpid())
        )
        try:
            yield pool, news
        except BaseException:
            for process in multiprocessing.active_children():
                if process.pid in (pool._processes or {}):
                    process.terminate()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        pool.shutdown()


_NEWS: Any = None
_PARENT = 0


def _begin(news: Any, threads: int, parent: int) -> None:
    """Set up a process of the pool; Ctrl-C is for the one that started it."""
    import torch

    global _NEWS, _PARENT
    _NEWS, _PARENT = news, parent
    torch.set_num_threads(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _do(work: Callable[..., None], job: tuple[Any, ...]) -> None:
    work(*job, _tell)


def _tell(*news: Any) -> None:
    if os.getppid() != _PARENT:
        # What started this was killed, and its lock is gone: another may be at work.
        os._exit(1)
    _NEWS.put(news)
