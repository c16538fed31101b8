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
    if result.completion is None:
        unseen = result.problem if result.maybe_billed else ""
    else:
        is_uncounted = result.completion.error is None and result.completion.usage is None
        unseen = UNCOUNTED if is_uncounted else ""
    if unseen:
        is_tracked = call.worst.input or call.worst.output
        charges = (Charge(unseen, call.worst, certain=False),) if is_tracked else ()
        return Settlement(entry, charges, call.worst)
    return Settlement(entry, (), (completion and completion.usage) or Usage())
