"""Settles the calls of one batch by its replies."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from distilwhy.errors import TeacherError
from distilwhy.pipeline.annotate.budget import BudgetGuard
from distilwhy.pipeline.annotate.settle import settle
from distilwhy.store.ledger import Charge, Entry, SentCall
from distilwhy.teachers.batch import BatchReply
from distilwhy.teachers.batch_state import BatchState


@dataclass
class BatchReplies:
    """Reads the replies of a batch that has ended, line by line.

    Attributes:
        open_calls: The calls of the batch that have no answer yet.
        tries: How many tries each call has used up; counted on here.
        retries: How often a call without a completion is tried again.
        guard: Learns what calls are billed; None: there is no budget.
        answers: The number of calls that were answered.
        failed_tries: The number of calls that used up a try.
        problem: Why the latest call without an answer has none; "" if all have one.
        fatal: Why no other request can be answered either; None if others can.
    """

    open_calls: dict[bytes, SentCall]
    state: BatchState
    tries: Counter[bytes]
    retries: int
    guard: BudgetGuard | None = None
    answers: int = 0
    failed_tries: int = 0
    problem: str = ""
    fatal: TeacherError | None = None
    _charges: list[Charge] = field(default_factory=list)
    _unreadable: int = 0

    def settle(self, lines: Iterable[BatchReply | None]) -> tuple[list[Entry], list[Charge]]:
        """What to record of some lines. Calls to be tried again have no entry."""
        entries: list[Entry] = []
        charges: list[Charge] = []
        for reply in lines:
            if reply is None:
                self._unreadable += 1
            elif (call := self.open_calls.pop(reply.key, None)) is not None:
                self._settle(call, reply, entries, charges)
        return entries, charges

    def charges_at_end(self) -> list[Charge]:
        """What may have been billed for calls that are tried again.

        A line that cannot be read may have been an answer, to the dearest of the calls that have
        no line.
        """
        calls = self.open_calls.values()
        dearest = sorted(calls, key=lambda call: call.worst.input + call.worst.output, reverse=True)
        unread = dearest[: self._unreadable]
        what = "a line of a batch could not be read"
        return [*self._charges, *(Charge(what, call.worst, certain=False) for call in unread)]

    def _settle(
        self, call: SentCall, reply: BatchReply, entries: list[Entry], charges: list[Charge]
    ) -> None:
        if reply.fatal:
            self.fatal, self.problem = reply.fatal, str(reply.fatal)
            return
        if reply.result.completion is None:
            self.problem = reply.result.problem
            if self.state.status == "completed":  # An expired batch uses up no tries.
                self.failed_tries += 1
                self.tries[call.key] += 1
        settled = settle(call, reply.result, final=self.tries[call.key] > self.retries)
        if self.guard and reply.result.completion is not None:
            self.guard.learn(call.worst, settled.billed)
        if settled.entry is None:
            # Recorded when the batch ends: until then the call counts at its worst case anyway.
            self._charges += settled.charges
            return
        entries.append(settled.entry)
        charges += settled.charges
        error = settled.entry.completion.error
        self.answers += error is None
        self.problem = error or self.problem
