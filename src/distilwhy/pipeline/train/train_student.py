"""Train one student: with each of its learning rates, then keep the best."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from distilwhy.core.training_summary import TrainingRecord, TrainingSummary, TriedRate
from distilwhy.pipeline.train.jobs import TrainingJob
from distilwhy.pipeline.train.watcher import Evaluated, Event, RateTried, StepDone, Trained
from distilwhy.store.files import publish_folder, publish_json, publish_jsonl, read_json, read_jsonl
from distilwhy.store.run_folder import LOG, SUMMARY, RunFolder
from distilwhy.students.training.distributed import is_main, wait_for_all
from distilwhy.students.training.tracking import TrackedRun

if TYPE_CHECKING:
    from distilwhy.students.student import Student

Send = Callable[[Event], None]


def train_student(folder: RunFolder, job: TrainingJob, send: Send) -> None:
    """Train one student and put it into the run folder.

    A training that was stopped goes on from its last checkpoint.
    """
    unfinished = folder.unfinished(job.student_id)
    with folder.lock_student(job.student_id) if is_main() else nullcontext():
        if is_main():
            found = read_json(unfinished / SUMMARY)
            if found is None or found["fingerprint"] != job.fingerprint:
                # Checkpoints of another job.
                shutil.rmtree(unfinished, ignore_errors=True)
            publish_json(unfinished / SUMMARY, {"fingerprint": job.fingerprint})
        wait_for_all()
        tried = [_train_rate(folder, job, rate, send) for rate in job.training.rates]
        best = max(tried, key=lambda summary: summary.validation_accuracy)
        wait_for_all()
        if is_main():
            _publish(folder, job, best, tried)
        send(Trained(job.student_id, best.validation_accuracy))
        wait_for_all()


def _train_rate(folder: RunFolder, job: TrainingJob, rate: float, send: Send) -> TrainingSummary:
    """Train with one learning rate; the student is saved in a folder of its own."""
    from distilwhy.students.training.loop import train

    student_id, unfinished = job.student_id, folder.unfinished(job.student_id)
    trained = unfinished / f"lr-{rate}"
    if found := read_json(trained / SUMMARY):
        return TrainingSummary.from_json(found, read_jsonl(trained / LOG))
    student = job.build_student()
    summary = train(
        student,
        job.rows,
        job.validation,
        job.training.model_copy(update={"lr": rate}),
        student_id.seed,
        unfinished / f"checkpoint-lr-{rate}",
        tracked=_describe(folder, job, rate),
        on_evaluation=lambda found: send(Evaluated(student_id, found)),
        on_step=lambda step, steps: send(StepDone(student_id, step, steps)),
    )
    send(RateTried(student_id, summary))
    if is_main():
        _save(student, summary, trained)
    wait_for_all()
    return summary


def _describe(folder: RunFolder, job: TrainingJob, rate: float) -> TrackedRun:
    """What experiment trackers show."""
    settings = {
        **asdict(job.student_id),
        "model": job.student.model,
        **job.training.model_dump(mode="json", exclude={"report_to"}),
        "lr": rate,
    }
    suffix = f"-lr{rate}" if len(job.training.rates) > 1 else ""
    return TrackedRun(
        job.training.report_to,
        project=folder.path.resolve().name,
        name=job.student_id.name + suffix,
        folder=folder.logs,
        settings={k: v if isinstance(v, int | float) else str(v) for k, v in settings.items()},
    )


def _save(student: "Student", summary: TrainingSummary, path: Path) -> None:
    part = path.with_name(f"{path.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    student.save(part)
    publish_jsonl(part / LOG, map(asdict, summary.log))
    publish_json(part / SUMMARY, summary.as_json())
    publish_folder(part, path)


def _publish(
    folder: RunFolder, job: TrainingJob, best: TrainingSummary, tried: Sequence[TrainingSummary]
) -> None:
    """Move the student with the best learning rate into place."""
    unfinished = folder.unfinished(job.student_id)
    chosen = unfinished / f"lr-{best.lr}"
    search = [TriedRate(one.lr, one.validation_accuracy) for one in tried]
    record = TrainingRecord(job.student_id, job.fingerprint, best, search, job.counts, job.inputs)
    publish_json(chosen / SUMMARY, record.as_json())
    publish_folder(chosen, folder.student(job.student_id))
    shutil.rmtree(unfinished, ignore_errors=True)
