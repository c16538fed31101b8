"""Worker processes send events and errors to the process that waits for them."""

import os
import pickle
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from distilwhy.errors import ConfigError, DistilwhyError, RunError, StudentError
from distilwhy.pipeline.train.workers import count_workers, open_pool

Work = Callable[[], None]


def count(upto: int, send: Callable[[int], None]) -> None:
    for number in range(upto):
        send(number)


def send_process(_: object, send: Callable[[int], None]) -> None:
    send(os.getpid())


def fail() -> None:
    raise StudentError("the loss is nan at step 3; lower training.lr")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def wait_for_ever() -> None:
    time.sleep(300)


def work_beside_another(job: tuple[Work, Path], send: Callable[[int], None]) -> None:
    """Work as soon as two processes have started."""
    work, folder = job
    send(os.getpid())
    (folder / str(os.getpid())).touch()
    while len(list(folder.iterdir())) < 2:
        time.sleep(0.01)
    work()


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_every_event_is_received_and_those_of_one_job_in_order():
    received: list[int] = []
    with open_pool(2) as pool:
        pool.run(count, [3, 50, 0], received.append)
        assert sorted(received) == sorted([*range(3), *range(50)])
        pool.run(count, [2], received.append)
    assert received[53:] == [0, 1]


def test_a_single_worker_is_this_process():
    received: list[int] = []
    with open_pool(1) as pool:
        pool.run(send_process, [None, None], received.append)
    assert received == [os.getpid()] * 2


@pytest.mark.parametrize(
    ("work", "kind", "message"),
    [
        (fail, StudentError, "the loss is nan at step 3; lower training.lr"),
        (die, RunError, "one of 2 worker processes died, perhaps for lack of memory; run the same "
         "command again to go on, with a smaller --workers if memory is short"),
    ],
)  # fmt: skip
def test_a_worker_that_fails_or_dies_ends_the_others(
    work: Work, kind: type[DistilwhyError], message: str, tmp_path: Path
):
    started: list[int] = []
    jobs = [(work, tmp_path), (wait_for_ever, tmp_path)]
    with pytest.raises(DistilwhyError) as caught, open_pool(2) as pool:
        pool.run(work_beside_another, jobs, started.append)
    assert type(caught.value) is kind
    assert str(caught.value) == message
    assert len(started) == 2
    assert not any(map(is_running, started))


def test_errors_keep_their_type_and_message_between_processes():
    kinds = DistilwhyError.__subclasses__()
    assert ConfigError in kinds
    for kind in kinds:
        error = pickle.loads(pickle.dumps(kind("student.model: 'x' is no folder")))
        assert (type(error), str(error)) == (kind, "student.model: 'x' is no folder")


def test_more_workers_than_fit_in_memory_are_refused():
    with pytest.raises(StudentError, match="set --workers to 1 or fewer"):
        count_workers(2, 2**60)
    assert count_workers(None, 2**60) == 1


@pytest.mark.parametrize(("large", "releases"), [(-(2**60), 2), (2**60, 0)])
def test_a_process_that_grew_by_much_gives_memory_back_after_each_job(
    large: int, releases: int, monkeypatch: pytest.MonkeyPatch
):
    released: list[None] = []
    monkeypatch.setattr("distilwhy.hardware.release_memory", lambda: released.append(None))
    monkeypatch.setattr("distilwhy.pipeline.train.workers.LARGE_BYTES", large)
    with open_pool(1) as pool:
        pool.run(count, [1, 1], lambda number: None)
    assert len(released) == releases


def test_workers_on_a_gpu_share_its_free_memory(monkeypatch: pytest.MonkeyPatch):
    free, memory = 80 * 2**30, 3 * 2**30
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda: (free, free))
    monkeypatch.setattr("os.cpu_count", lambda: 32)
    # Each takes its own memory and that of a CUDA context, of nine tenths of what is free.
    assert count_workers(18, memory) == 18
    with pytest.raises(StudentError, match="set --workers to 18 or fewer"):
        count_workers(19, memory)
    assert count_workers(None, memory) == 1
