"""Says what an experiment will do, and checks all that can be checked without doing it."""

import os
from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from distilwhy.core.estimate import Estimate
from distilwhy.core.exemplars import fold_text
from distilwhy.core.splits import SPLITS, describe_shared, find_shared
from distilwhy.core.student_id import StudentId
from distilwhy.core.wording import money, suggest
from distilwhy.model_files import PACKAGES, list_models
from distilwhy.pipeline.annotate.annotations import Annotations, read_annotations
from distilwhy.pipeline.annotate.budget import Spending, find_cap, read_spending
from distilwhy.pipeline.annotate.calls import CallBuilder, open_calls
from distilwhy.pipeline.annotate.coverage import find_coverage
from distilwhy.pipeline.annotate.estimate import (
    PendingWork,
    estimate_calls,
    find_pending_answers,
    find_pending_explanations,
)
from distilwhy.pipeline.annotate.recorded_ids import MatchedIds, match_ids
from distilwhy.pipeline.annotate.records import find_missed_gold, misses_gold
from distilwhy.pipeline.experiment import Experiment
from distilwhy.pipeline.near_duplicates import warn_of_near_duplicates
from distilwhy.pipeline.train.check import CheckedStudents, check_students
from distilwhy.pipeline.train.run import missing_students
from distilwhy.pipeline.train.study import list_students
from distilwhy.store.ledger import read_ledger
from distilwhy.students.settings import SCRATCH

if TYPE_CHECKING:
    from distilwhy.students.training.memory import StudentSize


@dataclass(frozen=True)
class PlannedTeacher:
    """The calls of a further teacher of the study; its attributes are as in ``Plan``."""

    calls: int
    answered: int
    under_way: int
    estimate: Estimate | None
    spent: Spending | None
    recorded: MatchedIds | None
    replies: str


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
        sizes: The size of each student, by its name in the study; the largest possible one for a
            student from scratch. Models that are not on this machine are left out.
        train_seconds: About how long training takes, one student after the other, for students
            similar to trained ones; None if there are none.
        labels_unshown: The labels that no exemplar has, if the teacher is shown exemplars.
        recorded: How recorded ids match the rows; None if the teacher is not a recorded one.
        teachers: The further teachers of the study, which ``compare`` asks, by name.
        replies: The form in which replies are asked for; "" if the experiment file sets it.
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
    sizes: "dict[str, StudentSize]"
    train_seconds: float | None
    labels_unshown: list[str]
    recorded: MatchedIds | None
    teachers: dict[str, PlannedTeacher]
    replies: str
    warnings: list[str]


def plan(experiment: Experiment, budget: Decimal | None = None) -> Plan:
    """Check an experiment and say what it will do. No call is made, and nothing is trained.

    Args:
        budget: The most to spend on the run folder; None for ``teacher.budget``.

    Raises:
        ConfigError: if a student's folder is missing, or there is a budget and no prices or a
            teacher that bills nobody.
        StudentError: if a student cannot be made.
        TeacherError: if recorded completions cannot be read, or none is that of a row.
    """
    cap = find_cap(experiment, budget)
    checked = check_students(experiment, experiment.config.students, fetch=False)
    calls = open_calls(experiment)
    recorded = match_ids(experiment, calls)
    students, study = list_students(experiment), list_students(experiment, study=True)
    each = list(dict.fromkeys([*students, *study]))
    is_trained = any(experiment.folder.training(student_id) for student_id in each)
    # They only serve to find students that are out of date.
    annotations = read_annotations(experiment, calls) if is_trained else None
    missing = set(missing_students(experiment, annotations, each))
    pending = _find_pending(experiment, calls, annotations)
    estimate = None
    if pending.missing:
        estimate = estimate_calls(calls, experiment.config, pending.missing, pending.basis)
    spent = read_spending(experiment)
    shows_gold = experiment.config.teacher.strategy == "explain-label"
    shown = experiment.annotated_train if shows_gold else ()
    splits = {name: experiment.splits.named(name) for name in SPLITS}
    return Plan(
        rows={name: len(rows) for name, rows in splits.items()},
        without_gold={name: sum(e.gold is None for e in rows) for name, rows in splits.items()},
        prompt=calls.prompt(experiment.first_row).as_text(),
        prompt_id=experiment.first_row.id,
        saw_gold=sum(example.gold is not None for example in shown),
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
        sizes=checked.sizes,
        train_seconds=_forecast(experiment, each, missing),
        labels_unshown=_list_unshown(experiment),
        recorded=recorded,
        teachers={name: _plan_teacher(one) for name, one in experiment.other_teachers.items()},
        replies=_describe_form(calls),
        warnings=_list_warnings(experiment, calls, estimate, spent, cap, checked),
    )


def _plan_teacher(experiment: Experiment) -> PlannedTeacher:
    calls = open_calls(experiment)
    recorded, pending = match_ids(experiment, calls), _find_pending(experiment, calls, None)
    estimate = None
    if pending.missing:
        estimate = estimate_calls(calls, experiment.config, pending.missing, pending.basis)
    return PlannedTeacher(
        calls=pending.calls,
        answered=pending.answered,
        under_way=pending.batched,
        estimate=estimate,
        spent=read_spending(experiment),
        recorded=recorded,
        replies=_describe_form(calls),
    )


def _describe_form(calls: CallBuilder) -> str:
    """``Plan.replies``."""
    return str(calls.form) if calls.form.reason else ""


def _forecast(
    experiment: Experiment, students: Sequence[StudentId], missing: Container[StudentId]
) -> float | None:
    """The training time of the missing students that are similar to trained ones, in seconds."""
    known = defaultdict[tuple[str, str], list[float]](list)
    for student_id in students:
        if student_id not in missing:
            summary = experiment.folder.trained(student_id).summary
            known[student_id.student, student_id.method].append(summary.seconds)
    wanted = [(s.student, s.method) for s in students if s in missing]
    found = [fmean(known[kind]) for kind in wanted if kind in known]
    return sum(found) if found else None


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


def _list_warnings(
    experiment: Experiment,
    calls: CallBuilder,
    estimate: Estimate | None,
    spent: Spending | None,
    cap: Decimal | None,
    checked: CheckedStudents,
) -> list[str]:
    """What is likely to go wrong."""
    return [
        *_warn_of_key(experiment),
        *_warn_of_gold(experiment),
        *_warn_of_inference(experiment),
        *_warn_of_exemplars(experiment, calls),
        *_warn_of_validation(experiment),
        *warn_of_near_duplicates(experiment),
        *_warn_of_budget(estimate, spent, cap),
        *(
            f"{model!r} is not on this machine, so it is not known whether a student can be made "
            "of it; 'run' downloads its config and tokenizer, and checks that before any call"
            + suggest(model, [SCRATCH, *PACKAGES, *list_models(experiment.file.parent)])
            for model in checked.unchecked
        ),
        *(f"on this machine, {error}" for error in checked.too_large),
    ]


def _warn_of_key(experiment: Experiment) -> Iterator[str]:
    name = experiment.config.teacher.api_key_env
    if name and not os.environ.get(name):
        yield f"${name} is not set; export your key under that name to annotate"


def _warn_of_gold(experiment: Experiment) -> Iterator[str]:
    teacher = experiment.config.teacher
    uses_gold = teacher.explain_wrong or teacher.strategy == "explain-label"
    if not uses_gold or any(example.gold is not None for example in experiment.annotated_train):
        return
    setting = "teacher.explain_wrong" if teacher.explain_wrong else "strategy 'explain-label'"
    yield f"no annotated train row has a gold label, so {setting} has no effect"


def _warn_of_inference(experiment: Experiment) -> Iterator[str]:
    methods = [method.name for method in experiment.methods if method.asks_teacher]
    if experiment.config.teacher.strategy == "explain-label" and methods:
        yield (
            f"method {methods[0]!r} is trained on rationales of a teacher that saw the gold label, "
            "and reads others at inference; remove it from 'methods', or use another "
            "teacher.strategy"
        )
    if not experiment.splits.test:
        yield "there is no test split: students will be trained but not scored"


def _warn_of_exemplars(experiment: Experiment, calls: CallBuilder) -> Iterator[str]:
    teacher, pool = experiment.config.teacher, experiment.task.exemplars
    if teacher.is_recorded:
        return
    if teacher.strategy == "few-shot" and not pool:
        yield (
            "there are no exemplars to show the teacher how to answer; write some, or set "
            "teacher.strategy to 'zero-shot'"
        )
    elif teacher.exemplars.draw != "fixed":
        drawn = teacher.exemplars.shown
        if len(pool) <= drawn:
            yield f"teacher.exemplars draws {drawn} of {len(pool)}, so every row is shown all"
    else:
        yield from _warn_of_copies(experiment, calls)


def _warn_of_validation(experiment: Experiment) -> Iterator[str]:
    if shared := find_shared(experiment.splits.validation, experiment.splits.train):
        yield describe_shared(shared)


def _list_unshown(experiment: Experiment) -> list[str]:
    """The task's labels that no exemplar has, if the teacher is shown exemplars."""
    teacher, answer = experiment.config.teacher, experiment.task.answer
    shown = {exemplar.example.gold for exemplar in experiment.task.exemplars}
    if teacher.is_recorded or teacher.strategy == "zero-shot" or not shown:
        return []
    return [label for label in answer.labels if label not in shown]


def _warn_of_copies(experiment: Experiment, calls: CallBuilder) -> Iterator[str]:
    shown = {fold_text(exemplar.example.text) for exemplar in calls.exemplars}
    copies = [e.id for e in experiment.to_annotate() if shown and fold_text(e.text) in shown]
    if copies:
        rows = f"row {copies[0]!r}" + (f" and {len(copies) - 1} more" if copies[1:] else "")
        yield (
            f"{rows}: an exemplar has the same input, so the teacher is shown the answer; remove "
            "it from the exemplars, or let teacher.exemplars draw them for each row"
        )


def _warn_of_budget(
    estimate: Estimate | None, spent: Spending | None, cap: Decimal | None
) -> Iterator[str]:
    if cap is None or spent is None or estimate is None or estimate.cost is None:
        return
    left, cost = max(0.0, float(cap - spent.total)), estimate.cost
    if cost.low > left:
        least = money(cost.low)
        yield f"the budget leaves {money(left)}, but the missing calls cost at least {least}"
    elif cost.high > left:
        yield f"the budget leaves {money(left)}, and the missing calls may cost {money(cost.high)}"
