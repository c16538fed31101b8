"""Shows the progress of training."""

from typing import TYPE_CHECKING

from distilwhy.cli.screen import Screen
from distilwhy.core.student_id import MAIN, StudentId
from distilwhy.core.training_summary import Evaluation, TrainingSummary
from distilwhy.core.wording import duration, large, memory_size, percent, rough_duration

if TYPE_CHECKING:
    from distilwhy.pipeline.train.forecast import Forecast
    from distilwhy.pipeline.train.run import Watcher
    from distilwhy.students.training.memory import Preflight


class TrainingProgress:
    """Shows size, forecast, steps, evaluations and results of the students being trained."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def watcher(self) -> "Watcher":
        """The callbacks for ``train_students``."""
        from distilwhy.pipeline.train.run import Watcher

        return Watcher(
            begins=self._screen.board.start,
            finds=self._show_found,
            fits=self._show_size,
            plans=self._show_forecast,
            ticks=self._screen.move_student,
            reports=self._show_evaluation,
            ends=self._show_summary,
            stands=self._screen.board.add,
        )

    def _show_found(self, trained: int, students: int) -> None:
        if trained:
            self._screen.say(f"{trained} of {students} students are already trained")

    def _show_size(self, student: str, preflight: "Preflight") -> None:
        trained = ""
        if preflight.trainable < preflight.parameters:
            trained = f", {large(preflight.trainable)} of them trained"
        name = (student or MAIN) if self._screen.board.has_names else "student"
        self._screen.say(
            f"{name}: {large(preflight.parameters)} parameters{trained}; needs about "
            f"{memory_size(preflight.memory)} of {memory_size(preflight.available)} memory"
        )
        self._screen.start("timing a few steps", None)

    def _show_forecast(self, forecast: "Forecast") -> None:
        self._screen.say(
            f"{forecast.trainings} to train, {forecast.workers} at a time, {forecast.steps} steps "
            f"each: about {rough_duration(forecast.seconds)}"
        )
        methods_by_time: dict[tuple[str, str], list[str]] = {}
        for (student, method), seconds in forecast.each.items():
            methods_by_time.setdefault((student, rough_duration(seconds)), []).append(method)
        for (student, time), methods in methods_by_time.items():
            name = f"{student or MAIN}, " if self._screen.board.has_names else ""
            self._screen.say(f"  {name}{', '.join(methods)}: about {time} each")
        self._screen.start("students", forecast.trainings)

    def _show_evaluation(self, student: StudentId, evaluation: Evaluation) -> None:
        losses = "  ".join(f"{task} {loss:.3f}" for task, loss in evaluation.losses.items())
        note = f"loss {losses}  validation {percent(evaluation.validation_accuracy)}"
        self._screen.note_student(student, note)
        if not self._screen.is_live:
            self._screen.say(f"{student.label}: step {evaluation.step}/{evaluation.steps}  {note}")

    def _show_summary(self, student: StudentId, summary: TrainingSummary) -> None:
        self._screen.say(
            f"{student.label}: validation {percent(summary.validation_accuracy)} at step "
            f"{summary.best_step}, {duration(summary.seconds)}"
        )
        for part, found in summary.truncation.items():
            if found.cut:
                self._screen.say(
                    f"  {found.cut} of {found.texts} {part} texts were cut to {found.limit} "
                    f"tokens (longest {found.longest}); raise max_{part}_tokens to keep all"
                )
        self._screen.remove_student(student)
        self._screen.advance()
