"""Answers that ended badly, to be asked for again."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from distilwhy.core.estimate import Estimate, Measured
from distilwhy.core.parsing.completion import Outcome
from distilwhy.pipeline.annotate.call import Call
from distilwhy.pipeline.annotate.estimate import MEASURED, Basis, Some, estimate_calls
from distilwhy.pipeline.annotate.records import Answer, Row
from distilwhy.pipeline.experiment import Experiment


@dataclass(frozen=True)
class RetryPlan:
    """Calls to make again.

    Attributes:
        keys: All of them.
        answered: Those whose answer must be forgotten first; the others failed.
        outcomes: How they ended, with how often.
        estimate: What they will take; None where there is nothing to pay.
    """

    keys: frozenset[bytes]
    answered: frozenset[bytes]
    outcomes: dict[Outcome, int]
    estimate: Estimate | None

    def calls(self, experiment: Experiment) -> Iterator[Call]:
        """The calls themselves."""
        for call in experiment.inquiry.answer_calls():
            if call.key in self.keys:
                yield call
        for call in experiment.inquiry.explanation_calls():
            if call.key in self.keys:
                yield call


def plan_retry(
    experiment: Experiment, rows: Iterable[Row], outcomes: Collection[Outcome]
) -> RetryPlan:
    """Pick the answers to some rows that ended in one of some ways."""
    ended: dict[bytes, Outcome] = {}
    answered: set[bytes] = set()
    known: list[Measured] = []
    some = Some()
    sent = 0
    for row in rows:
        for answer in row.calls:
            if len(known) < MEASURED:
                known += _measure(answer)
            key = answer.call.key
            if answer.annotation.outcome not in outcomes or key in ended:
                continue
            ended[key] = answer.annotation.outcome
            sent += answer.call.prompt.size
            some.add([answer.call.prompt])
            if answer.entry.completion.error is None:
                answered.add(key)
    basis = Basis(sent, some.prompts, known)
    return RetryPlan(
        frozenset(ended),
        frozenset(answered),
        dict(Counter(ended.values())),
        estimate_calls(experiment.inquiry, experiment.config, len(ended), basis),
    )


def _measure(answer: Answer) -> list[Measured]:
    said, seconds = answer.entry.completion, answer.entry.seconds
    if said.input_tokens is None or said.output_tokens is None:
        return []
    return [Measured(answer.call.prompt.size, said.input_tokens, said.output_tokens, seconds)]
