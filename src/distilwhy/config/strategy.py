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

    strategy: Strategy = "few-shot"
    exemplars: ExemplarsConfig = ExemplarsConfig()

    @property
    def by_batch(self) -> bool:
        """Whether calls are submitted in batches."""
        return getattr(self, "batch", False)

    @property
    def pace(self) -> Pace:
        """How fast calls can be made. One at a time, unless the kind says otherwise."""
        return Pace(concurrency=1)

    @property
    def model_name(self) -> str | None:
        """The model as the experiment names it; None if no model is asked."""
        return getattr(self, "model", None)

    @property
    def reply_limit(self) -> int | None:
        """The most tokens that a reply may have; None if there is no limit."""
        return getattr(self, "max_tokens", None)

    @property
    def tokenizer_name(self) -> str | None:
        """The tokenizer that counts prompt tokens; None if there is none."""
        return getattr(self, "tokenizer", None)

    @property
    def key_variable(self) -> str | None:
        """The environment variable that holds the API key; None if none is needed."""
        return getattr(self, "api_key_env", None)

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.strategy == "zero-shot" and self.exemplars.draw != "fixed":
            raise ValueError("strategy 'zero-shot' shows no exemplars; leave out 'exemplars'")
        if self.strategy == "explain-label" and getattr(self, "explain_wrong", False):
            raise ValueError(
                "strategy 'explain-label' already shows the teacher every gold label; "
                "leave out 'explain_wrong'"
            )
        return self
