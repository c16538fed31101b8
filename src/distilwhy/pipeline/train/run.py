"""Train the students of an experiment that are not trained yet."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distilwhy.core.splits import SPLITS
from distilwhy.core.student_id import StudentId
from distilwhy.core.training_summary import Evaluation, TrainingRecord, TrainingSummary, TriedRate
from distilwhy.errors import ConfigError, StudentError
from distilwhy.pipeline.annotate.annotations import Annotations, read_annotations
from distilwhy.pipeline.annotate.calls import CallBuilder
from distilwhy.pipeline.experiment import Experiment
from distilwhy.pipeline.train.forecast import Forecast, forecast
from distilwhy.pipeline.train.jobs import (
    TrainingJob,
    TrainingJobs,
    build_student,
    count_written,
    is_trained,
    list_waves,
)
from distilwhy.pipeline.train.workers import count_workers, open_pool
from distilwhy.store.files import publish_folder, publish_json, publish_jsonl, read_json, read_jsonl
from distilwhy.store.run_folder import LOG, SUMMARY, RunFolder
from distilwhy.students.training.distributed import is_main, wait_for_all
from distilwhy.students.training.tracking import TrackedRun, check_trackers

if TYPE_CHECKING:
    from distilwhy.students.student import Student
    from distilwhy.students.training.memory import Preflight


@dataclass(frozen=True)
class Watcher:
    """Whom to tell how training goes; each may be left to do nothing.

    Attributes:
        begins: Before all else: the students that are to stand in the end.
        finds: Then: how many of them stand trained already, and how many they are.
        fits: Before training, for each student of the study by name: its size, and the memory
            that the largest of its trainings takes.
        plans: After that, when a little was tried: how long all trainings take. Where not as many
            of each student fit side by side, the smaller are trained first, and of the larger it
            is told when their turn comes.
        ticks: After a step of a student: the steps done and to do.
        reports: After an evaluation.
        ends: After a training, with its summary.
        stands: When a student stands trained, with its accuracy on validation.
    """

    begins: Callable[[Sequence[StudentId]], None] = lambda cells: None
    finds: Callable[[int, int], None] = lambda standing, students: None
    fits: Callable[[str, "Preflight"], None] = lambda student, preflight: None
    plans: Callable[[Forecast], None] = lambda forecast: None
    ticks: Callable[[StudentId, int, int], None] = lambda cell, step, steps: None
    reports: Callable[[StudentId, Evaluation], None] = lambda cell, report: None
    ends: Callable[[StudentId, TrainingSummary], None] = lambda cell, trained: None
    stands: Callable[[StudentId, float], None] = lambda cell, accuracy: None


def train_students(
    experiment: Experiment,
    method: str | None = None,
    watcher: Watcher | None = None,
    *,
    workers: int | None = 1,
    study: bool = False,
    annotations: Annotations | None = None,
) -> None:
    """Train every method with every seed, but for those that stand trained on the same rows.

    Small students are trained side by side. Started by ``torchrun`` or ``accelerate launch``,
    all processes train each student together.

    Args:
        method: Train this one alone.
        watcher: Told by the main process alone.
        workers: How many students side by side, in processes of their own; None: as many as the
            machine allows. A script that asks for several needs ``if __name__ == "__main__":``.
        study: Train the cells of the study: all its students on all its numbers of rows.
        annotations: What the teacher said, if it has been read already.

    Raises:
        ConfigError: if the method is not in the experiment, or a tracker is not installed.
        StudentError: if a student cannot be built, does not fit the machine, or has no rows to
            train on.
        RunError: if another process works in the run folder.
    """
    names = experiment.config.methods
    if method is not None and method not in names:
        raise ConfigError(f"method {method!r} is not in {experiment.file}; it has {names}")
    check_trackers(experiment.config.training.report_to)
    watcher = watcher if watcher and is_main() else Watcher()
    with experiment.folder.lock() if is_main() else nullcontext():
        if is_main():
            experiment.write_resolved()
        waves = list_waves(experiment, study=study)
        chosen = [[cell for cell in wave if method in (None, cell.method)] for wave in waves]
        watcher.begins([cell for wave in chosen for cell in wave])
        if annotations is None:
            annotations = read_annotations(experiment)
        jobs = TrainingJobs(experiment, annotations)
        waiting = [_sift(jobs, experiment.folder, wave, watcher) for wave in chosen]
        watcher.finds(sum(map(len, chosen)) - sum(map(len, waiting)), sum(map(len, chosen)))
        if any(waiting):
            _train_all(experiment, jobs, waiting, workers, watcher)
        wait_for_all()


def missing_students(
    experiment: Experiment, calls: CallBuilder, cells: Iterable[StudentId]
) -> list[StudentId]:
    """Those of the students that ``train_students`` would train now.

    Raises:
        ConfigError: if it would not begin, as a tracker is not installed.
    """
    check_trackers(experiment.config.training.report_to)
    cells = list(cells)
    trained = [cell for cell in cells if experiment.folder.training(cell) is not None]
    if not trained:
        return cells
    jobs = TrainingJobs(experiment, read_annotations(experiment, calls))
    current = {cell for cell in trained if is_trained(experiment.folder, jobs.of(cell))}
    return [cell for cell in cells if cell not in current]


def _sift(
    jobs: TrainingJobs, folder: RunFolder, cells: Sequence[StudentId], watcher: Watcher
) -> list[TrainingJob]:
    """The jobs that are still to be done; the watcher is told of students that are trained."""
    waiting = []
    for cell in cells:
        job = jobs.of(cell)
        if not is_trained(folder, job):
            waiting.append(job)
        else:
            summary = folder.trained(cell).summary
            watcher.stands(cell, summary.validation_accuracy)
    return waiting


def _train_all(
    experiment: Experiment,
    jobs: TrainingJobs,
    waves: list[list[TrainingJob]],
    workers: int | None,
    watcher: Watcher,
) -> None:
    def hear(what: str, *told: Any) -> None:
        getattr(watcher, what)(*told)

    folder = experiment.folder
    for count, some in _share_out(experiment, waves, workers, watcher).items():
        with open_pool(count) as do:
            watcher.plans(forecast(some, count, do))
            for index, wave in enumerate(some):
                if index:
                    # The learning rates have been found by now.
                    wave = _sift(jobs, folder, [job.cell for job in wave], watcher)
                do(train_cell, [(folder, job) for job in wave], hear)
                wait_for_all()


def _share_out(
    experiment: Experiment, waves: list[list[TrainingJob]], workers: int | None, watcher: Watcher
) -> dict[int, list[list[TrainingJob]]]:
    """The same waves by how many trainings fit side by side, the most first: that depends on the
    student."""
    counts: dict[str, int] = {}
    for name in dict.fromkeys(job.cell.student for wave in waves for job in wave):
        own = [job for wave in waves for job in wave if job.cell.student == name]
        preflight = _check_all(experiment, own)
        watcher.fits(name, preflight)
        counts[name] = count_workers(workers, preflight.memory)
    return {
        count: [[n for n in wave if counts[n.cell.student] == count] for wave in waves]
        for count in sorted(set(counts.values()), reverse=True)
    }


def _check_all(experiment: Experiment, jobs: Sequence[TrainingJob]) -> "Preflight":
    """What the training with most to read and write takes: the student's others take no more.
    Rows that the student could not learn from, or be asked about, stop it."""
    from distilwhy.students.training.memory import check_fit

    for job in jobs:
        if not job.rows:
            raise StudentError(
                f"method {job.cell.method!r} has no rows to train on; annotate first, or give "
                "gold labels"
            )
    most = max(jobs, key=count_written)
    try:
        network = build_student(most).network
        if experiment.task.row_format.options:
            for split in SPLITS:
                network.check_rows(experiment.splits.named(split))
        return check_fit(network, most.rows, most.training)
    except StudentError as error:
        name = most.cell.student
        raise StudentError(f"study.students.{name}: {error}" if name else str(error)) from error


def train_cell(folder: RunFolder, job: TrainingJob, tell: Callable[..., None]) -> None:
    """Train one student, with the best of its learning rates."""
    cell, unfinished = job.cell, folder.unfinished(job.cell)
    with folder.lock_student(cell) if is_main() else nullcontext():
        if is_main():
            _claim(unfinished, job)
        wait_for_all()
        tried = [_train_rate(folder, job, rate, tell) for rate in job.training.rates]
        best = max(tried, key=lambda summary: summary.validation_accuracy)
        wait_for_all()
        if is_main():
            _publish(folder, job, best, tried)
        tell("stands", cell, best.validation_accuracy)
        wait_for_all()


def _publish(
    folder: RunFolder, job: TrainingJob, best: TrainingSummary, tried: Sequence[TrainingSummary]
) -> None:
    """Put the student with the best learning rate into its place."""
    unfinished = folder.unfinished(job.cell)
    aside = unfinished / f"lr-{best.lr}"
    search = [TriedRate(one.lr, one.validation_accuracy) for one in tried]
    record = TrainingRecord(job.cell, job.fingerprint, best, search, job.counts)
    publish_json(aside / SUMMARY, record.as_json())
    publish_folder(aside, folder.student(job.cell))
    shutil.rmtree(unfinished, ignore_errors=True)


def _train_rate(
    folder: RunFolder, job: TrainingJob, rate: float, tell: Callable[..., None]
) -> TrainingSummary:
    """Train with one learning rate; the student and its summary stand in a folder of its own."""
    from distilwhy.students.training.loop import train

    unfinished = folder.unfinished(job.cell)
    place = unfinished / f"lr-{rate}"
    if found := read_json(place / SUMMARY):
        return TrainingSummary.from_json(found, read_jsonl(place / LOG))
    student = build_student(job)
    summary = train(
        student,
        job.rows,
        job.validation,
        job.training.model_copy(update={"lr": rate}),
        job.cell.seed,
        unfinished / f"checkpoint-lr-{rate}",
        tracked=_tracked(folder, job, rate),
        on_evaluation=lambda report: tell("reports", job.cell, report),
        on_step=lambda step, steps: tell("ticks", job.cell, step, steps),
    )
    tell("ends", job.cell, summary)
    if is_main():
        _keep(student, summary, place)
    wait_for_all()
    return summary


def _tracked(folder: RunFolder, job: TrainingJob, rate: float) -> TrackedRun:
    """How trackers are to show a training: by the name of its student, and by its learning rate
    where several are tried."""
    cell, settings = job.cell, job.training.model_dump(mode="json", exclude={"report_to"})
    several = f"-lr{rate}" if len(job.training.rates) > 1 else ""
    told = {**asdict(cell), "model": job.student.model, **settings, "lr": rate}
    return TrackedRun(
        job.training.report_to,
        project=folder.path.resolve().name,
        name=cell.name + several,
        folder=folder.logs,
        settings={key: v if isinstance(v, int | float) else str(v) for key, v in told.items()},
    )


def _keep(student: "Student", summary: TrainingSummary, place: Path) -> None:
    aside = place.with_name(f"{place.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    student.save(aside)
    publish_jsonl(aside / LOG, map(asdict, summary.log))
    publish_json(aside / SUMMARY, summary.as_json())
    publish_folder(aside, place)


def _claim(unfinished: Path, job: TrainingJob) -> None:
    """Take up a checkpoint of this very job; drop one of another."""
    found = read_json(unfinished / SUMMARY)
    if found is None or found["fingerprint"] != job.fingerprint:
        shutil.rmtree(unfinished, ignore_errors=True)
    publish_json(unfinished / SUMMARY, {"fingerprint": job.fingerprint})
