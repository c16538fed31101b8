"""Train the students of an experiment that are not trained yet, or are out of date."""

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from itertools import chain

from distilwhy.core.splits import find_shared
from distilwhy.core.student_id import StudentId
from distilwhy.core.wording import suggest
from distilwhy.errors import ConfigError
from distilwhy.pipeline.annotate.annotations import Annotations, read_annotations
from distilwhy.pipeline.experiment import Experiment
from distilwhy.pipeline.train.check import check_fit
from distilwhy.pipeline.train.forecast import forecast
from distilwhy.pipeline.train.jobs import TrainedStudents, TrainingJob, TrainingJobs
from distilwhy.pipeline.train.study import list_rounds
from distilwhy.pipeline.train.train_student import train_student
from distilwhy.pipeline.train.watcher import Watcher
from distilwhy.pipeline.train.workers import count_workers, open_pool
from distilwhy.students.training.distributed import is_main, wait_for_all
from distilwhy.students.training.tracking import check_trackers

Rounds = list[list[TrainingJob]]


def train_students(
    experiment: Experiment,
    method: str | None = None,
    watcher: Watcher | None = None,
    *,
    workers: int | None = 1,
    study: bool = False,
    annotations: Annotations | None = None,
) -> None:
    """Train every method with every seed, except students that are up to date.

    Small students are trained side by side. Started by ``torchrun`` or ``accelerate launch``,
    all processes train each student together.

    Args:
        watcher: Called in the main process only.
        workers: How many students to train side by side, each in its own process; None: as many
            as the machine allows. A script that passes more than 1 needs
            ``if __name__ == "__main__":``.
        study: Train the students of the study: all of them on all numbers of rows.

    Raises:
        ConfigError: if the method is not in the experiment, or a tracker is not installed.
        StudentError: if a student cannot be built, does not fit the machine, or has no rows to
            train on.
        RunError: if another process works in the run folder.
    """
    names = experiment.config.methods
    if method is not None and method not in names:
        near = suggest(method, names) or f"; it has {', '.join(names)}"
        raise ConfigError(f"method {method!r} is not in {experiment.file}{near}")
    check_trackers(experiment.config.training.report_to)
    watcher = watcher if watcher and is_main() else Watcher()
    with experiment.folder.lock() if is_main() else nullcontext():
        if is_main():
            experiment.write_resolved()
        rounds = [
            [student_id for student_id in student_ids if method in (None, student_id.method)]
            for student_ids in list_rounds(experiment, study=study)
        ]
        wanted = list(chain(*rounds))
        watcher.on_start(wanted)
        experiment = experiment.in_memory()
        if shared := find_shared(experiment.splits.validation, experiment.splits.train):
            watcher.on_shared(shared)
        if annotations is None:
            annotations = read_annotations(experiment)
        watcher.on_annotations(annotations.outcomes)
        jobs = TrainingJobs(experiment, annotations)
        trained = jobs.find_trained(wanted)
        watcher.on_found(trained, len(wanted))
        pending = [_list_pending(experiment, trained, ids, watcher) for ids in rounds]
        if any(pending):
            _train_all(experiment, jobs, [jobs.of_all(ids) for ids in pending], workers, watcher)
        wait_for_all()


def missing_students(
    experiment: Experiment, annotations: Annotations | None, student_ids: Sequence[StudentId]
) -> list[StudentId]:
    """Those of the students that ``train_students`` would train now: all without annotations.

    Raises:
        ConfigError: if a tracker is not installed.
    """
    check_trackers(experiment.config.training.report_to)
    if annotations is None:
        return list(student_ids)
    trained = TrainingJobs(experiment, annotations).find_trained(student_ids)
    return [student_id for student_id in student_ids if student_id not in trained.up_to_date]


def _list_pending(
    experiment: Experiment,
    trained: TrainedStudents,
    student_ids: Sequence[StudentId],
    watcher: Watcher,
) -> list[StudentId]:
    """The students that must be trained; the watcher is notified of the others."""
    up_to_date = set(trained.up_to_date)
    for student_id in student_ids:
        if student_id in up_to_date:
            summary = experiment.folder.trained(student_id).summary
            watcher.on_trained(student_id, summary.validation_accuracy)
    return [student_id for student_id in student_ids if student_id not in up_to_date]


def _train_all(
    experiment: Experiment,
    jobs: TrainingJobs,
    pending: Rounds,
    workers: int | None,
    watcher: Watcher,
) -> None:
    folder = experiment.folder
    for count, rounds in _group_by_workers(experiment, pending, workers, watcher).items():
        with open_pool(count) as pool:
            watcher.on_plan(forecast(rounds, count, pool))
            for index, round_jobs in enumerate(rounds):
                if index:
                    # The learning rates of this round have only been found by the one before.
                    ids = [job.student_id for job in round_jobs]
                    trained = jobs.find_trained(ids)
                    thrifty = {
                        j.student_id for j in round_jobs if j.training.gradient_checkpointing
                    }
                    round_jobs = [
                        job.checkpointing if job.student_id in thrifty else job
                        for job in jobs.of_all(_list_pending(experiment, trained, ids, watcher))
                    ]
                work = partial(train_student, folder)
                pool.run(work, round_jobs, lambda event: event.notify(watcher))
                wait_for_all()


def _group_by_workers(
    experiment: Experiment, rounds: Rounds, workers: int | None, watcher: Watcher
) -> dict[int, Rounds]:
    """The rounds by how many jobs fit side by side, which depends on the student; most first.

    Jobs that only fit so have their activations checkpointed.
    """
    counts: dict[str, int] = {}
    thrifty: set[str] = set()
    for name in dict.fromkeys(job.student_id.student for jobs in rounds for job in jobs):
        own = [job for jobs in rounds for job in jobs if job.student_id.student == name]
        preflight = check_fit(experiment, own)
        watcher.on_fit(name, preflight)
        counts[name] = count_workers(workers, preflight.memory)
        if preflight.checkpoints:
            thrifty.add(name)
    rounds = [
        [job.checkpointing if job.student_id.student in thrifty else job for job in jobs]
        for jobs in rounds
    ]
    return {
        count: [[job for job in jobs if counts[job.student_id.student] == count] for jobs in rounds]
        for count in sorted(set(counts.values()), reverse=True)
    }
