"""Stops annotating when call after call fails."""

from collections.abc import Container

from distilwhy.errors import TeacherError
from distilwhy.store.ledger import Entry


class FailureLimit:
    """Counts failed calls in a row.

    Args:
        limit: How many stop it; None: any number is allowed.
        failed_before: The keys of calls that failed in an earlier run. Their failing again is not
            counted, so that running again always gets further.
    """

    def __init__(self, limit: int | None, failed_before: Container[bytes]) -> None:
        self._limit = limit
        self._failed_before = failed_before
        self._in_a_row = 0

    def count(self, entry: Entry) -> None:
        """Count one call.

        Raises:
            TeacherError: if the limit is reached.
        """
        if entry.completion.error is None:
            self._in_a_row = 0
        elif entry.key not in self._failed_before:
            self._in_a_row += 1
        if self._in_a_row == self._limit:
            raise TeacherError(
                f"the last {self._limit} calls have all failed ({entry.completion.error}); "
                "check the teacher section, and that the endpoint is up, then run again to go on"
            )
