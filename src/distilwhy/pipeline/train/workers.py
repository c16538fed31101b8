"""Students side by side: processes that share the cores of this machine.

A student small enough not to fill a core well is trained fastest beside another one. How many
threads each has depends on the machine and the student alone, never on how many are left to
train, so that a run that was killed ends with the same weights.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

from distilwhy.errors import RunError, StudentError
from distilwhy.students.training.distributed import is_alone

Tell = Callable[..., None]

# What a process holds of Python, torch and transformers before it does anything.
PROCESS_BYTES = 2**29


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

    fitting = max(1, int(psutil.virtual_memory().total * 0.8) // (memory + PROCESS_BYTES))
    cores = os.cpu_count() or 1
    if wanted is not None and wanted > fitting:
        raise StudentError(
            f"{wanted} students side by side take more memory than there is; "
            f"set --workers to {fitting} or fewer"
        )
    if not is_alone() or (wanted is None and torch.cuda.is_available()):
        return 1
    return min(wanted or cores, cores, fitting)


class DoAll(Protocol):
    """Does ``work(*job, tell)`` for every job, and comes back when all are done."""

    def __call__(
        self, work: Callable[..., None], jobs: Sequence[tuple[Any, ...]], hear: Tell
    ) -> None:
        """Do all of it.

        Args:
            work: A function of a module, given a job and a ``tell`` to report with.
            hear: Called, in the process that waits, with whatever was told.
        """


@contextmanager
def open_pool(workers: int) -> Iterator[DoAll]:
    """So many processes that share the cores and do what they are given; of one, this process.

    If a job fails the others are ended, and its error is raised. All processes end as soon as the
    one that waits is killed.

    Raises:
        RunError: if one of the processes died, as by ``kill -9``.
    """
    if workers == 1:
        yield _do_here
        return
    try:
        with _pool(workers) as (pool, news):
            yield partial(_do_there, pool, news)
    except BrokenProcessPool:
        raise RunError(
            f"one of {workers} processes died at its work, perhaps for want of memory; run the "
            "same command again to go on, with a smaller --workers if memory is short"
        ) from None


def _do_here(work: Callable[..., None], jobs: Sequence[tuple[Any, ...]], hear: Tell) -> None:
    for job in jobs:
        work(*job, hear)


def _do_there(
    pool: ProcessPoolExecutor,
    news: Any,
    work: Callable[..., None],
    jobs: Sequence[tuple[Any, ...]],
    hear: Tell,
) -> None:
    with _without_interrupts():
        waiting: set[Future[None]] = {pool.submit(_do, work, job) for job in jobs}
        processes = list((pool._processes or {}).values())
    while waiting:
        done, waiting = wait(waiting, timeout=0.1, return_when=FIRST_COMPLETED)
        while not news.empty():
            hear(*news.get())
        for future in done:
            future.result()
        # The executor does not always see the death of the process it started last.
        if any(process.exitcode for process in processes):
            raise BrokenProcessPool
    while not news.empty():
        hear(*news.get())


@contextmanager
def _pool(workers: int) -> Iterator[tuple[ProcessPoolExecutor, Any]]:
    context = multiprocessing.get_context("spawn")
    news = context.SimpleQueue()
    threads = max(1, (os.cpu_count() or 1) // workers)
    pool = ProcessPoolExecutor(workers, context, _begin, (news, threads))
    try:
        yield pool, news
    except BaseException:
        for process in multiprocessing.active_children():
            if process.pid in (pool._processes or {}):
                process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)
        raise
    pool.shutdown()


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Ctrl-C is for this process alone, and not for those that are started in here."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


_NEWS: Any = None


def _begin(news: Any, threads: int) -> None:
    """Set up a process of the pool."""
    global _NEWS
    _NEWS = news
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(threads)


def _end_with_parent() -> None:
    """After ``kill -9`` of the parent its lock is gone, and another may be at work."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _do(work: Callable[..., None], job: tuple[Any, ...]) -> None:
    work(*job, _tell)


def _tell(*news: Any) -> None:
    _NEWS.put(news)
