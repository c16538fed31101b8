"""What the teacher cost and what a student costs, from what was counted and measured."""

from collections.abc import Sequence

from distilwhy.core.cost import Bill, Measurements, Usage, settle
from distilwhy.core.results import MethodScore
from distilwhy.core.student_id import extent
from distilwhy.pipeline.annotate.annotations import Annotations
from distilwhy.pipeline.experiment import Experiment

# The student whose price is told.
SHOWN = "step-by-step"


def settle_bill(
    experiment: Experiment, annotations: Annotations, methods: Sequence[MethodScore]
) -> Bill:
    """The bill of an experiment; without prices in its file, of tokens and seconds alone.

    Args:
        methods: Of the student that it is about.
    """
    answers, explanations = annotations.answers, annotations.explanations
    counted = (*answers.tokens, *explanations.tokens)
    total = sum(counted, Usage())
    named = [found for found in methods if found.method == SHOWN] or methods
    shown = max(named, key=lambda found: extent(found.rows))
    measured = Measurements(
        calls=answers.calls + explanations.calls,
        explanations=explanations.calls,
        input_tokens=total.input,
        output_tokens=total.output,
        counted=len(counted),
        rows=sum(annotation.outcome != "failed" for annotation in annotations.values()),
        training_seconds=shown.students[0].seconds,
        student_rows_per_second=shown.students[0].rows_per_second,
        teacher_rows_per_second=_pace(experiment, answers.seconds),
    )
    return settle(measured, experiment.config.price_list, answers.tokens, explanations.tokens)


def _pace(experiment: Experiment, seconds: float | None) -> float | None:
    """The rows a second that a teacher answers, asked as it was: so many calls at once."""
    teacher = experiment.config.teacher
    if not seconds or teacher.is_recorded:
        return None
    return teacher.pace.concurrency / seconds / teacher.samples
