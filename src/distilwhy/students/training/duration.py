"""Estimating how long a training takes, by running a little of it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import cycle
from math import ceil
from statistics import median

from distilwhy.config import TrainingConfig
from distilwhy.core.method import TrainingRow
from distilwhy.core.task import Example
from distilwhy.students.encoding import DrawnRow, Truncator
from distilwhy.students.network import Network
from distilwhy.students.student import Student
from distilwhy.students.training.distributed import count_processes
from distilwhy.students.training.dry_run import DryRun, dry_run
from distilwhy.students.training.sampler import WINDOW, BatchOrder, split_batch

# Batches are run for this fraction of the time that all steps take, and for no longer than so many
# seconds, but so many times at least: one that other work slowed down is no median. One that takes
# longer than so many seconds is cut to fewer rows.
DRY_RUN_SHARE, DRY_RUN_S, PASSES = 0.02, 8.0, 3
# Batches are drawn from this many rows. Predictions are timed as often, on the second number of
# examples if that takes no longer than this, else on the first.
SAMPLE, FEW_EXAMPLES, MANY_EXAMPLES, PREDICTIONS_S = 1024, 8, 64, 1.0
GROWTH = 4


@dataclass(frozen=True)
class TrainingTime:
    """The seconds that the parts of a training take.

    Attributes:
        step: Seconds of one step.
        evaluation: Seconds of one evaluation.
        evaluate_every: How many steps there are from one evaluation to the next.
    """

    steps: int
    step: float
    evaluation: float
    evaluate_every: int

    @property
    def seconds(self) -> float:
        """The seconds of all steps and evaluations."""
        return self.steps * self.step + self.evaluations(self.steps) * self.evaluation

    def evaluations(self, step: int) -> int:
        """How many evaluations there are up to a step, the last one included."""
        return (
            ceil(step / self.evaluate_every) if step == self.steps else step // self.evaluate_every
        )


def estimate_time(
    student: Student,
    rows: Sequence[TrainingRow],
    validation: Sequence[Example],
    config: TrainingConfig,
) -> TrainingTime:
    """The time that a training takes if it takes all its steps.

    Assumes that it runs as this process does: with as many threads, on an equally busy machine.
    """
    batches = draw_batches(student, rows, config)
    with dry_run(student.network, config) as run:
        step = _step_seconds(run, batches, config)
        with _writing_as_trained(student.network, batches):
            example = example_seconds(student, validation, min(PASSES, config.steps))
    two_tasks = len({target.task for row in batches[0] for target in row.targets}) > 1
    # The gradient norms of both tasks take about as long as two steps.
    norms = 2 * step if two_tasks and not config.gradient_checkpointing else 0.0
    evaluation = example * len(validation) / count_processes() + norms
    return TrainingTime(config.steps, step, evaluation, config.evaluate_every)


def draw_batches(
    student: Student, rows: Sequence[TrainingRow], config: TrainingConfig
) -> list[list[DrawnRow]]:
    """Some batches as training draws them, from a sample of the rows."""
    wanted, truncator = min(SAMPLE, WINDOW * config.batch_size), Truncator(student.spec.config)
    sample = rows[:: ceil(len(rows) / wanted)]
    order = BatchOrder([student.network.encode(r, truncator) for r in sample], config.batch_size, 0)
    return [order.draw(step) for step in range(max(1, len(sample) // config.batch_size))]


def count_tokens(rows: Sequence[DrawnRow]) -> int:
    """The tokens of rows in one pass, read and written, with padding."""
    read = max(drawn.row.length for drawn in rows)
    written = max(sum(len(target.ids) for target in drawn.targets) for drawn in rows)
    return len(rows) * (read + written)


def example_seconds(student: Student, validation: Sequence[Example], runs: int) -> float:
    """The seconds that one prediction takes, the median of some runs.

    The first one is not counted, since it is slower than the others.
    """
    student.network.eval()
    examples = validation[:: ceil(len(validation) / FEW_EXAMPLES)]
    if _seconds(student, examples) * MANY_EXAMPLES / FEW_EXAMPLES < PREDICTIONS_S:
        examples = validation[:: ceil(len(validation) / MANY_EXAMPLES)]
    return median(_seconds(student, examples) for _ in range(runs)) / len(examples)


def _seconds(student: Student, examples: Sequence[Example]) -> float:
    started = time.perf_counter()
    student.predict(examples)
    return time.perf_counter() - started


def _step_seconds(run: DryRun, batches: list[list[DrawnRow]], config: TrainingConfig) -> float:
    """The seconds of a step, from those of a token.

    Runs more and more rows, up to those of a full pass or as many as do not take too long, and
    then takes the median over further batches: a token of few rows takes longer. The first passes
    of one row and of several are not counted, since they are slower than the others.
    """
    for few in (1, 2):
        run.seconds(batches[0][:few])
    parts = config.accumulate * count_processes()
    batch_tokens = sum(map(count_tokens, batches)) / len(batches)
    most, before, rates, spent, step = 1, 0.0, list[float](), 0.0, 0.0
    for batch in cycle(batches):
        part = split_batch(batch, parts)[0]
        rows = part[:most]
        taken = run.seconds(rows)
        # Each row adds the same, and every pass has a part that does not depend on its rows.
        longer = taken + GROWTH * (taken - before)
        if len(rows) < len(part) and longer < DRY_RUN_S:
            most, before, rates, spent = most * GROWTH, taken, [], 0.0
            continue
        rates, spent = [*rates, taken / count_tokens(rows)], spent + taken
        step = median(rates) * batch_tokens / count_processes()
        enough = len(rates) >= min(PASSES, config.steps)
        if enough and spent > min(DRY_RUN_S, DRY_RUN_SHARE * config.steps * step):
            break
    return step


@contextmanager
def _writing_as_trained(network: Network, batches: list[list[DrawnRow]]) -> Iterator[None]:
    """Within the context the network writes no more than the targets of these batches have.

    An untrained one does not know where to stop, and would write up to its limits.
    """
    spec, drawn = network.spec, [target for rows in batches for r in rows for target in r.targets]
    longest = max((len(target.ids) for target in drawn if target.task == "label"), default=1)
    limits = {
        "max_label_tokens": min(spec.config.max_label_tokens, longest),
        "max_rationale_tokens": min(spec.config.max_rationale_tokens, longest),
    }
    network.spec = replace(spec, config=spec.config.model_copy(update=limits))
    try:
        yield
    finally:
        network.spec = spec
