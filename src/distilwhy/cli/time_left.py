"""The remaining training time: the forecast, corrected by what was measured."""

from collections import Counter, deque
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import TYPE_CHECKING

from distilwhy.core.student_id import StudentId
from distilwhy.pipeline.train.forecast import Forecast, total_seconds

if TYPE_CHECKING:
    from distilwhy.students.training.duration import TrainingTime

# What was told is corrected when training takes so many times as long, or as short, and by so many
# seconds.
MUCH, MUCH_S = 1.3, 15.0
# The first correction comes after this share of the time that was told, since a busy moment passes,
# and the next one when training has run for so many times as long.
SOON, LATER = 0.05, 2.0
# The last steps count, from so many on; a correction is only made from more.
RECENT, LEAST, MANY = 200, 5, 20
# A step or an evaluation counts for at most so many medians, whatever held it up.
OUTLIER = 5.0


@dataclass
class _Kind:
    """The trainings of one student in the study with one method.

    Attributes:
        steps: Seconds of the last steps.
        evaluations: Seconds of the last evaluations.
        shares: The share of its steps that each training took that has ended.
    """

    forecast: "TrainingTime"
    steps: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    evaluations: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    shares: list[float] = field(default_factory=list)

    @property
    def pace(self) -> float | None:
        """How many times as long as forecast a step takes; None before there are some."""
        return _typical(self.steps) / self.forecast.step if len(self.steps) >= LEAST else None

    def left(self, step: int, pace: float) -> float:
        """The seconds after a step, up to where most of those ended that took more.

        Args:
            pace: How many times as long as forecast all takes that was not measured.
        """
        forecast = self.forecast
        usual = round(median(self.shares) * forecast.steps) if self.shares else forecast.steps
        end = usual if usual > step else forecast.steps
        evaluations = forecast.evaluations(end) - forecast.evaluations(step)
        each = _typical(self.evaluations) if self.evaluations else pace * forecast.evaluation
        return (end - step) * pace * forecast.step + evaluations * each


@dataclass
class _Running:
    """One training: its last step, and when that or the evaluation after it ended."""

    kind: _Kind
    step: int
    at: float


class TimeLeft:
    """Follows the trainings of one forecast. All times are seconds of one clock."""

    def __init__(self, forecast: Forecast, now: float) -> None:
        self._forecast, self._began_at = forecast, now
        self._told, self._told_at = forecast.seconds, now
        self._kinds = {name: _Kind(taken) for name, taken in forecast.each.items()}
        self._waiting = Counter(forecast.counts)
        self._running: dict[StudentId, _Running] = {}

    def step(self, student_id: StudentId, step: int, now: float) -> None:
        """Record that a training has done so many of its steps."""
        found = self._running.get(student_id)
        if found is None:
            name = _kind(student_id)
            self._waiting[name] -= 1
            self._running[student_id] = _Running(self._kinds[name], step, now)
            return
        if step == found.step + 1:
            found.kind.steps.append(now - found.at)
        found.step, found.at = step, now

    def evaluation(self, student_id: StudentId, now: float) -> None:
        """Record that a training has evaluated its student."""
        found = self._running[student_id]
        found.kind.evaluations.append(now - found.at)
        found.at = now

    def end(self, student_id: StudentId, steps: int) -> None:
        """Record that a training has ended after so many steps."""
        name = _kind(student_id)
        if self._running.pop(student_id, None) is None:
            self._waiting[name] -= 1
        self._kinds[name].shares.append(steps / self._kinds[name].forecast.steps)

    @property
    def trainings(self) -> int:
        """How many trainings have not ended."""
        return self._waiting.total() + len(self._running)

    @property
    def running(self) -> list[StudentId]:
        """The trainings that have begun and not ended."""
        return list(self._running)

    @property
    def is_upper_bound(self) -> bool:
        """Whether trainings may end early of which none has yet shown by how much."""
        going = {_kind(student_id) for student_id in self._running} | set(+self._waiting)
        unknown = not all(self._kinds[name].shares for name in going)
        return self._forecast.has_patience and unknown

    def of(self, student_id: StudentId) -> float:
        """The seconds that a training that has begun still takes."""
        found = self._running[student_id]
        return found.kind.left(found.step, found.kind.pace or self._pace)

    def seconds(self) -> float:
        """The seconds until all trainings are done: the last ones run beside fewer others."""
        running = map(self.of, self._running)
        pace = self._pace
        each = {name: kind.left(0, kind.pace or pace) for name, kind in self._kinds.items()}
        waiting = [each[name] for name in self._waiting.elements()]
        return total_seconds([*running, *waiting], self._forecast.workers)

    def tell(self, now: float) -> float:
        """The seconds until all trainings are done, which the user is told."""
        left = self.seconds()
        self._told, self._told_at = now - self._began_at + left, now
        return left

    def factor(self, now: float) -> float:
        """How many times as long as told all trainings take; 1 where that is not much, not enough
        is known, or it was told not long ago."""
        elapsed = now - self._began_at
        soonest = max(SOON * self._told, LATER * (self._told_at - self._began_at))
        is_known = any(len(kind.steps) >= MANY for kind in self._kinds.values())
        if not is_known or elapsed < soonest:
            return 1.0
        taken = elapsed + self.seconds()
        found = taken / self._told
        is_near = 1 / MUCH < found < MUCH or abs(taken - self._told) < MUCH_S
        return 1.0 if is_near else found

    @property
    def _pace(self) -> float:
        """How many times as long as forecast trainings take of which nothing is known."""
        paces = [kind.pace for kind in self._kinds.values()]
        return median([pace for pace in paces if pace is not None] or [1.0])


def _typical(seconds: deque[float]) -> float:
    """The mean, in which outliers count for little."""
    most = OUTLIER * median(seconds)
    return fmean(min(taken, most) for taken in seconds)


def _kind(student_id: StudentId) -> tuple[str, str]:
    return student_id.student, student_id.arm
