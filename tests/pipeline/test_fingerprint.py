"""Hashes of values as JSON, which must stay what older versions computed."""

import hashlib
import json
from dataclasses import asdict

from distilwhy.core.method import Target, TrainingRow
from distilwhy.core.task import Example
from distilwhy.pipeline.fingerprint import hash_json, hash_parts, to_json

ROWS = [
    TrainingRow("Größe?", (Target("label", "groß"), Target("rationale", 'So "it" is.', 1 / 3))),
    TrainingRow("x", (Target("label", "a", after=""),), ("a", "b"), ((Target("label", "b"),),)),
]


def test_a_dataclass_is_hashed_as_the_object_of_its_fields():
    plain = json.dumps([asdict(row) for row in ROWS], sort_keys=True)
    assert to_json(ROWS).decode() == plain
    assert hash_json(ROWS) == hashlib.sha256(plain.encode()).hexdigest()


def test_parts_are_hashed_as_the_object_that_they_make_up():
    whole = {"rows": ROWS, "answer": None, "texts": ["a"], "examples": [Example("a1", "x")]}
    assert hash_parts({name: to_json(part) for name, part in whole.items()}) == hash_json(whole)
