"""What one student is taught: all that decides how it is trained, with a fingerprint of it."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from distilwhy.config import StudentConfig, TrainingConfig
from distilwhy.core.method import (
    METHODS,
    SoftLabels,
    TargetOptions,
    TrainingRow,
    render_source,
    render_training_rows,
)
from distilwhy.core.parsing.completion import Annotation
from distilwhy.core.review import Review, review
from distilwhy.core.student_id import StudentId, count_rows, select_rows
from distilwhy.core.task import Example, Task
from distilwhy.errors import ConfigError
from distilwhy.pipeline.annotate.annotations import Annotations
from distilwhy.pipeline.experiment import Experiment
from distilwhy.store.run_folder import RunFolder

if TYPE_CHECKING:
    from distilwhy.students.student import Student


@dataclass(frozen=True)
class TrainingJob:
    """All that decides how one student is trained.

    Attributes:
        cell: Which student.
        task: What it answers.
        student: Its shape and lengths.
        model: Where its model is; for what it is taught, the name in ``student`` counts.
        training: How it is trained; ``training.rates`` are the learning rates to try.
        rows: What it trains on.
        validation: What its weights are chosen by.
        texts: What a tokenizer from scratch is trained on.
        counts: What was done about rationales for wrong labels.
    """

    cell: StudentId
    task: Task
    student: StudentConfig
    model: str
    training: TrainingConfig
    rows: list[TrainingRow]
    validation: list[Example]
    texts: list[str]
    counts: dict[str, int]

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of all of it."""
        cell, is_scratch = self.cell, self.student.model == "scratch"
        # Who is told decides nothing; nor does the rate of what is new where everything is.
        idle = {"report_to", "fresh_lr_factor"} if is_scratch else {"report_to"}
        decides = {
            # By which name a student is studied decides nothing.
            "cell": {"method": cell.method, "seed": cell.seed, "rows": cell.rows},
            "answer": asdict(self.task.answer),
            "student": self.student.model_dump(mode="json"),
            "training": self.training.model_dump(mode="json", exclude=idle),
            "rows": [asdict(row) for row in self.rows],
            "validation": [asdict(example) for example in self.validation],
            "texts": self.texts if is_scratch else [],
        }
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


class TrainingJobs:
    """The jobs of an experiment, over its annotations as they are now."""

    def __init__(self, experiment: Experiment, annotations: Annotations) -> None:
        self._experiment = experiment
        self._annotations = annotations
        self._reviewed: dict[tuple[int | None, int], tuple[list[Example], Review]] = {}

    def of(self, cell: StudentId) -> TrainingJob:
        """What the student of a cell is taught.

        A search for a learning rate is done by the first seed; the others take what it found,
        once it has found it.
        """
        config = self._experiment.config
        examples, reviewed = self._review(cell)
        method = METHODS[cell.method]
        soft = config.training.soft_labels
        options = TargetOptions(
            config.training.rationale_weight,
            config.training.several_rationales,
            SoftLabels(soft.weight, soft.temperature) if soft else None,
            cell.seed,
        )
        counts = asdict(replace(reviewed, annotations={})) if method.needs_teacher else {}
        counts.pop("annotations", None)
        return TrainingJob(
            cell,
            self._experiment.task,
            config.students[cell.student],
            self._experiment.student_model(cell.student),
            self._training(cell),
            render_training_rows(method, examples, reviewed.annotations, options),
            self._references(cell),
            _texts(examples, self._annotations),
            counts,
        )

    def _training(self, cell: StudentId) -> TrainingConfig:
        """How a cell is trained, with the learning rates that are its own to try."""
        config = self._experiment.config
        searcher = replace(cell, seed=config.seeds[0])
        if len(config.training.rates) == 1 or cell == searcher:
            return config.training
        found = self._experiment.folder.training(searcher)
        return config.training.model_copy(update={"lr": found.summary.lr if found else 0.0})

    def _review(self, cell: StudentId) -> tuple[list[Example], Review]:
        key = (cell.rows, cell.seed if cell.rows else 0)
        if key not in self._reviewed:
            experiment = self._experiment
            examples = select_rows(experiment.splits.train, cell.rows, cell.seed)
            policy = experiment.config.training.wrong_rationales
            reviewed = review(experiment.task.answer, examples, self._annotations, policy)
            self._reviewed[key] = examples, reviewed
        return self._reviewed[key]

    def _references(self, cell: StudentId) -> list[Example]:
        """The validation rows with a label to select by: gold, or else the teacher's."""
        found = []
        for example in self._experiment.splits.validation:
            annotation = self._annotations.get(example.id)
            label = example.gold or (annotation.label if annotation else None)
            if label is not None:
                source = render_source(METHODS[cell.method], example, annotation)
                found.append(replace(example, gold=label, text=source))
        if not found:
            raise ConfigError(
                f"{self._experiment.file}: no validation row has a gold label or a readable "
                "answer, so no checkpoint can be chosen; annotate 'validation', or give it gold "
                "labels"
            )
        return found


def is_trained(folder: RunFolder, job: TrainingJob) -> bool:
    """Whether a student stands that was trained on this very job."""
    record = folder.training(job.cell)
    return record is not None and record.fingerprint == job.fingerprint


def sift_trained(
    experiment: Experiment, annotations: Annotations, cells: Iterable[StudentId]
) -> tuple[list[StudentId], list[StudentId]]:
    """The trained students: those of the jobs as they are now, and those out of date.

    Whoever took the learning rate that a student out of date has found is out of date too.

    Args:
        cells: With each of them the one that searches for its learning rate.
    """
    folder, config = experiment.folder, experiment.config
    trained = [cell for cell in cells if folder.training(cell) is not None]
    if not trained:
        return [], []
    jobs = TrainingJobs(experiment, annotations)
    current = {cell for cell in trained if is_trained(folder, jobs.of(cell))}
    if len(config.training.rates) > 1:
        first = config.seeds[0]
        current = {cell for cell in current if replace(cell, seed=first) in current}
    return [c for c in trained if c in current], [c for c in trained if c not in current]


def count_written(job: TrainingJob) -> int:
    """How many characters a job has to be read and written."""
    return sum(
        len(row.source)
        + sum(len(t.text) + len(t.before or "") + len(t.after or "") for t in row.targets)
        for row in job.rows
    )


def build_student(job: TrainingJob) -> "Student":
    """The student of a job, before it is taught.

    Raises:
        StudentError: if its model cannot be loaded.
    """
    from distilwhy.students.load import build_network
    from distilwhy.students.spec import StudentSpec
    from distilwhy.students.student import Student

    method = METHODS[job.cell.method]
    spec = StudentSpec(job.task, method, job.student, job.training.two_passes)
    return Student(build_network(spec, job.texts, job.cell.seed, job.model))


def list_cells(experiment: Experiment, *, study: bool = False) -> list[StudentId]:
    """The students of an experiment, or of its study: the first seed of each before the rest."""
    config = experiment.config
    sizes: list[int | None] = [None]
    names = [""]
    if study:
        sizes = count_rows(config.study.train_rows, len(experiment.splits.train))
        names = list(config.students)
    return [
        StudentId(method, seed, rows, name)
        for name in names
        for rows in sizes
        for seed in config.seeds
        for method in config.methods
    ]


def list_waves(experiment: Experiment, *, study: bool = False) -> list[list[StudentId]]:
    """The same cells in the order that they can be trained in: those that search for a learning
    rate before those that take what was found."""
    cells = list_cells(experiment, study=study)
    first = experiment.config.seeds[0]
    if len(experiment.config.training.rates) == 1:
        return [cells]
    return [[c for c in cells if c.seed == first], [c for c in cells if c.seed != first]]


def _texts(examples: Sequence[Example], annotations: Mapping[str, Annotation]) -> list[str]:
    """The task's own text, from train rows alone: the same for every method."""
    texts = []
    for example in examples:
        annotation = annotations.get(example.id)
        said = (annotation.rationale, annotation.label) if annotation else ()
        texts += [text for text in (example.text, example.gold, *said) if text]
    return texts
