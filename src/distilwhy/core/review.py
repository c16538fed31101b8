"""Applies the policy for rationales that argue for a wrong label."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from distilwhy.core.parsing.answer import Answer
from distilwhy.core.parsing.completion import Annotation
from distilwhy.core.task import Example

WrongPolicy = Literal["keep", "drop-rationale", "drop-row", "explain"]


@dataclass(frozen=True)
class Review:
    """Annotations as students learn them, with counts of what was changed.

    Attributes:
        known: The number of ``ok`` annotations of rows with a gold label.
        wrong: Those that disagree with gold. The rest counts what was done to them:
        explained: Replaced by the gold label and the teacher's explanation of it.
        unreasoned: Stripped of the rationale, keeping the label.
        dropped: Left out.
    """

    annotations: Mapping[str, Annotation]
    known: int = 0
    wrong: int = 0
    explained: int = 0
    unreasoned: int = 0
    dropped: int = 0


def review(
    answer: Answer,
    examples: Sequence[Example],
    annotations: Mapping[str, Annotation],
    policy: WrongPolicy,
) -> Review:
    """Apply a policy to every annotation that disagrees with its gold label.

    ``keep`` changes nothing. ``drop-rationale`` keeps the label alone (λᵢ = 0). ``drop-row``
    leaves the row out. ``explain`` takes the gold label with the teacher's explanation of it, or
    drops the rationale if there is none. The policy applies to every method that learns from
    the teacher, so that all learn the same labels.
    """
    settled = dict(annotations)
    ok = {name for name, annotation in annotations.items() if annotation.outcome == "ok"}
    known = [example for example in examples if example.gold is not None and example.id in ok]
    wrong = [e for e in known if not answer.same(annotations[e.id].label, e.gold)]
    counts = {"explained": 0, "unreasoned": 0, "dropped": 0}
    for example in wrong if policy != "keep" else ():
        annotation = settled.pop(example.id)
        if policy == "drop-row":
            counts["dropped"] += 1
        elif policy == "explain" and annotation.explanation:
            reasons = annotation.explanation
            settled[example.id] = replace(
                annotation, label=example.gold, rationale=reasons, others=(), votes=()
            )
            counts["explained"] += 1
        else:
            settled[example.id] = replace(annotation, rationale="", others=())
            counts["unreasoned"] += 1
    return Review(settled, len(known), len(wrong), **counts)


def hold_to_gold(answer: Answer, example: Example, annotation: Annotation) -> Annotation:
    """The annotation of a teacher that saw the gold label; any other label is ``unparsed``."""
    if annotation.outcome != "ok" or answer.same(annotation.label, example.gold):
        return annotation
    problem = f"it was shown that {example.gold!r} is right, but answers {annotation.label!r}"
    return Annotation(example.id, "unparsed", problem=problem)
