"""What one request to a teacher leaves behind: a ledger entry, charges, and a cost.

This is the one rule for it, whether the request was sent directly, in a batch, or from a cluster.
"""

from dataclasses import dataclass

from distilwhy.core.cost import Usage
from distilwhy.core.parsing.completion import Completion
from distilwhy.store.ledger import Charge, Entry, SentCall
from distilwhy.teachers.call_result import CallResult

UNCOUNTED = "answered without a count of tokens"


@dataclass(frozen=True)
class Settlement:
    """What to record of a request.

    Attributes:
        entry: The call's answer or failure; None if the call is to be made again.
        charges: What may have been billed beside it.
        billed: The tokens to take off what was reserved for the request.
    """

    entry: Entry | None
    charges: tuple[Charge, ...]
    billed: Usage


def settle(call: SentCall, result: CallResult, *, final: bool) -> Settlement:
    """Settle one request. What may have been billed unseen is charged at its worst case.

    Args:
        final: Whether the call fails for good if this request brought no completion.
    """
    completion = result.completion
    if completion is None and final:
        completion = Completion("", error=result.problem)
    entry = None
    if completion is not None:
        batch = call.worst.batch
        entry = Entry(call.key, completion, call.example, result.seconds, batch=batch)
    if unseen := _find_unseen(result):
        is_tracked = call.worst.input or call.worst.output
        charges = (Charge(unseen, call.worst, certain=False),) if is_tracked else ()
        return Settlement(entry, charges, call.worst)
    return Settlement(entry, (), (completion and completion.usage) or Usage())


def _find_unseen(result: CallResult) -> str:
    """Why the request may have cost an unknown number of tokens; "" if it cannot."""
    if result.completion is None:
        return result.problem if result.maybe_billed else ""
    is_answer = result.completion.error is None
    return UNCOUNTED if is_answer and result.completion.usage is None else ""
