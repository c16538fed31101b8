"""Says what an experiment will do, and checks all that can be checked without doing it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distilwhy.core.estimate import Estimate
from distilwhy.core.splits import SPLITS
from distilwhy.core.student_id import StudentId
from distilwhy.pipeline.annotate.annotations import Annotations, read_annotations
from distilwhy.pipeline.annotate.budget import Spending, read_spending
from distilwhy.pipeline.annotate.calls import CallBuilder, open_calls
from distilwhy.pipeline.annotate.coverage import find_coverage
from distilwhy.pipeline.annotate.estimate import (
    PendingWork,
    estimate_calls,
    find_pending_answers,
    find_pending_explanations,
)
from distilwhy.pipeline.annotate.records import find_missed_gold, misses_gold
from distilwhy.pipeline.experiment import Experiment
from distilwhy.pipeline.plan_warnings import list_warnings
from distilwhy.pipeline.train.check import check_students
from distilwhy.pipeline.train.run import missing_students
from distilwhy.pipeline.train.study import list_students
from distilwhy.store.ledger import read_ledger


@dataclass(frozen=True)
class Plan:
    """What ``run`` would do now.

    Attributes:
        rows: The number of rows in each split.
        without_gold: How many of them have no gold label.
        prompt: One whole prompt, as the teacher would see it.
        prompt_id: The row that it asks about.
        saw_gold: The number of train rows whose gold label the teacher is shown.
        calls: All calls, including explanations as far as the answers so far need any.
        answered: Those that the ledger answers.
        under_way: Those in batches, without an answer yet.
        repaid: Rows that were answered before, to another prompt or by another teacher, and are
            paid for again.
        estimate: What the missing calls will take; None if there is nothing to pay.
        spent: What was billed already; None without prices.
        students: How many students the experiment has.
        to_train: The names of those that would be trained.
        compared: How many students its study has, for ``compare``.
        to_compare: The names of those that ``compare`` would train.
        warnings: What is likely to go wrong.
    """

    rows: dict[str, int]
    without_gold: dict[str, int]
    prompt: str
    prompt_id: str
    saw_gold: int
    calls: int
    answered: int
    under_way: int
    repaid: int
    estimate: Estimate | None
    spent: Spending | None
    students: int
    to_train: list[str]
    compared: int
    to_compare: list[str]
    warnings: list[str]


def plan(experiment: Experiment) -> Plan:
    """Check an experiment and say what it will do. No call is made, and nothing is trained.

    Raises:
        ConfigError: if a student's folder is missing.
        StudentError: if a student cannot be made.
    """
    unchecked = check_students(experiment, experiment.config.students, fetch=False)
    calls = open_calls(experiment)
    students, study = list_students(experiment), list_students(experiment, study=True)
    each = list(dict.fromkeys([*students, *study]))
    annotations = _read_if_trained(experiment, calls, each)
    missing = set(missing_students(experiment, annotations, each))
    pending = _find_pending(experiment, calls, annotations)
    estimate = None
    if pending.missing:
        estimate = estimate_calls(calls, experiment.config, pending.missing, pending.basis)
    spent = read_spending(experiment)
    splits = {name: experiment.splits.named(name) for name in SPLITS}
    return Plan(
        rows={name: len(rows) for name, rows in splits.items()},
        without_gold={name: sum(e.gold is None for e in rows) for name, rows in splits.items()},
        prompt=calls.prompt(experiment.first_row).as_text(),
        prompt_id=experiment.first_row.id,
        saw_gold=_count_shown_gold(experiment),
        calls=pending.calls,
        answered=pending.answered,
        under_way=pending.batched,
        repaid=pending.repaid if estimate else 0,
        estimate=estimate,
        spent=spent,
        students=len(students),
        to_train=[student_id.name for student_id in students if student_id in missing],
        compared=len(study),
        to_compare=[student_id.name for student_id in study if student_id in missing],
        warnings=list_warnings(experiment, calls, estimate, spent, unchecked),
    )


def _read_if_trained(
    experiment: Experiment, calls: CallBuilder, student_ids: Sequence[StudentId]
) -> Annotations | None:
    """The annotations, to find students that are out of date; None if no student is trained."""
    is_trained = any(experiment.folder.training(student_id) for student_id in student_ids)
    return read_annotations(experiment, calls) if is_trained else None


def _find_pending(
    experiment: Experiment, calls: CallBuilder, annotations: Annotations | None
) -> PendingWork:
    with read_ledger(experiment.folder.ledger) as ledger:
        if annotations is None:
            missed = find_missed_gold(calls, ledger)
        else:
            rows = ((example, annotations.get(example.id)) for example in calls.train)
            missed = np.array([misses_gold(calls, *row) for row in rows], bool)
        coverage = find_coverage(experiment, calls, ledger)
        answers = find_pending_answers(experiment, calls, coverage, ledger)
        return answers + find_pending_explanations(calls, ledger, missed)


def _count_shown_gold(experiment: Experiment) -> int:
    if experiment.config.teacher.strategy != "explain-label":
        return 0
    return sum(example.gold is not None for example in experiment.annotated_train)
