"""Which calls are still to be made, and what they will take."""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

import numpy as np

from distilwhy.config import Settings
from distilwhy.core.estimate import Counted, Estimate, Measured, estimate
from distilwhy.core.prompt import Prompt, render_reply
from distilwhy.pipeline.annotate.calls import Call, CallBuilder
from distilwhy.pipeline.annotate.coverage import Coverage, count_distinct, spread
from distilwhy.pipeline.annotate.records import explanation_calls
from distilwhy.pipeline.experiment import Experiment
from distilwhy.store.examples_on_disk import pick
from distilwhy.store.ledger import Entry, Ledger, head_of

CHUNK = 500
# How many answered calls are measured, and the tokens of how many prompts are counted.
MEASURED = 500
COUNTED = 2000


@dataclass(frozen=True)
class Basis:
    """What the estimate of some calls rests on.

    Attributes:
        sent: The bytes of all their prompts.
        prompts: Some of their prompts, to count the tokens of.
        known: Answered calls like them.
    """

    sent: float
    prompts: Sequence[Prompt]
    known: Sequence[Measured]


@dataclass(frozen=True)
class PendingWork:
    """How many different calls there are, and which of them are still to be made.

    Attributes:
        batched: Those that are in batches, with no answer yet.
        repaid: Rows that have an answer to another prompt or from another teacher, and none to
            these calls.
        basis: What the estimate of the missing calls rests on.
    """

    calls: int
    answered: int
    batched: int
    repaid: int
    basis: Basis

    @property
    def missing(self) -> int:
        """The calls that are still to be made."""
        return self.calls - self.answered - self.batched

    def __add__(self, other: "PendingWork") -> "PendingWork":
        a, b = self.basis, other.basis
        return PendingWork(
            self.calls + other.calls,
            self.answered + other.answered,
            self.batched + other.batched,
            self.repaid + other.repaid,
            Basis(a.sent + b.sent, [*a.prompts, *b.prompts], [*a.known, *b.known]),
        )


def find_pending_answers(
    experiment: Experiment, calls: CallBuilder, coverage: Coverage, ledger: Ledger
) -> PendingWork:
    """The calls for answers that are still to be made. Most is read off the coverage: only a
    sample of prompts is rendered."""
    missing = coverage.is_missing
    sizes = coverage.index.sizes
    sent = sum(int(sizes[name] @ some.sum(axis=1)) for name, some in missing.items())
    sharing = sum(int(some.sum()) for some in missing.values())
    counted = spread({name: np.any(some, axis=1) for name, some in missing.items()}, COUNTED)
    measured = spread({name: some[:, 0] for name, some in coverage.is_answered.items()}, MEASURED)
    prompts: list[Prompt] = []
    rendered: list[Call] = []
    for name, rows in experiment.annotated.items():
        picked = counted[name] | measured[name]
        for example, is_counted in zip(pick(rows, picked), counted[name][picked], strict=True):
            call = calls.answer_call(example)
            if is_counted:
                prompts.append(call.prompt)
            rendered.append(call)
    found = PendingWork(
        coverage.calls,
        coverage.answered,
        coverage.batched,
        _count_repaid(experiment, coverage, ledger),
        Basis(sent, prompts, measure(ledger, rendered)),
    )
    # Rows with the same prompt share one call.
    sent_once = sent * found.missing / max(1, sharing)
    return replace(found, basis=replace(found.basis, sent=sent_once))


def find_pending_explanations(
    calls: CallBuilder, ledger: Ledger, missed_gold: np.ndarray
) -> PendingWork:
    """The calls for explanations that are still to be made; ``missed_gold`` is from
    ``find_missed_gold``."""
    every, found, batched = array("Q"), array("Q"), array("Q")
    known: list[Measured] = []
    sample = PromptSample()
    sent = 0
    asked = explanation_calls(calls, missed_gold)
    while chunk := list(islice(asked, CHUNK)):
        answered = ledger.answered(call.key for call in chunk)
        waiting = ledger.batched(call.key for call in chunk) - answered
        missing = [call.prompt for call in chunk if call.key not in answered | waiting]
        every.extend(head_of(call.key) for call in chunk)
        found.extend(map(head_of, answered))
        batched.extend(map(head_of, waiting))
        sent += sum(prompt.size for prompt in missing)
        sample.add(missing)
        if len(known) < MEASURED:
            known += measure(ledger, chunk)
    count, done, sent_off = (
        count_distinct([np.frombuffer(heads, np.uint64)]) for heads in (every, found, batched)
    )
    return PendingWork(count, done, sent_off, 0, Basis(sent, sample.prompts, known))


class PromptSample:
    """A sample of up to ``COUNTED`` prompts, spread evenly over however many are added."""

    def __init__(self) -> None:
        self.prompts: list[Prompt] = []
        self._seen = 0
        self._every = 1

    def add(self, prompts: Iterable[Prompt]) -> None:
        """Propose further prompts for the sample."""
        for prompt in prompts:
            if self._seen % self._every == 0:
                self.prompts.append(prompt)
            if len(self.prompts) > COUNTED:
                self.prompts, self._every = self.prompts[::2], 2 * self._every
            self._seen += 1


def measure(ledger: Ledger, calls: Sequence[Call]) -> list[Measured]:
    """What some calls took, as far as they are answered and their tokens were counted."""
    sizes = {call.key: call.prompt.size for call in calls}
    measured = (measure_one(sizes[entry.key], entry) for entry in ledger.entries(sizes))
    return [found for found in measured if found]


def measure_one(sent: int, entry: Entry) -> Measured | None:
    """What an answered call with a prompt of ``sent`` bytes took; None if its tokens were not
    counted, or it was refused before any was read."""
    usage = entry.completion.usage
    if usage is None or not usage.input:
        return None
    return Measured(sent, usage.input, usage.output, entry.seconds)


def estimate_calls(
    calls: CallBuilder, config: Settings, count: int, basis: Basis, workers: int = 1
) -> Estimate | None:
    """What so many calls will take, made by ``workers`` machines that each have the teacher's
    concurrency; None if there is nothing to pay."""
    teacher = config.teacher
    if teacher.is_recorded:
        return None
    replies = [len(render_reply(exemplar, calls.task.cue).encode()) for exemplar in calls.exemplars]
    counted, prompts = None, basis.prompts
    if prompts and (tokens := calls.teacher.count(prompts)) is not None:
        by = f"the tokenizer of {teacher.tokenizer}"
        counted = Counted(by, [prompt.size for prompt in prompts], tokens)
    return estimate(
        count,
        round(basis.sent),
        basis.known,
        replace(teacher.pace, concurrency=workers * teacher.pace.concurrency),
        config.price_list,
        reply=sum(replies) / len(replies) if replies else 0.0,
        longest=teacher.max_tokens,
        counted=counted,
        batch=teacher.batch,
    )


def _count_repaid(experiment: Experiment, coverage: Coverage, ledger: Ledger) -> int:
    if not coverage.has_others:
        return 0
    firsts = {name: some[:, 0] for name, some in coverage.is_missing.items()}
    rows = chain(*(pick(rows, firsts[name]) for name, rows in experiment.annotated.items()))
    repaid = 0
    while chunk := list(islice(rows, CHUNK)):
        repaid += len(ledger.known_examples([example.id for example in chunk]))
    return repaid
