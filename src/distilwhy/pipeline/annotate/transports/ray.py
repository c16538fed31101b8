"""Makes calls from a Ray cluster: shards of calls go to workers, and their results come back.

The driver alone knows the ledger and the budget. It also retries the shards that are lost with
their node: if Ray ran them again, calls that were billed could be made twice unseen.
"""

import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from importlib import import_module
from types import ModuleType
from typing import Any

from distilwhy._version import __version__
from distilwhy.core.cost import NOTHING, Usage
from distilwhy.core.wording import counted
from distilwhy.errors import ConfigError, DistilwhyError, TeacherError
from distilwhy.pipeline.annotate.budget import BudgetGuard
from distilwhy.pipeline.annotate.calls import Call
from distilwhy.pipeline.annotate.recorder import Recorder
from distilwhy.pipeline.annotate.transports.ray_worker import Shard, ShardResult, Worker
from distilwhy.pipeline.experiment import Experiment
from distilwhy.pipeline.ray_cluster import connect_ray
from distilwhy.store.ledger import Charge
from distilwhy.store.shards import write_shard
from distilwhy.teachers.base import Teacher

ROUNDS = 16
MOST_LOSSES = 3
STARTS_WITHIN_S = 600.0
CHECKS_EVERY_S = 0.1
STOPS_WITHIN_S = 10.0


class RayWorkers:
    """Workers on a cluster, and what they have under way. Get one from ``open_ray``.

    Args:
        guard: None: there is no budget.
        workers: How many; None: one for every node that has a CPU to give.
    """

    def __init__(
        self,
        ray: ModuleType,
        experiment: Experiment,
        teacher: Teacher,
        recorder: Recorder,
        guard: BudgetGuard | None,
        workers: int | None,
    ) -> None:
        config = teacher.remote_config
        assert config is not None
        self._ray = ray
        self._teacher = teacher
        self._folder = experiment.folder
        self._recorder = recorder
        self._guard = guard
        self._concurrency = config.concurrency
        # Ray restarts a worker that died, elsewhere if need be; its shard is retried here.
        remote = ray.remote(num_cpus=1, max_restarts=-1)(Worker)
        prices, places = guard.prices if guard else None, _places(ray, workers)
        self.workers = [
            remote.options(scheduling_strategy=place).remote(config, prices, len(places))
            for place in places
        ]
        self._idle: list[Any] = []
        self._starting = {worker.version.remote(): worker for worker in self.workers}
        self._sent: dict[Any, tuple[Any, Shard]] = {}
        self._next: Shard | None = None
        self._calls: Iterator[Call] = iter(())
        self._again: deque[Call] = deque()
        self._losses: Counter[bytes] = Counter()

    def ask(self, calls: Iterator[Call]) -> None:
        """Make all of some calls, and record the results shard by shard.

        Raises:
            TeacherError: if the teacher cannot be asked any more, no worker starts, or some calls
                are lost again and again; what was answered is recorded.
            BudgetError: if what is left would not cover the worst case of the next call.
        """
        self._calls = calls
        try:
            while self._has_next() or self._sent:
                if self._next and self._idle:
                    worker, shard = self._idle.pop(), self._next
                    self._sent[worker.ask.remote(shard)] = worker, shard
                    self._next = None
                else:
                    self._await_worker()
        finally:
            self._stop()

    def _has_next(self) -> bool:
        self._next = self._next or self._cut()
        return self._next is not None

    def _cut(self) -> Shard | None:
        """The next shard, with as many calls as can be afforded; None if there are no calls, or
        no more may be under way."""
        calls: list[Call] = []
        worst, reserved, at_once = Usage(), NOTHING, self._concurrency
        while len(calls) < ROUNDS * at_once and (call := self._take_call()):
            if self._guard:
                tokens, cost = self._guard.worst(self._teacher, call)
                at_once = at_once if calls else self._room(self._guard, cost)
                if not at_once or not self._guard.reserve(cost):
                    self._again.appendleft(call)
                    if not calls and not self._sent:
                        raise self._guard.used_up(cost)
                    break
                worst, reserved = worst + tokens, reserved + cost
            calls.append(call)
        if not calls:
            return None
        failed = frozenset(call.key for call in calls if self._recorder.failed_before(call))
        if not self._guard:
            return Shard(calls, failed, at_once=at_once)
        return Shard(calls, failed, reserved, worst, self._guard.largest, at_once)

    def _room(self, guard: BudgetGuard, cost: Decimal) -> int:
        """How many further calls a worker may have under way."""
        under_way = sum(shard.at_once for _, shard in self._sent.values())
        return int(max(0, min(self._concurrency, guard.max_in_flight(cost) - under_way)))

    def _take_call(self) -> Call | None:
        return self._again.popleft() if self._again else next(self._calls, None)

    def _await_worker(self) -> None:
        """Wait until a worker has started, returns its shard, or is lost."""
        timeout = None if self._sent else STARTS_WITHIN_S
        ready, _ = self._ray.wait([*self._sent, *self._starting], timeout=timeout)
        if not ready:
            raise TeacherError(
                f"no worker could start within {STARTS_WITHIN_S:.0f} s; each takes one CPU: see "
                "'ray status' for what the cluster lacks, then run again"
            )
        if ready[0] in self._starting:
            self._add_worker(ready[0])
        elif error := self._receive(ready[0]):
            raise error

    def _add_worker(self, reply: Any) -> None:
        """Make a worker that has started available, if its version is ours."""
        worker = self._starting.pop(reply)
        errors = self._ray.exceptions
        try:
            version = self._ray.get(reply)
        except errors.ActorDiedError as error:
            raise TeacherError(
                f"a node of the cluster cannot start a worker ({_last_line(error)}); install "
                f"distilwhy {__version__} with its extra 'ray' on every node"
            ) from None
        except errors.RayError:
            time.sleep(CHECKS_EVERY_S)
            self._starting[worker.version.remote()] = worker
            return
        if version != __version__:
            raise TeacherError(
                f"a node of the cluster has distilwhy {version} and this is {__version__}; "
                "install the same on every node"
            )
        self._idle.append(worker)

    def _receive(self, reply: Any) -> DistilwhyError | None:
        """Record what a worker returns; returns the error that ended its work, if any."""
        worker, shard = self._sent.pop(reply)
        try:
            result: ShardResult = self._ray.get(reply)
        except self._ray.exceptions.RayTaskError:
            raise
        except self._ray.exceptions.RayError:
            self._starting[worker.version.remote()] = worker
            return self._retry_lost(shard)
        self._idle.append(worker)
        self._record(shard, result)
        if isinstance(result.error, ConfigError):
            return ConfigError(f"on a node of the cluster, {result.error}")
        return result.error

    def _record(self, shard: Shard, result: ShardResult) -> None:
        """Record the results of a shard: in a file, then in the ledger."""
        entries, charges = result.entries, result.charges
        file = write_shard(self._folder.shards, entries, charges) if entries or charges else None
        if self._guard:
            self._guard.settle(shard.reserved, result.spent)
            self._guard.adopt(result.largest, result.kept)
        if result.notice:
            self._recorder.notify(result.notice)
        settled = {entry.key for entry in entries}
        self._again.extend(call for call in shard.calls if call.key not in settled)
        if file:
            self._recorder.record_shard(entries, charges, file)

    def _retry_lost(self, shard: Shard) -> TeacherError | None:
        """Make the calls of a lost shard again; the first time may have been billed."""
        calls = shard.calls
        what = f"{counted(len(calls), 'call')} lost with a worker"
        charges = [Charge(what, shard.worst, certain=False)] if self._guard else []
        self._recorder.record_lost(calls, charges)
        if self._guard:
            self._guard.settle(shard.reserved, shard.reserved)
        self._again.extend(calls)
        self._losses.update(call.key for call in calls)
        if max(self._losses[call.key] for call in calls) < MOST_LOSSES:
            return None
        return TeacherError(
            f"calls were lost {MOST_LOSSES} times, each time with the worker that had them; see in "
            "Ray's logs why workers die, then run again to go on"
        )

    def _stop(self) -> None:
        """Stop the shards under way after an error, and record what was answered of them.

        What is reserved for a shard that is not returned stays reserved, and is owed from then on.
        """
        if self._next and self._guard:
            self._guard.settle(self._next.reserved, NOTHING)
        self._next = None
        self._again.clear()
        for worker, _ in self._sent.values():
            worker.stop.remote()
        if replies := [*self._sent]:
            done, _ = self._ray.wait(replies, num_returns=len(replies), timeout=STOPS_WITHIN_S)
            for reply in done:
                self._receive(reply)


@contextmanager
def open_ray(
    experiment: Experiment,
    teacher: Teacher,
    recorder: Recorder,
    guard: BudgetGuard | None,
    workers: int | None,
) -> Iterator[RayWorkers]:
    """Workers on the Ray cluster that this machine belongs to, or on this machine alone.

    Raises:
        ConfigError: if other machines cannot ask the teacher, or Ray is not installed.
        RunError: if there is a cluster, and it cannot be reached.
    """
    if teacher.remote_config is None:
        kind = experiment.config.teacher.kind
        raise ConfigError(
            f"{experiment.file}: a teacher of kind {kind!r} cannot be asked over a cluster; "
            "leave out --engine"
        )
    with connect_ray() as ray:
        ray_workers = RayWorkers(ray, experiment, teacher, recorder, guard, workers)
        try:
            yield ray_workers
        finally:
            for worker in ray_workers.workers:
                ray.kill(worker)


def _places(ray: ModuleType, workers: int | None) -> list[Any]:
    """Where to place workers: one on each node, as long as it lives, and more anywhere."""
    on = import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy
    nodes = [
        on(node["NodeID"], soft=True)
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("CPU", 0) >= 1
    ]
    count = workers or max(1, len(nodes))
    return [*nodes, *["SPREAD"] * count][:count]


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
