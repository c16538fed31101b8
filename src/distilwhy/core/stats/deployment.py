"""What a deployed student knows of itself: how far to trust it, and when the teacher should answer.

``Deployment`` is kept in the student's folder; ``DeploymentScore`` is how it does on test rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np

from distilwhy.core.stats.calibration import Calibration, Reliability, calibrate
from distilwhy.core.stats.cascade import Cascade, SharePoint, choose_cascade, trace_shares
from distilwhy.core.stats.comparisons import Prediction
from distilwhy.core.stats.drift import Profile, TrafficRow, profile_validation
from distilwhy.core.stats.scores import Score, score
from distilwhy.core.wording import money, percent

# Its name in a student's folder.
FILE = "deploy.json"

Reference = Literal["gold", "teacher", "gold and teacher"]
_AGREEMENT = {
    "gold": "agreement with gold labels",
    "teacher": "agreement with the teacher",
    "gold and teacher": "agreement with gold labels, or with the teacher where there is none",
}


@dataclass(frozen=True)
class Deployment:
    """A student's calibration and cascade, both chosen on validation rows.

    Attributes:
        reference: Whose labels of these rows the student's were compared with.
        cascade: None for a student that needs the teacher at inference.
        profile: What it answered to these rows, for ``drift``; None if an older version chose it.
    """

    calibration: Calibration
    reference: Reference
    cascade: Cascade | None = None
    profile: Profile | None = None

    def settle(self, found: Sequence[Prediction]) -> list[Prediction]:
        """The same predictions with calibrated confidences, and whether each can stand alone.

        A text that is no valid answer keeps a confidence of 0, and never stands alone.
        """
        threshold = self.cascade.threshold if self.cascade else None
        sure = self.calibration.apply([one.confidence or 0.0 for one in found])
        return [
            replace(
                one,
                confidence=float(calibrated) if one.label is not None else 0.0,
                alone=None if threshold is None else _reaches(one, threshold),
            )
            for one, calibrated in zip(found, sure, strict=True)
        ]

    def with_profile(self, labels: Sequence[str], found: Sequence[Prediction]) -> Self:
        """The same with a profile of the student's answers to the validation rows.

        Args:
            labels: The task's labels, if they are fixed.
            found: With confidences before calibration.
        """
        answers = [TrafficRow.of(one) for one in self.settle(found)]
        return replace(self, profile=profile_validation(labels, answers))


@dataclass(frozen=True)
class Costs:
    """What 1,000 rows cost, in one currency."""

    student: float
    teacher: float
    currency: str


@dataclass(frozen=True)
class DeploymentScore:
    """How far a method's first seed can be trusted, on the test rows.

    Attributes:
        before: Its reliability with its own confidences; ``after``, with calibrated ones.
        curve: Accuracy by the share that it answers alone.
        teacher: The teacher's accuracy; None if it was not asked about all of the rows.
        share: The share of the rows that it answers alone; None without a cascade.
        alone: Its score on these rows; None if there are none.
        costs: None if they are not known.
    """

    method: str
    seed: int
    deployment: Deployment
    before: Reliability
    after: Reliability
    curve: Sequence[SharePoint]
    teacher: float | None = None
    share: float | None = None
    alone: Score | None = None
    costs: Costs | None = None

    @property
    def sentence(self) -> str:
        """What the cascade does, or why there is none; "" if none was wanted."""
        if self.share is None or self.costs is None:
            return self.words
        both = self.costs.student + (1 - self.share) * self.costs.teacher
        teacher = money(self.costs.teacher, self.costs.currency)
        return f"{self.words[:-1]}; 1,000 rows cost {money(both)} instead of {teacher}."

    @property
    def words(self) -> str:
        """The sentence without costs, which differ from run to run."""
        cascade = self.deployment.cascade
        if cascade is None:
            return ""
        if self.share is None:
            return f"No cascade for {self.method}: {cascade.reason}."
        is_all = cascade.alone == cascade.rows and self.share == 1
        rest = "" if is_all else "; the rest goes to the teacher"
        return (
            f"{self.method} answers {'all' if is_all else f'{_whole(self.share)} of'} traffic "
            f"alone at ≥ {_whole(cascade.target)} {_AGREEMENT[self.deployment.reference]} "
            f"({_hold(cascade, self.alone)}){rest}."
        )


def choose_deployment(
    confidences: Sequence[float],
    right: Sequence[bool],
    reference: Reference,
    target: float | None,
    teacher: Sequence[bool | None] = (),
) -> Deployment:
    """Calibrate a student and choose its cascade, from its answers to the validation rows.

    Args:
        target: As for ``choose_cascade``, like all others; None for no cascade.
    """
    cascade = None
    if target is not None:
        cascade = choose_cascade(confidences, right, target, teacher)
    return Deployment(calibrate(confidences, right), reference, cascade)


def score_deployment(
    method: str,
    seed: int,
    deployment: Deployment,
    confidences: Sequence[float],
    right: Sequence[bool],
    teacher: Sequence[bool] = (),
    costs: Costs | None = None,
) -> DeploymentScore:
    """Check a deployment on the test rows, of which there is one at least.

    Args:
        teacher: Whether the teacher is right about each row; empty if it was not asked about all.
    """
    sure, cascade = np.asarray(confidences, dtype=float), deployment.cascade
    share, alone = None, None
    if cascade and cascade.threshold is not None:
        accepted = sure >= cascade.threshold
        share = float(accepted.mean())
        alone = score([np.asarray(right)[accepted].tolist()]) if share else None
    return DeploymentScore(
        method,
        seed,
        deployment,
        before=Reliability.of(sure, right),
        after=Reliability.of(deployment.calibration.apply(sure), right),
        curve=trace_shares(confidences, right, teacher),
        teacher=sum(teacher) / len(teacher) if teacher else None,
        share=share,
        alone=alone,
        costs=costs,
    )


def _reaches(found: Prediction, threshold: float) -> bool:
    """Whether a prediction, before calibration, can stand alone."""
    return found.label is not None and (found.confidence or 0.0) >= threshold


def _hold(cascade: Cascade, alone: Score | None) -> str:
    """Whether the test rows that the student answers alone keep the target."""
    if alone is None:
        return "it accepts none of the test rows"
    if alone.accuracy >= cascade.target:
        return f"held on test: {percent(alone.accuracy)}"
    ends = f"{percent(alone.low)} to {percent(alone.high)}"
    return f"not held on test: {percent(alone.accuracy)}, 95 % CI {ends}"


def _whole(share: float) -> str:
    """A share with as many decimals as it needs, one at most."""
    return f"{100 * share:.1f}".removesuffix(".0") + "%"
