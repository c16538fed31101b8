"""Estimating how long a training takes, by running a little of it."""

import time
from collections.abc import Sequence
from itertools import cycle
from math import ceil

from distilwhy.config import TrainingConfig
from distilwhy.core.method import TrainingRow
from distilwhy.core.task import Example
from distilwhy.students.encoding import DrawnRow, Truncator
from distilwhy.students.student import Student
from distilwhy.students.training.distributed import count_processes
from distilwhy.students.training.dry_run import DryRun, dry_run
from distilwhy.students.training.sampler import WINDOW, BatchOrder, split_batch

# Batches are run for this long, and for at most this fraction of the time that all steps take.
DRY_RUN_S, DRY_RUN_SHARE = 1.0, 0.02
# Batches are drawn from this many rows. Predictions are timed on the first number of examples,
# and then on the second where that is quick.
SAMPLE, FEW_EXAMPLES, MANY_EXAMPLES = 1024, 8, 64
GROWTH = 4


def estimate_seconds(
    student: Student,
    rows: Sequence[TrainingRow],
    validation: Sequence[Example],
    config: TrainingConfig,
) -> float:
    """The seconds that a training takes, evaluations included.

    Assumes that it runs as this process does: with as many threads, on an equally busy machine.
    """
    batches = draw_batches(student, rows, config)
    with dry_run(student.network, config) as run:
        step = _step_seconds(run, batches, config)
        example = example_seconds(student, validation)
    evaluation = example * len(validation) / count_processes()
    two_tasks = len({target.task for row in batches[0] for target in row.targets}) > 1
    # The gradient norms of both tasks take about as long as two steps.
    norms = 2 * step if two_tasks and not config.gradient_checkpointing else 0.0
    return config.steps * step + ceil(config.steps / config.evaluate_every) * (evaluation + norms)


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


def example_seconds(student: Student, validation: Sequence[Example]) -> float:
    """The seconds that one prediction takes."""
    student.network.eval()
    for count in (FEW_EXAMPLES, MANY_EXAMPLES):
        examples = validation[:: ceil(len(validation) / count)]
        started = time.perf_counter()
        student.predict(examples)
        taken = time.perf_counter() - started
        if taken * MANY_EXAMPLES / FEW_EXAMPLES > DRY_RUN_S:
            break
    return taken / len(examples)


def _step_seconds(run: DryRun, batches: list[list[DrawnRow]], config: TrainingConfig) -> float:
    """The seconds of a step, from those of a token.

    Runs more and more rows, up to those of a full pass, and then further batches. The first pass
    is not counted, since it is slower than the others.
    """
    run.seconds(batches[0][:1])
    parts = config.accumulate * count_processes()
    batch_tokens = sum(map(count_tokens, batches)) / len(batches)
    most, tokens, seconds, spent = 0, 0, 0.0, 0.0
    for number, batch in enumerate(cycle(batches)):
        part = split_batch(batch, parts)[0]
        rows = part[: GROWTH**number]
        taken = run.seconds(rows)
        if len(rows) > most:
            most, tokens, seconds = len(rows), 0, 0.0
        tokens, seconds, spent = tokens + count_tokens(rows), seconds + taken, spent + taken
        step = seconds / tokens * batch_tokens / count_processes()
        enough = min(DRY_RUN_S, DRY_RUN_SHARE * config.steps * step)
        if spent > (enough if len(rows) == len(part) else DRY_RUN_S):
            break
    return step
