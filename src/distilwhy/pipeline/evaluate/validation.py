"""The validation rows that confidences are calibrated on, and cascades chosen."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from distilwhy.core.stats.deployment import Reference
from distilwhy.core.task import Example
from distilwhy.pipeline.annotate.annotations import Annotations
from distilwhy.pipeline.experiment import Experiment
from distilwhy.pipeline.train.data import label_validation

# More rows would hardly narrow a bound, and each student answers them all.
MOST = 10_000


@dataclass(frozen=True)
class ValidationRows:
    """Labelled validation rows, spread evenly over all.

    Attributes:
        examples: With the gold label, or else the teacher's, as ``gold``.
        teacher: Whether the teacher is right; None without a gold label, where it gave no answer,
            and where it was shown the gold label.
    """

    examples: Sequence[Example]
    reference: Reference
    teacher: Sequence[bool | None]


def select_validation(experiment: Experiment, annotations: Annotations) -> ValidationRows:
    """The validation rows that have a label, at most 10,000 of them."""
    labelled = label_validation(experiment, annotations)
    examples = labelled[:: ceil(len(labelled) / MOST) or 1]
    golds = {example.id: example.gold for example in experiment.splits.validation}
    kinds = {golds[example.id] is not None for example in examples}
    reference: Reference = "gold" if kinds == {True} else "teacher"
    return ValidationRows(
        examples,
        "gold and teacher" if len(kinds) > 1 else reference,
        [
            judge_teacher(experiment, annotations, example) if golds[example.id] else None
            for example in examples
        ],
    )


def judge_teacher(
    experiment: Experiment, annotations: Annotations, example: Example
) -> bool | None:
    """Whether the teacher answers a row with a gold label correctly; None where it was not asked,
    could not be reached, or was shown the label."""
    annotation = annotations.get(example.id)
    if annotation is None or annotation.outcome == "failed" or annotation.saw_gold:
        return None
    return experiment.task.answer.same(annotation.label, example.gold)
