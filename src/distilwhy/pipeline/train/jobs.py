"""What decides how a student is trained, and whether a trained student is up to date.

A ``TrainingJob`` holds everything that decides a training, and its fingerprint is kept in the
trained student's folder. A student is out of date, and trained again, if the fingerprint of its
job has changed, or if the student that found its learning rate is out of date.

Not fingerprinted: a student's name in the study and ``training.report_to``, which never affect
training; ``training.fresh_lr_factor`` from scratch, and the tokenizer's texts otherwise, which
are unused; ``training.rationale_share``, which decides no more than the rows.
``training.rationale_gate`` is fingerprinted where it is on and does something, so that students of
versions without it stay up to date.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from distilwhy.config import StudentConfig, TrainingConfig
from distilwhy.core.method import METHODS, TrainingRow
from distilwhy.core.student_id import StudentId
from distilwhy.core.task import Example, Task
from distilwhy.core.training_summary import TrainingRecord
from distilwhy.pipeline.annotate.annotations import Annotations
from distilwhy.pipeline.experiment import Experiment
from distilwhy.pipeline.fingerprint import Content, hash_parts, to_json
from distilwhy.pipeline.train.data import TrainingDataBuilder, sort_by_data
from distilwhy.pipeline.train.study import Trial, list_trials, searcher_of
from distilwhy.students.settings import SCRATCH

if TYPE_CHECKING:
    from distilwhy.students.spec import StudentSpec
    from distilwhy.students.student import Student


@dataclass(frozen=True)
class TrainingJob:
    """All that decides how one student is trained.

    Attributes:
        model: Where its model is. Only the name in ``student`` is fingerprinted.
        training: How it is trained.
        trials: The learning rates to try, and λ where several are tried.
        rows: What it trains on; with λ = 1 where several are tried.
        validation: What its weights are chosen by.
        texts: What a tokenizer from scratch is trained on.
        counts: What was done about rationales for wrong labels; empty for a method that does not
            learn from the teacher.
        inputs: What is fingerprinted, by name: settings as they are, the rest as hashes.
        fingerprint: The SHA-256 of all that decides the training.
    """

    student_id: StudentId
    task: Task
    student: StudentConfig
    model: str
    training: TrainingConfig
    trials: list[Trial]
    rows: list[TrainingRow]
    validation: Sequence[Example]
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

    @property
    def checkpoints(self) -> bool:
        """Whether activations are checkpointed."""
        return self.training.gradient_checkpointing

    @property
    def checkpointing(self) -> Self:
        """The same job, with activations checkpointed; its weights come out the same."""
        thrifty = self.training.model_copy(update={"gradient_checkpointing": True})
        return replace(self, training=thrifty)

    def build_student(self) -> "Student":
        """The student before it is trained.

        Raises:
            StudentError: if its model cannot be loaded.
        """
        from distilwhy.students.load import build_network
        from distilwhy.students.student import Student

        return Student(build_network(self.spec, self.texts, self.student_id.seed, self.model))

    @property
    def spec(self) -> "StudentSpec":
        from distilwhy.students.spec import StudentSpec

        method = METHODS[self.student_id.method]
        return StudentSpec(self.task, method, self.student, self.training.two_passes)


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
        self._data = TrainingDataBuilder(experiment, annotations)

    def of(self, student_id: StudentId) -> TrainingJob:
        """The job of one student.

        If several learning rates or λ are configured, the first seed of each method tries them;
        the other seeds use the best, or 0.0 until it is known.

        A model of the family ``auto`` is taken for one that can have a rationale gate.

        Raises:
            ConfigError: if no validation row has a label.
        """
        return self._of(student_id, self._has_gate(student_id))

    def _of(self, student_id: StudentId, has_gate: bool) -> TrainingJob:
        task, student = self._experiment.task, self._experiment.config.students[student_id.student]
        training, is_scratch = self._training(student_id), student.model == SCRATCH
        weight = training.rationale_weight
        data = self._data.of(student_id, 1.0 if isinstance(weight, list) else weight)
        unused = {"report_to", "rationale_share", "rationale_gate"}
        if is_scratch:
            unused |= {"fresh_lr_factor"}
        if training.select_rationale is None:
            unused |= {"select_rationale"}
        gate = {"rationale_gate": True} if has_gate else {}
        # Students of earlier versions have none.
        without = set() if student.label_head else {"label_head"}
        settings = {
            "student": student.model_dump(mode="json", exclude=without),
            "training": {
                **training.model_dump(mode="json", exclude=unused),
                **_older_names(training),
                **gate,
            },
        }
        contents: dict[str, Content[Any]] = {
            "answer": Content(task.answer),
            "rows": data.rows,
            "validation": data.validation,
            "texts": data.texts if is_scratch else Content([]),
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
            list_trials(METHODS[student_id.method], training),
            data.rows.value,
            data.validation.value,
            data.texts.value,
            data.counts,
            settings | {name: content.hash for name, content in contents.items()},
            hash_parts(parts),
        )

    def of_all(self, student_ids: Sequence[StudentId]) -> list[TrainingJob]:
        """The jobs of several students; those that learn the same share their rows."""
        jobs = {student_id: self.of(student_id) for student_id in sort_by_data(student_ids)}
        return [jobs[student_id] for student_id in student_ids]

    def find_trained(self, student_ids: Iterable[StudentId]) -> TrainedStudents:
        """The students that are trained, told apart by whether they are up to date."""
        folder, student_ids = self._experiment.folder, list(student_ids)
        searchers = {s: searcher_of(self._experiment, s) for s in student_ids}
        found = {s: folder.training(s) for s in {*student_ids, *searchers.values()}}
        records = {s: record for s, record in found.items() if record is not None}
        changes: dict[StudentId, list[str]] = {}
        for student_id in sort_by_data(records):
            record, job = records[student_id], self._job_now(records[student_id])
            if record.fingerprint != job.fingerprint:
                changes[student_id] = list_changes(record.inputs, job.inputs)
        trained = [s for s in student_ids if s in records]
        for student_id in trained:
            searcher = searchers[student_id]
            if searcher in changes or searcher not in records:
                changes.setdefault(student_id, changes.get(searcher, ["training.lr"]))
        return TrainedStudents(
            [s for s in trained if s not in changes],
            {s: changes[s] for s in trained if s in changes},
        )

    def _job_now(self, record: TrainingRecord) -> TrainingJob:
        """The job of a trained student. Its family is known, and only encoders have a gate."""
        if self._experiment.folder.family(record.student) in ("encoder", None):
            return self.of(record.student)
        # It may have been taken for an encoder when it was trained.
        return self._of(record.student, "rationale_gate" in record.inputs.get("training", {}))

    def _has_gate(self, student_id: StudentId) -> bool:
        """Whether ``training.rationale_gate`` decides how a student is trained, if its model is an
        encoder where ``student.family`` is auto."""
        config = self._experiment.config
        student, method = config.students[student_id.student], METHODS[student_id.method]
        discards_decoder = method.writes_rationales and method.place != "before"
        is_encoder = student.family in ("auto", "encoder") and not student.label_head
        return (
            config.training.rationale_gate
            and discards_decoder
            and is_encoder
            and student.model != SCRATCH
        )

    def _training(self, student_id: StudentId) -> TrainingConfig:
        training = self._experiment.config.training
        searcher = searcher_of(self._experiment, student_id)
        is_other = searcher != student_id
        record = self._experiment.folder.training(searcher) if is_other else None
        found: dict[str, float] = {}
        if is_other:
            found["lr"] = record.summary.lr if record else 0.0
        if isinstance(training.rationale_weight, list):
            if not METHODS[student_id.method].weighs_rationales:
                # Not trained again because several λ are tried for other methods.
                found["rationale_weight"] = 1.0
            elif is_other:
                found["rationale_weight"] = (record and record.summary.rationale_weight) or 0.0
        return training.model_copy(update=found)


def _older_names(training: TrainingConfig) -> dict[str, str]:
    """Settings that fingerprints know by the names that older versions gave them."""
    return {"weighting": "staged"} if training.weighting == "faded" else {}


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
