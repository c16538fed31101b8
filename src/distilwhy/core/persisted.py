"""Dataclasses as plain values, under the keys that files and ``--json`` have always used."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# By the field's name in the code. Readers of these keys: ``read_results``, and users' scripts.
_KEYS = {"saw_gold": "told", "provenance": "how"}


def to_plain(value: "DataclassInstance") -> dict[str, Any]:
    """``asdict``, with persisted keys."""
    return asdict(value, dict_factory=_with_persisted_keys)


def fields_of(value: "DataclassInstance") -> dict[str, Any]:
    """The fields alone, with persisted keys: faster, for JSON of what holds no dataclasses."""
    return _with_persisted_keys(vars(value).items())


def _with_persisted_keys(fields: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {_KEYS.get(name, name): value for name, value in fields}
