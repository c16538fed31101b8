"""Ask the teacher about every row that the ledger does not answer yet."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from itertools import chain, islice
from typing import Any, Literal

from distilwhy.core.estimate import Estimate
from distilwhy.errors import ConfigError, TeacherError
from distilwhy.pipeline.annotate.budget import BudgetGuard, open_budget, require_enough
from distilwhy.pipeline.annotate.calls import Call, CallBuilder, open_calls
from distilwhy.pipeline.annotate.coverage import find_coverage, spread_rows
from distilwhy.pipeline.annotate.estimate import (
    Basis,
    PendingWork,
    estimate_calls,
    find_pending_answers,
    find_pending_explanations,
    measure,
)
from distilwhy.pipeline.annotate.gate import Sample, check, look_at
from distilwhy.pipeline.annotate.recorder import AnnotationProgress, OnProgress, Recorder
from distilwhy.pipeline.annotate.records import explanation_calls
from distilwhy.pipeline.annotate.retry import RetryPlan
from distilwhy.pipeline.annotate.transports.batch import Batching, give_up_batches, open_batching
from distilwhy.pipeline.annotate.transports.dispatcher import Dispatcher, Limits
from distilwhy.pipeline.annotate.transports.ray import open_ray
from distilwhy.pipeline.experiment import Experiment
from distilwhy.store.examples_on_disk import pick
from distilwhy.store.ledger import Ledger, open_ledger
from distilwhy.store.shards import import_shards
from distilwhy.students.training.distributed import require_single_process


@dataclass(frozen=True)
class Offer:
    """What is about to be asked, for someone to agree to.

    Attributes:
        estimate: What it will take.
        repaid: The rows that were answered before in other words, or by another teacher.
        sample: What the first answers are like; None before there are any.
        retry: Answers that will be forgotten and asked for again; None where there are none.
    """

    estimate: Estimate
    repaid: int = 0
    sample: Sample | None = None
    retry: RetryPlan | None = None


Agree = Callable[[Offer], bool]
Engine = Literal["asyncio", "ray"]
Ask = Callable[[Iterator[Call]], None]
ListCalls = Callable[[], Iterator[Call]]


def annotate(
    experiment: Experiment,
    limit: int | None = None,
    watch: OnProgress = lambda progress: None,
    *,
    agree: Agree = lambda offer: True,
    budget: Decimal | None = None,
    pilot: int | None = None,
    retry: RetryPlan | None = None,
    engine: Engine = "asyncio",
    workers: int | None = None,
    wait: bool = True,
    forget_batches: bool = False,
) -> AnnotationProgress:
    """Ask what is missing, keep every answer, and say how it went.

    Rows whose call failed for good before are asked again; rows with an answer never are. Once
    all answers are asked for, the teacher is asked to explain the gold labels that it missed.
    An endpoint is first asked about the few rows of ``teacher.gate``, spread over all; the rest
    are asked about if their answers are good enough. With ``teacher.batch`` the rest is handed
    over in batches; what an earlier run handed over is fetched, and never handed over again.

    Args:
        limit: Ask no more calls than this.
        watch: Called whenever answers have been kept.
        agree: Asked before rows are paid anew that were answered in other words, and again when
            the first answers of the gate are there; False ends it.
        budget: Spend no more than this on the run folder, ever, rather than ``teacher.budget``.
        pilot: Ask about so many rows, spread over all, and about no others.
        retry: Forget these answers and ask for them again, and for no others. What they cost
            stays on the books.
        engine: Where to ask from: this process, or the workers of a Ray cluster.
        workers: How many of those; None: one for every node.
        wait: Wait for batches that are under way; else look at each once, hand over what is
            missing, and come back.
        forget_batches: Ask anew what batches have under way; it stays counted as spent.

    Raises:
        TeacherError: if the endpoint is dead, refuses the key, or fails call after call, if
            the first answers are no good, or nobody agrees; what was answered is kept.
        BudgetError: if what is left would not cover the worst case of the next call.
        ConfigError: if there is a budget and no prices, or a teacher that bills nobody; if Ray is
            wanted and not installed, or for batches.
        RunError: if another process works in the run folder, or was started with this one.
    """
    require_single_process()
    folder = experiment.folder
    with (
        folder.lock(),
        open_ledger(folder.ledger) as ledger,
        open_ledger(folder.ledger) as looked_up,
    ):
        experiment.write_resolved()
        import_shards(folder.shards, ledger)
        if forget_batches:
            give_up_batches(ledger)
        guard = open_budget(experiment, ledger, budget)
        calls = open_calls(experiment)
        recorder = Recorder(ledger, watch, calls.teacher.failure_limit)
        batching = open_batching(experiment, calls.teacher, ledger, recorder, guard)
        try:
            with _open_engine(engine, workers, experiment, calls, recorder, guard) as (ask, askers):
                work = _Annotating(
                    experiment, calls, looked_up, recorder, ask, askers, agree, batching, wait=wait
                )
                if retry is None:
                    work.do(limit, pilot)
                else:
                    require_enough(retry, guard)
                    work.do_again(retry, limit)
        finally:
            calls.teacher.close()
            if guard:
                guard.close()
        return recorder.progress


@contextmanager
def _open_engine(
    engine: Engine,
    workers: int | None,
    experiment: Experiment,
    calls: CallBuilder,
    recorder: Recorder,
    guard: BudgetGuard | None,
) -> Iterator[tuple[Ask, int]]:
    """What asks some calls and has them kept, and how many do so side by side."""
    if engine == "ray":
        if experiment.config.teacher.by_batch:
            raise ConfigError(
                f"{experiment.file}: teacher.batch hands calls over from one place; take it out, "
                "or leave --engine ray out"
            )
        with open_ray(experiment, calls.teacher, recorder, guard, workers) as ray_workers:
            yield ray_workers.ask, len(ray_workers.workers)
        return

    def ask(some: Iterator[Call]) -> None:
        limits = Limits.of(experiment.config.teacher.pace)
        _run(
            Dispatcher(calls.teacher, some, recorder.record, recorder.failures, limits, guard).run()
        )

    yield ask, 1


class _Annotating:
    """One annotation, step by step.

    Args:
        ask: Asks some calls, and has them kept.
        askers: How many do so side by side.
        batching: Hands some calls over in batches; None where no endpoint is asked.
        wait: Whether to wait for batches.
    """

    def __init__(
        self,
        experiment: Experiment,
        calls: CallBuilder,
        ledger: Ledger,
        recorder: Recorder,
        ask: Ask,
        askers: int,
        agree: Agree,
        batching: Batching | None,
        *,
        wait: bool,
    ) -> None:
        self._experiment = experiment
        self._workers = askers
        self._calls = calls
        self._coverage = find_coverage(experiment, calls, ledger)
        self._ledger = ledger
        self._recorder = recorder
        self._ask_some = ask
        self._agree = agree
        self._batching = batching
        self._by_batch = experiment.config.teacher.by_batch
        self._wait = wait

    def do(self, limit: int | None, pilot: int | None) -> None:
        """Ask for answers, then for explanations."""
        answers = find_pending_answers(self._experiment, self._calls, self._coverage, self._ledger)
        self._recorder.add_calls(answers.calls, answers.answered)
        if pilot is not None:
            rows = spread_rows(self._experiment.annotated, pilot)
            self._ask(lambda: map(self._calls.answer_call, rows), limit)
            return
        if answers.missing:
            self._warn_of_repaying(answers)
            self._pass_gate(answers, limit)
        self._ask_all(self._answer_calls, answers, limit)
        # Which rows need an explanation is known when the answers are there, and no sooner.
        if not self._recorder.progress.batches:
            explanations = find_pending_explanations(self._calls, self._ledger)
            self._recorder.add_calls(explanations.calls, explanations.answered)
            self._ask_all(self._explanation_calls, explanations, limit)

    def do_again(self, retry: RetryPlan, limit: int | None) -> None:
        """Forget some answers, and ask for them again."""
        self._recorder.add_calls(len(retry.calls), 0)
        if retry.estimate:
            self._agree_on(Offer(retry.estimate, retry=retry))
        self._ledger.forget(retry.answered, "asked again")
        self._ask(lambda: iter(retry.calls), limit)

    def _answer_calls(self) -> Iterator[Call]:
        """The calls that ask for answers to the rows that lack one."""
        is_open = self._coverage.is_open
        rows = [pick(rows, is_open[name]) for name, rows in self._experiment.annotated.items()]
        return self._calls.all_answer_calls(lambda: chain(*rows))

    def _explanation_calls(self) -> Iterator[Call]:
        return explanation_calls(self._calls, self._ledger)

    def _ask_all(self, list_calls: ListCalls, found: PendingWork, limit: int | None) -> None:
        """Ask, or hand over, what is missing; what is under way in batches is waited for first."""
        batching, by_batch = self._batching, self._by_batch
        was_under_way = batching is not None and batching.is_under_way
        if batching and (was_under_way or (by_batch and found.missing)):
            missing = partial(self._recorder.missing, list_calls, self._ledger)
            left = None if limit is None else max(0, limit - self._recorder.made)
            _run(batching.run(missing if by_batch else None, left, wait=self._wait))
        if not by_batch and (was_under_way or found.missing):
            self._ask(list_calls, limit)

    def _ask(self, list_calls: ListCalls, limit: int | None) -> None:
        calls = self._recorder.missing(list_calls, self._ledger)
        if limit is not None:
            calls = islice(calls, max(0, limit - self._recorder.made))
        self._ask_some(calls)

    def _warn_of_repaying(self, found: PendingWork) -> None:
        expected = self._estimate(found.missing, found.basis) if found.repaid else None
        if expected:
            self._agree_on(Offer(expected, found.repaid))

    def _pass_gate(self, found: PendingWork, limit: int | None) -> None:
        teacher = self._experiment.config.teacher
        if found.missing <= teacher.gate.rows:
            return
        rows = spread_rows(self._experiment.annotated, teacher.gate.rows)
        calls = {call.key: call for call in map(self._calls.answer_call, rows)}
        known = self._ledger.answered(calls)
        made = self._recorder.made
        self._ask(lambda: iter(calls.values()), limit)
        sample = look_at(self._calls, self._ledger, rows)
        check(sample, teacher.gate)
        # Where they were answered before, and nothing else was, nobody has agreed yet.
        is_open = self._recorder.made > made or 0 < len(known) == found.answered
        if is_open and (limit is None or self._recorder.made < limit):
            new = [calls[key] for key in self._ledger.answered(calls) - known]
            left = found.missing - len(new)
            basis = replace(
                found.basis,
                sent=found.basis.sent * left / found.missing,
                known=[*found.basis.known, *measure(self._ledger, new)],
            )
            if expected := self._estimate(left, basis):
                self._agree_on(Offer(expected, sample=sample))

    def _estimate(self, calls: int, basis: Basis) -> Estimate | None:
        config = self._experiment.config
        return estimate_calls(self._calls, config, calls, basis, self._workers)

    def _agree_on(self, offer: Offer) -> None:
        if not self._agree(offer):
            raise TeacherError("not agreed to, so nothing more is asked; what was answered is kept")


def _run(asking: Coroutine[Any, Any, None]) -> None:
    """Run to the end, in a thread of its own where a loop runs already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(asking)
        return
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, asking).result()
