"""What the teacher sections of all kinds have in common."""

from typing import ClassVar, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from distilwhy.config.strict import Strict
from distilwhy.core.estimate import Pace
from distilwhy.core.exemplars import Draw
from distilwhy.core.prompt_builder import Strategy

DRAWN = 8


class ExemplarsConfig(Strict):
    """The exemplars that a prompt shows: all, or some drawn for each row."""

    draw: Draw = "fixed"
    count: int | None = Field(default=None, gt=0)

    @property
    def shown(self) -> int:
        """How many are drawn for each row."""
        return self.count or DRAWN

    @field_validator("count")
    @classmethod
    def _counted(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("draw") == "fixed":
            raise ValueError(
                "draw 'fixed' shows every exemplar; leave it out, or draw 'random' or 'nearest'"
            )
        return value


class StrategyConfig(Strict):
    """The part of a teacher section that says how it is asked."""

    is_recorded: ClassVar[bool] = False  # whether its answers are read, so that nobody is asked
    bills: ClassVar[bool] = False

    cost_per_row: float | None = Field(default=None, ge=0)
    strategy: Strategy = "few-shot"
    exemplars: ExemplarsConfig = ExemplarsConfig()

    @property
    def tries_schema(self) -> bool:
        """Whether the first call shows if the endpoint holds replies to a JSON schema."""
        return False

    @property
    def endpoint(self) -> str:
        """What tells one endpoint and model from another; "" if there is no endpoint."""
        return ""

    @property
    def pace(self) -> Pace:
        """How fast calls can be made. One at a time, unless the kind says otherwise."""
        return Pace(concurrency=1)

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.strategy == "zero-shot" and self.exemplars.draw != "fixed":
            raise ValueError("strategy 'zero-shot' shows no exemplars; leave out 'exemplars'")
        return self
