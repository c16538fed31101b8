"""The whole job: annotate, train, evaluate, doing only what is not yet done."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from distilwhy.core.results import Results
from distilwhy.pipeline.annotate import recorder as recorder
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.gate import require_parsed
from distilwhy.pipeline.annotate.run import annotate, annotate_study
from distilwhy.pipeline.annotate.session import Confirm
from distilwhy.pipeline.evaluate.run import evaluate
from distilwhy.pipeline.experiment import Experiment
from distilwhy.pipeline.train.check import check_students
from distilwhy.pipeline.train.run import train_students
from distilwhy.pipeline.train.study import list_students
from distilwhy.pipeline.train.watcher import Watcher
from distilwhy.students.training.tracking import check_trackers


@dataclass(frozen=True)
class Watch:
    """Whom to tell how the steps get on; each may be left to do nothing."""

    annotation: recorder.OnProgress = lambda progress: None
    training: Watcher = field(default_factory=Watcher)
    evaluation: Callable[[int, int], None] = lambda done, students: None


def run(
    experiment: Experiment,
    watch: Watch | None = None,
    *,
    workers: int | None = 1,
    study: bool = False,
    confirm: Confirm = lambda proposal: True,
    budget: Decimal | None = None,
) -> Results | None:
    """Annotate, train and evaluate; each step picks up where an earlier run left it.

    Args:
        workers: How many students side by side, in processes of their own; None: as many as the
            machine allows. A script that asks for several needs ``if __name__ == "__main__":``.
        study: Train the students of the study: all of them on all numbers of rows.
        confirm, budget: As for ``annotate``; the budget is for all teachers of a study together.

    Returns:
        None where there are no test rows, so that nothing is scored.

    Raises:
        DistilwhyError: whatever stops a step; what was done until then is kept.
    """
    watch = watch or Watch()
    check_trackers(experiment.config.training.report_to)
    students = list_students(experiment, study=study)
    missing = [s.student for s in students if experiment.folder.training(s) is None]
    checked = check_students(experiment, dict.fromkeys(missing), fetch=True)
    for error in checked.too_large:
        raise error
    ask = annotate_study if study else annotate
    ask(experiment, watch=watch.annotation, confirm=confirm, budget=budget)
    experiment = experiment.in_memory()
    annotations = read_annotations(experiment)
    require_parsed(annotations)
    for name, other in experiment.other_teachers.items() if study else ():
        require_parsed(annotations.of(name), other.teacher_option)
    train_students(
        experiment, watcher=watch.training, workers=workers, study=study, annotations=annotations
    )
    if not experiment.splits.test:
        return None
    return evaluate(experiment, watch.evaluation, workers=workers, annotations=annotations)
