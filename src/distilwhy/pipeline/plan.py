"""Say what an experiment will do, having checked all that can be checked without doing it."""

import os
from dataclasses import dataclass

from distilwhy.core.estimate import Estimate
from distilwhy.core.exemplars import fold_text
from distilwhy.core.splits import SPLITS
from distilwhy.core.wording import money
from distilwhy.pipeline.annotate.budget import Spending, read_spending
from distilwhy.pipeline.annotate.calls import CallBuilder, open_calls
from distilwhy.pipeline.annotate.coverage import find_coverage
from distilwhy.pipeline.annotate.estimate import (
    PendingWork,
    estimate_calls,
    find_pending_answers,
    find_pending_explanations,
)
from distilwhy.pipeline.annotate.records import find_missed_gold
from distilwhy.pipeline.experiment import Experiment
from distilwhy.pipeline.train.check import check_students
from distilwhy.pipeline.train.run import missing_students
from distilwhy.pipeline.train.study import list_students
from distilwhy.store.ledger import read_ledger


@dataclass(frozen=True)
class Plan:
    """What ``run`` would do now.

    Attributes:
        rows: The rows of each split.
        without_gold: Of those, the ones that have no gold label.
        prompt: One whole prompt, as the teacher would see it.
        prompt_id: The row that it asks about.
        saw_gold: The train rows whose gold label the teacher is shown.
        calls: The calls of an annotation from nothing; explanations are among them as far as
            the answers tell yet which rows need one.
        answered: Those that the ledger holds.
        under_way: Those that are in batches, and have no answer yet.
        repaid: The rows that were answered before in other words, or by another teacher, and
            are to be paid anew.
        estimate: What the missing calls will take; None where nothing is to be paid.
        spent: What was billed already; None where the experiment has no prices.
        students: How many students the experiment has.
        to_train: Those that would be trained, by name.
        compared: How many students its study has, for ``compare``.
        to_compare: Those that ``compare`` would train, by name.
        warnings: What will stand in the way, in words.
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
    """Check an experiment and say what it will do; ask and train nothing.

    Raises:
        ConfigError: if a student's folder is missing.
        StudentError: if a student cannot be made.
    """
    unseen = check_students(experiment, experiment.config.students, fetch=False)
    calls = open_calls(experiment)
    pending = _find_pending(experiment, calls)
    expected = None
    if pending.missing:
        expected = estimate_calls(calls, experiment.config, pending.missing, pending.basis)
    first = experiment.first_row
    rows = {name: experiment.splits.named(name) for name in SPLITS}
    students, study = list_students(experiment), list_students(experiment, study=True)
    missing = missing_students(experiment, calls, {*students, *study})
    return Plan(
        rows={name: len(found) for name, found in rows.items()},
        without_gold={n: sum(e.gold is None for e in found) for n, found in rows.items()},
        prompt=calls.prompt(first).as_text(),
        prompt_id=first.id,
        saw_gold=_count_shown_gold(experiment),
        calls=pending.calls,
        answered=pending.answered,
        under_way=pending.batched,
        repaid=pending.repaid if expected else 0,
        estimate=expected,
        spent=read_spending(experiment),
        students=len(students),
        to_train=[student_id.name for student_id in students if student_id in missing],
        compared=len(study),
        to_compare=[student_id.name for student_id in study if student_id in missing],
        warnings=[
            *_warnings(experiment, calls),
            *_warn_of_budget(experiment, expected),
            *(
                f"{model!r} is not on this machine: whether a student can be made of it is told "
                "when 'run' has fetched its config and its tokenizer, before it asks the teacher"
                for model in unseen
            ),
        ],
    )


def _find_pending(experiment: Experiment, calls: CallBuilder) -> PendingWork:
    with read_ledger(experiment.folder.ledger) as ledger:
        coverage = find_coverage(experiment, calls, ledger)
        answers = find_pending_answers(experiment, calls, coverage, ledger)
        return answers + find_pending_explanations(calls, ledger, find_missed_gold(calls, ledger))


def _warnings(experiment: Experiment, calls: CallBuilder) -> list[str]:
    config, warnings = experiment.config, []
    teacher = config.teacher
    name = teacher.key_variable
    if name and not os.environ.get(name):
        warnings.append(f"${name} is not set: export your key under that name to annotate")
    if teacher.explain_wrong and not _count_known(experiment):
        warnings.append(
            "no annotated train row has a gold label: teacher.explain_wrong does nothing"
        )
    if teacher.strategy == "explain-label" and not _count_known(experiment):
        warnings.append(
            "no annotated train row has a gold label, so teacher.strategy 'explain-label' has "
            "nothing to tell"
        )
    reads = [method.name for method in experiment.methods if method.asks_teacher]
    if teacher.strategy == "explain-label" and reads:
        warnings.append(
            f"method {reads[0]!r} learns to read reasons of a teacher shown the gold label, "
            "and will be given others when it answers; take it out of 'methods', or ask by another "
            "teacher.strategy"
        )
    if not experiment.splits.test:
        warnings.append("there is no test split: students will be trained but not scored")
    return warnings + _warn_of_exemplars(experiment, calls)


def _warn_of_exemplars(experiment: Experiment, calls: CallBuilder) -> list[str]:
    teacher, pool = experiment.config.teacher, experiment.task.exemplars
    if teacher.is_recorded:
        return []
    if teacher.strategy == "few-shot" and not pool:
        return [
            "there are no exemplars, so nothing shows the teacher how to answer; write some, or "
            "set teacher.strategy to 'zero-shot'"
        ]
    if teacher.exemplars.draw != "fixed":
        drawn = teacher.exemplars.shown
        few = f"teacher.exemplars draws {drawn}, and there are {len(pool)}: every row is shown all"
        return [few] if len(pool) <= drawn else []
    shown = {fold_text(exemplar.example.text) for exemplar in calls.exemplars}
    copies = [e.id for e in experiment.to_annotate() if shown and fold_text(e.text) in shown]
    if not copies:
        return []
    rows = f"row {copies[0]!r}" + (f" and {len(copies) - 1} more" if copies[1:] else "")
    return [
        f"{rows}: an exemplar is the same, so the teacher is shown the answer; take it out of the "
        "exemplars, or let teacher.exemplars draw them for each row"
    ]


def _warn_of_budget(experiment: Experiment, expected: Estimate | None) -> list[str]:
    cap = getattr(experiment.config.teacher, "budget", None)
    spent = read_spending(experiment)
    if cap is None or expected is None or expected.cost is None or spent is None:
        return []
    left = cap - float(spent.certain + spent.possible)
    if expected.cost.low <= left:
        return []
    left, least = max(0.0, left), money(expected.cost.low)
    return [f"teacher.budget leaves {money(left)}, but the missing calls cost at least {least}"]


def _count_shown_gold(experiment: Experiment) -> int:
    shows_gold = experiment.config.teacher.strategy == "explain-label"
    return _count_known(experiment) if shows_gold else 0


def _count_known(experiment: Experiment) -> int:
    """The annotated train rows with a gold label."""
    annotated = "train" in experiment.config.teacher.annotate
    return sum(e.gold is not None for e in experiment.splits.train) if annotated else 0
