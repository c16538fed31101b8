"""The student and training sections of an experiment file."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from distilwhy.config.strict import EachOnce, Strict, each_once
from distilwhy.core.method import SeveralRationales
from distilwhy.core.review import WrongPolicy

TrackerChoice = Literal["tensorboard", "trackio", "wandb", "mlflow"]


class ScratchConfig(Strict):
    """The shape of a student without pretrained weights: a small T5."""

    width: int = Field(default=128, gt=0)
    layers: int = Field(default=3, gt=0)
    heads: int = Field(default=4, gt=0)
    feedforward: int = Field(default=256, gt=0)
    vocabulary: int = Field(default=4000, ge=300)
    dropout: float = Field(default=0.1, ge=0, lt=1)


class LoraConfig(Strict):
    """Low-rank adapters (Hu et al. 2022, *LoRA*), merged into the weights on saving."""

    rank: int = Field(default=16, gt=0)
    alpha: int = Field(default=32, gt=0)
    dropout: float = Field(default=0.05, ge=0, lt=1)
    quantize: Literal["none", "4bit"] = "none"


class StudentConfig(Strict):
    """The student: ``scratch``, a local folder, or the name of a model on the hub."""

    model: str = "scratch"
    family: Literal["auto", "seq2seq", "causal", "encoder"] = "auto"
    scratch: ScratchConfig = ScratchConfig()
    decoder: Literal["fresh", "copied"] = "fresh"
    decoder_layers: int = Field(default=2, gt=0)
    lora: LoraConfig | None = None
    label_head: bool = False
    max_input_tokens: int = Field(default=512, gt=0)
    max_label_tokens: int = Field(default=32, gt=0)
    max_rationale_tokens: int = Field(default=128, gt=0)


class SoftLabelsConfig(Strict):
    """Soft labels from the teacher's votes."""

    weight: float = Field(default=0.5, gt=0, le=1)
    temperature: float = Field(default=1.0, gt=0)


class TrainingConfig(Strict):
    """How students are trained; the same for every method, so that they can be compared."""

    steps: int = Field(default=1000, gt=0)
    batch_size: int = Field(default=32, gt=0)
    accumulate: int = Field(default=1, gt=0)
    lr: float | list[float] = 3e-4
    fresh_lr_factor: float = Field(default=10.0, gt=0)
    warmup: float = Field(default=0.05, ge=0, lt=1)
    weight_decay: float = Field(default=0.01, ge=0)
    rationale_weight: float | list[float] = 1.0
    rationale_share: float = Field(default=1.0, gt=0, le=1)
    weighting: Literal["fixed", "faded", "uncertainty"] = "fixed"
    rationale_gate: bool = True
    agreement: float = Field(default=0.0, ge=0)
    soft_labels: SoftLabelsConfig | None = None
    several_rationales: SeveralRationales = "draw"
    select_rationale: Literal["student", "random"] | None = None
    wrong_rationales: WrongPolicy = "keep"
    two_passes: bool = False
    evaluate_every: int = Field(default=100, gt=0)
    patience: int | None = Field(default=None, gt=0)
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    gradient_checkpointing: bool = False
    report_to: Annotated[list[TrackerChoice], EachOnce] = []

    @field_validator("lr")
    @classmethod
    def _rates(cls, value: float | list[float]) -> float | list[float]:
        rates = value if isinstance(value, list) else [value]
        if not rates:
            raise ValueError("must name at least one learning rate")
        for rate in rates:
            if not 0 < rate < 100:
                raise ValueError(f"a learning rate must be above 0 and below 100, not {rate!r}")
        return each_once(value) if isinstance(value, list) else value

    @field_validator("weighting", mode="before")
    @classmethod
    def _older_name(cls, value: object) -> object:
        return "faded" if value == "staged" else value

    @field_validator("rationale_weight")
    @classmethod
    def _weights(cls, value: float | list[float]) -> float | list[float]:
        weights = value if isinstance(value, list) else [value]
        if not weights:
            raise ValueError("must name at least one weight")
        for weight in weights:
            if not 0 <= weight < float("inf"):
                raise ValueError(f"a weight must be 0 or above, not {weight!r}")
        return each_once(value) if isinstance(value, list) else value

    @property
    def rates(self) -> list[float]:
        """The learning rates to try."""
        return self.lr if isinstance(self.lr, list) else [self.lr]

    @property
    def weights(self) -> list[float]:
        """The weights of the rationale's loss to try."""
        weight = self.rationale_weight
        return weight if isinstance(weight, list) else [weight]
