"""What the teacher cost and what a student costs, from what was counted and measured."""

from collections.abc import Sequence
from statistics import fmean

from distilwhy.config import HttpTeacherConfig
from distilwhy.core.cost import Bill, Prices, Usage, settle
from distilwhy.core.findings import MethodScore
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
    completions = [entry.completion for entry in entries]
    counted = [c for c in completions if c.input_tokens is not None and c.output_tokens is not None]
    shown = next((m for m in methods if (m.method, m.rows) == (SHOWN, None)), methods[0])
    usage = Usage(
        calls=len(completions),
        input_tokens=sum(c.input_tokens or 0 for c in counted),
        output_tokens=sum(c.output_tokens or 0 for c in counted),
        counted=len(counted),
        rows=len(experiment.read_annotations()),
        training_seconds=shown.students[0].seconds,
        student_rows_per_second=shown.students[0].rows_per_second,
        teacher_rows_per_second=_pace(experiment, entries),
    )
    prices = experiment.config.prices
    return settle(usage, Prices(**prices.model_dump()) if prices else None)


def _pace(experiment: Experiment, entries: Sequence[Entry]) -> float | None:
    """The rows a second that an endpoint answers, asked as it was: so many calls at once."""
    seconds = [entry.seconds for entry in entries if entry.seconds]
    if not seconds or not isinstance(experiment.config.teacher, HttpTeacherConfig):
        return None
    calls = experiment.teacher.concurrency / fmean(seconds)
    return calls / experiment.config.teacher.samples
