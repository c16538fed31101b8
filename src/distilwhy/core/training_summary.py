"""How a training went: what ``train`` returns, and what a trained student's folder keeps."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from distilwhy.core.method import TargetTask
from distilwhy.core.student_id import StudentId


@dataclass(frozen=True)
class Evaluation:
    """One evaluation during training: a line of ``training.jsonl``.

    Attributes:
        step: Steps done, of ``steps``.
        losses: The mean loss of each task since the last evaluation, without λ.
        gradients: The gradient norm of each task's part of the loss on the last batch, with λ
            applied. Empty where the norms are not measured.
        tokens: The tokens trained on so far, read and written, without padding; 0 where an older
            version did not count them.
    """

    step: int
    steps: int
    losses: Mapping[TargetTask, float]
    gradients: Mapping[TargetTask, float]
    validation_accuracy: float
    tokens: int = 0


@dataclass(frozen=True)
class Truncation:
    """How many texts were cut at a length limit. ``longest`` and ``limit`` are in tokens."""

    cut: int
    texts: int
    longest: int
    limit: int


@dataclass(frozen=True)
class TrainingSummary:
    """How one training went.

    Attributes:
        steps: Steps done, fewer than configured where training stopped early.
        best_step: The step whose weights were kept; ``validation_accuracy`` is theirs.
        parameters: Parameters of the whole network, shared ones counted once.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        seconds: Time spent in steps and evaluations.
        truncation: By part: ``input``, ``label``, ``rationale``.
        rationale_weight: λ where it was searched for; otherwise None.
    """

    rows: int
    steps: int
    best_step: int
    validation_accuracy: float
    lr: float
    parameters: int
    precision: str
    processes: int
    seconds: float
    truncation: Mapping[str, Truncation]
    log: Sequence[Evaluation]
    rationale_weight: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The content of ``training.json``; the log has a file of its own."""
        return _without_none({name: value for name, value in asdict(self).items() if name != "log"})

    @classmethod
    def from_json(cls, value: Mapping[str, Any], log: Iterable[Mapping[str, Any]]) -> Self:
        """Read what ``as_json`` gave, and the lines of the log. Other keys are ignored.

        Raises:
            KeyError: if a key is missing.
        """
        unset = {"rationale_weight": None} | dict(value)
        plain = {name: unset[name] for name in cls.__dataclass_fields__ if name != "log"}
        cuts = {part: Truncation(**cut) for part, cut in value["truncation"].items()}
        return cls(**{**plain, "truncation": cuts}, log=[Evaluation(**line) for line in log])


@dataclass(frozen=True)
class TriedRate:
    """A learning rate that a search tried, λ if it tried several, and the accuracy on validation
    that they reached."""

    lr: float
    validation_accuracy: float
    rationale_weight: float | None = None


@dataclass(frozen=True)
class TrainingRecord:
    """A trained student: which one it is, what it was trained on, and how that went.

    Attributes:
        summary: The training with the best learning rate.
        wrong_rationales: Empty for a method that does not learn from the teacher.
        inputs: What it was trained on, by name: settings as they were, the rest as hashes; empty
            where an older version did not record it.
    """

    student: StudentId
    fingerprint: str
    summary: TrainingSummary
    search: Sequence[TriedRate]
    wrong_rationales: Mapping[str, int]
    inputs: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The content of ``training.json``; ``rows`` are those that it was trained on."""
        counts = {"wrong_rationales": dict(self.wrong_rationales)} if self.wrong_rationales else {}
        return {
            **asdict(self.student),
            **self.summary.as_json(),
            **counts,
            "search": [_without_none(asdict(tried)) for tried in self.search],
            **({"inputs": dict(self.inputs)} if self.inputs else {}),
            "fingerprint": self.fingerprint,
        }

    @classmethod
    def from_json(
        cls, student: StudentId, value: Mapping[str, Any], log: Iterable[Mapping[str, Any]]
    ) -> Self:
        """Read what ``as_json`` gave for a student, and the lines of the log.

        Raises:
            KeyError: if a key is missing.
        """
        return cls(
            student,
            value["fingerprint"],
            TrainingSummary.from_json(value, log),
            [TriedRate(**tried) for tried in value["search"]],
            value.get("wrong_rationales", {}),
            value.get("inputs", {}),
        )


def _without_none(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in value.items() if one is not None}
