"""YAML that cannot be a config is refused in one line, whatever is wrong with it."""

from pathlib import Path

import pytest

from distilwhy.config.reading import read_yaml
from distilwhy.errors import ConfigError

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 20)
)


@pytest.mark.parametrize(
    "text",
    [
        "a: !!timestamp 2024-02-30",
        "a: !!timestamp soon",
        "a: !!int abc",
        "a: !!float abc",
        "a: !!bool maybe",
        "a: !!binary é",
        "a: !!python/object:os.system x",
        "a: " + "9" * 5000,
        "a: " + "[" * 5000,
        "a: &b [*b]",
        "a: &b {c: *b}",
        BOMB,
        'a: "\\ud83c"',
        'a: "\\ud83c x"',
        "a: *nowhere",
        "? [a, b]\n: c",
        "a: \x01",
    ],
    ids=lambda text: text[:20],
)
def test_broken_yaml_is_one_line(tmp_path: Path, text: str):
    file = tmp_path / "exp.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_yaml(file)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(file))


def test_an_emoji_that_json_escapes_as_two_halves_is_one_character(tmp_path: Path):
    file = tmp_path / "exp.yaml"
    file.write_text('{"a": "\\ud83c\\udf89 party"}')
    assert read_yaml(file) == {"a": "🎉 party"}


def test_an_alias_may_stand_for_a_section(tmp_path: Path):
    file = tmp_path / "exp.yaml"
    file.write_text("a: &a {x: 1}\nb: *a\nc: [*a, *a]\n")
    assert read_yaml(file) == {"a": {"x": 1}, "b": {"x": 1}, "c": [{"x": 1}, {"x": 1}]}
