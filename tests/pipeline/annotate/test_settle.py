"""What a request leaves behind, whether it was sent directly, in a batch, or by a cluster."""

import pytest

from distilwhy.core.cost import Usage
from distilwhy.core.parsing.completion import Completion
from distilwhy.pipeline.annotate.settle import Settlement, settle
from distilwhy.store.ledger import Charge, Entry, SentCall
from distilwhy.teachers.call_result import CallResult

WORST = Usage(100, 50)
CALL = SentCall(b"key", "a1", WORST)
COUNTED = Completion("Why.", input_tokens=12, output_tokens=7, cached_tokens=4)
UNCOUNTED = Completion("Why.")
REFUSED = Completion("", error="HTTP 400: no")
LOST = CallResult(problem="no answer within 1 s", maybe_billed=True)
BUSY = CallResult(problem="HTTP 503: busy", rate_limited=True)


@pytest.mark.parametrize("final", [False, True])
def test_an_answer_costs_the_tokens_that_were_counted(final: bool):
    settled = settle(CALL, CallResult(COUNTED, seconds=0.5), final=final)
    assert settled == Settlement(Entry(b"key", COUNTED, "a1", 0.5), (), Usage(12, 7, 4))


def test_an_answer_without_a_count_is_charged_at_its_worst_case():
    charge = Charge("answered without a count of tokens", WORST, certain=False)
    settled = settle(CALL, CallResult(UNCOUNTED), final=False)
    assert settled == Settlement(Entry(b"key", UNCOUNTED, "a1"), (charge,), WORST)


def test_a_request_that_is_refused_for_good_costs_nothing():
    settled = settle(CALL, CallResult(REFUSED), final=False)
    assert settled == Settlement(Entry(b"key", REFUSED, "a1"), (), Usage())


@pytest.mark.parametrize("final", [False, True])
def test_a_lost_reply_is_charged_at_its_worst_case(final: bool):
    settled = settle(CALL, LOST, final=final)
    assert settled.charges == (Charge(LOST.problem, WORST, certain=False),)
    assert settled.billed == WORST


def test_a_call_fails_for_good_only_after_its_last_try():
    assert settle(CALL, BUSY, final=False) == Settlement(None, (), Usage())
    failed = Entry(b"key", Completion("", error="HTTP 503: busy"), "a1")
    assert settle(CALL, BUSY, final=True) == Settlement(failed, (), Usage())


def test_nothing_is_charged_if_costs_are_not_tracked():
    untracked = SentCall(b"key", "a1", Usage())
    assert settle(untracked, LOST, final=False).charges == ()
    assert settle(untracked, CallResult(UNCOUNTED), final=False).charges == ()


def test_the_entry_of_a_batched_call_says_so():
    batched = SentCall(b"key", "a1", Usage(100, 50, batch=True))
    entry = settle(batched, CallResult(COUNTED), final=False).entry
    assert entry == Entry(b"key", COUNTED, "a1", batch=True)
