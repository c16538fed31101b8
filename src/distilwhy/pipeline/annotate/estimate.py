"""What is there already, what is missing, and what that will take: before anything is asked."""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

import numpy as np

from distilwhy.config import (
    Settings,
)
from distilwhy.core.estimate import Counted, Estimate, Measured, estimate
from distilwhy.core.prompt import Prompt, render_reply
from distilwhy.pipeline.annotate.call import Call
from distilwhy.pipeline.annotate.calls import Inquiry
from distilwhy.pipeline.annotate.coverage import Coverage, count_distinct, thin
from distilwhy.pipeline.experiment import Experiment
from distilwhy.store.examples import pick
from distilwhy.store.ledger import Ledger, head_of

CHUNK = 500
MEASURED = 500
COUNTED = 2000


@dataclass(frozen=True)
class Basis:
    """What the estimate of some calls is made from.

    Attributes:
        sent: The bytes of them all.
        some: Some of their prompts, to count the tokens of.
        known: Answered calls like them.
    """

    sent: float
    some: Sequence[Prompt]
    known: Sequence[Measured]


@dataclass(frozen=True)
class PendingWork:
    """Calls, each but once.

    Attributes:
        calls: All.
        answered: Those that the ledger holds.
        under_way: Those that are in batches, and have no answer yet.
        repaid: The rows that were answered before in other words, or by another teacher, and
            are missing now.
        basis: To tell what the missing ones will take.
    """

    calls: int
    answered: int
    under_way: int
    repaid: int
    basis: Basis

    @property
    def missing(self) -> int:
        """The calls to make."""
        return self.calls - self.answered - self.under_way


def survey_answers(experiment: Experiment, standing: Coverage, ledger: Ledger) -> PendingWork:
    """Look at the calls that ask for answers, most of them by what the roll says of them."""
    missing = standing.is_missing
    sizes = standing.roll.sizes
    sent = sum(int(sizes[name] @ calls.sum(axis=1)) for name, calls in missing.items())
    sharing = sum(int(calls.sum()) for calls in missing.values())
    counted = thin({n: np.any(calls, axis=1) for n, calls in missing.items()}, COUNTED)
    measured = thin({n: calls[:, 0] for n, calls in standing.is_answered.items()}, MEASURED)
    some: list[Prompt] = []
    looked_at: list[Call] = []
    for name, rows in experiment.annotated.items():
        picked = counted[name] | measured[name]
        for example, is_counted in zip(pick(rows, picked), counted[name][picked], strict=True):
            call = experiment.inquiry.answer_call(example)
            if is_counted:
                some.append(call.prompt)
            looked_at.append(call)
    found = PendingWork(
        standing.calls,
        standing.answered,
        standing.under_way,
        _count_repaid(experiment, standing, ledger),
        Basis(sent, some, measure(ledger, looked_at)),
    )
    # Rows that are asked about in the same words are asked about once.
    sent_once = sent * found.missing / max(1, sharing)
    return replace(found, basis=replace(found.basis, sent=sent_once))


def survey_explanations(inquiry: Inquiry, ledger: Ledger) -> PendingWork:
    """Look at the calls that ask for explanations, as far as the answers call for any yet."""
    every, found, batched = array("Q"), array("Q"), array("Q")
    known: list[Measured] = []
    some = Some()
    sent = 0
    calls = inquiry.explanation_calls()
    while chunk := list(islice(calls, CHUNK)):
        answered = ledger.answered(call.key for call in chunk)
        waiting = ledger.batched(call.key for call in chunk) - answered
        missing = [call.prompt for call in chunk if call.key not in answered | waiting]
        every.extend(head_of(call.key) for call in chunk)
        found.extend(map(head_of, answered))
        batched.extend(map(head_of, waiting))
        sent += sum(prompt.size for prompt in missing)
        some.add(missing)
        if len(known) < MEASURED:
            known += measure(ledger, chunk)
    count, done, sent_off = (
        count_distinct([np.frombuffer(heads, np.uint64)]) for heads in (every, found, batched)
    )
    return PendingWork(count, done, sent_off, 0, Basis(sent, some.prompts, known))


def both(one: PendingWork, other: PendingWork) -> PendingWork:
    """Two surveys as one."""
    a, b = one.basis, other.basis
    return PendingWork(
        one.calls + other.calls,
        one.answered + other.answered,
        one.under_way + other.under_way,
        one.repaid + other.repaid,
        Basis(a.sent + b.sent, [*a.some, *b.some], [*a.known, *b.known]),
    )


class Some:
    """Of however many prompts up to ``COUNTED``, spread evenly over all."""

    def __init__(self) -> None:
        self.prompts: list[Prompt] = []
        self._seen = 0
        self._every = 1

    def add(self, prompts: Iterable[Prompt]) -> None:
        """Take in some more."""
        for prompt in prompts:
            if self._seen % self._every == 0:
                self.prompts.append(prompt)
            if len(self.prompts) > COUNTED:
                self.prompts, self._every = self.prompts[::2], 2 * self._every
            self._seen += 1


def measure(ledger: Ledger, calls: Sequence[Call]) -> list[Measured]:
    """Those of some calls that are answered, and whose tokens were counted."""
    sizes = {call.key: call.prompt.size for call in calls}
    return [
        Measured(sizes[entry.key], said.input_tokens, said.output_tokens, entry.seconds)
        for entry in ledger.entries(sizes)
        if (said := entry.completion).input_tokens is not None and said.output_tokens is not None
    ]


def estimate_calls(inquiry: Inquiry, config: Settings, calls: int, basis: Basis) -> Estimate | None:
    """What so many calls will take; None where there is nothing to pay."""
    teacher = config.teacher
    if teacher.is_recorded:
        return None
    replies = [len(render_reply(exemplar).encode()) for exemplar in inquiry.exemplars]
    return estimate(
        calls,
        round(basis.sent),
        basis.known,
        teacher.pace,
        config.price_list,
        reply=sum(replies) / len(replies) if replies else 0.0,
        longest=teacher.reply_limit,
        counted=_count(inquiry, teacher.tokenizer_name, basis.some),
        batch=teacher.by_batch,
    )


def _count_repaid(experiment: Experiment, standing: Coverage, ledger: Ledger) -> int:
    if not standing.has_others:
        return 0
    firsts = {name: calls[:, 0] for name, calls in standing.is_missing.items()}
    rows = chain(*(pick(rows, firsts[name]) for name, rows in experiment.annotated.items()))
    repaid = 0
    while chunk := list(islice(rows, CHUNK)):
        repaid += len(ledger.known_examples([example.id for example in chunk]))
    return repaid


def _count(inquiry: Inquiry, tokenizer: str | None, prompts: Sequence[Prompt]) -> Counted | None:
    """The tokens of some prompts; None where the teacher has no tokenizer."""
    tokens = inquiry.teacher.count(prompts) if prompts else None
    if tokens is None:
        return None
    return Counted(f"the tokenizer of {tokenizer}", [prompt.size for prompt in prompts], tokens)
