"""How many batches an endpoint lets wait."""

from collections.abc import Iterable

from distilwhy.teachers.batch_state import BatchState


class BatchCapacity:
    """Learns from batches that are rejected because too much is waiting already.

    Attributes:
        is_limited: Whether any batch was rejected. From then on they are sent one at a time.
        is_free: Whether another batch may be sent now.
        is_exceeded: Whether a batch is rejected though no other waits: it must be smaller.
    """

    def __init__(self) -> None:
        self.is_limited = False
        self.is_free = True
        self.is_exceeded = False
        self._is_full = False

    def update(self, states: Iterable[BatchState]) -> None:
        """Take note of the present states of all batches that were under way."""
        states = list(states)
        waiting = [state for state in states if not state.ended]
        rejected = any(state.over_limit for state in states)
        freed = any(state.ended and not state.over_limit for state in states)
        if rejected or freed or not waiting:
            self._is_full = rejected and not freed and bool(waiting)
        self.is_limited = self.is_limited or rejected
        self.is_exceeded = rejected and not freed and not waiting
        # Whether the latest batch was within the limit shows once it is validated.
        unknown = self.is_limited and any(state.status == "validating" for state in waiting)
        self.is_free = not self._is_full and not unknown
