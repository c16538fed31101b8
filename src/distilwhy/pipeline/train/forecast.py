"""How long training will take, estimated from a few steps of each kind."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heapreplace
from typing import TYPE_CHECKING

from distilwhy.core.method import METHODS
from distilwhy.core.student_id import StudentId
from distilwhy.pipeline.train.jobs import TrainingJob
from distilwhy.pipeline.train.workers import Pool

if TYPE_CHECKING:
    from distilwhy.students.training.duration import TrainingTime

# What the time of a training depends on: the student's name in the study, what it learns as
# rationales (nothing, less than the teacher's, or as much), and where its method puts them.
Kind = tuple[str, str, str]


@dataclass(frozen=True)
class Forecast:
    """How long training will take if every training takes all its steps.

    Attributes:
        counts: How many trainings there are, one for each student and trial of a search, by the
            student's name and the arm.
        each: The time of one training, by the student's name and the arm.
        seconds: Seconds until all are done.
        has_patience: Whether a training may end before its last step.
    """

    counts: dict[tuple[str, str], int]
    workers: int
    each: "dict[tuple[str, str], TrainingTime]"
    seconds: float
    has_patience: bool = False

    @property
    def trainings(self) -> int:
        return sum(self.counts.values())

    @property
    def steps(self) -> int:
        """The most steps that a training takes."""
        return max(taken.steps for taken in self.each.values())


def forecast(rounds: Sequence[Sequence[TrainingJob]], workers: int, pool: Pool) -> Forecast:
    """Time a few steps of each kind of training, side by side as they will run.

    The jobs of one round end before those of the next begin.
    """
    jobs = [job for jobs in rounds for job in jobs]
    times = _time_kinds(jobs, workers, pool)
    lengths = [
        [len(job.trials) * times[_kind(job.student_id)].seconds for job in jobs] for jobs in rounds
    ]
    counts = Counter[tuple[str, str]]()
    for job in jobs:
        counts[job.student_id.student, job.student_id.arm] += len(job.trials)
    return Forecast(
        counts=dict(counts),
        workers=workers,
        each={(s.student, s.arm): times[_kind(s)] for s in (job.student_id for job in jobs)},
        seconds=sum(total_seconds(seconds, workers) for seconds in lengths),
        has_patience=jobs[0].training.patience is not None,
    )


def total_seconds(seconds: Sequence[float], workers: int) -> float:
    """How long jobs take if each worker takes the next one when it is free."""
    ends = [0.0] * workers
    for taken in seconds:
        heapreplace(ends, ends[0] + taken)
    return max(ends)


def time_job(job: TrainingJob, send: "Callable[[tuple[Kind, TrainingTime]], None]") -> None:
    """Send about how long a job takes with one learning rate."""
    from distilwhy.students.training.duration import estimate_time

    student = job.build_student()
    taken = estimate_time(student, job.rows, job.validation, job.training)
    send((_kind(job.student_id), taken))


def _time_kinds(
    jobs: Sequence[TrainingJob], workers: int, pool: Pool
) -> "dict[Kind, TrainingTime]":
    """The time of one training of each kind, measured on its job with the longest texts."""
    longest = {_kind(job.student_id): job for job in sorted(jobs, key=lambda job: job.characters)}
    # A core is slower while others are busy, so each worker times something.
    chosen, busy = list(longest.values()), min(workers, len(jobs))
    timed = [chosen[index % len(chosen)] for index in range(max(len(chosen), busy))]
    found = defaultdict[Kind, list["TrainingTime"]](list)
    pool.run(time_job, timed, lambda kind_time: found[kind_time[0]].append(kind_time[1]))
    # The middle one, or the shorter of two: the longer one ran while something else was slow.
    return {
        kind: sorted(times, key=lambda taken: taken.seconds)[(len(times) - 1) // 2]
        for kind, times in found.items()
    }


def _kind(student_id: StudentId) -> Kind:
    method = METHODS[student_id.method]
    control = method.control
    learnt = control.words if control and control.is_short else method.rationales
    return student_id.student, f"{learnt} {student_id.annotations}", method.place
