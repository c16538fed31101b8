"""The names that ``import distilwhy`` offers."""

import ast
from pathlib import Path

import pytest

import distilwhy as dw


def test_every_name_is_there_and_documented():
    for name in dw.__all__:
        value = getattr(dw, name)
        assert name in dir(dw)
        assert isinstance(value, dict) or value.__doc__, f"{name} has no docstring"


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(dw.__file__).with_suffix(".pyi").read_text())
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == {*dw.__all__}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="No distilwhy attribute distil"):
        _ = dw.distil  # type: ignore[attr-defined]
