"""How long training will take, estimated from a few steps of each kind."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heapreplace
from statistics import fmean

from distilwhy.core.method import METHODS
from distilwhy.core.student_id import StudentId
from distilwhy.pipeline.train.jobs import TrainingJob
from distilwhy.pipeline.train.workers import Pool

# What the time of a training depends on: the student's name in the study, what it learns as
# rationales (nothing, less than the teacher's, or as much), and where its method puts them.
Kind = tuple[str, str, str]


@dataclass(frozen=True)
class Forecast:
    """How long training will take.

    Attributes:
        counts: How many trainings there are, one for each student and trial of a search, by the
            student's name and the arm.
        each: Seconds of one training, by the student's name and the arm.
        seconds: Seconds until all are done.
    """

    counts: dict[tuple[str, str], int]
    workers: int
    steps: int
    each: dict[tuple[str, str], float]
    seconds: float

    @property
    def trainings(self) -> int:
        return sum(self.counts.values())


def forecast(rounds: Sequence[Sequence[TrainingJob]], workers: int, pool: Pool) -> Forecast:
    """Time a few steps of each kind of training, side by side as they will run.

    The jobs of one round end before those of the next begin.
    """
    jobs = [job for jobs in rounds for job in jobs]
    times = _time_kinds(jobs, workers, pool)
    lengths = [[len(job.trials) * times[_kind(job.student_id)] for job in jobs] for jobs in rounds]
    counts = Counter[tuple[str, str]]()
    for job in jobs:
        counts[job.student_id.student, job.student_id.arm] += len(job.trials)
    return Forecast(
        counts=dict(counts),
        workers=workers,
        steps=jobs[0].training.steps,
        each={(s.student, s.arm): times[_kind(s)] for s in (job.student_id for job in jobs)},
        seconds=sum(total_seconds(seconds, workers) for seconds in lengths),
    )


def total_seconds(seconds: Sequence[float], workers: int) -> float:
    """How long jobs take if each worker takes the next one when it is free."""
    ends = [0.0] * workers
    for taken in seconds:
        heapreplace(ends, ends[0] + taken)
    return max(ends)


def time_job(job: TrainingJob, send: Callable[[tuple[Kind, float]], None]) -> None:
    """Send about how many seconds a job takes with one learning rate."""
    from distilwhy.students.training.duration import estimate_seconds

    student = job.build_student()
    seconds = estimate_seconds(student, job.rows, job.validation, job.training)
    send((_kind(job.student_id), seconds))


def _time_kinds(jobs: Sequence[TrainingJob], workers: int, pool: Pool) -> dict[Kind, float]:
    """The seconds of one training of each kind, measured on its job with the longest texts."""
    longest = {_kind(job.student_id): job for job in sorted(jobs, key=lambda job: job.characters)}
    # A core is slower while others are busy, so each worker times something.
    chosen, busy = list(longest.values()), min(workers, len(jobs))
    timed = [chosen[index % len(chosen)] for index in range(max(len(chosen), busy))]
    found = defaultdict[Kind, list[float]](list)
    pool.run(time_job, timed, lambda kind_seconds: found[kind_seconds[0]].append(kind_seconds[1]))
    return {kind: fmean(seconds) for kind, seconds in found.items()}


def _kind(student_id: StudentId) -> Kind:
    method = METHODS[student_id.method]
    control = method.control
    learnt = control.words if control and control.is_short else method.rationales
    return student_id.student, f"{learnt} {student_id.annotations}", method.place
