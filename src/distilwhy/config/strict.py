"""What every section of an experiment file has in common."""

from collections.abc import Mapping
from typing import Any

from pydantic import AfterValidator, BaseModel, ConfigDict


def each_once(value: list[Any]) -> list[Any]:
    """Refuse a list in which something stands twice."""
    for item in value:
        if value.count(item) > 1:
            raise ValueError(f"{item!r} stands twice; name each once")
    return value


EachOnce = AfterValidator(each_once)


def overlay(base: Any, differs: Any) -> Any:
    """What ``base`` is with some of its keys otherwise; in mappings within it alike."""
    if not isinstance(base, Mapping) or not isinstance(differs, Mapping):
        return differs
    return {**base, **{key: overlay(base.get(key), value) for key, value in differs.items()}}


class Strict(BaseModel):
    """Refuses unknown keys, and values of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
