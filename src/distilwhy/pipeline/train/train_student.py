"""Train one student: with each of its learning rates and λ, then keep the best."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from distilwhy.core.method import weigh_rationales
from distilwhy.core.training_summary import TrainingRecord, TrainingSummary, TriedRate
from distilwhy.errors import RunError
from distilwhy.pipeline.train.jobs import TrainingJob
from distilwhy.pipeline.train.study import Trial
from distilwhy.pipeline.train.watcher import (
    Evaluated,
    Event,
    Noticed,
    RateTried,
    StepDone,
    Trained,
)
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
            if _read_fingerprint(unfinished) != job.fingerprint:
                # Checkpoints of another job.
                shutil.rmtree(unfinished, ignore_errors=True)
            publish_json(unfinished / SUMMARY, {"fingerprint": job.fingerprint})
        wait_for_all()
        tried = [_train_trial(folder, job, trial, send) for trial in job.trials]
        best = max(tried, key=lambda summary: summary.validation_accuracy)
        wait_for_all()
        if is_main():
            _publish(folder, job, best, tried)
        send(Trained(job.student_id, best.validation_accuracy))
        wait_for_all()


def _read_fingerprint(unfinished: Path) -> object:
    """The fingerprint of the job that is unfinished here; None if it is not known."""
    try:
        found = read_json(unfinished / SUMMARY)
    except RunError:
        return None
    return found.get("fingerprint") if found else None


def _read_summary(trained: Path) -> TrainingSummary | None:
    """How a training with one learning rate went; None where it is not known."""
    try:
        found = read_json(trained / SUMMARY)
        return TrainingSummary.from_json(found, read_jsonl(trained / LOG)) if found else None
    except (RunError, AttributeError, KeyError, TypeError):
        return None


def _train_trial(folder: RunFolder, job: TrainingJob, trial: Trial, send: Send) -> TrainingSummary:
    """Train with one learning rate and λ; the student is saved in a folder of its own."""
    from distilwhy.students.training.checkpoint import BrokenCheckpointError

    unfinished = folder.unfinished(job.student_id)
    trained = unfinished / trial.name
    if found := _read_summary(trained):
        return found
    try:
        student, summary = _run(folder, job, trial, send)
    except BrokenCheckpointError:
        send(Noticed(job.student_id, "training starts again"))
        wait_for_all()
        if is_main():
            shutil.rmtree(_checkpoint(folder, job, trial))
        wait_for_all()
        student, summary = _run(folder, job, trial, send)
    send(RateTried(job.student_id, summary))
    if is_main():
        _save(student, summary, trained)
    wait_for_all()
    return summary


def _checkpoint(folder: RunFolder, job: TrainingJob, trial: Trial) -> Path:
    return folder.unfinished(job.student_id) / f"checkpoint-{trial.name}"


def _run(
    folder: RunFolder, job: TrainingJob, trial: Trial, send: Send
) -> tuple["Student", TrainingSummary]:
    """Build the student and train it, from its checkpoint if there is one."""
    from distilwhy.students.training.loop import train
    from distilwhy.students.training.select import select_rationales

    student_id, student = job.student_id, job.build_student()
    rows, settings, weight = job.rows, job.training, trial.rationale_weight
    if weight is not None:
        rows = weigh_rationales(rows, weight)
        settings = settings.model_copy(update={"rationale_weight": weight})
    if settings.select_rationale:
        rows = select_rationales(student.network, rows, settings, student_id.seed)
    summary = train(
        student,
        rows,
        job.validation,
        settings.model_copy(update={"lr": trial.lr}),
        student_id.seed,
        _checkpoint(folder, job, trial),
        tracked=_describe(folder, job, trial),
        on_evaluation=lambda found: send(Evaluated(student_id, found)),
        on_step=lambda step, steps: send(StepDone(student_id, step, steps)),
        say=lambda line: send(Noticed(student_id, line)),
    )
    return student, replace(summary, rationale_weight=weight)


def _describe(folder: RunFolder, job: TrainingJob, trial: Trial) -> TrackedRun:
    """What experiment trackers show."""
    weight = trial.rationale_weight
    settings = {
        **asdict(job.student_id),
        "model": job.student.model,
        **job.training.model_dump(mode="json", exclude={"report_to"}),
        "lr": trial.lr,
        **({} if weight is None else {"rationale_weight": weight}),
    }
    suffix = f"-{trial.name.replace('lr-', 'lr')}" if len(job.trials) > 1 else ""
    return TrackedRun(
        job.training.report_to,
        project=folder.path.resolve().name,
        name=job.student_id.name + suffix,
        folder=folder.logs,
        settings={k: v if isinstance(v, int | float) else str(v) for k, v in settings.items()},
    )


def _save(student: "Student", summary: TrainingSummary, path: Path) -> None:
    from distilwhy.students.training.checkpoint import explaining_full_disk

    part = path.with_name(f"{path.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    with explaining_full_disk(part):
        student.save(part)
    publish_jsonl(part / LOG, map(asdict, summary.log))
    publish_json(part / SUMMARY, summary.as_json())
    publish_folder(part, path)


def _publish(
    folder: RunFolder, job: TrainingJob, best: TrainingSummary, tried: Sequence[TrainingSummary]
) -> None:
    """Move the student of the best trial into place."""
    unfinished = folder.unfinished(job.student_id)
    chosen = unfinished / Trial(best.lr, best.rationale_weight).name
    search = [TriedRate(one.lr, one.validation_accuracy, one.rationale_weight) for one in tried]
    record = TrainingRecord(job.student_id, job.fingerprint, best, search, job.counts, job.inputs)
    publish_json(chosen / SUMMARY, record.as_json())
    publish_folder(chosen, folder.student(job.student_id))
    shutil.rmtree(unfinished, ignore_errors=True)
