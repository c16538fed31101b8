"""Methods: how an annotated example becomes a training row.

With input x, label y, rationale r and student f, the loss of a row is a weighted sum of
CE(target), the token-level cross-entropy averaged over the target's tokens:

    finetune             CE(f(x), y gold)
    label-distill        CE(f(x), y teacher)
    step-by-step         CE(f([label] x), y) + λ · CE(f([rationale] x), r)
    blank-rationales     the same with r empty: a control
    shuffled-rationales  the same with r taken from another row: a control

``step-by-step`` is Hsieh et al. 2023, equations 3 and 4 (*Distilling Step-by-Step!*,
arXiv 2305.02301). It and its controls learn the teacher's label; their ``-gold`` forms learn
the gold label and the teacher's rationale. All are asked ``[label] x → y`` when deployed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from distilwhy.core.annotation import Annotation
from distilwhy.core.task import Example

TargetTask = Literal["label", "rationale"]


@dataclass(frozen=True)
class Target:
    """One thing a student learns to write for a source.

    Attributes:
        task: Which of the two tasks it belongs to.
        text: What to write.
        weight: Its share in the row's loss.
    """

    task: TargetTask
    text: str
    weight: float = 1.0


@dataclass(frozen=True)
class TrainingRow:
    """One source with its targets."""

    source: str
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Method:
    """A way to train a student.

    Attributes:
        name: As written in the experiment file.
        labels: Whose label is learnt.
        rationales: What is learnt as the rationale, if anything.
    """

    name: str
    labels: Literal["gold", "teacher"]
    rationales: Literal["none", "teacher", "blank", "shuffled"] = "none"

    @property
    def needs_teacher(self) -> bool:
        """Whether it cannot be trained without annotations."""
        return self.labels == "teacher" or self.rationales != "none"


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("finetune", "gold"),
        Method("label-distill", "teacher"),
        Method("step-by-step", "teacher", "teacher"),
        Method("step-by-step-gold", "gold", "teacher"),
        Method("blank-rationales", "teacher", "blank"),
        Method("blank-rationales-gold", "gold", "blank"),
        Method("shuffled-rationales", "teacher", "shuffled"),
        Method("shuffled-rationales-gold", "gold", "shuffled"),
    )
}


def render_training_rows(
    method: Method,
    examples: Sequence[Example],
    annotations: Mapping[str, Annotation],
    *,
    rationale_weight: float,
    seed: int,
) -> list[TrainingRow]:
    """The rows that ``method`` trains on, in the order of ``examples``.

    A row without the label that the method learns is left out, and so is one whose annotation
    is not ``ok`` where the method needs the teacher. A readable annotation without a rationale
    trains its label alone.

    Args:
        annotations: By example id.
        rationale_weight: λ.
        seed: Draws the order of shuffled rationales.
    """
    rows, rationales = [], []
    for example in examples:
        annotation = annotations.get(example.id)
        readable = annotation is not None and annotation.outcome == "ok"
        if method.needs_teacher and not readable:
            continue
        taught = annotation.label if annotation else None
        label = example.gold if method.labels == "gold" else taught
        if label is not None:
            rows.append(TrainingRow(example.text, (Target("label", label),)))
            rationales.append(annotation.rationale if annotation else "")
    if method.rationales == "none":
        return rows
    told = _told(method, rationales, seed)
    return [
        replace(row, targets=(*row.targets, Target("rationale", text, rationale_weight)))
        if text is not None
        else row
        for row, text in zip(rows, told, strict=True)
    ]


def _told(method: Method, rationales: list[str], seed: int) -> list[str | None]:
    """What each row tells as its rationale; None where the teacher gave none."""
    given = [index for index, text in enumerate(rationales) if text]
    sources = _shifted(given, seed) if method.rationales == "shuffled" else given
    told: list[str | None] = [None] * len(rationales)
    for index, source in zip(given, sources, strict=True):
        told[index] = "" if method.rationales == "blank" else rationales[source]
    return told


def _shifted(indices: list[int], seed: int) -> list[int]:
    """The indices in another order, none at its own place (where there are two or more)."""
    order = indices.copy()
    Random(seed).shuffle(order)
    after = dict(zip(order, order[1:] + order[:1], strict=True))
    return [after[index] for index in indices]
