"""Shows the progress of training."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from distilwhy.cli.screen import Screen
from distilwhy.cli.time_left import TimeLeft
from distilwhy.core.splits import describe_shared
from distilwhy.core.stats.comparisons import OutcomeCounts
from distilwhy.core.student_id import MAIN, StudentId
from distilwhy.core.training_summary import Evaluation, TrainingSummary
from distilwhy.core.wording import counted, duration, large, memory_size, percent, rough_duration
from distilwhy.pipeline.train.watcher import Watcher
from distilwhy.report.sentences import validation_note

if TYPE_CHECKING:
    from distilwhy.pipeline.train.forecast import Forecast
    from distilwhy.pipeline.train.jobs import TrainedStudents
    from distilwhy.students.training.memory import Preflight

# The time left is computed anew after so many seconds.
REFRESH_S = 0.25


class TrainingProgress(Watcher):
    """Shows size, forecast, steps, evaluations and results of the students being trained."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._say = screen.say
        self._left: TimeLeft | None = None
        self._refreshed_at = 0.0

    def on_start(self, student_ids: Sequence[StudentId]) -> None:
        self._screen.board.start(student_ids)

    def on_shared(self, shared: Sequence[tuple[str, str]]) -> None:
        self._say(f"warning: {describe_shared(shared)}")

    def on_annotations(self, outcomes: Mapping[str, OutcomeCounts]) -> None:
        if note := validation_note(outcomes):
            self._say(note)

    def on_found(self, trained: "TrainedStudents", students: int) -> None:
        if trained.up_to_date:
            self._say(
                f"Already trained: {len(trained.up_to_date)} of {counted(students, 'student')}"
            )
        changes = Counter(", ".join(names) for names in trained.out_of_date.values())
        for names, count in changes.items():
            changed = names or "the experiment or its annotations"
            self._say(f"{counted(count, 'student')} out of date, trained again: {changed} changed")

    def on_step(self, student_id: StudentId, step: int, steps: int) -> None:
        self._screen.move_student(student_id, step, steps)
        if self._left is None:
            return
        now = time.monotonic()
        self._left.step(student_id, step, now)
        if now - self._refreshed_at >= REFRESH_S:
            self._refreshed_at = now
            self._screen.expect(self._left.seconds())
            for running in self._left.running:
                self._screen.expect(self._left.of(running), running)
            self._correct_forecast(self._left, now)

    def on_notice(self, student_id: StudentId, line: str) -> None:
        self._say(f"{student_id.label}: {line}")

    def on_trained(self, student_id: StudentId, accuracy: float) -> None:
        self._screen.board.add(student_id, accuracy)

    def on_fit(self, student: str, preflight: "Preflight") -> None:
        trained = ""
        if preflight.trainable < preflight.parameters:
            trained = f", {large(preflight.trainable)} of them trained"
        name = (student or MAIN) if self._screen.board.has_names else "student"
        self._say(
            f"{name}: {large(preflight.parameters)} parameters{trained}; needs about "
            f"{memory_size(preflight.memory)} of {memory_size(preflight.available)} memory"
            f"{', with activations checkpointed' if preflight.checkpoints else ''}"
        )
        self._screen.start("timing a few steps", None)

    def on_plan(self, forecast: "Forecast") -> None:
        about = _about(forecast.has_patience)
        self._say(
            f"{forecast.trainings} to train, {forecast.workers} at a time, "
            f"{counted(forecast.steps, 'step')} each: {about} {rough_duration(forecast.seconds)}"
            f"{', as training.patience may end them early' if forecast.has_patience else ''}"
        )
        methods_by_time: dict[tuple[str, str], list[str]] = {}
        for (student, method), each in forecast.each.items():
            methods_by_time.setdefault((student, rough_duration(each.seconds)), []).append(method)
        for (student, taken), methods in methods_by_time.items():
            name = f"{student or MAIN}, " if self._screen.board.has_names else ""
            self._say(f"  {name}{', '.join(methods)}: {about} {taken} each")
        self._screen.start("students", forecast.trainings)
        self._screen.expect(forecast.seconds)
        self._left = TimeLeft(forecast, time.monotonic())

    def on_evaluation(self, student_id: StudentId, evaluation: Evaluation) -> None:
        losses = "  ".join(f"{task} {loss:.3f}" for task, loss in evaluation.losses.items())
        note = f"loss {losses}  validation {percent(evaluation.validation_accuracy)}"
        self._screen.note_student(student_id, note)
        if not self._screen.is_live:
            self._say(f"{student_id.label}: step {evaluation.step}/{evaluation.steps}  {note}")
        if self._left is not None:
            self._left.evaluation(student_id, time.monotonic())

    def _correct_forecast(self, left: TimeLeft, now: float) -> None:
        """Say if training is much slower or faster than was said last."""
        factor = left.factor(now)
        if factor != 1:
            changed = "slower" if factor > 1 else "faster"
            self._say(f"training is {changed} than forecast: {_time_left(left)}")

    def on_rate_tried(self, student_id: StudentId, summary: TrainingSummary) -> None:
        weight = summary.rationale_weight
        self._say(
            f"{student_id.label}: validation {percent(summary.validation_accuracy)} at step "
            f"{summary.best_step}, {duration(summary.seconds)}"
            f"{'' if weight is None else f' (λ {weight:g})'}"
        )
        for part, found in summary.truncation.items():
            if found.cut:
                self._say(
                    f"  Cut to {counted(found.limit, 'token')}: {found.cut} of "
                    f"{counted(found.texts, f'{part} text')} (longest {found.longest}); raise "
                    f"max_{part}_tokens to keep all"
                )
        self._screen.remove_student(student_id)
        self._screen.advance()
        if self._left is not None:
            self._left.end(student_id, summary.steps)
            self._screen.expect(self._left.seconds())
            if not self._screen.is_live and self._left.trainings:
                self._say(f"  {self._left.trainings} still to train: {_time_left(self._left)}")


def _time_left(left: TimeLeft) -> str:
    about = _about(left.is_upper_bound)
    return f"{about} {rough_duration(left.tell(time.monotonic()))} left"


def _about(is_upper_bound: bool) -> str:
    return "at most about" if is_upper_bound else "about"
