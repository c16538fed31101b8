"""The remaining training time: the forecast, corrected by the measured steps."""

from collections import Counter
from dataclasses import dataclass

from distilwhy.core.student_id import StudentId
from distilwhy.pipeline.train.forecast import Forecast, total_seconds


@dataclass
class _Measured:
    """One training: its first and its last step, each with the time in seconds."""

    first: int
    first_at: float
    step: int
    at: float
    steps: int
    forecast: float

    @property
    def seconds(self) -> float:
        return self.at - self.first_at

    @property
    def forecast_seconds(self) -> float:
        """What these steps were forecast to take."""
        return self.forecast * (self.step - self.first) / self.steps

    def left(self, factor: float) -> float:
        """The seconds that it still takes; before its second step, by the others' factor."""
        own = self.seconds / (self.step - self.first) if self.step > self.first else None
        pace = self.forecast * factor / self.steps if own is None else own
        return (self.steps - self.step) * pace


class TimeLeft:
    """Follows the trainings of one forecast. All times are seconds of one clock."""

    def __init__(self, forecast: Forecast) -> None:
        self._forecast = forecast
        self._waiting = Counter(forecast.counts)
        self._running: dict[StudentId, _Measured] = {}
        self._seconds = self._forecast_seconds = 0.0

    def step(self, student_id: StudentId, step: int, steps: int, now: float) -> None:
        """Record that a training has done so many of its steps."""
        if found := self._running.get(student_id):
            found.step, found.at, found.steps = step, now, steps
            return
        kind = student_id.student, student_id.arm
        self._waiting[kind] -= 1
        taken = self._forecast.each.get(kind, 0.0)
        self._running[student_id] = _Measured(step, now, step, now, steps, taken)

    def end(self, student_id: StudentId) -> None:
        """Record that a training has ended."""
        if found := self._running.pop(student_id, None):
            self._seconds += found.seconds
            self._forecast_seconds += found.forecast_seconds

    @property
    def trainings(self) -> int:
        """How many trainings have not ended."""
        return self._waiting.total() + len(self._running)

    @property
    def factor(self) -> float:
        """How many times as long as forecast the steps so far took; 1 before any."""
        running = self._running.values()
        forecast = self._forecast_seconds + sum(one.forecast_seconds for one in running)
        return (self._seconds + sum(one.seconds for one in running)) / forecast if forecast else 1.0

    def of(self, student_id: StudentId) -> float:
        """The seconds that a training that has begun still takes."""
        return self._running[student_id].left(self.factor)

    def seconds(self) -> float:
        """The seconds until all trainings are done: the last ones run beside fewer others."""
        running = [one.left(self.factor) for one in self._running.values()]
        each = self._forecast.each
        waiting = [each[kind] * self.factor for kind in self._waiting.elements()]
        return total_seconds([*running, *waiting], self._forecast.workers)
