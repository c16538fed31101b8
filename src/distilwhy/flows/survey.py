"""What is there already, what is missing, and what that will take: before anything is asked."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from distilwhy.config import (
    HttpTeacherConfig,
    LocalTeacherConfig,
    RecordedTeacherConfig,
    Settings,
)
from distilwhy.core.cost import Prices
from distilwhy.core.estimate import Counted, Estimate, Measured, Pace, estimate
from distilwhy.core.prompt import Prompt, render_reply
from distilwhy.flows.call import Call
from distilwhy.flows.inquiry import Inquiry
from distilwhy.flows.roll import count_calls
from distilwhy.store.ledger import Ledger, head_of

CHUNK = 500
MEASURED = 500
COUNTED = 2000


@dataclass(frozen=True)
class Survey:
    """Calls, each but once, and what the missing ones will take.

    Attributes:
        calls: All.
        answered: Those that the ledger holds.
        under_way: Those that are in batches, and have no answer yet.
        repaid: The rows that were answered before in other words, or by another teacher, and
            would be paid anew.
        estimate: What the missing calls will take; None where there is nothing to pay.
    """

    calls: int
    answered: int
    under_way: int
    repaid: int
    estimate: Estimate | None

    @property
    def missing(self) -> int:
        """The calls to make."""
        return self.calls - self.answered - self.under_way


def survey(inquiry: Inquiry, config: Settings, ledger: Ledger, calls: Iterator[Call]) -> Survey:
    """Look through calls without making any.

    It keeps eight bytes of each key, so that a million calls take a few megabytes.
    """
    every, found, batched = array("Q"), array("Q"), array("Q")
    known: list[Measured] = []
    some = _Some()
    sent = repaid = 0
    while chunk := list(islice(calls, CHUNK)):
        answered = ledger.answered(call.key for call in chunk)
        waiting = ledger.batched(call.key for call in chunk)
        missing = [call for call in chunk if call.key not in answered | waiting]
        every.extend(head_of(call.key) for call in chunk)
        found.extend(map(head_of, answered))
        batched.extend(map(head_of, waiting - answered))
        sent += sum(call.prompt.size for call in missing)
        some.add(call.prompt for call in missing)
        first = [c.prompt for c in missing if not c.sample and not c.again]
        rows = {prompt.example_id for prompt in first}
        repaid += len(ledger.known_examples(sorted(rows)))
        if len(known) < MEASURED:
            known += _measure(ledger, [call for call in chunk if call.key in answered])
    count, done, sent_off = (
        count_calls([np.frombuffer(heads, np.uint64)]) for heads in (every, found, batched)
    )
    to_make = count - done - sent_off
    expected = estimate_calls(inquiry, config, to_make, sent, known, some.prompts)
    return Survey(count, done, sent_off, repaid if expected else 0, expected)


def estimate_calls(
    inquiry: Inquiry,
    config: Settings,
    calls: int,
    sent: int,
    known: Sequence[Measured],
    some: Sequence[Prompt],
) -> Estimate | None:
    """What so many calls, of so many bytes, will take; None where there is nothing to pay.

    Args:
        known: Answered calls like them.
        some: Some of their prompts, to count the tokens of.
    """
    teacher = config.teacher
    if isinstance(teacher, RecordedTeacherConfig):
        return None
    replies = [len(render_reply(exemplar).encode()) for exemplar in inquiry.exemplars]
    return estimate(
        calls,
        sent,
        known,
        _pace(teacher),
        Prices(**config.prices.model_dump()) if config.prices else None,
        reply=sum(replies) / len(replies) if replies else 0.0,
        longest=teacher.max_tokens,
        counted=_count(inquiry, teacher, some),
        batch=isinstance(teacher, HttpTeacherConfig) and teacher.batch,
    )


class _Some:
    """Of however many prompts up to ``COUNTED``, spread evenly over all."""

    def __init__(self) -> None:
        self.prompts: list[Prompt] = []
        self._seen = 0
        self._every = 1

    def add(self, prompts: Iterable[Prompt]) -> None:
        for prompt in prompts:
            if self._seen % self._every == 0:
                self.prompts.append(prompt)
            if len(self.prompts) > COUNTED:
                self.prompts, self._every = self.prompts[::2], 2 * self._every
            self._seen += 1


def _count(
    inquiry: Inquiry, teacher: HttpTeacherConfig | LocalTeacherConfig, prompts: Sequence[Prompt]
) -> Counted | None:
    """The tokens of some prompts; None where the teacher has no tokenizer."""
    tokens = inquiry.teacher.count(prompts) if prompts else None
    if tokens is None:
        return None
    name = teacher.model if isinstance(teacher, LocalTeacherConfig) else teacher.tokenizer
    return Counted(f"the tokenizer of {name}", [prompt.size for prompt in prompts], tokens)


def _pace(teacher: HttpTeacherConfig | LocalTeacherConfig) -> Pace:
    if isinstance(teacher, LocalTeacherConfig):
        # What is known of each of its answers is the share of a batch's time.
        return Pace(concurrency=1)
    return Pace(teacher.concurrency, teacher.requests_per_minute, teacher.tokens_per_minute)


def _measure(ledger: Ledger, calls: Sequence[Call]) -> list[Measured]:
    """The calls whose tokens were counted."""
    sizes = {call.key: call.prompt.size for call in calls}
    return [
        Measured(sizes[entry.key], said.input_tokens, said.output_tokens, entry.seconds)
        for entry in ledger.entries(sizes)
        if (said := entry.completion).input_tokens is not None and said.output_tokens is not None
    ]
