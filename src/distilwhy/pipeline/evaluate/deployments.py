"""How far each student can be trusted: kept in its folder, and checked on the test rows."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from distilwhy.core.cost import Bill
from distilwhy.core.method import METHODS
from distilwhy.core.stats.deployment import FILE, Costs, DeploymentScore, score_deployment
from distilwhy.core.student_id import StudentId
from distilwhy.errors import RunError
from distilwhy.pipeline.annotate.annotations import Annotations
from distilwhy.pipeline.evaluate.predictions import TestPredictions
from distilwhy.pipeline.evaluate.validation import judge_teacher
from distilwhy.pipeline.experiment import Experiment
from distilwhy.store.files import publish_json, read_json
from distilwhy.store.run_folder import RunFolder

Predictions = Mapping[StudentId, TestPredictions]


def publish_deployments(folder: RunFolder, predictions: Predictions) -> None:
    """Write every student's calibration and cascade into its folder, where they are new."""
    for student_id, found in predictions.items():
        if found.deployment is not None:
            place, now = folder.student(student_id) / FILE, asdict(found.deployment)
            if _read(place) != json.loads(json.dumps(now)):
                publish_json(place, now)


def _read(place: Path) -> Any:
    """What a student's folder holds; None if that is nothing, or cannot be read."""
    try:
        return read_json(place)
    except RunError:
        return None


def score_deployments(
    experiment: Experiment, annotations: Annotations, firsts: Predictions, bill: Bill
) -> list[DeploymentScore]:
    """How far some students can be trusted, on the test rows.

    Left out are those that need the teacher to answer, and those whose answers have no confidences.
    """
    test = experiment.splits.test
    judged = [judge_teacher(experiment, annotations, example) for example in test]
    teacher = [right for right in judged if right is not None]
    return [
        score_deployment(
            student_id.arm,
            student_id.seed,
            found.deployment,
            [found.by_id[example.id].confidence or 0.0 for example in test],
            found.correct,
            teacher if len(teacher) == len(test) else (),
            _price(bill, found.rows_per_second),
        )
        for student_id, found in firsts.items()
        if found.deployment is not None and not METHODS[student_id.method].asks_teacher
    ]


def _price(bill: Bill, rows_per_second: float) -> Costs | None:
    """What 1,000 rows cost with the student and with the teacher; None if that is not known."""
    if bill.prices is None or bill.teacher_per_1000 is None:
        return None
    student = 1000 / rows_per_second * bill.prices.machine_hour / 3600
    return Costs(student, bill.teacher_per_1000, bill.prices.currency)
