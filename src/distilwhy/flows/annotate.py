"""Ask the teacher about every row that the ledger does not answer yet."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from distilwhy.core.prompt import Prompt, render_prompt
from distilwhy.errors import TeacherError
from distilwhy.flows.experiment import Experiment
from distilwhy.store.ledger import Entry, Ledger, open_ledger
from distilwhy.teachers.base import Teacher


@dataclass(frozen=True)
class Progress:
    """How far an annotation is.

    Attributes:
        total: The calls that annotate all rows; rows with one and the same prompt share a call.
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

    Rows whose call failed for good before are asked again; rows with an answer never are.

    Args:
        limit: Ask no more calls than this.
        watch: Called whenever answers have been kept.

    Raises:
        TeacherError: if the endpoint is dead or refuses the key; what was answered is kept.
        RunError: if another process works in the run folder.
    """
    with experiment.folder.lock(), open_ledger(experiment.folder.ledger) as ledger:
        experiment.write_resolved()
        keys = {example.id: experiment.key(example) for example in experiment.to_annotate}
        settled = {k for k, c in ledger.get(keys.values()).items() if c.error is None}
        missing = {
            keys[example.id]: render_prompt(experiment.task, example)
            for example in experiment.to_annotate
            if keys[example.id] not in settled
        }
        calls = list(missing.items())[:limit]
        progress = Progress(len(set(keys.values())), len(settled))
        watch(progress)
        if not calls:
            return progress
        return asyncio.run(_ask_all(experiment.teacher, ledger, calls, progress, watch))


async def _ask_all(
    teacher: Teacher,
    ledger: Ledger,
    calls: Iterable[tuple[str, Prompt]],
    progress: Progress,
    watch: Watch,
) -> Progress:
    """Workers ask; one keeper writes, so that an answer is on the disk before it is counted."""
    answers: asyncio.Queue[Entry] = asyncio.Queue()
    waiting = iter(calls)

    async def work() -> None:
        for key, prompt in waiting:
            answers.put_nowait(Entry(key, await teacher.ask(prompt)))

    async with teacher:
        workers = [asyncio.create_task(work()) for _ in range(teacher.concurrency)]
        done = asyncio.gather(*workers)
        try:
            while not (done.done() and answers.empty()):
                progress = await _keep_next(ledger, answers, done, progress)
                watch(progress)
            await done
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, done, return_exceptions=True)
            ledger.put(_drain(answers))
    return progress


async def _keep_next(
    ledger: Ledger,
    answers: asyncio.Queue[Entry],
    done: "asyncio.Future[list[None]]",
    progress: Progress,
) -> Progress:
    """Wait for an answer, then keep all that have come in, in one transaction."""
    arrival = asyncio.ensure_future(answers.get())
    waiting: list[asyncio.Future[Any]] = [arrival, done]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    if not arrival.done():
        arrival.cancel()
        batch = _drain(answers)
    else:
        batch = [arrival.result(), *_drain(answers)]
    ledger.put(batch)
    failed = sum(entry.completion.error is not None for entry in batch)
    return replace(
        progress,
        answered=progress.answered + len(batch) - failed,
        failed=progress.failed + failed,
    )


def _drain(answers: asyncio.Queue[Entry]) -> list[Entry]:
    return [answers.get_nowait() for _ in range(answers.qsize())]


def refuse_unreadable(experiment: Experiment) -> None:
    """Stop before training when more than half of what the teacher said cannot be read.

    Raises:
        TeacherError: with the commonest problem and a row that has it.
    """
    annotations = list(experiment.read_annotations().values())
    unread = [a for a in annotations if a.outcome != "ok"]
    if len(unread) * 2 > len(annotations):
        worst = unread[0]
        raise TeacherError(
            f"{len(unread)} of {len(annotations)} answers cannot be read, so nothing is trained; "
            f"row {worst.example_id!r} is {worst.outcome}: {worst.problem}; "
            "mend the prompt or the answer kind, or ask a better teacher"
        )
