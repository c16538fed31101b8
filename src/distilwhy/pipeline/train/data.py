"""What students learn from: training rows, validation rows and texts for a tokenizer."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache

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
from distilwhy.core.task import Example
from distilwhy.errors import ConfigError
from distilwhy.pipeline.annotate.annotations import Annotations
from distilwhy.pipeline.experiment import Experiment
from distilwhy.pipeline.fingerprint import Content


@dataclass(frozen=True)
class TrainingData:
    """What students of one method learn from some of the train rows, as in ``TrainingJob``."""

    rows: Content[list[TrainingRow]]
    validation: Content[Sequence[Example]]
    texts: Content[list[str]]
    counts: dict[str, int]


class TrainingDataBuilder:
    """Builds training data. Ask in the order of ``sort_by_data``: only the last one is kept."""

    def __init__(self, experiment: Experiment, annotations: Annotations) -> None:
        self._experiment = experiment
        self._annotations = annotations
        self._select = lru_cache(maxsize=1)(self._select_rows)
        self._build = lru_cache(maxsize=1)(self._build_data)

    def of(self, student_id: StudentId, weight: float) -> TrainingData:
        """The data of one student, with ``weight`` as λ.

        Raises:
            ConfigError: if no validation row has a label.
        """
        method, share = METHODS[student_id.method], self._experiment.config.training.rationale_share
        is_drawn = (
            student_id.rows is not None
            or (method.control is not None and method.control.is_seeded)
            or (share < 1 and method.writes_rationales)
        )
        seed = student_id.seed if is_drawn else 0
        return self._build(student_id.method, student_id.rows, seed, student_id.annotations, weight)

    def _build_data(
        self, name: str, rows: int | None, seed: int, teacher: str, weight: float
    ) -> TrainingData:
        method, config = METHODS[name], self._experiment.config.training
        examples, reviewed, texts = self._select(rows, seed if rows is not None else 0, teacher)
        soft = config.soft_labels
        options = TargetOptions(
            weight,
            "draw" if config.select_rationale else config.several_rationales,
            SoftLabels(soft.weight, soft.temperature) if soft else None,
            seed,
            config.rationale_share,
        )
        validation = self._validation
        if method.asks_teacher:
            validation = Content(read_by(method, validation.value, self._annotations.of(teacher)))
        counts = asdict(replace(reviewed, annotations={})) if method.needs_teacher else {}
        counts.pop("annotations", None)
        return TrainingData(
            Content(render_training_rows(method, examples, reviewed.annotations, options)),
            validation,
            texts,
            counts,
        )

    def _select_rows(
        self, rows: int | None, seed: int, teacher: str
    ) -> tuple[list[Example], Review, Content[list[str]]]:
        policy = self._experiment.config.training.wrong_rationales
        examples = select_rows(self._experiment.splits.train, rows, seed)
        annotations = self._annotations.of(teacher)
        reviewed = review(self._experiment.task.answer, examples, annotations, policy)
        return examples, reviewed, Content(list(_texts(examples, annotations)))

    @cached_property
    def _validation(self) -> Content[Sequence[Example]]:
        """The validation rows that have a label."""
        found = label_validation(self._experiment, self._annotations)
        if not found:
            raise ConfigError(
                f"{self._experiment.file}: no validation row has a gold label or a readable "
                "answer, so no checkpoint can be chosen; annotate 'validation', or give it gold "
                "labels"
            )
        return Content(found)


def label_validation(experiment: Experiment, annotations: Annotations) -> list[Example]:
    """The validation rows that have a label: the gold one, or else as ``gold`` that of the teacher
    of the ``teacher`` section."""
    found = []
    for example in experiment.splits.validation:
        annotation = annotations.get(example.id)
        label = example.gold or (annotation.label if annotation else None)
        if label is not None:
            found.append(replace(example, gold=label))
    return found


def _texts(examples: Sequence[Example], annotations: Annotations) -> Iterator[str]:
    """All texts of the train rows, the same for every method."""
    for example in examples:
        annotation = annotations.get(example.id)
        taught = (annotation.rationale, annotation.label) if annotation else ()
        yield from (text for text in (example.text, example.gold, *taught) if text)


def sort_by_data(student_ids: Iterable[StudentId]) -> list[StudentId]:
    """The students in an order in which those that learn from the same data are neighbours."""
    return sorted(
        student_ids,
        key=lambda s: (
            s.annotations,
            extent(s.rows),
            s.seed if s.rows is not None else 0,
            s.method,
            s.seed,
        ),
    )


def read_by(
    method: Method, examples: Sequence[Example], annotations: Annotations
) -> Sequence[Example]:
    """The rows as a student of this method reads them."""
    if not method.asks_teacher:
        return examples
    return [replace(e, text=render_source(method, e, annotations.get(e.id))) for e in examples]
