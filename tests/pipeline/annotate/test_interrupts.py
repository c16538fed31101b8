"""Ctrl-C ends a run however often and however fast it is pressed, and nothing received is lost."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress

import pytest

from conftest import many
from distilwhy.pipeline.annotate import loop as loop_module
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.loop import run_to_end
from distilwhy.pipeline.experiment import open_experiment
from endpoint import Endpoint, says, stalls


def press(*after: float) -> threading.Thread:
    """Press Ctrl-C after some pauses, from another thread."""

    def work() -> None:
        for pause in after:
            time.sleep(pause)
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def interrupted(work: Callable[[], Coroutine[None, None, None]], *after: float) -> bool:
    """Run to the end while Ctrl-C is pressed; returns whether that was raised."""
    thread, raised = press(*after), False
    try:
        run_to_end(work())
    except KeyboardInterrupt:
        raised = True
    while thread.is_alive():
        with suppress(KeyboardInterrupt):
            thread.join()
    return raised


@pytest.mark.parametrize("seed", range(4))
def test_three_presses_in_a_few_milliseconds_end_a_run(write_experiment, endpoint: Endpoint, seed):
    rng = random.Random(seed)
    endpoint.otherwise = [stalls(0.02, says())]
    changes = {
        "teacher.base_url": endpoint.url,
        "methods": ["step-by-step"],
        "data.test": None,
        "teacher.gate": {"rows": 0},
    }
    path = write_experiment(changes, train=many(5_000))
    command = [sys.executable, "-m", "distilwhy", "annotate", str(path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True) as process:
        while not endpoint.asked:
            time.sleep(0.01)
        time.sleep(0.3 * rng.random())
        for _ in range(3):
            process.send_signal(signal.SIGINT)
            time.sleep(0.003 * rng.random())
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.decode().endswith("\nStopped. Run the same command again to go on.\n")
    answered = len(read_annotations(open_experiment(path)))
    assert len(endpoint.asked) - 8 <= answered <= len(endpoint.asked)


def test_ctrl_c_cancels_and_waits_for_the_end():
    ended = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.3)
            ended.append(True)

    assert interrupted(work, 0.05, 0.05, 0.05)
    assert ended
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_is_raised_at_once_where_the_end_does_not_come(monkeypatch):
    monkeypatch.setattr(loop_module, "FORCE_AFTER_S", 0.2)

    async def work() -> None:
        time.sleep(60)

    started = time.monotonic()
    assert interrupted(work, 0.05, 0.3)
    assert time.monotonic() - started < 10


def test_an_application_that_handles_ctrl_c_goes_on_to():
    seen: list[int] = []

    async def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0.05)

    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        run_to_end(work())
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [signal.SIGINT]


def test_an_error_is_raised_as_it_is():
    async def work() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run_to_end(work())
