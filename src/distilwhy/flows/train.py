"""Train the students of an experiment that are not trained yet."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distilwhy.core.cell import Cell
from distilwhy.core.method import METHODS
from distilwhy.errors import ConfigError, StudentError
from distilwhy.flows.experiment import Experiment
from distilwhy.flows.lesson import Lesson, Lessons, list_cells, list_waves
from distilwhy.flows.pool import count_workers, do_all
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

if TYPE_CHECKING:
    from distilwhy.students.preflight import Preflight
    from distilwhy.students.student import Student
    from distilwhy.students.training import Report, Trained


@dataclass(frozen=True)
class Watcher:
    """Whom to tell how training goes; each may be left to do nothing.

    Attributes:
        plans: Before training: how many times a student is to be trained, how many side by side,
            and what one training takes.
        ticks: After a step of a student: the steps done and to do.
        reports: After an evaluation.
        ends: After a student, with the summary; or with None if it was trained already.
    """

    plans: Callable[[int, int, "Preflight"], None] = lambda trainings, workers, preflight: None
    ticks: Callable[[Cell, int, int], None] = lambda cell, step, steps: None
    reports: Callable[[Cell, "Report"], None] = lambda cell, report: None
    ends: Callable[[Cell, "Trained | None"], None] = lambda cell, trained: None


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
        study: Train the cells of the study, on all its numbers of rows.

    Raises:
        ConfigError: if the method is not in the experiment.
        StudentError: if a student cannot be built, does not fit the machine, or has no rows to
            train on.
        RunError: if another process works in the run folder.
    """
    names = experiment.config.methods
    if method is not None and method not in names:
        raise ConfigError(f"method {method!r} is not in {experiment.file}; it has {names}")
    watcher = watcher if watcher and is_main() else Watcher()
    with experiment.folder.lock() if is_main() else nullcontext():
        if is_main():
            experiment.write_resolved()
        for wave in list_waves(experiment, study=study):
            lessons = Lessons(experiment)
            chosen = [lessons.of(cell) for cell in wave if method in (None, cell.method)]
            waiting = [one for one in chosen if not is_trained(experiment.folder, one)]
            for done in (one for one in chosen if one not in waiting):
                watcher.ends(done.cell, None)
            _train_all(experiment.folder, waiting, workers, watcher)
            wait_for_all()


def missing_students(experiment: Experiment, *, study: bool = False) -> list[Cell]:
    """The students that ``train_students`` would train now."""
    lessons = Lessons(experiment)
    return [
        cell
        for cell in list_cells(experiment, study=study)
        if experiment.folder.training(cell) is None
        or not is_trained(experiment.folder, lessons.of(cell))
    ]


def is_trained(folder: RunFolder, lesson: Lesson) -> bool:
    """Whether a student stands that was trained on this very lesson."""
    summary = folder.training(lesson.cell)
    return summary is not None and summary["fingerprint"] == lesson.fingerprint


def _train_all(
    folder: RunFolder, lessons: list[Lesson], workers: int | None, watcher: Watcher
) -> None:
    if not lessons:
        return
    for lesson in lessons:
        if not lesson.rows:
            raise StudentError(
                f"method {lesson.cell.method!r} has no rows to train on; annotate first, or give "
                "gold labels"
            )
    preflight = _check_fit(max(lessons, key=_count_written))
    count = count_workers(workers, preflight.memory)
    trainings = sum(len(lesson.training.rates) for lesson in lessons)
    watcher.plans(trainings, count, preflight)

    def hear(what: str, *told: Any) -> None:
        getattr(watcher, what)(*told)

    if count > 1:
        do_all(train_cell, [(folder, lesson) for lesson in lessons], count, hear)
    else:
        for lesson in lessons:
            train_cell(folder, lesson, hear)


def _check_fit(lesson: Lesson) -> "Preflight":
    from distilwhy.students.preflight import check_fit

    return check_fit(_build(lesson).network, lesson.rows, lesson.training)


def _count_written(lesson: Lesson) -> int:
    """How much a lesson has to be read and written: the one with the most takes the most."""
    return sum(
        len(row.source)
        + sum(len(t.text) + len(t.before or "") + len(t.after or "") for t in row.targets)
        for row in lesson.rows
    )


def _build(lesson: Lesson) -> "Student":
    from distilwhy.students.build import build_network
    from distilwhy.students.network import Brief
    from distilwhy.students.student import Student

    method = METHODS[lesson.cell.method]
    brief = Brief(lesson.task, method, lesson.student, lesson.training.two_passes)
    return Student(build_network(brief, lesson.texts, lesson.cell.seed))


def train_cell(folder: RunFolder, lesson: Lesson, tell: Callable[..., None]) -> None:
    """Train one student, with the best of its learning rates."""
    cell, unfinished = lesson.cell, folder.unfinished(lesson.cell)
    with folder.lock_cell(cell) if is_main() else nullcontext():
        if is_main():
            _claim(unfinished, lesson)
        wait_for_all()
        tried = [_train_rate(lesson, rate, unfinished, tell) for rate in lesson.training.rates]
        best = max(tried, key=lambda summary: float(summary["validation_accuracy"]))
        wait_for_all()
        if is_main():
            _publish(folder, lesson, best, tried)
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
    lesson: Lesson, rate: float, unfinished: Path, tell: Callable[..., None]
) -> dict[str, Any]:
    """Train with one learning rate; the student and its summary stand in a folder of its own."""
    from distilwhy.students.training import train

    place = unfinished / f"lr-{rate}"
    if found := read_json(place / SUMMARY):
        return found
    student = _build(lesson)
    trained = train(
        student,
        lesson.rows,
        lesson.validation,
        lesson.training.model_copy(update={"lr": rate}),
        lesson.cell.seed,
        unfinished / f"checkpoint-lr-{rate}",
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
