"""Asking over a Ray cluster: shards of calls go to workers, and come back to be kept.

The driver alone knows the ledger and the budget. It takes care itself of shards that are lost with
their node, rather than have Ray run them again behind its back, for what was asked twice may be
billed twice.
"""

import logging
import os
import socket
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from importlib import import_module
from types import ModuleType
from typing import Any

from distilwhy._version import __version__
from distilwhy.config import HttpTeacherConfig
from distilwhy.core.cost import NOTHING, Usage
from distilwhy.errors import ConfigError, DistilwhyError, TeacherError
from distilwhy.pipeline.annotate.budget import BudgetGuard
from distilwhy.pipeline.annotate.calls import Call
from distilwhy.pipeline.annotate.recorder import Recorder
from distilwhy.pipeline.annotate.transports.ray_worker import Shard, ShardResult, Worker
from distilwhy.pipeline.experiment import Experiment
from distilwhy.store.ledger import Charge
from distilwhy.store.shards import write_shard
from distilwhy.teachers.base import Teacher

ROUNDS = 16
MOST_LOSSES = 3
STARTS_WITHIN_S = 600.0
GREETS_EVERY_S = 0.1
STOPS_WITHIN_S = 10.0
KNOCKS_FOR_S = 10.0


@dataclass(frozen=True)
class _Load:
    """A shard, and what is put aside for it."""

    shard: Shard
    worst: Usage
    reserved: Decimal


class RayWorkers:
    """Workers on a cluster, and what they have under way. Get one from ``open_ray``.

    Args:
        ray: The module.
        guard: None: whatever it costs.
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
        config = experiment.config.teacher
        assert isinstance(config, HttpTeacherConfig)
        self._ray = ray
        self._teacher = teacher
        self._folder = experiment.folder
        self._recorder = recorder
        self._guard = guard
        self._size = ROUNDS * config.concurrency
        # Ray starts a worker that died again, elsewhere if need be; its shard is our business.
        remote = ray.remote(num_cpus=1, max_restarts=-1)(Worker)
        prices, places = guard.prices if guard else None, _places(ray, workers)
        self.workers = [
            remote.options(scheduling_strategy=place).remote(config, prices, len(places))
            for place in places
        ]
        self._idle: list[Any] = []
        self._greeted = {worker.version.remote(): worker for worker in self.workers}
        self._sent: dict[Any, tuple[Any, _Load]] = {}
        self._next: _Load | None = None
        self._calls: Iterator[Call] = iter(())
        self._again: deque[Call] = deque()
        self._losses: Counter[bytes] = Counter()

    def ask(self, calls: Iterator[Call]) -> None:
        """Ask all of them, and keep what comes of it shard by shard.

        Raises:
            TeacherError: if the teacher cannot be asked any more, no worker starts, or some calls
                are lost again and again; what was answered is kept.
            BudgetError: if what is left would not cover the worst case of the next call.
        """
        self._calls = calls
        try:
            while self._has_next() or self._sent:
                if self._next and self._idle:
                    self._send(self._idle.pop(), self._next)
                else:
                    self._await_news()
        finally:
            self._break_off()

    def _has_next(self) -> bool:
        self._next = self._next or self._cut()
        return self._next is not None

    def _cut(self) -> _Load | None:
        """As many of the next calls as make a shard and can be afforded; None if there are none."""
        calls: list[Call] = []
        worst, reserved = Usage(), NOTHING
        while len(calls) < self._size and (call := self._take_call()):
            if self._guard:
                tokens, cost = self._guard.worst(self._teacher, call)
                if not self._guard.reserve(cost):
                    self._again.appendleft(call)
                    if not calls and not self._sent:
                        raise self._guard.used_up(cost)
                    break
                worst, reserved = worst + tokens, reserved + cost
            calls.append(call)
        if not calls:
            return None
        failed = frozenset(call.key for call in calls if self._recorder.failed_before(call))
        return _Load(Shard(calls, failed, reserved if self._guard else None), worst, reserved)

    def _take_call(self) -> Call | None:
        return self._again.popleft() if self._again else next(self._calls, None)

    def _send(self, worker: Any, load: _Load) -> None:
        self._sent[worker.ask.remote(load.shard)] = worker, load
        self._next = None

    def _await_news(self) -> None:
        """Wait until a worker is there, or hands in its shard, or is lost."""
        patience = None if self._sent else STARTS_WITHIN_S
        news, _ = self._ray.wait([*self._sent, *self._greeted], timeout=patience)
        if not news:
            raise TeacherError(
                f"no worker could start within {STARTS_WITHIN_S:.0f} s; each takes one CPU: see "
                "'ray status' for what the cluster lacks, then run again"
            )
        if news[0] in self._greeted:
            self._welcome(news[0])
        elif error := self._take_back(news[0]):
            raise error

    def _welcome(self, greeting: Any) -> None:
        """Give work to a worker that answers."""
        worker = self._greeted.pop(greeting)
        errors = self._ray.exceptions
        try:
            version = self._ray.get(greeting)
        except errors.ActorDiedError as error:
            raise TeacherError(
                f"a node of the cluster cannot start a worker ({_last_line(error)}); install "
                f"distilwhy {__version__} with its extra 'ray' on every node"
            ) from None
        except errors.RayError:
            time.sleep(GREETS_EVERY_S)
            self._greet(worker)
            return
        if version != __version__:
            raise TeacherError(
                f"a node of the cluster has distilwhy {version} and this is {__version__}; "
                "install the same on every node"
            )
        self._idle.append(worker)

    def _greet(self, worker: Any) -> None:
        self._greeted[worker.version.remote()] = worker

    def _take_back(self, answer: Any) -> DistilwhyError | None:
        """Keep what a worker hands in; what ended it before its time, if anything did."""
        worker, load = self._sent.pop(answer)
        try:
            harvest: ShardResult = self._ray.get(answer)
        except self._ray.exceptions.RayTaskError:
            raise
        except self._ray.exceptions.RayError:
            self._greet(worker)
            return self._lose(load)
        self._idle.append(worker)
        self._keep(load, harvest)
        if isinstance(harvest.error, ConfigError):
            return ConfigError(f"on a node of the cluster, {harvest.error}")
        return harvest.error

    def _keep(self, load: _Load, harvest: ShardResult) -> None:
        """Write down what came of a shard: in a file, and in the ledger."""
        entries, extras = harvest.entries, harvest.extras
        shard = write_shard(self._folder.shards, entries, extras) if entries or extras else None
        if self._guard:
            self._guard.budget.settle(load.reserved, harvest.spent)
        heard = {entry.key for entry in entries}
        self._again.extend(call for call in load.shard.calls if call.key not in heard)
        if shard:
            self._recorder.keep_shard(entries, extras, shard)

    def _lose(self, load: _Load) -> TeacherError | None:
        """Have the calls of a lost shard asked again; the first time may have been billed."""
        calls = load.shard.calls
        what = f"{len(calls)} calls lost with a worker"
        self._recorder.lose(calls, [Charge(what, load.worst, certain=False)] if self._guard else [])
        if self._guard:
            self._guard.budget.settle(load.reserved, load.reserved)
        self._again.extend(calls)
        self._losses.update(call.key for call in calls)
        if max(self._losses[call.key] for call in calls) < MOST_LOSSES:
            return None
        return TeacherError(
            f"calls were lost {MOST_LOSSES} times, each time with the worker that had them; see in "
            "Ray's logs why workers die, then run again to go on"
        )

    def _break_off(self) -> None:
        """End what is under way after an error, and keep what was answered of it.

        What a worker does not hand in stays out, and is a debt from then on.
        """
        if self._next and self._guard:
            self._guard.budget.settle(self._next.reserved, NOTHING)
        self._next = None
        self._again.clear()
        for worker, _ in self._sent.values():
            worker.stop.remote()
        if answers := [*self._sent]:
            done, _ = self._ray.wait(answers, num_returns=len(answers), timeout=STOPS_WITHIN_S)
            for answer in done:
                self._take_back(answer)


@contextmanager
def open_ray(
    experiment: Experiment,
    teacher: Teacher,
    recorder: Recorder,
    guard: BudgetGuard | None,
    workers: int | None,
) -> Iterator[RayWorkers]:
    """Workers on the Ray cluster that this machine belongs to, or on this machine alone.

    Args:
        workers: How many; None: one for every node that has a CPU to give.

    Raises:
        ConfigError: if there is nobody to ask, or Ray is not installed.
        TeacherError: if there is a cluster, and it cannot be reached.
    """
    kind = experiment.config.teacher.kind
    if not isinstance(experiment.config.teacher, HttpTeacherConfig):
        raise ConfigError(
            f"{experiment.file}: a teacher of kind {kind!r} cannot be asked over a cluster; "
            "leave out --engine"
        )
    ray = _import_ray()
    begun_here = not ray.is_initialized()
    if begun_here:
        _connect(ray)
    ray_workers = RayWorkers(ray, experiment, teacher, recorder, guard, workers)
    try:
        yield ray_workers
    finally:
        for worker in ray_workers.workers:
            ray.kill(worker)
        if begun_here:
            ray.shutdown()


def _import_ray() -> ModuleType:
    try:
        return import_module("ray")
    except ModuleNotFoundError:
        raise ConfigError(
            "engine 'ray' is not installed; pip install \"distilwhy[ray]\", or leave out --engine"
        ) from None


def _connect(ray: ModuleType) -> None:
    address = os.environ.get("RAY_ADDRESS", "")
    try:
        _knock(address)
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        raise TeacherError(
            f"the Ray cluster cannot be reached ({_first_line(error)}); see that $RAY_ADDRESS "
            f"({address or 'not set'}) is its head, or unset it to start Ray on this machine"
        ) from error


def _knock(address: str) -> None:
    """Raise an OSError where nobody listens: Ray itself would try for many minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdigit():
        socket.create_connection((host, int(port)), timeout=KNOCKS_FOR_S).close()


def _places(ray: ModuleType, workers: int | None) -> list[Any]:
    """Where workers are to be: on each node one, as long as it lives, and more anywhere."""
    on = import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy
    nodes = [
        on(node["NodeID"], soft=True)
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("CPU", 0) >= 1
    ]
    count = workers or max(1, len(nodes))
    return [*nodes, *["SPREAD"] * count][:count]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
