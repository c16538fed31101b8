"""What the teacher cost and what a student costs, from what was counted and measured."""

from collections.abc import Sequence

from distilwhy.core.cost import Bill, Prices, Usage, settle
from distilwhy.core.findings import MethodScore
from distilwhy.flows.experiment import Experiment

# The student whose price is told.
SHOWN = "step-by-step"


def settle_bill(experiment: Experiment, methods: Sequence[MethodScore]) -> Bill:
    """The bill of an experiment; without prices in its file, of tokens and seconds alone."""
    completions = experiment.inquiry.read_completions()
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
    )
    prices = experiment.config.prices
    return settle(usage, Prices(**prices.model_dump()) if prices else None)
