"""How long students will take to train, told before they begin."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapreplace
from statistics import fmean

from distilwhy.core.method import METHODS
from distilwhy.core.student_id import StudentId
from distilwhy.pipeline.train.jobs import TrainingJob, build_student, count_written
from distilwhy.pipeline.train.workers import DoAll, Tell

Kind = tuple[str, str, str]


@dataclass(frozen=True)
class Forecast:
    """How long students will take.

    Attributes:
        trainings: How many times one is to be trained.
        workers: How many side by side.
        steps: Of each training.
        each: About how many seconds one training takes, by student and method.
        seconds: About how many all of them take.
    """

    trainings: int
    workers: int
    steps: int
    each: dict[tuple[str, str], float]
    seconds: float


def forecast(waves: Sequence[Sequence[TrainingJob]], workers: int, do: DoAll) -> Forecast:
    """Time a little of each kind of training, side by side as they will run.

    Args:
        waves: The jobs; those of one wave are learnt before those of the next.
        do: What they will be learnt in.
    """
    jobs = [job for wave in waves for job in wave]
    found = _time_kinds(jobs, workers, do)
    each = {(n.cell.student, n.cell.method): found[_kind(n.cell)] for n in jobs}
    whole = [[len(n.training.rates) * found[_kind(n.cell)] for n in wave] for wave in waves]
    return Forecast(
        trainings=sum(len(job.training.rates) for job in jobs),
        workers=workers,
        steps=jobs[0].training.steps,
        each=each,
        seconds=sum(add_up(seconds, workers) for seconds in whole),
    )


def add_up(seconds: Sequence[float], workers: int) -> float:
    """How long jobs take that workers take up in turn."""
    ends = [0.0] * workers
    for taken in seconds:
        heapreplace(ends, ends[0] + taken)
    return max(ends)


def time_job(job: TrainingJob, tell: Tell) -> None:
    """Tell about how long a job takes."""
    from distilwhy.students.training.duration import estimate_seconds

    student = build_student(job)
    seconds = estimate_seconds(student, job.rows, job.validation, job.training)
    tell(_kind(job.cell), seconds)


def _time_kinds(jobs: Sequence[TrainingJob], workers: int, do: DoAll) -> dict[Kind, float]:
    """The seconds of a training of each kind: of the job with most to read and write."""
    longest: dict[Kind, TrainingJob] = {}
    for job in sorted(jobs, key=count_written):
        longest[_kind(job.cell)] = job
    # No worker is idle, as none will be: a core is slower beside one that works.
    chosen, busy = list(longest.values()), min(workers, len(jobs))
    timed = [(chosen[index % len(chosen)],) for index in range(max(len(chosen), busy))]
    found = defaultdict[Kind, list[float]](list)
    do(time_job, timed, lambda kind, seconds: found[kind].append(seconds))
    return {kind: fmean(seconds) for kind, seconds in found.items()}


def _kind(cell: StudentId) -> Kind:
    """What the time of a training depends on: the student, and something of its method."""
    method = METHODS[cell.method]
    some = method.rationales if method.rationales in ("none", "blank") else "some"
    return cell.student, some, method.place
