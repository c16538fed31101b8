"""How a teacher is asked, whoever it is."""

from typing import Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from distilwhy.config.strict import Strict
from distilwhy.core.exemplars import Draw
from distilwhy.core.prompt_builder import Strategy

DRAWN = 8


class ExemplarsConfig(Strict):
    """Which of the task's exemplars a prompt shows: all, or some that are drawn for each row."""

    draw: Draw = "fixed"
    count: int | None = Field(default=None, gt=0)

    @property
    def shown(self) -> int:
        """How many are drawn for a row."""
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

    strategy: Strategy = "few-shot"
    exemplars: ExemplarsConfig = ExemplarsConfig()

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.strategy == "zero-shot" and self.exemplars.draw != "fixed":
            raise ValueError("strategy 'zero-shot' shows no exemplars; leave out 'exemplars'")
        if self.strategy == "explain-label" and getattr(self, "explain_wrong", False):
            raise ValueError(
                "strategy 'explain-label' tells the teacher every gold label from the first; "
                "leave out 'explain_wrong'"
            )
        return self
