"""What every section of an experiment file has in common."""

from typing import Any

from pydantic import AfterValidator, BaseModel, ConfigDict


def each_once(value: list[Any]) -> list[Any]:
    """Refuse a list in which something stands twice."""
    for item in value:
        if value.count(item) > 1:
            raise ValueError(f"{item!r} stands twice; name each once")
    return value


EachOnce = AfterValidator(each_once)


class Strict(BaseModel):
    """Refuses unknown keys, and values of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
