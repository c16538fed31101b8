"""What the replies of one batch bring."""

from collections import Counter
from collections.abc import Iterable

from distilwhy.core.parsing.completion import Completion
from distilwhy.errors import TeacherError
from distilwhy.store.batches import BatchedCall
from distilwhy.store.ledger import Charge, Entry
from distilwhy.teachers.base import Trouble
from distilwhy.teachers.batch import Line
from distilwhy.teachers.batch_state import BatchState


class Settling:
    """Reads the replies of a batch that has ended, line by line.

    Args:
        open_calls: Its calls that have no answer yet.
        tries_of: How often each call has met trouble; counted on here.
        retries: How often a call is tried again after trouble.

    Attributes:
        answers: The calls that were answered.
        tries: The calls that met trouble, and have one try less.
        trouble: Why one was not; "" where all were.
        hopeless: Why no other request can be answered either; None where they can.
    """

    def __init__(
        self,
        open_calls: dict[bytes, BatchedCall],
        state: BatchState,
        tries_of: Counter[bytes],
        retries: int,
    ) -> None:
        self.answers = 0
        self.tries = 0
        self.trouble = ""
        self.hopeless: TeacherError | None = None
        self._open = open_calls
        # Of a batch that ran out of time no call is to blame.
        self._counts_tries = state.status == "completed"
        self._tries_of = tries_of
        self._retries = retries
        self._lost: list[Charge] = []
        self._unreadable = 0

    def take(self, lines: Iterable[Line | None]) -> tuple[list[Entry], list[Charge]]:
        """What to keep of some lines; a call that is to be tried again is not among it."""
        entries: list[Entry] = []
        extras: list[Charge] = []
        for line in lines:
            if line is None:
                self._unreadable += 1
            elif (call := self._open.pop(line.key, None)) is not None:
                self._read(call, line, entries, extras)
        return entries, extras

    def lost(self) -> list[Charge]:
        """What may have been billed for calls that are to be tried again.

        As many lines as could not be read may have been answers: to the dearest of the calls
        that have no line.
        """
        dearest = sorted(self._open.values(), key=lambda call: -sum(_size(call)))
        unread = dearest[: self._unreadable]
        return [
            *self._lost,
            *(Charge("a line of a batch could not be read", call.worst, False) for call in unread),
        ]

    def _read(
        self, call: BatchedCall, line: Line, entries: list[Entry], extras: list[Charge]
    ) -> None:
        said = line.said
        if isinstance(said, TeacherError):
            self.hopeless, self.trouble = said, str(said)
        elif isinstance(said, Trouble):
            self.trouble = said.what
            self.tries += self._counts_tries
            self._tries_of[call.key] += self._counts_tries
            is_over = self._tries_of[call.key] > self._retries
            if is_over:
                entries.append(_entry(call, Completion("", error=said.what)))
            if said.lost:
                (extras if is_over else self._lost).append(Charge(said.what, call.worst, False))
        else:
            entries.append(_entry(call, said))
            if said.error is not None:
                self.trouble = said.error
                return
            self.answers += 1
            if said.usage is None:
                what = "answered without a count of tokens"
                extras.append(Charge(what, call.worst, certain=False))


def _entry(call: BatchedCall, said: Completion) -> Entry:
    return Entry(call.key, said, call.example, batch=True)


def _size(call: BatchedCall) -> tuple[int, int]:
    return call.worst.input, call.worst.output
