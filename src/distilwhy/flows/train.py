"""Train the students of an experiment that are not trained yet."""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from distilwhy.core.annotation import Annotation
from distilwhy.core.method import Method, TrainingRow, render_training_rows
from distilwhy.core.task import Example
from distilwhy.errors import ConfigError, StudentError
from distilwhy.flows.experiment import Experiment
from distilwhy.store.run import (
    LOG,
    SUMMARY,
    publish_folder,
    publish_json,
    publish_jsonl,
    read_json,
)

if TYPE_CHECKING:
    from distilwhy.students.student import Student
    from distilwhy.students.training import Report, Trained


@dataclass(frozen=True)
class Lesson:
    """All that decides how one student is trained."""

    method: Method
    seed: int
    rows: list[TrainingRow]
    validation: list[Example]
    fingerprint: str


@dataclass(frozen=True)
class Watcher:
    """Whom to tell how training goes; each may be left to do nothing.

    Attributes:
        starts: Before a student: its method, its seed, and how many rows it has.
        ticks: After a step: the steps done and to do.
        reports: After an evaluation.
        ends: After a student, with the summary; or with None if it was trained already.
    """

    starts: Callable[[str, int, int], None] = lambda method, seed, rows: None
    ticks: Callable[[int, int], None] = lambda step, steps: None
    reports: Callable[["Report"], None] = lambda report: None
    ends: Callable[[str, int, "Trained | None"], None] = lambda method, seed, trained: None


def train_students(
    experiment: Experiment, method: str | None = None, watcher: Watcher | None = None
) -> None:
    """Train every method with every seed, but for those that stand trained on the same rows.

    Args:
        method: Train this one alone.

    Raises:
        ConfigError: if the method is not in the experiment.
        StudentError: if a student cannot be built, or a method has no rows to train on.
        RunError: if another process works in the run folder.
    """
    names = [m.name for m in experiment.methods]
    if method is not None and method not in names:
        raise ConfigError(f"method {method!r} is not in {experiment.file}; it has {names}")
    watcher = watcher or Watcher()
    with experiment.folder.lock():
        experiment.write_resolved()
        annotations = experiment.read_annotations()
        texts = _tokenizer_texts(experiment, annotations)
        for chosen in experiment.methods:
            for seed in experiment.config.seeds:
                if method in (None, chosen.name):
                    lesson = _lesson(experiment, chosen, seed, annotations, texts)
                    _train_one(experiment, lesson, texts, watcher)


def missing_students(experiment: Experiment) -> list[tuple[str, int]]:
    """The methods and seeds that ``train_students`` would train now."""
    annotations = experiment.read_annotations()
    texts = _tokenizer_texts(experiment, annotations)

    def is_missing(method: Method, seed: int) -> bool:
        if experiment.folder.training(method.name, seed) is None:
            return True
        return not _is_done(experiment, _lesson(experiment, method, seed, annotations, texts))

    return [
        (method.name, seed)
        for method in experiment.methods
        for seed in experiment.config.seeds
        if is_missing(method, seed)
    ]


def _train_one(
    experiment: Experiment, lesson: Lesson, texts: Sequence[str], watcher: Watcher
) -> None:
    from distilwhy.students.seq2seq import build_backbone
    from distilwhy.students.student import Student
    from distilwhy.students.training import train

    name, seed = lesson.method.name, lesson.seed
    place = experiment.folder.student(name, seed)
    unfinished = experiment.folder.unfinished(name, seed)
    if _is_done(experiment, lesson):
        shutil.rmtree(unfinished, ignore_errors=True)
        watcher.ends(name, seed, None)
        return
    if not lesson.rows:
        raise StudentError(
            f"method {name!r} has no rows to train on; annotate first, or give gold labels"
        )
    _claim(unfinished, lesson)
    watcher.starts(name, seed, len(lesson.rows))
    config = experiment.config
    backbone = build_backbone(config.student, texts, seed)
    student = Student(backbone, experiment.task, name, config.student)
    trained = train(
        student,
        lesson.rows,
        lesson.validation,
        config.training,
        seed,
        unfinished,
        watch=watcher.reports,
        tick=watcher.ticks,
    )
    _publish(student, trained, lesson, unfinished, place)
    watcher.ends(name, seed, trained)


def _is_done(experiment: Experiment, lesson: Lesson) -> bool:
    """Whether a student stands that was trained on this very lesson."""
    summary = experiment.folder.training(lesson.method.name, lesson.seed)
    return summary is not None and summary["fingerprint"] == lesson.fingerprint


def _claim(unfinished: Path, lesson: Lesson) -> None:
    """Take up a checkpoint of this very lesson; drop one of another."""
    found = read_json(unfinished / SUMMARY)
    if found is None or found["fingerprint"] != lesson.fingerprint:
        shutil.rmtree(unfinished, ignore_errors=True)
    publish_json(unfinished / SUMMARY, {"fingerprint": lesson.fingerprint})


def _publish(
    student: "Student", trained: "Trained", lesson: Lesson, unfinished: Path, place: Path
) -> None:
    aside = unfinished / "student"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    student.save(aside)
    summary = asdict(trained)
    publish_jsonl(aside / LOG, summary.pop("log"))
    heading = {"method": lesson.method.name, "seed": lesson.seed}
    publish_json(aside / SUMMARY, {**heading, **summary, "fingerprint": lesson.fingerprint})
    publish_folder(aside, place)
    shutil.rmtree(unfinished, ignore_errors=True)


def _lesson(
    experiment: Experiment,
    method: Method,
    seed: int,
    annotations: dict[str, Annotation],
    texts: Sequence[str],
) -> Lesson:
    config = experiment.config
    rows = render_training_rows(
        method,
        experiment.splits.train,
        annotations,
        rationale_weight=config.training.rationale_weight,
        seed=seed,
    )
    validation = _references(experiment, annotations)
    decides = {
        "method": method.name,
        "seed": seed,
        "rows": [asdict(row) for row in rows],
        "validation": [asdict(example) for example in validation],
        "answer": asdict(experiment.task.answer),
        "student": config.student.model_dump(mode="json"),
        "training": config.training.model_dump(mode="json"),
        "texts": list(texts) if config.student.model == "scratch" else [],
    }
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
    return Lesson(method, seed, rows, validation, digest)


def _references(experiment: Experiment, annotations: dict[str, Annotation]) -> list[Example]:
    """The validation rows with a label to select by: gold, or else the teacher's."""
    found = []
    for example in experiment.splits.validation:
        annotation = annotations.get(example.id)
        label = example.gold or (annotation.label if annotation else None)
        if label is not None:
            found.append(replace(example, gold=label))
    if not found:
        raise ConfigError(
            f"{experiment.file}: no validation row has a gold label or a readable answer, so no "
            "checkpoint can be chosen; annotate 'validation', or give it gold labels"
        )
    return found


def _tokenizer_texts(experiment: Experiment, annotations: dict[str, Annotation]) -> list[str]:
    """The task's own text, from train rows alone: the same for every method and seed."""
    texts = []
    for example in experiment.splits.train:
        annotation = annotations.get(example.id)
        said = (annotation.rationale, annotation.label) if annotation else ()
        texts += [text for text in (example.text, example.gold, *said) if text]
    return texts
