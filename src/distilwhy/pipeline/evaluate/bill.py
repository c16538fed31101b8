"""What the teacher cost and what a student costs, from what was counted and measured."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from distilwhy.core.cost import Bill, Measurements, Usage, settle
from distilwhy.core.results import MethodScore
from distilwhy.core.student_id import extent
from distilwhy.pipeline.annotate.transports.dispatcher import used
from distilwhy.pipeline.experiment import Experiment
from distilwhy.store.ledger import Entry

# The student whose price is told.
SHOWN = "step-by-step"


def settle_bill(experiment: Experiment, methods: Sequence[MethodScore]) -> Bill:
    """The bill of an experiment; without prices in its file, of tokens and seconds alone.

    Args:
        methods: Of the student that it is about.
    """
    inquiry = experiment.inquiry
    answers = inquiry.read_entries(inquiry.answer_calls())
    explanations = inquiry.read_entries(inquiry.explanation_calls())
    for_answers, for_explanations = _counted(answers), _counted(explanations)
    counted = for_answers + for_explanations
    total = sum(counted, Usage())
    annotations = experiment.read_annotations().values()
    named = [found for found in methods if found.method == SHOWN] or methods
    shown = max(named, key=lambda found: extent(found.rows))
    measured = Measurements(
        calls=len(answers) + len(explanations),
        explanations=len(explanations),
        input_tokens=total.input,
        output_tokens=total.output,
        counted=len(counted),
        rows=sum(annotation.outcome != "failed" for annotation in annotations),
        training_seconds=shown.students[0].seconds,
        student_rows_per_second=shown.students[0].rows_per_second,
        teacher_rows_per_second=_pace(experiment, answers),
    )
    return settle(measured, experiment.config.price_list, for_answers, for_explanations)


def _counted(entries: Sequence[Entry]) -> list[Usage]:
    """The tokens of each reply that the teacher counted them for."""
    found = [(used(entry.completion), entry.batch) for entry in entries]
    return [replace(usage, batch=batch) for usage, batch in found if usage]


def _pace(experiment: Experiment, entries: Sequence[Entry]) -> float | None:
    """The rows a second that a teacher answers, asked as it was: so many calls at once."""
    seconds = [entry.seconds for entry in entries if entry.seconds]
    teacher = experiment.config.teacher
    if not seconds or teacher.is_recorded:
        return None
    return teacher.pace.concurrency / fmean(seconds) / teacher.samples
