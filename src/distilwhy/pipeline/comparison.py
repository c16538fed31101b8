"""Compares experiments: their teachers on the rows that all of them have answered, and students."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from distilwhy.core.parsing.completion import Annotation
from distilwhy.core.stats.comparisons import OutcomeCounts, count_outcomes
from distilwhy.core.stats.scores import Comparison, Score, compare
from distilwhy.core.task import Example
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.budget import Spending, read_spending
from distilwhy.pipeline.experiment import Experiment
from distilwhy.store.results import read_results

Answered = Mapping[str, tuple[Example, Annotation]]


@dataclass(frozen=True)
class ComparedExperiment:
    """One of several experiments.

    Attributes:
        teacher: The teacher's model; "" for recorded completions.
        counts: Its answers to the rows that all teachers have answered.
        against_first: Its accuracy there against that of the first experiment's teacher; None
            for the first, and without gold labels.
        spent: All that its run folder was billed; None without prices.
        students: By student and method, the test accuracy after training on all rows; empty if
            it was not evaluated.
    """

    file: str
    teacher: str
    strategy: str
    counts: OutcomeCounts
    against_first: Comparison | None
    spent: Spending | None
    currency: str
    students: Mapping[str, Score]


def compare_experiments(experiments: Sequence[Experiment]) -> list[ComparedExperiment]:
    """Compare experiments by what is annotated and evaluated so far; no call is made.

    Rows of different experiments are the same if they have the same id and gold label.

    Raises:
        RunError: if a ledger or results cannot be read.
    """
    answered = [_read_answered(experiment) for experiment in experiments]
    shared = [
        i
        for i, (example, _) in answered[0].items()
        if all(i in other and other[i][0].gold == example.gold for other in answered)
    ]
    scored = [i for i in shared if not any(a[i][1].saw_gold for a in answered)]
    right = [_judge(*pair, scored) for pair in zip(experiments, answered, strict=True)]
    return [
        ComparedExperiment(
            file=str(experiment.file),
            teacher=experiment.config.teacher.model or "",
            strategy=experiment.config.teacher.strategy,
            counts=count_outcomes(experiment.task.answer, (found[i] for i in shared)),
            against_first=compare([own], [right[0]]) if number and own else None,
            spent=read_spending(experiment),
            currency=experiment.config.currency,
            students=_read_students(experiment),
        )
        for number, (experiment, found, own) in enumerate(
            zip(experiments, answered, right, strict=True)
        )
    ]


def _read_answered(experiment: Experiment) -> Answered:
    """The rows that the teacher has answered, by id."""
    annotations = read_annotations(experiment)
    return {
        example.id: (example, found)
        for example in experiment.to_annotate()
        if (found := annotations.get(example.id)) and found.outcome != "failed"
    }


def _judge(experiment: Experiment, answered: Answered, ids: Sequence[str]) -> list[bool]:
    """Whether the teacher was right about each of the rows that have a gold label."""
    rows = (answered[example_id] for example_id in ids)
    same = experiment.task.answer.same
    return [same(found.label, example.gold) for example, found in rows if example.gold is not None]


def _read_students(experiment: Experiment) -> dict[str, Score]:
    if not experiment.folder.results.is_file():
        return {}
    results = read_results(experiment.folder)
    return {
        f"{results.call(found.student)} {found.method}".lstrip(): found.score
        for found in results.methods
        if found.rows is None
    }
