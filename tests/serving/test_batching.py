"""Rows of many requests share a pass, and none gets another's answer."""

import asyncio
import threading
import time

import pytest

from distilwhy.core.stats.comparisons import Prediction
from distilwhy.core.task import Example
from distilwhy.serving.batching import MicroBatcher, QueueFullError
from distilwhy.serving.settings import ServerSettings


def examples(*names):
    return [Example(name, name) for name in names]


class Model:
    """Answers each row with its own id, and records the rows of each pass."""

    def __init__(self, seconds=0.0):
        self.passes, self.seconds, self.release = [], seconds, None

    def __call__(self, rows, explain):
        if self.release is not None:
            self.release.wait(5)
        time.sleep(self.seconds)
        self.passes.append([row.id for row in rows])
        if any(row.id == "bad" for row in rows):
            raise RuntimeError("out of memory")
        return [Prediction(row.id, row.id, row.id, "why" if explain else None) for row in rows]


def run(model, ask, **settings):
    async def main():
        batcher = MicroBatcher(model, ServerSettings(**settings))
        batcher.start()
        try:
            return await ask(batcher)
        finally:
            await batcher.stop()

    return asyncio.run(main())


def test_rows_that_come_together_share_a_pass():
    model = Model()

    async def ask(batcher):
        return await asyncio.gather(*(batcher.ask(examples(f"r{i}")) for i in range(40)))

    found = run(model, ask, batch_rows=16)
    assert [one.label for (one,) in found] == [f"r{i}" for i in range(40)]
    assert len(model.passes) <= 4
    assert max(map(len, model.passes)) == 16


def test_without_a_delay_each_row_has_its_own_pass():
    model = Model()

    async def ask(batcher):
        return await asyncio.gather(*(batcher.ask(examples(f"r{i}")) for i in range(5)))

    run(model, ask, max_delay=0)
    assert [len(rows) for rows in model.passes] == [1] * 5


def test_a_row_that_fails_takes_no_other_with_it():
    async def ask(batcher):
        good, bad = batcher.ask(examples("a", "b")), batcher.ask(examples("bad"))
        return await asyncio.gather(good, bad, return_exceptions=True)

    good, bad = run(Model(), ask)
    assert [one.label for one in good] == ["a", "b"]
    assert isinstance(bad, RuntimeError)


def test_more_rows_than_may_wait_are_refused():
    model = Model()
    model.release = threading.Event()

    async def ask(batcher):
        first = [asyncio.ensure_future(batcher.ask(examples(f"r{i}"))) for i in range(9)]
        await asyncio.sleep(0.05)
        with pytest.raises(QueueFullError) as full:
            await batcher.ask(examples(*(f"s{i}" for i in range(8))))
        assert full.value.seconds >= 1
        model.release.set()
        return await asyncio.gather(*first)

    found = run(model, ask, batch_rows=1, max_waiting=10)
    assert [one.label for (one,) in found] == [f"r{i}" for i in range(9)]


def test_a_row_that_waits_too_long_times_out_and_is_dropped():
    model = Model(0.2)

    async def ask(batcher):
        asked = [batcher.ask(examples(f"r{i}")) for i in range(6)]
        return await asyncio.gather(*asked, return_exceptions=True)

    found = run(model, ask, batch_rows=1, timeout=0.5)
    late = [one for one in found if isinstance(one, TimeoutError)]
    assert late
    assert len(model.passes) < 6


def test_rationales_and_labels_take_turns():
    model = Model()

    async def ask(batcher):
        slow = [batcher.ask(examples(f"e{i}"), explain=True) for i in range(64)]
        await asyncio.gather(*slow, batcher.ask(examples("quick")))

    run(model, ask)
    assert model.passes.index(["quick"]) <= 1
    assert len(model.passes) == 5


def test_stopping_answers_what_was_accepted():
    model = Model(0.02)

    async def ask(batcher):
        asked = [asyncio.ensure_future(batcher.ask(examples(f"r{i}"))) for i in range(5)]
        await asyncio.sleep(0.01)
        await batcher.stop()
        return await asyncio.gather(*asked)

    assert len(run(model, ask, batch_rows=1)) == 5
