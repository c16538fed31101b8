"""Worker processes that share the cores of this machine.

A student too small to keep a core busy is trained fastest beside others. How many threads each
process has depends on the machine and the student alone, not on how many students are left, so a
run that was killed and continued ends with the same weights.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from distilwhy.errors import RunError, StudentError
from distilwhy.students.training.distributed import is_alone

Job = TypeVar("Job")
Event = TypeVar("Event")

# The memory of a process that has imported torch and transformers, and on a GPU that of its
# context and kernels.
PROCESS_BYTES, CONTEXT_BYTES = 2**29, 2**30
# After a job for which a process has grown by more, it gives back what it no longer uses.
LARGE_BYTES = 2**28


def count_workers(wanted: int | None, memory: int) -> int:
    """How many students to train side by side.

    Args:
        wanted: As many as this; on a GPU they share it. None: one per core as far as memory
            allows, but only one if there is a GPU or if several processes train each student
            together.
        memory: Bytes that one of them takes.

    Raises:
        StudentError: if that many do not fit in memory, or in that of the GPU.
    """
    import torch

    fitting, cores = _count_fitting(memory), os.cpu_count() or 1
    if wanted is not None and wanted > fitting:
        raise StudentError(
            f"{wanted} students side by side take more memory than there is; "
            f"set --workers to {fitting} or fewer"
        )
    if not is_alone() or (wanted is None and torch.cuda.is_available()):
        return 1
    return min(wanted or cores, cores, fitting)


def _count_fitting(memory: int) -> int:
    """How many processes fit that take so many bytes: of the GPU if there is one."""
    import psutil
    import torch

    if torch.cuda.is_available():
        return max(1, int(torch.cuda.mem_get_info()[0] * 0.9) // (memory + CONTEXT_BYTES))
    return max(1, int(psutil.virtual_memory().total * 0.8) // (memory + PROCESS_BYTES))


class Pool:
    """Runs jobs in worker processes, or without any in this process, one after the other."""

    def __init__(self, executor: ProcessPoolExecutor | None = None, events: Any = None) -> None:
        self._executor, self._events = executor, events

    def run(
        self,
        work: Callable[[Job, Callable[[Event], None]], None],
        jobs: Sequence[Job],
        receive: Callable[[Event], None],
    ) -> None:
        """Run all jobs, and return when all are done.

        Args:
            work: A function that can be pickled. It is given a job and a function to send events
                with.
            receive: Called with each event, in this process.

        Raises:
            RunError: if a worker died.
        """
        if self._executor is None:
            for job in jobs:
                _run(work, job, receive)
            return
        with _without_interrupts():
            waiting: set[Future[None]] = {
                self._executor.submit(_run_in_worker, work, job) for job in jobs
            }
            processes = list((self._executor._processes or {}).values())
        while waiting:
            done, waiting = wait(waiting, timeout=0.1, return_when=FIRST_COMPLETED)
            self._receive_all(receive)
            for future in done:
                future.result()
            # The executor does not always notice the death of the process it started last.
            if any(process.exitcode for process in processes):
                raise BrokenProcessPool
        self._receive_all(receive)

    def _receive_all(self, receive: Callable[[Event], None]) -> None:
        while not self._events.empty():
            receive(self._events.get())


@contextmanager
def open_pool(workers: int) -> Iterator[Pool]:
    """Start worker processes; for one worker, use this process.

    If a job fails, the other workers are ended and its error is raised. All workers end as soon as
    this process is killed.

    Raises:
        RunError: if a worker died, as by ``kill -9``.
    """
    if workers == 1:
        yield Pool()
        return
    context = multiprocessing.get_context("spawn")
    events = context.SimpleQueue()
    threads = max(1, (os.cpu_count() or 1) // workers)
    executor = ProcessPoolExecutor(workers, context, _set_up_worker, (events, threads))
    try:
        yield Pool(executor, events)
    except BaseException as error:
        for process in multiprocessing.active_children():
            if process.pid in (executor._processes or {}):
                process.terminate()
        # Before Python 3.11.5 the executor waits for ever for a thread that sends a long job to
        # processes that have ended (CPython issue 94777), unless nothing can be sent any more.
        # Since then it closes this itself, in its own thread, and must be the only one to do so.
        queue: Any = getattr(executor, "_call_queue", None)
        if queue is not None and sys.version_info < (3, 11, 5):
            queue._reader.close()
        executor.shutdown(wait=True, cancel_futures=True)
        if not isinstance(error, BrokenProcessPool):
            raise
        raise RunError(
            f"one of {workers} worker processes died, perhaps for lack of memory; run the same "
            "command again to go on, with a smaller --workers if memory is short"
        ) from None
    executor.shutdown()


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Processes started in here ignore Ctrl-C, which is left to this process.

    Ctrl-C in here takes effect at the end. A blocked signal may still reach another thread, such
    as one of torch's, and Python would then interrupt the start of a process half-way.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    pressed: list[int] = []
    is_main = threading.current_thread() is threading.main_thread()
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    before = (
        signal.signal(signal.SIGINT, lambda number, _: pressed.append(number)) if is_main else None
    )
    try:
        yield
    finally:
        if is_main:
            signal.signal(signal.SIGINT, before)
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        if pressed:
            signal.raise_signal(signal.SIGINT)


_events: Any = None


def _set_up_worker(events: Any, threads: int) -> None:
    global _events
    _events = events
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(threads)


def _end_with_parent() -> None:
    """A parent killed by ``kill -9`` has lost its lock, and another command may have it."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _run_in_worker(work: Callable[[Job, Callable[[Event], None]], None], job: Job) -> None:
    _run(work, job, _events.put)


def _run(
    work: Callable[[Job, Callable[[Event], None]], None], job: Job, send: Callable[[Event], None]
) -> None:
    import psutil
    import torch

    from distilwhy.hardware import release_memory

    process = psutil.Process()
    before = process.memory_info().rss
    work(job, send)
    # What the next job does not need, another process may. This takes a third of a second.
    if torch.cuda.is_available() or process.memory_info().rss - before > LARGE_BYTES:
        release_memory()
