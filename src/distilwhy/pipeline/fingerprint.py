"""SHA-256 of values as JSON: whether something was made from the same inputs as now."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

T = TypeVar("T")

_encode = json.JSONEncoder(sort_keys=True, default=vars, check_circular=False).encode


def to_json(value: object) -> bytes:
    """The value as JSON with sorted keys; a dataclass becomes the object of its fields."""
    return _encode(value).encode()


def hash_json(value: object) -> str:
    """The SHA-256 of the value as JSON."""
    return hashlib.sha256(to_json(value)).hexdigest()


def hash_parts(parts: Mapping[str, bytes]) -> str:
    """``hash_json`` of a mapping whose values are JSON already.

    The parts may be large and shared between mappings, so they are never joined.
    """
    digest, opening = hashlib.sha256(), "{"
    for name in sorted(parts):
        digest.update(f'{opening}"{name}": '.encode())
        digest.update(parts[name])
        opening = ", "
    digest.update(b"}")
    return digest.hexdigest()


@dataclass(frozen=True)
class Content(Generic[T]):
    """A value whose JSON and SHA-256 are computed once, when they are first needed."""

    value: T

    @cached_property
    def json(self) -> bytes:
        return to_json(self.value)

    @cached_property
    def hash(self) -> str:
        return hashlib.sha256(self.json).hexdigest()
