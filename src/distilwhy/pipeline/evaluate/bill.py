"""What the teacher cost and what a student costs, from token counts and measured times."""

from collections.abc import Sequence

from distilwhy.core.cost import Bill, Measurements, Usage, settle
from distilwhy.core.results import MethodScore
from distilwhy.core.student_id import extent
from distilwhy.pipeline.annotate.annotations import Annotations
from distilwhy.pipeline.experiment import Experiment

# The method whose student is priced, if there is one.
PRICED = "step-by-step"


def settle_bill(
    experiment: Experiment, annotations: Annotations, methods: Sequence[MethodScore]
) -> Bill:
    """The bill of an experiment; only tokens and seconds if its file has no prices.

    Args:
        methods: The scores of one student's methods.
    """
    answers, explanations = annotations.answers, annotations.explanations
    counted = (*answers.tokens, *explanations.tokens)
    total = sum(counted, Usage())
    candidates = [found for found in methods if found.method == PRICED] or methods
    priced = max(candidates, key=lambda found: extent(found.rows)).students[0]
    measured = Measurements(
        calls=answers.calls + explanations.calls,
        explanations=explanations.calls,
        input_tokens=total.input,
        output_tokens=total.output,
        counted=len(counted),
        rows=sum(annotation.outcome != "failed" for annotation in annotations.values()),
        training_seconds=priced.seconds,
        student_rows_per_second=priced.rows_per_second,
        teacher_rows_per_second=_pace(experiment, answers.seconds),
    )
    return settle(measured, experiment.config.price_list, answers.tokens, explanations.tokens)


def _pace(experiment: Experiment, seconds: float | None) -> float | None:
    """Rows per second that the teacher answers at the configured concurrency."""
    teacher = experiment.config.teacher
    if not seconds or teacher.is_recorded:
        return None
    return teacher.pace.concurrency / seconds / teacher.samples
