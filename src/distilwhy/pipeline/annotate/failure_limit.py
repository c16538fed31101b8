"""Stops annotating when call after call fails."""

from collections.abc import Container
from dataclasses import dataclass, field

from distilwhy.errors import TeacherError
from distilwhy.store.ledger import Entry


@dataclass
class FailureLimit:
    """Counts failed calls in a row.

    Attributes:
        limit: How many stop it; None: any number is allowed.
        failed_before: The keys of calls that failed in an earlier run. Their failing again is not
            counted, so that running again always gets further.
    """

    limit: int | None
    failed_before: Container[bytes]
    _in_a_row: int = field(default=0, init=False)

    def count(self, entry: Entry) -> None:
        """Count one call, and raise a TeacherError if the limit is reached."""
        if entry.completion.error is None:
            self._in_a_row = 0
        elif entry.key not in self.failed_before:
            self._in_a_row += 1
        if self._in_a_row == self.limit:
            raise TeacherError(
                f"the last {self.limit} calls have all failed ({entry.completion.error}); "
                "check the teacher section, and that the endpoint is up, then run again to go on"
            )
