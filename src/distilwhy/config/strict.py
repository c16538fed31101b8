"""What all sections of an experiment file have in common."""

from collections.abc import Mapping
from typing import Any

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from distilwhy.core.wording import unknown

NAME_IT = "name its environment variable in api_key_env"


def each_once(value: list[Any]) -> list[Any]:
    """Refuse a list that holds something twice."""
    for item in value:
        if value.count(item) > 1:
            raise ValueError(f"{item!r} is listed twice; list each once")
    return value


EachOnce = AfterValidator(each_once)


def overlay(base: Any, changes: Any) -> Any:
    """``base`` with some of its keys changed, also in nested mappings."""
    if not isinstance(base, Mapping) or not isinstance(changes, Mapping):
        return changes
    return {**base, **{key: overlay(base.get(key), value) for key, value in changes.items()}}


class Strict(BaseModel):
    """Refuses unknown keys, and values of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, values: Any) -> Any:
        for key in values if isinstance(values, Mapping) else ():
            if key not in cls.model_fields:
                message = unknown("key", str(key), sorted(cls.model_fields))
                if key == "api_key":
                    message = f"never write a key here; {NAME_IT}"
                raise PydanticCustomError(
                    "unknown_key", "{message}", {"key": key, "message": message}
                )
        return values
