"""Shows the progress of a command: annotation, training and evaluation."""

import time
from typing import TYPE_CHECKING

from distilwhy.cli.describe import describe_batches
from distilwhy.cli.screen import Screen
from distilwhy.cli.training_progress import TrainingProgress

if TYPE_CHECKING:
    from distilwhy.pipeline.annotate.recorder import AnnotationProgress
    from distilwhy.pipeline.run import Watch


class ProgressDisplay(Screen):
    """Shows progress on stderr while its ``with`` block runs."""

    def __init__(self) -> None:
        super().__init__()
        self._started, self._first = 0.0, 0
        self._batches = 0
        self._has_batches = False
        self._notice = ""

    def watch(self) -> "Watch":
        """Callbacks for all stages."""
        from distilwhy.pipeline.run import Watch

        return Watch(self.annotation, self.training(), self.evaluation)

    def annotation(self, progress: "AnnotationProgress") -> None:
        """Callback for the progress of ``annotate``."""
        new = progress.answered + progress.failed
        if progress.notice not in ("", self._notice):
            self._notice = progress.notice
            self.say(progress.notice)
        if new == 0 and not progress.batches:
            self._start_annotation(progress)
        self._announce_batches(progress)
        # Batches may answer calls that are no longer needed, so the count can exceed the total.
        done = min(progress.total, progress.from_ledger + new)
        self.move(done, progress.total, ", ".join(self._notes(progress, new)))

    def _start_annotation(self, progress: "AnnotationProgress") -> None:
        self._started = time.monotonic()
        self.start("teacher", progress.total, progress.from_ledger)

    def _notes(self, progress: "AnnotationProgress", new: int) -> list[str]:
        notes = [f"{progress.from_ledger} from ledger"]
        if progress.failed:
            notes.append(f"{progress.failed} failed")
        if progress.lost:
            notes.append(f"{progress.lost} repeated after a worker was lost")
        if progress.batches:
            notes.append(f"{progress.done_in_batches:,} of {progress.in_batches:,} in batches done")
            if progress.trouble:
                notes.append(progress.trouble)
        elif new and not self._has_batches:
            rate = new / max(1e-6, time.monotonic() - self._started)
            notes.append(f"{rate:.1f} calls/s")
        return notes

    def _announce_batches(self, progress: "AnnotationProgress") -> None:
        """Print a line whenever the number of batches changes."""
        known, self._batches = self._batches, progress.batches
        if progress.batches in (0, known):
            return
        self._has_batches = True
        line = f"In progress: {describe_batches(progress.batches, progress.in_batches)}"
        if not known:
            # The remaining time was estimated from direct calls; batches take their own time.
            self._start_annotation(progress)
            line += ", answered within 24 h. You may stop now and run the same command again later."
        self.say(line)

    def training(self) -> TrainingProgress:
        """The watcher for ``train_students``."""
        return TrainingProgress(self)

    def predictions(self, done: int, rows: int) -> None:
        """Callback for the rows of a file that is labelled; the first says where it goes on."""
        if self._name != "rows":
            self._started, self._first = time.monotonic(), done
            self.start("rows", rows, done)
        rate = (done - self._first) / max(1e-6, time.monotonic() - self._started)
        self.move(done, rows, f"{rate:,.0f} rows/s" if done > self._first else "")

    def evaluation(self, done: int, students: int) -> None:
        """Callback for the progress of ``evaluate``."""
        if done == 0:
            self.start("scoring students", students)
        self.move(done, students)
