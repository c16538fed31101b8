"""Processes side by side: what they tell is heard, and how they fail is told."""

import os
import pickle
import signal
import time
from collections.abc import Callable

import pytest

from distilwhy.errors import ConfigError, DistilwhyError, RunError, StudentError
from distilwhy.pipeline.train.workers import count_workers, open_pool

Tell = Callable[..., None]


def count(upto: int, tell: Tell) -> None:
    for number in range(upto):
        tell("counted", number)


def tell_process(tell: Tell) -> None:
    tell(os.getpid())


def fail(seconds: float, tell: Tell) -> None:
    time.sleep(seconds)
    raise StudentError("the loss is nan at step 3; lower training.lr")


def die(seconds: float, tell: Tell) -> None:
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGKILL)


def wait_or(work: Callable[[float, Tell], None] | None, tell: Tell) -> None:
    """Work after a moment, or wait for longer than a test may take."""
    tell("began", os.getpid())
    if work is None:
        time.sleep(300)
    else:
        work(1.0, tell)


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_all_that_is_told_is_heard_in_order():
    heard: list[tuple[object, ...]] = []
    with open_pool(2) as do:
        do(count, [(3,), (50,), (0,)], lambda *news: heard.append(news))
        assert sorted(heard) == sorted(("counted", n) for upto in (3, 50) for n in range(upto))
        do(count, [(2,)], lambda *news: heard.append(news))
    assert heard[53:] == [("counted", 0), ("counted", 1)]


def test_one_worker_is_this_process():
    heard: list[tuple[object, ...]] = []
    with open_pool(1) as do:
        do(tell_process, [(), ()], lambda *news: heard.append(news))
    assert heard == [(os.getpid(),)] * 2


@pytest.mark.parametrize(
    ("work", "kind", "message"),
    [
        (fail, StudentError, "the loss is nan at step 3; lower training.lr"),
        (die, RunError, "one of 2 processes died at its work, perhaps for want of memory; run the "
         "same command again to go on, with a smaller --workers if memory is short"),
    ],
)  # fmt: skip
def test_one_that_fails_ends_the_others(work, kind, message):
    began: list[int] = []
    with pytest.raises(DistilwhyError) as caught, open_pool(2) as do:
        do(wait_or, [(work,), (None,)], lambda _, process: began.append(process))
    assert type(caught.value) is kind
    assert str(caught.value) == message
    assert len(began) == 2
    assert not any(map(is_running, began))


def test_an_error_is_the_same_in_another_process():
    kinds = DistilwhyError.__subclasses__()
    assert ConfigError in kinds
    for kind in kinds:
        error = pickle.loads(pickle.dumps(kind("student.model: 'x' is no folder")))
        assert (type(error), str(error)) == (kind, "student.model: 'x' is no folder")


def test_more_than_memory_holds_are_refused():
    with pytest.raises(StudentError, match="set --workers to 1 or fewer"):
        count_workers(2, 2**60)
    assert count_workers(None, 2**60) == 1
