"""What decides how a student is trained, and whether a trained student is up to date.

A ``TrainingJob`` holds everything that decides a training, and its fingerprint is kept in the
trained student's folder. A student is out of date, and trained again, if the fingerprint of its
job has changed, or if the student that found its learning rate is out of date.

Not fingerprinted: a student's name in the study and ``training.report_to``, which never affect
training; ``training.fresh_lr_factor`` from scratch, and the tokenizer's texts otherwise, which
are unused.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from distilwhy.config import StudentConfig, TrainingConfig
from distilwhy.core.method import (
    METHODS,
    Method,
    SoftLabels,
    TargetOptions,
    TrainingRow,
    render_source,
    render_training_rows,
)
from distilwhy.core.review import Review, review
from distilwhy.core.student_id import StudentId, extent, select_rows
from distilwhy.core.task import Example, Task
from distilwhy.errors import ConfigError
from distilwhy.pipeline.annotate.annotations import Annotations
from distilwhy.pipeline.experiment import Experiment
from distilwhy.pipeline.fingerprint import Content, hash_parts, to_json
from distilwhy.pipeline.train.study import searcher_of
from distilwhy.students.settings import SCRATCH

if TYPE_CHECKING:
    from distilwhy.students.student import Student


@dataclass(frozen=True)
class TrainingJob:
    """All that decides how one student is trained.

    Attributes:
        student_id: Which student.
        task: What it answers.
        student: Its model, shape and lengths.
        model: Where its model is. Only the name in ``student`` is fingerprinted.
        training: How it is trained; ``training.rates`` are the learning rates to try.
        rows: What it trains on.
        validation: What its weights are chosen by.
        texts: What a tokenizer from scratch is trained on.
        counts: What was done about rationales for wrong labels; empty for a method that does not
            learn from the teacher.
        inputs: What is fingerprinted, by name: settings as they are, the rest as hashes.
        fingerprint: The SHA-256 of all of it.
    """

    student_id: StudentId
    task: Task
    student: StudentConfig
    model: str
    training: TrainingConfig
    rows: list[TrainingRow]
    validation: list[Example]
    texts: list[str]
    counts: dict[str, int]
    inputs: dict[str, Any]
    fingerprint: str

    @property
    def characters(self) -> int:
        """The length of everything that the student reads and writes in one pass over the rows."""
        return sum(
            len(row.source)
            + sum(len(t.text) + len(t.before or "") + len(t.after or "") for t in row.targets)
            for row in self.rows
        )

    def build_student(self) -> "Student":
        """The student before it is trained.

        Raises:
            StudentError: if its model cannot be loaded.
        """
        from distilwhy.students.load import build_network
        from distilwhy.students.network import StudentSpec
        from distilwhy.students.student import Student

        method, seed = METHODS[self.student_id.method], self.student_id.seed
        spec = StudentSpec(self.task, method, self.student, self.training.two_passes)
        return Student(build_network(spec, self.texts, seed, self.model))


@dataclass(frozen=True)
class TrainedStudents:
    """The students that are trained already.

    Attributes:
        up_to_date: Those whose fingerprint is that of their job.
        out_of_date: The others, each with what has changed, such as ``training.lr``; nothing
            where an older version did not record what it trained on.
    """

    up_to_date: list[StudentId]
    out_of_date: dict[StudentId, list[str]]


class TrainingJobs:
    """The training jobs of an experiment, given its annotations."""

    def __init__(self, experiment: Experiment, annotations: Annotations) -> None:
        self._experiment = experiment
        self._annotations = annotations
        # One entry each: jobs are made in an order in which that is enough.
        self._select = lru_cache(maxsize=1)(self._select_rows)
        self._teach = lru_cache(maxsize=1)(self._render_rows)

    def of(self, student_id: StudentId) -> TrainingJob:
        """The job of one student.

        If several learning rates are configured, the first seed of each method tries them; the
        other seeds use the best one, or 0.0 until it is known.

        Raises:
            ConfigError: if no validation row has a label.
        """
        task, student = self._experiment.task, self._experiment.config.students[student_id.student]
        training, is_scratch = self._training(student_id), student.model == SCRATCH
        taught = self._teach(_sharing(student_id))
        unused = {"report_to", "fresh_lr_factor"} if is_scratch else {"report_to"}
        settings = {
            "student": student.model_dump(mode="json"),
            "training": training.model_dump(mode="json", exclude=unused),
        }
        contents: dict[str, Content[Any]] = {
            "answer": Content(task.answer),
            "rows": taught.rows,
            "validation": taught.validation,
            "texts": taught.selection.texts if is_scratch else Content([]),
        }
        parts = {
            "cell": to_json({n: getattr(student_id, n) for n in ("method", "seed", "rows")}),
            **{name: to_json(value) for name, value in settings.items()},
            **{name: content.json for name, content in contents.items()},
        }
        return TrainingJob(
            student_id,
            task,
            student,
            self._experiment.student_model(student_id.student),
            training,
            taught.rows.value,
            taught.validation.value,
            taught.selection.texts.value,
            taught.counts,
            settings | {name: content.hash for name, content in contents.items()},
            hash_parts(parts),
        )

    def of_all(self, student_ids: Sequence[StudentId]) -> list[TrainingJob]:
        """The jobs of several students; those that learn the same share their rows."""
        jobs = {student_id: self.of(student_id) for student_id in sorted(student_ids, key=_order)}
        return [jobs[student_id] for student_id in student_ids]

    def find_trained(self, student_ids: Iterable[StudentId]) -> TrainedStudents:
        """The students that are trained, told apart by whether they are up to date."""
        folder, student_ids = self._experiment.folder, list(student_ids)
        searchers = {s: searcher_of(self._experiment, s) for s in student_ids}
        found = {s: folder.training(s) for s in {*student_ids, *searchers.values()}}
        records = {s: record for s, record in found.items() if record is not None}
        changes: dict[StudentId, list[str]] = {}
        for job in map(self.of, sorted(records, key=_order)):
            record = records[job.student_id]
            if record.fingerprint != job.fingerprint:
                changes[job.student_id] = list_changes(record.inputs, job.inputs)
        trained = [s for s in student_ids if s in records]
        for student_id in trained:
            searcher = searchers[student_id]
            if searcher in changes or searcher not in records:
                changes.setdefault(student_id, changes.get(searcher, ["training.lr"]))
        return TrainedStudents(
            [s for s in trained if s not in changes],
            {s: changes[s] for s in trained if s in changes},
        )

    def _training(self, student_id: StudentId) -> TrainingConfig:
        training = self._experiment.config.training
        searcher = searcher_of(self._experiment, student_id)
        if searcher == student_id:
            return training
        found = self._experiment.folder.training(searcher)
        return training.model_copy(update={"lr": found.summary.lr if found else 0.0})

    def _render_rows(self, student_id: StudentId) -> "_Taught":
        """What a student learns, and all others that learn the same."""
        method, config = METHODS[student_id.method], self._experiment.config.training
        selection = self._select(student_id.rows, student_id.seed if student_id.rows else 0)
        soft = config.soft_labels
        options = TargetOptions(
            config.rationale_weight,
            config.several_rationales,
            SoftLabels(soft.weight, soft.temperature) if soft else None,
            student_id.seed,
        )
        reviewed = selection.review
        rows = render_training_rows(method, selection.examples, reviewed.annotations, options)
        counts = asdict(replace(reviewed, annotations={})) if method.needs_teacher else {}
        counts.pop("annotations", None)
        return _Taught(selection, Content(rows), self._references(method), counts)

    def _select_rows(self, rows: int | None, seed: int) -> "_Selection":
        task, config = self._experiment.task, self._experiment.config
        examples = select_rows(self._experiment.splits.train, rows, seed)
        reviewed = review(
            task.answer, examples, self._annotations, config.training.wrong_rationales
        )
        return _Selection(examples, reviewed, Content(list(self._texts(examples))))

    def _texts(self, examples: Sequence[Example]) -> Iterator[str]:
        """The task's own text, from train rows alone: the same for every method."""
        for example in examples:
            annotation = self._annotations.get(example.id)
            said = (annotation.rationale, annotation.label) if annotation else ()
            yield from (text for text in (example.text, example.gold, *said) if text)

    def _references(self, method: Method) -> Content[list[Example]]:
        if not method.asks_teacher:
            return self._validation
        return Content(
            [
                replace(e, text=render_source(method, e, self._annotations.get(e.id)))
                for e in self._validation.value
            ]
        )

    @cached_property
    def _validation(self) -> Content[list[Example]]:
        """The validation rows with a label to select by: gold, or else the teacher's."""
        found = []
        for example in self._experiment.splits.validation:
            annotation = self._annotations.get(example.id)
            label = example.gold or (annotation.label if annotation else None)
            if label is not None:
                found.append(replace(example, gold=label))
        if not found:
            raise ConfigError(
                f"{self._experiment.file}: no validation row has a gold label or a readable "
                "answer, so no checkpoint can be chosen; annotate 'validation', or give it gold "
                "labels"
            )
        return Content(found)


@dataclass(frozen=True)
class _Selection:
    """Some of the train rows, their annotations as they are taught, and their texts."""

    examples: list[Example]
    review: Review
    texts: Content[list[str]]


@dataclass(frozen=True)
class _Taught:
    """What students of one method learn from a selection of the train rows."""

    selection: _Selection
    rows: Content[list[TrainingRow]]
    validation: Content[list[Example]]
    counts: dict[str, int]


def list_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The names of what differs between the ``inputs`` of two jobs; none if there is no before."""
    if not before:
        return []
    old, new = dict(_flatten(before)), dict(_flatten(now))
    return [name for name in {**old, **new} if old.get(name) != new.get(name)]


def _flatten(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _is_drawn(student_id: StudentId) -> bool:
    """Whether what a student learns depends on its seed."""
    return student_id.rows is not None or METHODS[student_id.method].rationales == "shuffled"


def _sharing(student_id: StudentId) -> StudentId:
    """One id for all the students that learn the same."""
    return replace(student_id, student="", seed=student_id.seed if _is_drawn(student_id) else 0)


def _order(student_id: StudentId) -> tuple[object, ...]:
    """Sorts students so that those that share rows, and then a method, are neighbours."""
    rows_seed = student_id.seed if student_id.rows else 0
    return extent(student_id.rows), rows_seed, student_id.method, student_id.seed
