"""How much an endpoint lets wait in batches."""

from collections.abc import Iterable

from distilwhy.teachers.batch_state import BatchState


class BatchCapacity:
    """Learns from batches that are turned away because too much is waiting already.

    Attributes:
        is_scarce: Whether any was turned away: hand over one at a time from then on.
        is_there: Whether another batch may be handed over now.
        is_too_small: Whether batches are turned away though no other has room: make smaller ones.
    """

    def __init__(self) -> None:
        self.is_scarce = False
        self.is_there = True
        self.is_too_small = False
        self._is_full = False

    def look(self, states: Iterable[BatchState]) -> None:
        """Take notice of how all batches that were under way are now."""
        now = list(states)
        waiting = [state for state in now if not state.ended]
        turned_away = any(state.crowded for state in now)
        made = any(state.ended and not state.crowded for state in now)
        if turned_away or made or not waiting:
            self._is_full = turned_away and not made and bool(waiting)
        self.is_scarce = self.is_scarce or turned_away
        self.is_too_small = turned_away and not made and not waiting
        # Whether there was room for the latest one shows when it is validated.
        unknown = self.is_scarce and any(state.status == "validating" for state in waiting)
        self.is_there = not self._is_full and not unknown
