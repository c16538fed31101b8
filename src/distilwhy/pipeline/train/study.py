"""Which students an experiment and its study have, and in which order they can be trained."""

from dataclasses import replace

from distilwhy.core.student_id import StudentId, count_rows
from distilwhy.pipeline.experiment import Experiment, serves


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

    With several learning rates there are two: the students that search for the best one, then
    those that use what was found.
    """
    students = list_students(experiment, study=study)
    if len(experiment.config.training.rates) == 1:
        return [students]
    first = experiment.config.seeds[0]
    return [
        [student_id for student_id in students if student_id.seed == first],
        [student_id for student_id in students if student_id.seed != first],
    ]


def searcher_of(experiment: Experiment, student_id: StudentId) -> StudentId:
    """The student whose learning rate this one is trained with; itself if it searches.

    The first seed of each method and number of rows searches for its other seeds.
    """
    config = experiment.config
    if len(config.training.rates) == 1:
        return student_id
    return replace(student_id, seed=config.seeds[0])
