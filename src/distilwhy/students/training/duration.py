"""How long a training takes, told by doing a little of it here and now."""

import time
from collections.abc import Sequence
from itertools import cycle
from math import ceil

from distilwhy.config import TrainingConfig
from distilwhy.core.method import TrainingRow
from distilwhy.core.task import Example
from distilwhy.students.network import DrawnRow, Lengths
from distilwhy.students.student import Student
from distilwhy.students.training.distributed import count_processes
from distilwhy.students.training.dry_run import Trial, on_trial
from distilwhy.students.training.sampler import WINDOW, BatchOrder, split

# Batches are tried for so long, and for no more than this share of what all steps take.
TRIAL_S, TRIAL_SHARE = 1.0, 0.02
# Batches are drawn from so many rows. So many are asked about, or those that are asked at once
# where that is soon done.
SAMPLE, ASKED, ASKED_AT_ONCE = 1024, 8, 64
GROWTH = 4


def estimate_seconds(
    student: Student,
    rows: Sequence[TrainingRow],
    validation: Sequence[Example],
    config: TrainingConfig,
) -> float:
    """About how long a training takes, validations included, where it runs as this does: with as
    many threads, on as busy a machine."""
    batches = draw_batches(student, rows, config)
    with on_trial(student.network, config) as trial:
        step = _time_step(trial, batches, config)
        asking = _time_asking(student, validation) * len(validation) / count_processes()
    both = len({target.task for row in batches[0] for target in row.targets}) > 1
    # The norms of both gradients take about as long as two steps.
    norms = 2 * step if both and not config.gradient_checkpointing else 0.0
    return config.steps * step + ceil(config.steps / config.evaluate_every) * (asking + norms)


def draw_batches(
    student: Student, rows: Sequence[TrainingRow], config: TrainingConfig
) -> list[list[DrawnRow]]:
    """Some batches as a training draws them: rows of like length in each, in any order."""
    wanted, lengths = min(SAMPLE, WINDOW * config.batch_size), Lengths(student.brief.limits)
    chosen = rows[:: ceil(len(rows) / wanted)]
    order = BatchOrder([student.network.encode(r, lengths) for r in chosen], config.batch_size, 0)
    return [order.draw(step) for step in range(max(1, len(chosen) // config.batch_size))]


def count_tokens(rows: Sequence[DrawnRow]) -> int:
    """What is read and written for rows that are learnt from at once, padding included."""
    read = max(drawn.row.length for drawn in rows)
    written = max(sum(len(target.ids) for target in drawn.targets) for drawn in rows)
    return len(rows) * (read + written)


def _time_step(trial: Trial, batches: list[list[DrawnRow]], config: TrainingConfig) -> float:
    """The seconds of a step, from those of a token.

    Ever more rows are tried, up to all that are learnt from at once, and then further batches.
    The first pass is not counted: much is done then for the first time.
    """
    trial.seconds(batches[0][:1])
    parts = config.accumulate * count_processes()
    whole = sum(map(count_tokens, batches)) / len(batches)
    most, tokens, seconds, spent = 0, 0, 0.0, 0.0
    for number, batch in enumerate(cycle(batches)):
        part = split(batch, parts)[0]
        tried = part[: GROWTH**number]
        taken = trial.seconds(tried)
        if len(tried) > most:
            most, tokens, seconds = len(tried), 0, 0.0
        tokens, seconds, spent = tokens + count_tokens(tried), seconds + taken, spent + taken
        step = seconds / tokens * whole / count_processes()
        enough = min(TRIAL_S, TRIAL_SHARE * config.steps * step)
        if spent > (enough if len(tried) == len(part) else TRIAL_S):
            break
    return step


def _time_asking(student: Student, validation: Sequence[Example]) -> float:
    """The seconds that a validation row takes."""
    student.network.eval()
    for count in (ASKED, ASKED_AT_ONCE):
        asked = validation[:: ceil(len(validation) / count)]
        started = time.perf_counter()
        student.predict(asked)
        taken = time.perf_counter() - started
        if taken * ASKED_AT_ONCE / ASKED > TRIAL_S:
            break
    return taken / len(asked)
