"""Trivial baselines: what a student must beat to be worth its training.

    majority-label  the most frequent label of the train rows, whatever the text; where rows have
                    options of their own, the most frequent position
    tf-idf          logistic regression on the words of the text, by TF-IDF; for fixed labels
    untrained       the student before training, asked with the task's instruction; where no part
                    that answers is fresh

The first two learn the labels of the students beside them; with ``-gold`` in their name these are
gold labels, else the teacher's. Their answers are kept in the run folder until those students
change.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import eq
from random import Random
from typing import TYPE_CHECKING

from distilwhy.core.exemplars import list_terms
from distilwhy.core.method import METHODS, TrainingRow
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.results import UNTRAINED, BaselineScore
from distilwhy.core.stats.comparisons import MethodComparison, compare_with
from distilwhy.core.stats.scores import adjust, score
from distilwhy.core.student_id import StudentId
from distilwhy.core.task import Example
from distilwhy.errors import RunError, StudentError
from distilwhy.hardware import choose_device
from distilwhy.pipeline.annotate.annotations import Annotations
from distilwhy.pipeline.evaluate.predictions import ScoringJob, TestPredictions
from distilwhy.pipeline.experiment import Experiment
from distilwhy.pipeline.fingerprint import hash_json
from distilwhy.pipeline.train.jobs import TrainingJob, TrainingJobs
from distilwhy.store.files import publish_json, read_json
from distilwhy.students.settings import SCRATCH

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

# At most so many train rows are learnt from, and so many test rows are asked of an untrained model.
MOST_TRAIN_ROWS = 20_000
MOST_ASKED = 200
BARE = "label-distill"
_STRENGTHS = (1.0, 10.0, 100.0)  # Inverse regularization, chosen on validation.
# Part of the fingerprint of kept answers; another way to compute them takes another number.
_VERSION = 1

Labels = list[str | None]
Right = Sequence[bool | None]
Compute = Callable[[TrainingJob, Sequence[Example]], Labels | None]


@dataclass(frozen=True)
class Baselines:
    """The scores of the baselines, and the students that could be deployed against them."""

    scores: list[BaselineScore]
    comparisons: list[MethodComparison]


@dataclass(frozen=True)
class _Answered:
    """A baseline beside some students: by student, whether it was right on each test row."""

    name: str
    rows: int | None
    student: str
    right: Mapping[StudentId, Right]

    @property
    def score(self) -> BaselineScore:
        tables = list(dict.fromkeys(tuple(table) for table in self.right.values()))
        known = [[bool(one) for one in table if one is not None] for table in tables]
        return BaselineScore(self.name, self.rows, score(known), self.student)


class BaselineScorer:
    """Scores the baselines beside some trained students."""

    def __init__(
        self, experiment: Experiment, annotations: Annotations, jobs: Sequence[ScoringJob]
    ) -> None:
        self._experiment = experiment
        self._training = TrainingJobs(experiment, annotations)
        self._jobs = {
            job.student_id: job for job in jobs if METHODS[job.student_id.method].is_deployable
        }

    def compare(self, predictions: Mapping[StudentId, TestPredictions]) -> Baselines:
        """Every baseline, and every student that could be deployed against those beside it."""
        answered = list(self._answer())
        correct = {s: predictions[s].correct for s in self._jobs}
        made = [one for found in answered for one in compare_with(found.name, correct, found.right)]
        family = adjust([one.comparison for one in made])
        return Baselines(
            [found.score for found in answered],
            [replace(one, comparison=c) for one, c in zip(made, family, strict=True)],
        )

    def _answer(self) -> Iterator[_Answered]:
        """Each baseline whose answers could be computed."""
        beside: dict[tuple[str, int | None], list[StudentId]] = {}
        for s in self._jobs:
            teacher = f" ({s.annotations})" if s.annotations else ""
            suffix = "-gold" if METHODS[s.method].labels == "gold" else teacher
            beside.setdefault((suffix, s.rows), []).append(s)
        for (suffix, rows), students in beside.items():
            for name, compute in (("majority-label", answer_majority), ("tf-idf", answer_tf_idf)):
                # Fewer rows are drawn by seed; all rows are the same for every seed.
                groups = _group(students, lambda s: s.seed if s.rows is not None else None)
                if right := self._judge(f"{name}{suffix}", groups, compute):
                    yield _Answered(f"{name}{suffix}", rows, "", right)
        for student, students in _group(list(self._jobs), lambda s: s.student).items():
            if right := self._judge(UNTRAINED, {student: students}, answer_untrained):
                yield _Answered(UNTRAINED, None, str(student), right)

    def _judge(
        self, name: str, groups: Mapping[object, list[StudentId]], compute: Compute
    ) -> dict[StudentId, Right]:
        """Whether the baseline was right, by student; the first of a group stands for it."""
        right: dict[StudentId, Right] = {}
        for first, *others in groups.values():
            labels = self._read_or_compute(name, first, compute)
            if labels is None:
                return {}
            table = _judge(self._experiment.task.answer, self._jobs[first].examples, labels)
            right |= dict.fromkeys((first, *others), table)
        return right

    def _read_or_compute(self, name: str, first: StudentId, compute: Compute) -> Labels | None:
        job, path = self._jobs[first], self._experiment.folder.baseline(name, first)
        fingerprint = hash_json([job.fingerprint, _VERSION])
        try:
            kept = read_json(path) or {}
        except RunError:
            kept = {}
        if isinstance(kept, dict) and kept.get("fingerprint") == fingerprint:
            return kept["labels"]  # type: ignore[no-any-return]
        labels = compute(self._training.of(first), job.examples)
        publish_json(path, {"fingerprint": fingerprint, "labels": labels})
        return labels


def answer_majority(job: TrainingJob, test: Sequence[Example]) -> Labels | None:
    """The most frequent train label, or the option at the most frequent position."""
    if not any(row.options for row in job.rows):
        [(label, _)] = Counter(map(_label, job.rows)).most_common(1)
        return [label] * len(test)
    places = Counter(row.options.index(_label(row)) for row in job.rows if row.options)
    [(place, _)] = places.most_common(1)
    return [example.options[place] if place < len(example.options) else None for example in test]


def answer_tf_idf(job: TrainingJob, test: Sequence[Example]) -> Labels | None:
    """The labels that logistic regression gives; None if the task has no fixed labels, or the train
    rows no words."""
    rows = job.rows
    if not job.task.answer.labels or not any(list_terms(row.source) for row in rows):
        return None
    if len(rows) > MOST_TRAIN_ROWS:
        rows = Random(0).sample(rows, MOST_TRAIN_ROWS)
    labels = [_label(row) for row in rows]
    if len(set(labels)) == 1:
        return [labels[0]] * len(test)
    texts = [row.source for row in rows]
    fitted = [_fit(texts, labels, strength) for strength in _STRENGTHS]
    asked = [example.text for example in job.validation]
    gold = [example.gold for example in job.validation]
    best = max(fitted, key=lambda model: sum(map(eq, model.predict(asked), gold)))
    return [str(label) for label in best.predict([example.text for example in test])]


def answer_untrained(job: TrainingJob, test: Sequence[Example]) -> Labels | None:
    """The student's own answers before training, to the first rows; None for all others, and as a
    whole if a part that answers is fresh, or the model cannot be loaded or does not fit."""
    import torch

    if job.student.model == SCRATCH:
        return None
    try:
        return _ask_untrained(job, test[:MOST_ASKED])
    except (StudentError, torch.OutOfMemoryError):
        return None


def _ask_untrained(job: TrainingJob, test: Sequence[Example]) -> Labels | None:
    # A method that writes rationales first would be asked for them; a head knows nothing yet.
    bare = replace(
        job,
        student_id=replace(job.student_id, method=BARE),
        student=job.student.model_copy(update={"label_head": False}),
    )
    student = bare.build_student()
    if not student.network.answers_untrained:
        return None
    student.network.to(choose_device()).eval()
    instruction = job.task.instruction.strip() if student.network.family != "encoder" else ""
    asked = [replace(example, text=f"{instruction}\n\n{example.text}".lstrip()) for example in test]
    return [prediction.label for prediction in student.predict(asked)]


def _fit(texts: Sequence[str], labels: Sequence[str], strength: float) -> "Pipeline":
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    words = TfidfVectorizer(
        tokenizer=list_terms, token_pattern=None, lowercase=False, sublinear_tf=True
    )
    model = make_pipeline(words, LogisticRegression(C=strength, max_iter=1000))
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        return model.fit(texts, labels)


def _label(row: TrainingRow) -> str:
    return row.targets[0].text


def _judge(answer: Answer, test: Sequence[Example], labels: Labels) -> Right:
    """Whether each label is right; None for the rows beyond those that were asked."""
    asked = [answer.same(label, example.gold) for example, label in zip(test, labels, strict=False)]
    return [*asked, *[None] * (len(test) - len(asked))]


def _group(
    students: Sequence[StudentId], key: Callable[[StudentId], object]
) -> dict[object, list[StudentId]]:
    groups: dict[object, list[StudentId]] = {}
    for student_id in students:
        groups.setdefault(key(student_id), []).append(student_id)
    return groups
