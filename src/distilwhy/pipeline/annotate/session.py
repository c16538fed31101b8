"""One run of ``annotate``: what it opens, and the steps that it takes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property, partial
from itertools import chain, islice
from typing import Literal

import numpy as np

from distilwhy.core.estimate import Estimate
from distilwhy.errors import ConfigError, TeacherError
from distilwhy.pipeline.annotate.budget import BudgetGuard, open_budget
from distilwhy.pipeline.annotate.calls import Call, CallBuilder, open_calls
from distilwhy.pipeline.annotate.coverage import Coverage, find_coverage, spread_rows
from distilwhy.pipeline.annotate.estimate import (
    Basis,
    PendingWork,
    estimate_calls,
    find_pending_answers,
    find_pending_explanations,
    measure,
)
from distilwhy.pipeline.annotate.form import UNTRIED, FormTrial, ReplyForm, remember_form
from distilwhy.pipeline.annotate.gate import AnswerSample, check_sample, read_sample
from distilwhy.pipeline.annotate.inspect.retry import RetryPlan
from distilwhy.pipeline.annotate.loop import run_to_end
from distilwhy.pipeline.annotate.recorded_ids import match_ids
from distilwhy.pipeline.annotate.recorder import FailureLimit, OnProgress, Recorder
from distilwhy.pipeline.annotate.records import explanation_calls, find_missed_gold
from distilwhy.pipeline.annotate.transports.batch import Batching, give_up_batches, open_batching
from distilwhy.pipeline.annotate.transports.dispatcher import Dispatcher, Limits, Record
from distilwhy.pipeline.annotate.transports.ray import open_ray
from distilwhy.pipeline.experiment import Experiment
from distilwhy.store.examples_on_disk import pick
from distilwhy.store.ledger import Ledger, open_ledger
from distilwhy.store.shards import AnswerWriter, import_shards
from distilwhy.students.training.distributed import require_single_process


@dataclass(frozen=True)
class Proposal:
    """Calls that will be made once they are confirmed.

    Attributes:
        repaid: Rows among them that were answered before, to another prompt or by another teacher.
        sample: The first answers; None before there are any.
        retry: The answers that the calls replace; None if they replace none.
    """

    estimate: Estimate
    repaid: int = 0
    sample: AnswerSample | None = None
    retry: RetryPlan | None = None


Confirm = Callable[[Proposal], bool]
Engine = Literal["asyncio", "ray"]
ListCalls = Callable[[], Iterator[Call]]


@dataclass(frozen=True)
class Transport:
    """Makes calls and records their results, on so many machines.

    Attributes:
        ask: Makes one call from this process, and has another function record its result; None if
            calls are only made elsewhere.
    """

    make: Callable[[Iterator[Call]], None]
    workers: int = 1
    ask: Callable[[Call, Record], None] | None = None


@contextmanager
def open_session(
    experiment: Experiment,
    limit: int | None,
    watch: OnProgress,
    confirm: Confirm = lambda proposal: True,
    budget: Decimal | None = None,
    engine: Engine = "asyncio",
    workers: int | None = None,
    *,
    forget_batches: bool = False,
) -> Iterator["AnnotationSession"]:
    """Lock the run folder, and open all that a run needs. For the arguments see ``annotate``."""
    require_single_process()
    folder = experiment.folder
    with (
        folder.lock() as lock,
        open_ledger(folder.ledger, lock) as ledger,
        open_ledger(folder.ledger) as reader,
    ):
        experiment.write_resolved()
        import_shards(folder.shards, ledger)
        if forget_batches:
            give_up_batches(ledger)
        guard = open_budget(experiment, ledger, budget)
        calls = open_calls(experiment)
        match_ids(experiment, calls)  # raises if recorded ids are those of other rows
        writer = AnswerWriter(ledger, folder.shards)
        recorder = Recorder(ledger, writer, watch, calls.teacher.failure_limit)
        batching = open_batching(experiment, calls.teacher, ledger, recorder, guard)
        try:
            with _open_transport(experiment, calls, recorder, guard, engine, workers) as transport:
                yield AnnotationSession(
                    experiment, calls, reader, recorder, transport, batching, guard, confirm, limit
                )
        finally:
            calls.teacher.close()
            if guard:
                guard.close()


@contextmanager
def _open_transport(
    experiment: Experiment,
    calls: CallBuilder,
    recorder: Recorder,
    guard: BudgetGuard | None,
    engine: Engine,
    workers: int | None,
) -> Iterator[Transport]:
    if engine == "ray":
        if experiment.config.teacher.batch:
            raise ConfigError(
                f"{experiment.file}: teacher.batch sends calls from one place; remove it, or leave "
                "out --engine ray"
            )
        with open_ray(experiment, calls.teacher, recorder, guard, workers) as ray_workers:
            yield Transport(ray_workers.ask, len(ray_workers.workers))
        return

    teacher, limits = calls.teacher, Limits.of(experiment.config.teacher.pace)

    def dispatch(some: Iterator[Call], record: Record, failures: FailureLimit) -> None:
        dispatcher = Dispatcher(teacher, some, record, failures, limits, guard, recorder.notify)
        run_to_end(dispatcher.run())

    yield Transport(
        lambda some: dispatch(some, recorder.record, recorder.failures),
        ask=lambda call, record: dispatch(iter([call]), record, FailureLimit(None, ())),
    )


@dataclass(frozen=True)
class AnnotationSession:
    """The steps of a run, over what it has open.

    Attributes:
        ledger: For reading: answers are written over another connection.
        transport: Makes calls one by one.
        batching: Makes calls in batches; None if the teacher has no batch interface.
        guard: Keeps the budget; None if nothing is billed.
        limit: Make at most so many calls; None for all.
    """

    experiment: Experiment
    calls: CallBuilder
    ledger: Ledger
    recorder: Recorder
    transport: Transport
    batching: Batching | None
    guard: BudgetGuard | None
    confirm: Confirm
    limit: int | None

    def find_answers(self) -> PendingWork:
        """The calls for answers that the ledger does not answer."""
        found = self._find_pending()
        self.recorder.add_calls(found.calls, found.answered)
        return found

    def _find_pending(self) -> PendingWork:
        return find_pending_answers(self.experiment, self.calls, self._coverage, self.ledger)

    def find_explanations(self) -> PendingWork:
        """The calls for explanations that the ledger does not answer."""
        found = find_pending_explanations(self.calls, self.ledger, self._missed_gold)
        self.recorder.add_calls(found.calls, found.answered)
        return found

    def list_answer_calls(self) -> Iterator[Call]:
        """The calls about rows that lack an answer."""
        is_open = self._coverage.is_open
        rows = [pick(rows, is_open[name]) for name, rows in self.experiment.annotated.items()]
        return self.calls.all_answer_calls(lambda: chain(*rows))

    def list_explanation_calls(self) -> Iterator[Call]:
        """The calls that ask why gold is right, about rows whose answers missed it."""
        return explanation_calls(self.calls, self._missed_gold)

    def confirm_repaying(self, pending: PendingWork) -> None:
        """Raise a TeacherError unless it is confirmed that rows are paid for again, if any are."""
        estimate = self._estimate(pending.missing, pending.basis) if pending.repaid else None
        if estimate:
            self.require_confirmed(Proposal(estimate, pending.repaid))

    def settle_form(self, pending: PendingWork) -> tuple["AnnotationSession", PendingWork]:
        """This session with the form of replies settled, and its calls that are then pending."""
        if self.calls.form.is_known or not pending.missing:
            return self, pending
        session = replace(self, calls=self.calls.in_form(self._try_schema()))
        return session, session._find_pending()

    def _try_schema(self) -> ReplyForm:
        """The form of replies that the first call shows. It asks for JSON by a schema; another
        reply counts as the answer to the plain prompt."""
        teacher, ask = self.experiment.config.teacher, self.transport.ask
        if ask is None or (teacher.batch and not teacher.gate.rows):
            return UNTRIED
        example, plain = self.experiment.first_row, self.calls.in_form(UNTRIED)
        trial = FormTrial(self.recorder.record, plain.answer_call(example).key)
        ask(self.calls.answer_call(example), trial.record)
        if trial.form.is_known:
            remember_form(self.experiment, trial.form)
        self.recorder.notify(f"replies: {trial.form}")
        return trial.form

    def pass_gate(self, pending: PendingWork) -> None:
        """Ask about a few rows first, check the answers, and have the rest confirmed.

        Raises:
            TeacherError: if the answers are bad, or the rest is not confirmed.
        """
        gate = self.experiment.config.teacher.gate
        if pending.missing <= gate.rows:
            return
        rows = spread_rows(self.experiment.annotated, gate.rows)
        calls = {call.key: call for call in map(self.calls.answer_call, rows)}
        known, made = self.ledger.answered(calls), self.recorder.made
        self.make(lambda: iter(calls.values()))
        sample = read_sample(self.calls, self.ledger, rows)
        check_sample(sample, gate, self.experiment.file)
        # If an earlier run made these calls and no others, it ended before the rest was confirmed.
        is_due = self.recorder.made > made or 0 < len(known) == pending.answered
        if not is_due or self._left == 0:
            return
        answered = [calls[key] for key in self.ledger.answered(calls) - known]
        left, basis = pending.missing - len(answered), pending.basis
        known_now = [*basis.known, *measure(self.ledger, answered)]
        basis = Basis(basis.sent * left / pending.missing, basis.prompts, known_now)
        if estimate := self._estimate(left, basis):
            self.require_confirmed(Proposal(estimate, sample=sample))

    def require_confirmed(self, proposal: Proposal) -> None:
        """Raise a TeacherError unless a proposal is confirmed."""
        if not self.confirm(proposal):
            raise TeacherError("cancelled; answers so far are saved")

    def make_all(self, list_calls: ListCalls, pending: PendingWork, *, wait: bool) -> None:
        """Make the calls that are missing, in batches if the teacher is asked so.

        Batches of an earlier run come first. A call of theirs that is still missing then is made
        like any other.
        """
        batching, by_batch = self.batching, self.experiment.config.teacher.batch
        were_under_way = batching is not None and batching.is_under_way
        if batching and (were_under_way or (by_batch and pending.missing)):
            missing = partial(self.recorder.missing, list_calls, self.ledger) if by_batch else None
            run_to_end(batching.run(missing, self._left, wait=wait))
        if not by_batch and (were_under_way or pending.missing):
            self.make(list_calls)

    def make(self, list_calls: ListCalls) -> None:
        """Make the calls that are missing one by one, up to the limit."""
        calls = self.recorder.missing(list_calls, self.ledger)
        self.transport.make(islice(calls, self._left))

    @property
    def _left(self) -> int | None:
        """How many more calls may be made; None for any number."""
        return None if self.limit is None else max(0, self.limit - self.recorder.made)

    def _estimate(self, calls: int, basis: Basis) -> Estimate | None:
        config = self.experiment.config
        return estimate_calls(self.calls, config, calls, basis, self.transport.workers)

    @cached_property
    def _coverage(self) -> Coverage:
        return find_coverage(self.experiment, self.calls, self.ledger)

    @cached_property
    def _missed_gold(self) -> np.ndarray:
        return find_missed_gold(self.calls, self.ledger)
