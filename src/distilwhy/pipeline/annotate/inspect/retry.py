"""Answers that ended badly, to be asked for again."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from distilwhy.core.estimate import Estimate, Measured
from distilwhy.core.parsing.completion import Outcome
from distilwhy.pipeline.annotate.calls import Call, CallBuilder
from distilwhy.pipeline.annotate.estimate import (
    MEASURED,
    Basis,
    PromptSample,
    estimate_calls,
    measure_one,
)
from distilwhy.pipeline.annotate.records import AnnotatedRow
from distilwhy.pipeline.experiment import Experiment


@dataclass(frozen=True)
class RetryPlan:
    """Calls to make again.

    Attributes:
        calls: Those for answers first.
        answered: The keys of those whose answer must be forgotten first; the others failed.
        outcomes: How often they ended in which way.
        estimate: What they will take; None if there is nothing to pay.
    """

    calls: tuple[Call, ...]
    answered: frozenset[bytes]
    outcomes: dict[Outcome, int]
    estimate: Estimate | None


def plan_retry(
    experiment: Experiment,
    calls: CallBuilder,
    rows: Iterable[AnnotatedRow],
    outcomes: Collection[Outcome],
) -> RetryPlan:
    """Pick the answers and explanations of some rows that ended in one of some ways."""
    picked: dict[bytes, Call] = {}
    ended: Counter[Outcome] = Counter()
    answered: set[bytes] = set()
    known: list[Measured] = []
    for row in rows:
        for answer in row.calls:
            call, outcome = answer.call, answer.annotation.outcome
            if len(known) < MEASURED and (measured := measure_one(call.prompt.size, answer.entry)):
                known.append(measured)
            if outcome not in outcomes or call.key in picked:
                continue
            picked[call.key] = call
            ended[outcome] += 1
            if answer.entry.completion.error is None:
                answered.add(call.key)
    sample = PromptSample()
    sample.add(call.prompt for call in picked.values())
    basis = Basis(sum(call.prompt.size for call in picked.values()), sample.prompts, known)
    return RetryPlan(
        tuple(sorted(picked.values(), key=lambda call: call.is_explanation)),
        frozenset(answered),
        dict(ended),
        estimate_calls(calls, experiment.config, len(picked), basis),
    )
