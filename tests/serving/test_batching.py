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
        self.passes, self.seconds = [], seconds
        self.entered, self.release = threading.Event(), None

    def __call__(self, rows, explain):
        self.entered.set()
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


def test_a_client_that_asks_alone_waits_for_nobody():
    model = Model()

    async def ask(batcher):
        await batcher.ask(examples("a", "b", "c"))  # the last of them has a pass of its own
        return await asyncio.wait_for(batcher.ask(examples("d")), timeout=20)

    run(model, ask, batch_rows=2, max_delay=60)
    assert model.passes == [["a", "b"], ["c"], ["d"]]


def test_after_a_pass_of_several_rows_a_row_waits_for_others():
    async def ask(batcher):
        await batcher.ask(examples("a", "b"))
        late = asyncio.ensure_future(batcher.ask(examples("c")))
        await asyncio.sleep(0.05)
        await asyncio.gather(late, batcher.ask(examples("d")))

    def share():
        model = Model()
        run(model, ask, batch_rows=2, max_delay=60)
        return model.passes == [["a", "b"], ["c", "d"]]

    # A row that arrives before the student is idle does not wait, so a single try may not share.
    assert any(share() for _ in range(30))


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
        assert full.value.seconds >= 0
        model.release.set()
        return await asyncio.gather(*first)

    found = run(model, ask, batch_rows=1, max_waiting=10)
    assert [one.label for (one,) in found] == [f"r{i}" for i in range(9)]


def test_at_three_times_the_load_no_answer_waits_for_all_that_came_before_it():
    model, seconds, refused = Model(0.05), [], []

    async def ask_one(batcher, number):
        await asyncio.sleep(number / 600)
        start = time.monotonic()
        try:
            await batcher.ask(examples(f"r{number}"))
        except QueueFullError as full:
            refused.append(full.seconds)
        else:
            seconds.append(time.monotonic() - start)

    async def ask(batcher):
        await asyncio.gather(*(ask_one(batcher, number) for number in range(1200)))

    run(model, ask, batch_rows=10, max_wait=0.25)
    # All rows would take six seconds. On a quiet machine the slowest takes less than half a second.
    assert max(seconds) < 3
    assert refused
    assert max(refused) < 3
    # Passes are full, and the student is never idle.
    assert len(seconds) > 200


def test_what_came_during_a_long_pass_is_answered_by_the_next():
    model = Model()
    model.release = threading.Event()

    async def ask(batcher):
        asked = [asyncio.ensure_future(batcher.ask(examples("first")))]
        await asyncio.to_thread(model.entered.wait, 5)
        asked += [asyncio.ensure_future(batcher.ask(examples(f"r{i}"))) for i in range(9)]
        await asyncio.sleep(1.2)  # longer than a row may wait
        model.release.set()
        return await asyncio.gather(*asked)

    assert len(run(model, ask, batch_rows=10, max_wait=1)) == 10


def test_a_request_of_many_passes_is_answered_whole():
    async def ask(batcher):
        return await batcher.ask(examples(*(f"r{i}" for i in range(40))))

    found = run(Model(0.05), ask, batch_rows=4, max_wait=0.1)
    assert [one.label for one in found] == [f"r{i}" for i in range(40)]


def test_a_request_that_could_not_begin_in_time_is_refused_though_it_was_expected_to():
    model = Model()

    async def ask(batcher):
        await batcher.ask(examples("quick"))
        model.seconds = 0.3
        asked = [batcher.ask(examples(f"r{i}")) for i in range(20)]
        return await asyncio.gather(*asked, return_exceptions=True)

    found = run(model, ask, batch_rows=2, max_wait=0.5)
    refused = [one for one in found if isinstance(one, QueueFullError)]
    assert 8 <= len(refused) <= 16
    assert all(one.seconds > 0 for one in refused[:4])


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
