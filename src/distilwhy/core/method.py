"""Methods: how an annotated example becomes a training row.

With input x, label y, rationale r and student f, the loss of a row is a weighted sum of
CE(target), the token-level cross-entropy averaged over the target's tokens:

    finetune              CE(f(x), y gold)
    label-distill         CE(f(x), y teacher)
    step-by-step          CE(f([label] x), y) + λ · CE(f([rationale] x), r)
    rationale-input       CE(f(x, r), y): the student reads r, also when deployed
    rationale-then-label  CE(f(x), r ⊕ y) in one sequence
    label-then-rationale  CE(f(x), y ⊕ r) in one sequence

    controls, which are step-by-step with
    blank-rationales          r empty
    shuffled-rationales       r of another row
    same-label-rationales     r of another row with the same label
    word-shuffled-rationales  the words of r in another order
    keyword-rationales        the words of r that x does not have

``step-by-step`` is Hsieh et al. 2023, equations 3 and 4 (*Distilling Step-by-Step!*,
arXiv 2305.02301); ``rationale-then-label`` is its single-task baseline (section 4.3). All but
``finetune`` learn the teacher's label; their ``-gold`` forms learn the gold label and the
teacher's rationale.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from random import Random
from typing import Literal

from distilwhy.core.parsing.completion import Annotation
from distilwhy.core.rationales.controls import (
    BLANK,
    KEYWORDS,
    OTHER_ROWS,
    SAME_LABEL,
    SHUFFLED_WORDS,
    Control,
    Rationales,
    TaughtRow,
)
from distilwhy.core.task import Example

TargetTask = Literal["label", "rationale"]
RationalePlacement = Literal["apart", "input", "before", "after"]
SeveralRationales = Literal["draw", "average"]

INPUT_RATIONALE = "\nRationale: {}"


@dataclass(frozen=True)
class Target:
    """One output that a student learns to write for a source.

    Attributes:
        weight: Its weight in the row's loss.
        before: A rationale to write before it, in the same sequence; ``after`` likewise.
        temperature: Divides the logits in its cross-entropy.
    """

    task: TargetTask
    text: str
    weight: float = 1.0
    before: str | None = None
    after: str | None = None
    temperature: float = 1.0


@dataclass(frozen=True)
class TrainingRow:
    """One source with its targets.

    ``others`` are alternatives to ``targets``: each epoch one of all the sets is drawn.
    """

    source: str
    targets: tuple[Target, ...]
    options: tuple[str, ...] = ()
    others: tuple[tuple[Target, ...], ...] = ()


@dataclass(frozen=True)
class SoftLabels:
    """Soft labels from the teacher's votes (Hinton, Vinyals & Dean 2015, *Distilling the
    Knowledge in a Neural Network*, section 2).

    Attributes:
        weight: The weight of the soft loss; the hard one has the rest.
        temperature: T: vote shares are raised to 1/T and made to sum to one, the student's
            logits are divided by T, and the loss is multiplied by T².
    """

    weight: float = 0.5
    temperature: float = 1.0


@dataclass(frozen=True)
class TargetOptions:
    """Settings of training targets that every method shares.

    Attributes:
        rationale_weight: λ.
        several: Of several rationales, ``draw`` one each epoch, or ``average`` their losses.
        seed: Seeds the controls that shuffle, and which rows have a rationale.
        share: The share of the rows that teach a rationale; the others teach the label alone.
    """

    rationale_weight: float = 1.0
    several: SeveralRationales = "draw"
    soft_labels: SoftLabels | None = None
    seed: int = 0
    share: float = 1.0


@dataclass(frozen=True)
class Method:
    """A way to train a student.

    Attributes:
        place: Where the rationale goes: ``apart`` from the label as a target of its own, in
            the ``input``, or in the label's sequence, ``before`` or ``after`` it.
        control: What it teaches in place of the teacher's rationales, if it is a control.
    """

    name: str
    labels: Literal["gold", "teacher"]
    rationales: Literal["none", "teacher"] = "none"
    place: RationalePlacement = "apart"
    control: Control | None = None

    @property
    def needs_teacher(self) -> bool:
        """Whether it cannot be trained without annotations."""
        return self.labels == "teacher" or self.rationales != "none"

    @property
    def learns_rationales(self) -> bool:
        """Whether it learns the teacher's rationales as they are; a control does not."""
        return self.rationales == "teacher" and self.control is None

    @property
    def asks_teacher(self) -> bool:
        """Whether its student needs the teacher at inference: a rationale for every input."""
        return self.place == "input"

    @property
    def weighs_rationales(self) -> bool:
        """Whether λ weighs a loss of its own for the rationale."""
        return self.writes_rationales and self.place == "apart"

    @property
    def is_deployable(self) -> bool:
        """Whether its student is one to deploy: no control, and without need of the teacher."""
        return self.control is None and not self.asks_teacher

    @property
    def writes_rationales(self) -> bool:
        """Whether its student learns to write rationales."""
        return self.rationales != "none" and self.place != "input"


def _with_gold_form(method: Method) -> list[Method]:
    return [method, replace(method, name=f"{method.name}-gold", labels="gold")]


def _control(name: str, control: Control) -> Method:
    return Method(name, "teacher", "teacher", control=control)


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("finetune", "gold"),
        Method("label-distill", "teacher"),
        *_with_gold_form(Method("step-by-step", "teacher", "teacher")),
        *_with_gold_form(Method("rationale-input", "teacher", "teacher", "input")),
        *_with_gold_form(Method("rationale-then-label", "teacher", "teacher", "before")),
        *_with_gold_form(Method("label-then-rationale", "teacher", "teacher", "after")),
        *_with_gold_form(_control("blank-rationales", BLANK)),
        *_with_gold_form(_control("shuffled-rationales", OTHER_ROWS)),
        *_with_gold_form(_control("same-label-rationales", SAME_LABEL)),
        *_with_gold_form(_control("word-shuffled-rationales", SHUFFLED_WORDS)),
        *_with_gold_form(_control("keyword-rationales", KEYWORDS)),
    )
}


def method_of(arm: str) -> Method:
    """The method of an arm: a method's name, with that of a teacher in brackets if there is one."""
    return METHODS[arm.partition(" (")[0]]


def render_source(method: Method, example: Example, annotation: Annotation | None) -> str:
    """The input of a student trained by this method, with a rationale if it reads one."""
    if method.place != "input" or annotation is None or not annotation.rationale:
        return example.text
    return example.text + INPUT_RATIONALE.format(annotation.rationale)


def render_training_rows(
    method: Method,
    examples: Sequence[Example],
    annotations: Mapping[str, Annotation],
    options: TargetOptions,
) -> list[TrainingRow]:
    """The rows that ``method`` trains on, in the order of ``examples``.

    Rows without the label that the method learns are left out. So are rows whose annotation is
    not ``ok``, if the method needs the teacher for them. An ``ok`` annotation without a rationale
    trains the label alone. Annotations are by example id.
    """
    reasoned = _draw_reasoned(method, examples, options)
    kept = [
        (example, annotation, label, annotation.rationales if annotation and is_reasoned else ())
        for example, is_reasoned in zip(examples, reasoned, strict=True)
        for annotation in [annotations.get(example.id)]
        if (label := _label(method, example, annotation, is_reasoned))
    ]
    taught = _rationales(
        method,
        [TaughtRow(e.id, e.text, label, rationales) for e, _, label, rationales in kept],
        options.seed,
    )
    rows = []
    for (example, annotation, label, _), rationales in zip(kept, taught, strict=True):
        source = render_source(method, example, annotation)
        votes = annotation.votes if annotation and method.labels == "teacher" else ()
        first, *others = _target_sets(method, label, votes, rationales, options)
        rows.append(TrainingRow(source, first, example.options, tuple(others)))
    return rows


def weigh_rationales(rows: Sequence[TrainingRow], weight: float) -> list[TrainingRow]:
    """The rows, rendered with λ = 1, with another λ."""

    def weighed(targets: tuple[Target, ...]) -> tuple[Target, ...]:
        return tuple(
            replace(one, weight=weight * one.weight) if one.task == "rationale" else one
            for one in targets
        )

    return [
        replace(row, targets=weighed(row.targets), others=tuple(map(weighed, row.others)))
        for row in rows
    ]


def _draw_reasoned(
    method: Method, examples: Sequence[Example], options: TargetOptions
) -> list[bool]:
    """Whether each row teaches a rationale, drawn by seed: all methods get the same rows, and a
    smaller share is a subset of a larger one."""
    if options.share == 1 or not method.writes_rationales:
        return [True] * len(examples)
    order = Random(f"rationales:{options.seed}").sample(range(len(examples)), len(examples))
    drawn = set(order[: ceil(options.share * len(examples))])
    return [index in drawn for index in range(len(examples))]


def _label(
    method: Method, example: Example, annotation: Annotation | None, is_reasoned: bool
) -> str | None:
    """The label that the method learns for a row; None if it cannot learn from the row."""
    readable = annotation is not None and annotation.outcome == "ok"
    needs_teacher = method.labels == "teacher" or is_reasoned
    if method.needs_teacher and needs_teacher and not readable:
        return None
    if method.labels == "gold":
        return example.gold
    return annotation.label if annotation else None


def _rationales(method: Method, rows: Sequence[TaughtRow], seed: int) -> list[Rationales]:
    """The rationales that each row teaches; none if the teacher gave none."""
    if not method.writes_rationales:
        return [()] * len(rows)
    if method.control:
        return method.control.replace(rows, seed)
    return [row.rationales for row in rows]


def _target_sets(
    method: Method,
    label: str,
    votes: Sequence[tuple[str, float]],
    rationales: Sequence[str],
    options: TargetOptions,
) -> list[tuple[Target, ...]]:
    """The sets of targets of a row, one of which is drawn each epoch."""
    labels: tuple[Target, ...] = ()
    if method.place == "before":
        targets = [Target("label", label, before=text) for text in rationales or ("",)]
    elif method.place == "after":
        targets = [Target("label", label, after=text) for text in rationales or ("",)]
    else:
        labels = _label_targets(label, votes, options.soft_labels)
        targets = [Target("rationale", text, options.rationale_weight) for text in rationales]
    if options.several == "average" or not targets:
        shares = [replace(one, weight=one.weight / len(targets)) for one in targets]
        return [(*labels, *shares)]
    return [(*labels, one) for one in targets]


def _label_targets(
    label: str, votes: Sequence[tuple[str, float]], soft: SoftLabels | None
) -> tuple[Target, ...]:
    """The label; with votes and soft labels, also each vote at its tempered share."""
    if soft is None or not votes:
        return (Target("label", label),)
    heat = soft.temperature
    powers = [share ** (1 / heat) for _, share in votes]
    scale = soft.weight * heat**2 / sum(powers)
    voted = [
        Target("label", text, scale * power, temperature=heat)
        for (text, _), power in zip(votes, powers, strict=True)
    ]
    return (Target("label", label, 1 - soft.weight), *voted)
