"""Which students an experiment and its study have, and in which order they can be trained."""

from dataclasses import dataclass, replace

from distilwhy.config import TrainingConfig
from distilwhy.core.method import METHODS, Method
from distilwhy.core.student_id import StudentId, count_rows
from distilwhy.pipeline.experiment import Experiment, serves


@dataclass(frozen=True)
class Trial:
    """One training of a search: a learning rate, and λ where several are tried."""

    lr: float
    rationale_weight: float | None = None

    @property
    def name(self) -> str:
        """Its name in a folder."""
        weight = self.rationale_weight
        return f"lr-{self.lr}" + ("" if weight is None else f"-weight-{weight}")


def list_students(experiment: Experiment, *, study: bool = False) -> list[StudentId]:
    """The students of an experiment, or of its study: the first seed of each before the rest."""
    config = experiment.config
    sizes: list[int | None] = [None]
    names = teachers = [""]
    if study:
        sizes = count_rows(config.study.train_rows, len(experiment.splits.train))
        names, teachers = list(config.students), list(config.teachers)
    return [
        StudentId(method.name, seed, rows, name, teacher)
        for name in names
        for rows in sizes
        for seed in config.seeds
        for method in experiment.methods
        for teacher in teachers
        if not teacher or serves(config.teachers[teacher], method)
    ]


def list_rounds(experiment: Experiment, *, study: bool = False) -> list[list[StudentId]]:
    """The same students in the rounds that they are trained in.

    With several learning rates or λ there are two: the students that search for the best ones,
    then those that use what was found.
    """
    students = list_students(experiment, study=study)
    searchers = [
        student_id for student_id in students if searcher_of(experiment, student_id) == student_id
    ]
    if len(searchers) == len(students):
        return [students]
    others = [student_id for student_id in students if student_id not in set(searchers)]
    return [searchers, others]


def searcher_of(experiment: Experiment, student_id: StudentId) -> StudentId:
    """The student whose learning rate and λ this one is trained with; itself if it searches.

    The first seed of each method and number of rows searches for its other seeds.
    """
    config, method = experiment.config, METHODS[student_id.method]
    if len(list_trials(method, config.training)) == 1:
        return student_id
    return replace(student_id, seed=config.seeds[0])


def list_trials(method: Method, training: TrainingConfig) -> list[Trial]:
    """What a search tries for a method: every learning rate with every λ that the method has."""
    is_searched = method.weighs_rationales and isinstance(training.rationale_weight, list)
    weights = training.weights if is_searched else [None]
    return [Trial(lr, weight) for lr in training.rates for weight in weights]
