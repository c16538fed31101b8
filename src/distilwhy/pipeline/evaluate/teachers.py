"""How the teachers of a study answered the train rows, and what these annotations cost."""

from collections.abc import Iterable

from distilwhy.core.method import METHODS
from distilwhy.core.results import AnnotationCost, TeacherScore
from distilwhy.core.student_id import StudentId
from distilwhy.pipeline.annotate.annotations import Annotations
from distilwhy.pipeline.experiment import Experiment


def score_teachers(experiment: Experiment, annotations: Annotations) -> list[TeacherScore]:
    """Each teacher of a study on the train rows; none if there is only one."""
    others = experiment.other_teachers
    if not others:
        return []
    asked = [("", experiment), *others.items()]
    readable = {name: _list_readable(annotations.of(name), one) for name, one in asked}
    shared = len(set.intersection(*readable.values()))
    found = []
    for name, _ in asked:
        train = annotations.of(name).outcomes.get("train")
        found.append(
            TeacherScore(
                name=name or experiment.config.teacher_name,
                rows=len(experiment.splits.train),
                readable=len(readable[name]),
                shared=shared,
                accuracy=train.score.accuracy if train and train.score else None,
            )
        )
    return found


def _list_readable(annotations: Annotations, experiment: Experiment) -> set[str]:
    return {
        example.id
        for example in experiment.annotated_train
        if (found := annotations.get(example.id)) and found.outcome == "ok"
    }


def price_annotations(
    experiment: Experiment, annotations: Annotations, student_ids: Iterable[StudentId]
) -> list[AnnotationCost]:
    """What the annotations of each arm's train rows cost, where that is known."""
    whole, share = len(experiment.splits.train), experiment.config.training.rationale_share
    found: dict[tuple[str, int | None], AnnotationCost] = {}
    for student_id in student_ids:
        name, method = student_id.annotations, METHODS[student_id.method]
        teacher = experiment.other_teachers[name] if name else experiment
        row = _price_row(teacher, annotations.of(name)) if method.needs_teacher else None
        if row is not None:
            # With gold labels, rows without a rationale need no annotation.
            paid = share if method.labels == "gold" and method.writes_rationales else 1.0
            cost = row * (student_id.rows or whole) * paid
            key = student_id.arm, student_id.rows
            found.setdefault(key, AnnotationCost(*key, cost))
    return list(found.values())


def _price_row(experiment: Experiment, annotations: Annotations) -> float | None:
    """What one annotated row cost, explanations included; None if that is not known."""
    if experiment.config.teacher.cost_per_row is not None:
        return experiment.config.teacher.cost_per_row
    prices, parts = experiment.config.price_list, (annotations.answers, annotations.explanations)
    counted = [usage for part in parts for usage in part.tokens]
    rows = sum(annotation.outcome != "failed" for annotation in annotations.values())
    if prices is None or not counted or not rows:
        return None
    return prices.of_all(counted) / len(counted) * sum(part.calls for part in parts) / rows
