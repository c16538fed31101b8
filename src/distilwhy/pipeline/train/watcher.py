"""How training is followed: a watcher, and the events that worker processes send to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from distilwhy.core.stats.comparisons import OutcomeCounts
from distilwhy.core.student_id import StudentId
from distilwhy.core.training_summary import Evaluation, TrainingSummary

if TYPE_CHECKING:
    from distilwhy.pipeline.train.forecast import Forecast
    from distilwhy.pipeline.train.jobs import TrainedStudents
    from distilwhy.students.training.memory import Preflight


class Watcher:
    """Follows the training of students. Every method does nothing unless it is overridden.

    They are called in this order; the last five for each student.
    """

    def on_start(self, student_ids: Sequence[StudentId]) -> None:
        """Called first, with all the students that are wanted."""

    def on_shared(self, shared: Sequence[tuple[str, str]]) -> None:
        """Called if validation rows are also in train, with the two ids of each."""

    def on_annotations(self, outcomes: Mapping[str, OutcomeCounts]) -> None:
        """Called with the annotations of each split, counted, when they are read."""

    def on_found(self, trained: "TrainedStudents", students: int) -> None:
        """Called when it is known which of the wanted ``students`` are trained already."""

    def on_fit(self, student: str, preflight: "Preflight") -> None:
        """Called before training for each of the study's students by name, with its size and the
        memory that the largest of its trainings takes."""

    def on_plan(self, forecast: "Forecast") -> None:
        """Called when a few steps were timed.

        Where more students of one size fit side by side than of another, the smaller ones are
        trained first, and this is called again for the larger ones.
        """

    def on_step(self, student_id: StudentId, step: int, steps: int) -> None:
        """Called after each step, with the steps done and the steps to do."""

    def on_evaluation(self, student_id: StudentId, evaluation: Evaluation) -> None:
        """Called after each evaluation on validation."""

    def on_rate_tried(self, student_id: StudentId, summary: TrainingSummary) -> None:
        """Called after training with one learning rate."""

    def on_notice(self, student_id: StudentId, line: str) -> None:
        """Called with a message for the user, such as that a checkpoint cannot be read."""

    def on_trained(self, student_id: StudentId, accuracy: float) -> None:
        """Called when a student is trained, or was already, with its validation accuracy."""


@dataclass(frozen=True)
class StepDone:
    """A training took a step."""

    student_id: StudentId
    step: int
    steps: int

    def notify(self, watcher: Watcher) -> None:
        watcher.on_step(self.student_id, self.step, self.steps)


@dataclass(frozen=True)
class Evaluated:
    """A training evaluated its student on the validation rows."""

    student_id: StudentId
    evaluation: Evaluation

    def notify(self, watcher: Watcher) -> None:
        watcher.on_evaluation(self.student_id, self.evaluation)


@dataclass(frozen=True)
class RateTried:
    """A training with one learning rate ended."""

    student_id: StudentId
    summary: TrainingSummary

    def notify(self, watcher: Watcher) -> None:
        watcher.on_rate_tried(self.student_id, self.summary)


@dataclass(frozen=True)
class Noticed:
    """A message about a training for the user."""

    student_id: StudentId
    line: str

    def notify(self, watcher: Watcher) -> None:
        watcher.on_notice(self.student_id, self.line)


@dataclass(frozen=True)
class Trained:
    """A student is trained, with the best of its learning rates."""

    student_id: StudentId
    accuracy: float

    def notify(self, watcher: Watcher) -> None:
        watcher.on_trained(self.student_id, self.accuracy)


Event = StepDone | Evaluated | RateTried | Noticed | Trained
