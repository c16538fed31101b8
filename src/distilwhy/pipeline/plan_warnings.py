"""What is likely to go wrong with an experiment that is valid."""

import os
from collections.abc import Iterator, Sequence

from distilwhy.core.estimate import Estimate
from distilwhy.core.exemplars import fold_text
from distilwhy.core.wording import money
from distilwhy.pipeline.annotate.budget import Spending
from distilwhy.pipeline.annotate.calls import CallBuilder
from distilwhy.pipeline.experiment import Experiment


def list_warnings(
    experiment: Experiment,
    calls: CallBuilder,
    estimate: Estimate | None,
    spent: Spending | None,
    unchecked: Sequence[str],
) -> list[str]:
    """The warnings of a plan, each a sentence.

    Args:
        calls: Builds the experiment's calls.
        estimate: What the missing calls will take.
        spent: What was billed already.
        unchecked: The models that are not on this machine.
    """
    return [
        *_warn_of_key(experiment),
        *_warn_of_gold(experiment),
        *_warn_of_rationale_input(experiment),
        *_warn_of_no_test(experiment),
        *_warn_of_exemplars(experiment, calls),
        *_warn_of_budget(experiment, estimate, spent),
        *(
            f"{model!r} is not on this machine, so it is not known whether a student can be made "
            "of it; 'run' downloads its config and tokenizer, and checks that before any call"
            for model in unchecked
        ),
    ]


def _warn_of_key(experiment: Experiment) -> Iterator[str]:
    name = experiment.config.teacher.key_variable
    if name and not os.environ.get(name):
        yield f"${name} is not set; export your key under that name to annotate"


def _warn_of_gold(experiment: Experiment) -> Iterator[str]:
    teacher = experiment.config.teacher
    uses_gold = teacher.explain_wrong or teacher.strategy == "explain-label"
    if not uses_gold or any(example.gold is not None for example in experiment.annotated_train):
        return
    setting = "teacher.explain_wrong" if teacher.explain_wrong else "strategy 'explain-label'"
    yield f"no annotated train row has a gold label, so {setting} has no effect"


def _warn_of_rationale_input(experiment: Experiment) -> Iterator[str]:
    methods = [method.name for method in experiment.methods if method.asks_teacher]
    if experiment.config.teacher.strategy == "explain-label" and methods:
        yield (
            f"method {methods[0]!r} is trained on rationales of a teacher that saw the gold label, "
            "and reads others at inference; remove it from 'methods', or use another "
            "teacher.strategy"
        )


def _warn_of_no_test(experiment: Experiment) -> Iterator[str]:
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
    experiment: Experiment, estimate: Estimate | None, spent: Spending | None
) -> Iterator[str]:
    cap = experiment.config.teacher.budget
    if cap is None or spent is None or estimate is None or estimate.cost is None:
        return
    left = max(0.0, cap - float(spent.total))
    if estimate.cost.low > left:
        least = money(estimate.cost.low)
        yield f"teacher.budget leaves {money(left)}, but the missing calls cost at least {least}"
