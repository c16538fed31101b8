"""Ask the teacher about every row that the ledger does not answer yet."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from distilwhy.core.annotation import Completion
from distilwhy.errors import TeacherError
from distilwhy.flows.call import Call
from distilwhy.flows.experiment import Experiment
from distilwhy.store.ledger import Entry, Ledger, open_ledger
from distilwhy.students.processes import refuse_company
from distilwhy.teachers.base import Teacher


@dataclass(frozen=True)
class Progress:
    """How far an annotation is.

    Attributes:
        total: The calls that annotate all rows; rows with one and the same prompt share a call.
            It grows when the answers are there and some are to be explained.
        from_ledger: Those that were answered before it began.
        answered: Those answered since.
        failed: Those whose call failed for good.
    """

    total: int
    from_ledger: int
    answered: int = 0
    failed: int = 0


Watch = Callable[[Progress], None]


def annotate(
    experiment: Experiment, limit: int | None = None, watch: Watch = lambda progress: None
) -> Progress:
    """Ask what is missing, keep every answer, and say how it went.

    Rows whose call failed for good before are asked again; rows with an answer never are. Once
    all answers are asked for, the teacher is asked to explain the gold labels that it missed.

    Args:
        limit: Ask no more calls than this.
        watch: Called whenever answers have been kept.

    Raises:
        TeacherError: if the endpoint is dead, refuses the key, or fails call after call; what
            was answered is kept.
        RunError: if another process works in the run folder, or was started with this one.
    """
    refuse_company()
    with experiment.folder.lock(), open_ledger(experiment.folder.ledger) as ledger:
        experiment.write_resolved()
        keeper = _Keeper(ledger, watch, experiment.teacher.patience)
        # Which rows need an explanation is known when the answers are there, and no sooner.
        for list_calls in (experiment.answer_calls, experiment.explanation_calls):
            missing = keeper.count_in(list_calls())
            calls = missing if limit is None else missing[: limit - keeper.made]
            if calls:
                _run(_ask_all(experiment.teacher, calls, keeper))
        return keeper.progress


class _Keeper:
    """Writes answers down as they come in, and ends an annotation that leads nowhere.

    Failures of calls that failed before are no news: they are written down and never end it, so
    that running again always gets further.
    """

    def __init__(self, ledger: Ledger, watch: Watch, patience: int | None) -> None:
        self.progress = Progress(total=0, from_ledger=0)
        self._ledger = ledger
        self._watch = watch
        self._patience = patience
        self._failed_before: set[str] = set()
        self._failures_in_a_row = 0

    @property
    def made(self) -> int:
        """How many calls have been made, answered or not."""
        return self.progress.answered + self.progress.failed

    def count_in(self, calls: Sequence[Call]) -> list[Call]:
        """Count further calls, and give those without an answer; ones that failed come last."""
        by_key = {call.key: call for call in calls}
        found = self._ledger.get(by_key)
        settled = {key for key, completion in found.items() if completion.error is None}
        self._failed_before |= found.keys() - settled
        self.progress = replace(
            self.progress,
            total=self.progress.total + len(by_key),
            from_ledger=self.progress.from_ledger + len(settled),
        )
        if by_key:
            self._watch(self.progress)
        missing = [call for key, call in by_key.items() if key not in settled]
        return sorted(missing, key=lambda call: call.key in self._failed_before)

    def keep(self, answers: list[tuple[Call, Completion]]) -> None:
        """Keep answers in one transaction, then count them.

        Raises:
            TeacherError: if the last new calls have all failed.
        """
        if not answers:
            return
        self._ledger.put([Entry(call.key, completion) for call, completion in answers])
        failed = sum(completion.error is not None for _, completion in answers)
        self.progress = replace(
            self.progress,
            answered=self.progress.answered + len(answers) - failed,
            failed=self.progress.failed + failed,
        )
        self._watch(self.progress)
        for call, completion in answers:
            self._lose_patience(call, completion)

    def _lose_patience(self, call: Call, completion: Completion) -> None:
        if completion.error is None:
            self._failures_in_a_row = 0
        elif call.key not in self._failed_before:
            self._failures_in_a_row += 1
        if self._failures_in_a_row == self._patience:
            raise TeacherError(
                f"the last {self._patience} calls have all failed ({completion.error}); check the "
                "teacher section, and that the endpoint is up, then run again to go on"
            )


def _run(asking: Coroutine[Any, Any, None]) -> None:
    """Run to the end, in a thread of its own where a loop runs already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(asking)
        return
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, asking).result()


async def _ask_all(teacher: Teacher, calls: Sequence[Call], keeper: _Keeper) -> None:
    """Workers ask; one keeper writes, so that an answer is on the disk before it is counted."""
    answers: list[tuple[Call, Completion]] = []
    news = asyncio.Event()
    waiting = iter(calls)

    async def work() -> None:
        for call in waiting:
            answers.append((call, await teacher.ask(call.prompt, call.sample)))
            news.set()

    def take() -> list[tuple[Call, Completion]]:
        taken = answers.copy()
        answers.clear()
        return taken

    async with teacher:
        workers = [asyncio.create_task(work()) for _ in calls[: teacher.concurrency]]
        done = asyncio.gather(*workers)
        done.add_done_callback(lambda _: news.set())
        try:
            while not done.done():
                await news.wait()
                news.clear()
                keeper.keep(take())
            await done
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, done, return_exceptions=True)
            keeper.keep(take())


def refuse_unreadable(experiment: Experiment) -> None:
    """Stop before training when more than half of what the teacher said cannot be read.

    Raises:
        TeacherError: with the commonest outcome and a row that has it.
    """
    annotations = list(experiment.read_annotations().values())
    unread = [a for a in annotations if a.outcome != "ok"]
    if len(unread) * 2 > len(annotations):
        [(commonest, _)] = Counter(a.outcome for a in unread).most_common(1)
        worst = next(a for a in unread if a.outcome == commonest)
        raise TeacherError(
            f"{len(unread)} of {len(annotations)} answers cannot be read, so nothing is trained; "
            f"row {worst.example_id!r} is {worst.outcome}: {worst.problem}; "
            "mend the prompt or the answer kind, or ask a better teacher"
        )
