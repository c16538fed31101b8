"""Train the students of an experiment that are not trained yet."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distilwhy.core.cell import Cell
from distilwhy.core.splits import SPLITS
from distilwhy.errors import ConfigError, StudentError
from distilwhy.flows.experiment import Experiment
from distilwhy.flows.forecast import Forecast, forecast
from distilwhy.flows.lesson import (
    Lesson,
    Lessons,
    build_student,
    count_written,
    is_trained,
    list_waves,
)
from distilwhy.flows.pool import count_workers, open_pool
from distilwhy.store.run import (
    LOG,
    SUMMARY,
    RunFolder,
    publish_folder,
    publish_json,
    publish_jsonl,
    read_json,
)
from distilwhy.students.processes import is_main, wait_for_all
from distilwhy.students.tracking import Tracked, check_trackers

if TYPE_CHECKING:
    from distilwhy.students.preflight import Preflight
    from distilwhy.students.student import Student
    from distilwhy.students.training import Report, Trained


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

    begins: Callable[[Sequence[Cell]], None] = lambda cells: None
    finds: Callable[[int, int], None] = lambda standing, students: None
    fits: Callable[[str, "Preflight"], None] = lambda student, preflight: None
    plans: Callable[[Forecast], None] = lambda forecast: None
    ticks: Callable[[Cell, int, int], None] = lambda cell, step, steps: None
    reports: Callable[[Cell, "Report"], None] = lambda cell, report: None
    ends: Callable[[Cell, "Trained"], None] = lambda cell, trained: None
    stands: Callable[[Cell, float], None] = lambda cell, accuracy: None


def train_students(
    experiment: Experiment,
    method: str | None = None,
    watcher: Watcher | None = None,
    *,
    workers: int | None = 1,
    study: bool = False,
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
        waiting = [_sift(experiment, wave, watcher) for wave in chosen]
        watcher.finds(sum(map(len, chosen)) - sum(map(len, waiting)), sum(map(len, chosen)))
        if any(waiting):
            _train_all(experiment, waiting, workers, watcher)
        wait_for_all()


def missing_students(experiment: Experiment, cells: Iterable[Cell]) -> list[Cell]:
    """Those of the students that ``train_students`` would train now.

    Raises:
        ConfigError: if it would not begin, as a tracker is not installed.
    """
    check_trackers(experiment.config.training.report_to)
    lessons = Lessons(experiment)
    return [
        cell
        for cell in cells
        if experiment.folder.training(cell) is None
        or not is_trained(experiment.folder, lessons.of(cell))
    ]


def _sift(experiment: Experiment, cells: Sequence[Cell], watcher: Watcher) -> list[Lesson]:
    """The lessons that are to be learnt; of students that stand trained, word is given."""
    lessons, waiting = Lessons(experiment), []
    for cell in cells:
        lesson = lessons.of(cell)
        if not is_trained(experiment.folder, lesson):
            waiting.append(lesson)
        elif summary := experiment.folder.training(cell):
            watcher.stands(cell, summary["validation_accuracy"])
    return waiting


def _train_all(
    experiment: Experiment, waves: list[list[Lesson]], workers: int | None, watcher: Watcher
) -> None:
    def hear(what: str, *told: Any) -> None:
        getattr(watcher, what)(*told)

    for count, some in _share_out(experiment, waves, workers, watcher).items():
        with open_pool(count) as do:
            watcher.plans(forecast(some, count, do))
            for index, wave in enumerate(some):
                if index:
                    # The learning rates have been found by now.
                    wave = _sift(experiment, [lesson.cell for lesson in wave], watcher)
                do(train_cell, [(experiment.folder, lesson) for lesson in wave], hear)
                wait_for_all()


def _share_out(
    experiment: Experiment, waves: list[list[Lesson]], workers: int | None, watcher: Watcher
) -> dict[int, list[list[Lesson]]]:
    """The same waves by how many trainings fit side by side, the most first: that depends on the
    student."""
    counts: dict[str, int] = {}
    for name in dict.fromkeys(lesson.cell.student for wave in waves for lesson in wave):
        own = [lesson for wave in waves for lesson in wave if lesson.cell.student == name]
        preflight = _check_all(experiment, own)
        watcher.fits(name, preflight)
        counts[name] = count_workers(workers, preflight.memory)
    return {
        count: [[n for n in wave if counts[n.cell.student] == count] for wave in waves]
        for count in sorted(set(counts.values()), reverse=True)
    }


def _check_all(experiment: Experiment, lessons: Sequence[Lesson]) -> "Preflight":
    """What the training with most to read and write takes: the student's others take no more.
    Rows that the student could not learn from, or be asked about, stop it."""
    from distilwhy.students.preflight import check_fit

    for lesson in lessons:
        if not lesson.rows:
            raise StudentError(
                f"method {lesson.cell.method!r} has no rows to train on; annotate first, or give "
                "gold labels"
            )
    most = max(lessons, key=count_written)
    try:
        network = build_student(most).network
        if experiment.task.wording.options:
            for split in SPLITS:
                network.check_rows(experiment.splits.named(split))
        return check_fit(network, most.rows, most.training)
    except StudentError as error:
        name = most.cell.student
        raise StudentError(f"study.students.{name}: {error}" if name else str(error)) from error


def train_cell(folder: RunFolder, lesson: Lesson, tell: Callable[..., None]) -> None:
    """Train one student, with the best of its learning rates."""
    cell, unfinished = lesson.cell, folder.unfinished(lesson.cell)
    with folder.lock_cell(cell) if is_main() else nullcontext():
        if is_main():
            _claim(unfinished, lesson)
        wait_for_all()
        tried = [_train_rate(folder, lesson, rate, tell) for rate in lesson.training.rates]
        best = max(tried, key=lambda summary: float(summary["validation_accuracy"]))
        wait_for_all()
        if is_main():
            _publish(folder, lesson, best, tried)
        tell("stands", cell, best["validation_accuracy"])
        wait_for_all()


def _publish(
    folder: RunFolder, lesson: Lesson, best: dict[str, Any], tried: list[dict[str, Any]]
) -> None:
    """Put the student with the best learning rate into its place."""
    unfinished = folder.unfinished(lesson.cell)
    aside = unfinished / f"lr-{best['lr']}"
    search = [{key: one[key] for key in ("lr", "validation_accuracy")} for one in tried]
    counts = {"wrong_rationales": lesson.counts} if lesson.counts else {}
    heading = {**asdict(lesson.cell), **best, **counts, "search": search}
    publish_json(aside / SUMMARY, {**heading, "fingerprint": lesson.fingerprint})
    publish_folder(aside, folder.student(lesson.cell))
    shutil.rmtree(unfinished, ignore_errors=True)


def _train_rate(
    folder: RunFolder, lesson: Lesson, rate: float, tell: Callable[..., None]
) -> dict[str, Any]:
    """Train with one learning rate; the student and its summary stand in a folder of its own."""
    from distilwhy.students.training import train

    unfinished = folder.unfinished(lesson.cell)
    place = unfinished / f"lr-{rate}"
    if found := read_json(place / SUMMARY):
        return found
    student = build_student(lesson)
    trained = train(
        student,
        lesson.rows,
        lesson.validation,
        lesson.training.model_copy(update={"lr": rate}),
        lesson.cell.seed,
        unfinished / f"checkpoint-lr-{rate}",
        tracked=_tracked(folder, lesson, rate),
        watch=lambda report: tell("reports", lesson.cell, report),
        tick=lambda step, steps: tell("ticks", lesson.cell, step, steps),
    )
    tell("ends", lesson.cell, trained)
    summary = asdict(trained)
    log = summary.pop("log")
    if is_main():
        _keep(student, summary, log, place)
    wait_for_all()
    return summary


def _tracked(folder: RunFolder, lesson: Lesson, rate: float) -> Tracked:
    """How trackers are to show a training: by the name of its student, and by its learning rate
    where several are tried."""
    cell, settings = lesson.cell, lesson.training.model_dump(mode="json", exclude={"report_to"})
    several = f"-lr{rate}" if len(lesson.training.rates) > 1 else ""
    told = {**asdict(cell), "model": lesson.student.model, **settings, "lr": rate}
    return Tracked(
        lesson.training.report_to,
        project=folder.path.resolve().name,
        name=cell.name + several,
        folder=folder.logs,
        settings={key: v if isinstance(v, int | float) else str(v) for key, v in told.items()},
    )


def _keep(student: "Student", summary: dict[str, Any], log: Sequence[Any], place: Path) -> None:
    aside = place.with_name(f"{place.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    student.save(aside)
    publish_jsonl(aside / LOG, log)
    publish_json(aside / SUMMARY, summary)
    publish_folder(aside, place)


def _claim(unfinished: Path, lesson: Lesson) -> None:
    """Take up a checkpoint of this very lesson; drop one of another."""
    found = read_json(unfinished / SUMMARY)
    if found is None or found["fingerprint"] != lesson.fingerprint:
        shutil.rmtree(unfinished, ignore_errors=True)
    publish_json(unfinished / SUMMARY, {"fingerprint": lesson.fingerprint})
