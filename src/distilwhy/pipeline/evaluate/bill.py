"""What the teacher cost and what a student costs, from what was counted and measured."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from distilwhy.config import LocalTeacherConfig, RecordedTeacherConfig
from distilwhy.core.cost import Bill, Prices, Tokens, Usage, settle
from distilwhy.core.findings import MethodScore
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
    for_answers, for_explanations = _count_tokens(answers), _count_tokens(explanations)
    counted = for_answers + for_explanations
    annotations = experiment.read_annotations().values()
    named = [found for found in methods if found.method == SHOWN] or methods
    shown = max(named, key=lambda found: extent(found.rows))
    usage = Usage(
        calls=len(answers) + len(explanations),
        explanations=len(explanations),
        input_tokens=sum(tokens.input for tokens in counted),
        output_tokens=sum(tokens.output for tokens in counted),
        counted=len(counted),
        rows=sum(annotation.outcome != "failed" for annotation in annotations),
        training_seconds=shown.students[0].seconds,
        student_rows_per_second=shown.students[0].rows_per_second,
        teacher_rows_per_second=_pace(experiment, answers),
    )
    prices = experiment.config.prices
    paid = Prices(**prices.model_dump()) if prices else None
    return settle(usage, paid, for_answers, for_explanations)


def _count_tokens(entries: Sequence[Entry]) -> list[Tokens]:
    """Those of the replies whose tokens the teacher counted."""
    found = [(used(entry.completion), entry.batch) for entry in entries]
    return [replace(tokens, batch=batch) for tokens, batch in found if tokens]


def _pace(experiment: Experiment, entries: Sequence[Entry]) -> float | None:
    """The rows a second that a teacher answers, asked as it was: so many calls at once."""
    seconds = [entry.seconds for entry in entries if entry.seconds]
    teacher = experiment.config.teacher
    if not seconds or isinstance(teacher, RecordedTeacherConfig):
        return None
    # Of a batch each answer has its share of the time.
    at_once = 1 if isinstance(teacher, LocalTeacherConfig) else teacher.concurrency
    return at_once / fmean(seconds) / teacher.samples
