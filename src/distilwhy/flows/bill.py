"""What the teacher cost and what a student costs, from what was counted and measured."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from distilwhy.config import LocalTeacherConfig, RecordedTeacherConfig
from distilwhy.core.cost import Bill, Prices, Usage, settle
from distilwhy.core.findings import MethodScore
from distilwhy.flows.asking import used
from distilwhy.flows.experiment import Experiment
from distilwhy.store.ledger import Entry

# The student whose price is told.
SHOWN = "step-by-step"


def settle_bill(experiment: Experiment, methods: Sequence[MethodScore]) -> Bill:
    """The bill of an experiment; without prices in its file, of tokens and seconds alone.

    Args:
        methods: Of the student that it is about.
    """
    entries = experiment.inquiry.read_entries()
    counted = [(entry, tokens) for entry in entries if (tokens := used(entry.completion))]
    shown = next((m for m in methods if (m.method, m.rows) == (SHOWN, None)), methods[0])
    usage = Usage(
        calls=len(entries),
        input_tokens=sum(tokens.input for _, tokens in counted),
        output_tokens=sum(tokens.output for _, tokens in counted),
        counted=len(counted),
        rows=len(experiment.read_annotations()),
        training_seconds=shown.students[0].seconds,
        student_rows_per_second=shown.students[0].rows_per_second,
        teacher_rows_per_second=_pace(experiment, entries),
    )
    prices = experiment.config.prices
    paid = (replace(tokens, batch=entry.batch) for entry, tokens in counted)
    return settle(usage, Prices(**prices.model_dump()) if prices else None, paid)


def _pace(experiment: Experiment, entries: Sequence[Entry]) -> float | None:
    """The rows a second that a teacher answers, asked as it was: so many calls at once."""
    seconds = [entry.seconds for entry in entries if entry.seconds]
    teacher = experiment.config.teacher
    if not seconds or isinstance(teacher, RecordedTeacherConfig):
        return None
    # Of a batch each answer has its share of the time.
    at_once = 1 if isinstance(teacher, LocalTeacherConfig) else teacher.concurrency
    return at_once / fmean(seconds) / teacher.samples
