"""What an experiment will do, and one whole prompt."""

from collections.abc import Iterator, Sequence

from distilwhy.cli.console import open_console, print_fields
from distilwhy.cli.describe import (
    describe_estimate,
    describe_ids,
    describe_repaid,
    describe_spending,
)
from distilwhy.cli.output import print_json
from distilwhy.config import TeacherConfig
from distilwhy.core.persisted import to_plain
from distilwhy.core.student_id import MAIN
from distilwhy.core.task import Task
from distilwhy.core.wording import count, counted, large, listed, memory_size, rough_duration
from distilwhy.pipeline.experiment import Experiment
from distilwhy.pipeline.plan import Plan, PlannedTeacher
from distilwhy.students.settings import SCRATCH

MOST_NAMED = 5
_DRAWN = {"random": "drawn at random", "nearest": "the most similar ones, the nearest last"}


def print_plan(plan: Plan, experiment: Experiment, as_json: bool) -> None:
    """Print a prompt, then one line for each part of the work."""
    if as_json:
        print_json(to_plain(plan))
        return
    console = open_console()
    console.print(f"--- prompt for row {plan.prompt_id} ---", style="dim", markup=False)
    console.print(plan.prompt, markup=False)
    console.print("--- end of prompt ---", style="dim")
    print_fields(console, _fields(plan, experiment))
    for warning in plan.warnings:
        console.print(f"warning: {warning}", style="yellow", markup=False)


def _fields(plan: Plan, experiment: Experiment) -> Iterator[tuple[str, str]]:
    for split, rows in plan.rows.items():
        without = plan.without_gold[split]
        yield split, counted(rows, "row") + (f", {count(without)} without gold" if without else "")
    yield from _describe_strategy(experiment.config.teacher, experiment.task, plan.saw_gold)
    yield from _describe_unshown(plan.labels_unshown, len(experiment.task.answer.labels))
    yield from _annotation_lines(plan, experiment)
    yield from _training_lines(plan, experiment)
    yield "run folder", str(experiment.folder.path)


def _describe_unshown(unshown: Sequence[str], labels: int) -> Iterator[tuple[str, str]]:
    if unshown:
        named = [repr(label) for label in unshown[:MOST_NAMED]]
        more = [f"{count(len(unshown) - MOST_NAMED)} more"] if unshown[MOST_NAMED:] else []
        yield (
            "labels",
            f"{len(unshown)} of {counted(labels, 'label')} without an exemplar: "
            f"{listed([*named, *more])}; add one for each",
        )


def _describe_strategy(
    teacher: TeacherConfig, task: Task, saw_gold: int
) -> Iterator[tuple[str, str]]:
    """The strategy and the choice of exemplars, if they are not the defaults."""
    if teacher.strategy == "zero-shot":
        yield "strategy", "zero-shot: no exemplars, think step by step"
    if teacher.strategy == "explain-label":
        others = "few-shot" if task.exemplars else "zero-shot"
        yield (
            "strategy",
            f"explain-label for {counted(saw_gold, 'train row')} with a gold label, {others} for "
            "the others",
        )
    draw, shown = teacher.exemplars.draw, min(teacher.exemplars.shown, len(task.exemplars))
    if draw != "fixed":
        yield "exemplars", f"{shown} of {len(task.exemplars)} for each row, {_DRAWN[draw]}"


def _annotation_lines(plan: Plan, experiment: Experiment) -> Iterator[tuple[str, str]]:
    currency = experiment.config.currency
    yield "annotate", _describe_calls(plan, experiment.config.teacher)
    yield from _describe_costs(plan, currency)
    if plan.repaid:
        yield "", f"to pay for again: {describe_repaid(plan.repaid)}"
    for name, found in plan.teachers.items():
        yield f"  {name}", _describe_calls(found, experiment.config.teachers[name])
        yield from _describe_costs(found, currency)


def _describe_calls(plan: Plan | PlannedTeacher, teacher: TeacherConfig) -> str:
    missing = plan.calls - plan.answered - plan.under_way
    batched = f", {count(plan.under_way)} in batches" if plan.under_way else ""
    unknown = teacher.explain_wrong and (missing or plan.under_way)
    more = ", and more to explain wrong answers" if unknown else ""
    return (
        f"{counted(plan.calls, 'call')} to {teacher.model or 'the recorded completions'}: "
        f"{count(plan.answered)} answered{batched}, {count(missing)} to make{more}"
    )


def _describe_costs(plan: Plan | PlannedTeacher, currency: str) -> Iterator[tuple[str, str]]:
    if plan.replies:
        yield "replies", plan.replies
    if plan.recorded:
        yield "recorded", describe_ids(plan.recorded)
    if plan.estimate:
        yield "estimate", describe_estimate(plan.estimate, currency)
    if plan.spent and (plan.spent.certain or plan.spent.possible):
        yield "spent", describe_spending(plan.spent, currency)


def _training_lines(plan: Plan, experiment: Experiment) -> Iterator[tuple[str, str]]:
    config = experiment.config
    for name in plan.sizes:
        yield "student", _describe_size(name, plan, config.students[name].model == SCRATCH)
    yield (
        "train",
        f"{counted(plan.students, 'student')} ({', '.join(config.methods)}; "
        f"seeds {', '.join(map(str, config.seeds))}) from {config.student.model}, "
        f"{counted(config.training.steps, 'step')} each: {count(len(plan.to_train))} to train",
    )
    if config.study.students or config.study.train_rows != [1.0] or plan.teachers:
        sizes = ", ".join(str(size) for size in config.study.train_rows)
        names = f"{', '.join([MAIN, *config.study.students])}; " if config.study.students else ""
        names += f"{', '.join([config.teacher_name, *plan.teachers])}; " if plan.teachers else ""
        yield (
            "compare",
            f"{counted(plan.compared, 'student')} ({names}train rows {sizes}): "
            f"{count(len(plan.to_compare))} to train",
        )
    if plan.train_seconds is not None:
        yield (
            "training time",
            f"about {rough_duration(plan.train_seconds)} for one student after the other, as "
            "similar ones took",
        )


def _describe_size(name: str, plan: Plan, from_scratch: bool) -> str:
    size = plan.sizes[name]
    shown = f"{name or MAIN}: " if len(plan.sizes) > 1 else ""
    adapted = f", {large(size.trainable)} of them trained" * (size.trainable < size.parameters)
    # The vocabulary of a tokenizer that is yet to be trained may be smaller than allowed.
    most = "up to " if from_scratch else ""
    return (
        f"{shown}{most}{large(size.parameters)} parameters{adapted}; {most}"
        f"{memory_size(size.memory)} for weights and optimizer, plus activations"
    )
