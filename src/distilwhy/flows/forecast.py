"""How long students will take to train, told before they begin."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapreplace
from statistics import fmean

from distilwhy.core.cell import Cell
from distilwhy.core.method import METHODS
from distilwhy.flows.lesson import Lesson, build_student, count_written
from distilwhy.flows.pool import DoAll, Tell

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


def forecast(waves: Sequence[Sequence[Lesson]], workers: int, do: DoAll) -> Forecast:
    """Time a little of each kind of training, side by side as they will run.

    Args:
        waves: The lessons; those of one wave are learnt before those of the next.
        do: What they will be learnt in.
    """
    lessons = [lesson for wave in waves for lesson in wave]
    found = _time_kinds(lessons, workers, do)
    each = {(n.cell.student, n.cell.method): found[_kind(n.cell)] for n in lessons}
    whole = [[len(n.training.rates) * found[_kind(n.cell)] for n in wave] for wave in waves]
    return Forecast(
        trainings=sum(len(lesson.training.rates) for lesson in lessons),
        workers=workers,
        steps=lessons[0].training.steps,
        each=each,
        seconds=sum(add_up(seconds, workers) for seconds in whole),
    )


def add_up(seconds: Sequence[float], workers: int) -> float:
    """How long jobs take that workers take up in turn."""
    ends = [0.0] * workers
    for taken in seconds:
        heapreplace(ends, ends[0] + taken)
    return max(ends)


def time_lesson(lesson: Lesson, tell: Tell) -> None:
    """Tell about how long a lesson takes."""
    from distilwhy.students.timing import estimate_seconds

    student = build_student(lesson)
    seconds = estimate_seconds(student, lesson.rows, lesson.validation, lesson.training)
    tell(_kind(lesson.cell), seconds)


def _time_kinds(lessons: Sequence[Lesson], workers: int, do: DoAll) -> dict[Kind, float]:
    """The seconds of a training of each kind: of the lesson with most to read and write."""
    longest: dict[Kind, Lesson] = {}
    for lesson in sorted(lessons, key=count_written):
        longest[_kind(lesson.cell)] = lesson
    # No worker is idle, as none will be: a core is slower beside one that works.
    chosen, busy = list(longest.values()), min(workers, len(lessons))
    jobs = [(chosen[index % len(chosen)],) for index in range(max(len(chosen), busy))]
    found = defaultdict[Kind, list[float]](list)
    do(time_lesson, jobs, lambda kind, seconds: found[kind].append(seconds))
    return {kind: fmean(seconds) for kind, seconds in found.items()}


def _kind(cell: Cell) -> Kind:
    """What the time of a training depends on: the student, and something of its method."""
    method = METHODS[cell.method]
    some = method.rationales if method.rationales in ("none", "blank") else "some"
    return cell.student, some, method.place
